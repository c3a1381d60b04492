"""The words by which people call things: methods, arguments, parameters. A guess by name is checked by a dry run."""

from __future__ import annotations

import re

Name = str | re.Pattern[str]
"""A name, or what methods are called like: that counts for those whose arguments say what they are, and where none
of the names before it is like it."""

FORWARD: tuple[Name, ...] = (
    *("feedforward", "feed_forward", "forward", "_forward", "forward_pass", "forward_propagation"),
    *("forwardprop", "forward_prop", "propagate", "predict_proba", "predict", "__call__", "call", "output"),
    re.compile("forward"),
)
BACKWARD: tuple[Name, ...] = (
    *("backprop", "back_prop", "backpropagation", "back_propagation", "backpropagate", "back_propagate"),
    *("backward", "_backward", "backward_pass", "backward_propagation", "gradients", "gradient"),
    *("compute_gradients", "compute_gradient", "get_gradients", "calculate_gradients", "grads", "grad"),
    re.compile("back_?(ward|prop)"),
)
LOSS = (
    *("loss", "cost", "compute_loss", "compute_cost", "loss_function", "cost_function", "calculate_loss"),
    *(
        "calc_loss",
        "calculate_cost",
        "total_cost",
        "objective",
        "criterion",
        "error_function",
        "loss_fn",
        "cost_fn",
    ),
)
DERIVATIVE = (
    *("cost_derivative", "loss_derivative", "cost_prime", "loss_prime", "d_cost", "d_loss", "dcost", "dloss"),
    *("loss_gradient", "cost_gradient", "loss_grad", "cost_grad", "output_error"),
)
VALUES = ("fn", "value", "loss", "cost", "forward", "compute", "calculate", "__call__", "f")
"""Of an object or class that is a loss by itself: the method that gives its value."""

SLOPES = ("prime", "derivative", "gradient", "grad", "backward", "d", "df", "dfn")
"""The method that gives its derivative by the output; `delta`, which has the activation's in it, is none."""

UPDATE = (
    *(
        "update_mini_batch",
        "update_minibatch",
        "_update_mini_batch",
        "update_batch",
        "train_step",
        "training_step",
    ),
    *("train_batch", "train_on_batch", "fit_batch", "update", "update_parameters", "update_params"),
    *(
        "update_weights",
        "apply_gradients",
        "gradient_descent_step",
        "gradient_step",
        "sgd_step",
        "step",
        "optimize",
    ),
)

TRAINING = (
    "SGD",
    "sgd",
    "fit",
    "train",
    "train_network",
    "stochastic_gradient_descent",
    "gradient_descent",
    "learn",
)
"""Whole trainings: they are given all samples, and call the others."""

EVALUATION = (
    *(
        "evaluate",
        "accuracy",
        "score",
        "get_accuracy",
        "compute_accuracy",
        "calculate_accuracy",
        "calc_accuracy",
    ),
    *("evaluate_accuracy", "eval_accuracy", "test_accuracy", "validate", "test", "eval"),
)
"""What says how many samples are right."""

OF_TRAINING = {
    "epochs": (
        "epochs",
        "n_epochs",
        "num_epochs",
        "nb_epochs",
        "max_epochs",
        "epoch",
        "max_iter",
        "iterations",
    ),
    "size": ("mini_batch_size", "minibatch_size", "batch_size", "bs", "mb_size"),
    "held_out": (
        "test_data",
        "validation_data",
        "evaluation_data",
        "val_data",
        "validation",
        "val",
        "test",
        "held_out",
    ),
    "x": (
        "x_train",
        "xtrain",
        "x_tr",
        "train_x",
        "trainx",
        "x_test",
        "x_val",
        "test_x",
        "xs",
        "train_images",
    ),
    "y": (
        "y_train",
        "ytrain",
        "y_tr",
        "train_y",
        "trainy",
        "y_test",
        "y_val",
        "test_y",
        "ys",
        "train_labels",
    ),
}
"""Arguments of a whole training or an evaluation, beside those in `ROLES`."""

