"""The closed vocabulary of causes: every cause that a diagnosis names is one of these."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """Kinds of causes, in the order of the chain: an upstream one comes before a downstream one of equal certainty.

    A member is its own name in snake_case; `meaning` says it in words. Symptoms (dead units, saturation, vanishing
    gradients) are no causes and have no member.
    """

    meaning: str

    def __new__(cls, name: str, meaning: str) -> Kind:
        member = str.__new__(cls, name)
        member._value_ = name
        member.meaning = meaning
        return member

    # data
    SHAPE_MISMATCH = "shape_mismatch", "an array has another shape than its layer needs"
    CORRUPTED_LABELS = "corrupted_labels", "targets that do not belong to their inputs"
    WRONG_PREPROCESSING = "wrong_preprocessing", "inputs that preprocessing has spoiled"
    UNNORMALISED_INPUT = "unnormalised_input", "inputs on a raw scale"
    UNNORMALISED_TARGET = "unnormalised_target", "targets on a raw scale"
    CLASS_IMBALANCE = "class_imbalance", "almost no samples of some classes"
    NOT_SHUFFLED = "not_shuffled", "batches that come in the order of the classes"
    # structure
    TARGET_SHAPE_BROADCAST = "target_shape_broadcast", "targets and outputs of shapes that broadcast"
    WRONG_AXIS = "wrong_axis", "softmax or loss over the wrong axis"
    WRONG_OUTPUT_UNITS = "wrong_output_units", "an output width that does not fit the classes"
    WRONG_OUTPUT_ACTIVATION = (
        "wrong_output_activation",
        "a last activation that does not fit the task or the loss",
    )
    REDUNDANT_OUTPUT_ACTIVATION = "redundant_output_activation", "probabilities made twice"
    WRONG_LOSS = "wrong_loss", "a loss that does not fit the task"
    UNSTABLE_LOSS = "unstable_loss", "a logarithm or division without a guard"
    WRONG_LOSS_REDUCTION = "wrong_loss_reduction", "a sum where the rate expects a mean"
    MISSING_HIDDEN_NONLINEARITY = "missing_hidden_nonlinearity", "hidden layers that are linear"
    WRONG_HIDDEN_ACTIVATION = (
        "wrong_hidden_activation",
        "a saturating or unsuitable activation inside the network",
    )
    MISSING_LAYER = "missing_layer", "too few layers or units"
    # initial values
    CONSTANT_INIT = "constant_init", "initial weights that are all the same"
    INIT_TOO_LARGE = "init_too_large", "initial weights or biases that are too large"
    INIT_TOO_SMALL = "init_too_small", "initial weights that are too small"
    # backward: coding mistakes that the gradient check proves
    COST_FOR_DERIVATIVE = "cost_for_derivative", "the cost's value where its derivative belongs"
    WRONG_LOSS_GRADIENT = "wrong_loss_gradient", "the derivative of the loss is wrong"
    ACTIVATION_DERIVATIVE = (
        "activation_derivative",
        "an activation's derivative is missing, wrong or applied twice",
    )
    TRANSPOSE_FORGOTTEN = "transpose_forgotten", "the error is passed back through the weights untransposed"
    WRONG_ERROR_PASSED_BACK = "wrong_error_passed_back", "the error that a layer passes back is wrong"
    REVERSED_PRODUCT = "reversed_product", "the product of a weight's gradient in the wrong order"
    WRONG_WEIGHT_GRADIENT = "wrong_weight_gradient", "the gradient of a weight is wrong"
    WRONG_BIAS_GRADIENT = "wrong_bias_gradient", "the gradient of a bias is wrong"
    WRONG_GRADIENT_SIGN = "wrong_gradient_sign", "a gradient with its sign flipped"
    WRONG_GRADIENT_SCALE = "wrong_gradient_scale", "a gradient off by a constant factor"
    WRONG_GRADIENT = "wrong_gradient", "a gradient that is wrong, by no mistake of the catalogue"
    # update
    WRONG_UPDATE_SIGN = "wrong_update_sign", "updates that go uphill"
    MISSING_ZERO_GRAD = "missing_zero_grad", "gradients that pile up"
    FROZEN_PARAMETERS = "frozen_parameters", "parameters that should learn do not"
    WRONG_PENALTY = "wrong_penalty", "an L2 penalty that is wrong"
    WRONG_UPDATE = "wrong_update", "an update that is not what rate and gradient say"
    WRONG_LOOP_ORDER = "wrong_loop_order", "a training step whose parts come in the wrong order"
    WRONG_MODE = "wrong_mode", "training in evaluation mode"
    # several processes
    RANKS_DIVERGE = "ranks_diverge", "processes that should train one network and do not"
    RANK_STOPPED = "rank_stopped", "a process that ended before the others"
    RANK_DATA = "rank_data", "a process that does not train on the data it should"
    RANK_SLOW = "rank_slow", "a process that the others wait for"
    # dynamics
    LR_TOO_HIGH = "lr_too_high", "a learning rate that is too high"
    LR_TOO_LOW = "lr_too_low", "a learning rate that is too low"
    WRONG_OPTIMIZER = "wrong_optimizer", "an optimiser, or one of its constants, that does not suit"
    WRONG_BATCH_SIZE = "wrong_batch_size", "a batch size that does not suit"
    EXCESS_REGULARISATION = "excess_regularisation", "a penalty or dropout that is too strong"
    TOO_FEW_EPOCHS = "too_few_epochs", "training that was too short"
    # evaluation
    TRAIN_TEST_PREPROCESSING_MISMATCH = (
        "train_test_preprocessing_mismatch",
        "held-out data that was treated otherwise",
    )
    TRAIN_TEST_OVERLAP = "train_test_overlap", "held-out samples that were trained on"
    WRONG_METRIC = "wrong_metric", "a reported number that is not the quality"
    # none of these
    NOT_LEARNING = "not_learning", "nothing was learned, for a reason that no rule has found"