ROLES = {
    "batch": (
        *("mini_batch", "minibatch", "batch", "mb", "training_data", "train_data", "samples", "pairs"),
    ),
    "output": (
        *("output", "outputs", "out", "y_hat", "yhat", "y_pred", "ypred", "pred", "preds", "prediction"),
        *(
            "predictions",
            "o",
            "output_activations",
            "probs",
            "probabilities",
            "al",
            "a_out",
            "logits",
            "predicted",
        ),
    ),
    "y": (
        *(
            "y",
            "t",
            "target",
            "targets",
            "label",
            "labels",
            "expected",
            "y_true",
            "ytrue",
            "desired",
            "truth",
        ),
        *("y_batch", "batch_y", "yb", "one_hot", "answers"),
    ),
    "x": (
        *("x", "a", "inputs", "input", "data", "image", "images", "sample", "features", "x_batch", "batch_x"),
        *("xb", "inp", "a0", "input_data"),
    ),
    "rate": ("eta", "lr", "learning_rate", "alpha", "rate", "step_size", "l_rate", "learningrate"),
    "decay": (
        "lmbda",
        "lambda_",
        "lam",
        "lamb",
        "l2",
        "reg",
        "weight_decay",
        "decay",
        "regularization",
        "lambd",
    ),
    "samples": ("n", "n_samples", "training_size", "n_train", "num_samples", "size", "total"),
    "upstream": (
        *(
            "grad",
            "delta",
            "dout",
            "d_out",
            "output_gradient",
            "grad_output",
            "error",
            "dy",
            "dloss",
            "upstream",
        ),
        *("d_output", "loss_gradient", "loss_grad", "output_error"),
    ),
    "gradients": ("grads", "gradients", "nabla", "deltas", "grad_dict", "all_grads"),
    "cache": ("cache", "caches", "memory", "state", "context", "ctx"),
}

_BIAS = re.compile(r"^_*(b|bs|bias|biases|intercepts?|offsets?)(_?\d+|_?[a-z]{0,2})_*$")
_WEIGHT = re.compile(r"^_*(w|ws|weights?|kernels?|theta|coefs?|syn)(_?\d+|_?[a-z]{0,2})_*$")
_GRADIENT = re.compile(
    r"^_*(d[lcje]_?d_?|delta_?|d_?|gradient_?|grad_?|nabla_?|g_)|(_?grads?|_?gradients?)_*\d*$"
)
_SEVERAL_GRADIENTS = re.compile(r"^_*(grads?|gradients?|nablas?)_*$")

_CONSTANT = re.compile(
    r"(^|_|x)(mean|std|stdev|stddev|var|variance|mu|sigma|avg|average|median|min|max|minimum|maximum|range"
    r"|running|moving|mask|normali[sz]er|positions?|noise)s?(_|x|\d|$)"
)
"""What is no parameter where nothing else says that it is: feature statistics, running statistics, masks."""


def role_of(argument: str) -> str:
    """What an argument of this name is for, empty if its name says nothing."""
    word = argument.lower().strip("_")
    return next((role for role, words in ROLES.items() if word in words), "")


def training_role(argument: str) -> str:
    """The same of an argument of a whole training, or of an evaluation."""
    word = argument.lower().strip("_")
    return next((role for role, words in OF_TRAINING.items() if word in words), "") or role_of(argument)


def is_bias(word: str) -> bool:
    return bool(_BIAS.match(word))


def is_weight(word: str) -> bool:
    return bool(_WEIGHT.match(word))


def is_constant(word: str) -> bool:
    """Whether a name says that it is a statistic or a mask.

    >>> is_constant("x_mean"), is_constant("running_var"), is_constant("mu"), is_constant("k")
    (True, True, True, False)
    """
    return bool(_CONSTANT.search(word))


def is_gradient(word: str) -> bool:
    """Whether a name says gradient, as `dW1`, `nabla_w`, `grad_b`, `w_grad`, `grads`."""
    return bool(_GRADIENT.search(word))


def parameter_word(word: str) -> str:
    """The parameter's own name in that of its gradient: `w1` of `dw1`, `nabla_w1`, `w1_grad`; `` of `grads`."""
    if _SEVERAL_GRADIENTS.match(word):
        return ""
    return _GRADIENT.sub("", word).strip("_")
