"""Which change would cure which cause."""

from __future__ import annotations

from collections.abc import Mapping

from ..causes.vocabulary import Kind

CURES: Mapping[str, tuple[str, ...]] = {
    Kind.CORRUPTED_LABELS: ("aligned",),
    Kind.WRONG_PREPROCESSING: ("scaled-once", "plain-inputs", "standardise"),
    Kind.UNNORMALISED_INPUT: ("standardise",),
    Kind.UNNORMALISED_TARGET: ("standardise-targets",),
    Kind.WRONG_OUTPUT_UNITS: ("output-and-loss",),
    Kind.WRONG_OUTPUT_ACTIVATION: ("output-activation", "output-and-loss"),
    Kind.REDUNDANT_OUTPUT_ACTIVATION: ("output-activation", "output-and-loss"),
    Kind.WRONG_LOSS: ("loss", "output-and-loss"),
    Kind.UNSTABLE_LOSS: ("guard", "output-and-loss"),
    Kind.WRONG_LOSS_REDUCTION: ("mean",),
    Kind.MISSING_HIDDEN_NONLINEARITY: ("nonlinear",),
    Kind.WRONG_HIDDEN_ACTIVATION: ("hidden-relu",),
    Kind.MISSING_LAYER: ("larger",),
    Kind.CONSTANT_INIT: ("init",),
    Kind.INIT_TOO_LARGE: ("init",),
    Kind.INIT_TOO_SMALL: ("init",),
    Kind.FROZEN_PARAMETERS: ("free",),
    Kind.MISSING_ZERO_GRAD: ("clear",),
    Kind.WRONG_UPDATE_SIGN: ("downhill",),
    Kind.LR_TOO_HIGH: ("rate/10", "rate/100", "usual-lower-rate", "clip"),
    Kind.LR_TOO_LOW: ("rate*10", "rate*100", "usual-higher-rate"),
    Kind.WRONG_OPTIMIZER: ("usual-constants", "adam"),
    Kind.WRONG_BATCH_SIZE: ("batch",),
    Kind.EXCESS_REGULARISATION: ("no-penalty", "no-dropout"),
    Kind.TOO_FEW_EPOCHS: ("longer",),
    Kind.TRAIN_TEST_PREPROCESSING_MISMATCH: ("same-preprocessing",),
}
"""The changes that would cure a cause, the most telling first. Other causes cannot be put right by a specification."""

GENERAL: Mapping[str, Kind] = {
    "standardise": Kind.UNNORMALISED_INPUT,
    "standardise-targets": Kind.UNNORMALISED_TARGET,
    "output-activation": Kind.WRONG_OUTPUT_ACTIVATION,
    "loss": Kind.WRONG_LOSS,
    "output-and-loss": Kind.WRONG_LOSS,
    "nonlinear": Kind.MISSING_HIDDEN_NONLINEARITY,
    "hidden-relu": Kind.WRONG_HIDDEN_ACTIVATION,
    "init": Kind.INIT_TOO_LARGE,
    "rate/10": Kind.LR_TOO_HIGH,
    "rate/100": Kind.LR_TOO_HIGH,
    "rate*10": Kind.LR_TOO_LOW,
    "rate*100": Kind.LR_TOO_LOW,
    "no-penalty": Kind.EXCESS_REGULARISATION,
    "no-dropout": Kind.EXCESS_REGULARISATION,
    "usual-constants": Kind.WRONG_OPTIMIZER,
    "batch": Kind.WRONG_BATCH_SIZE,
    "adam": Kind.WRONG_OPTIMIZER,
}
"""What is tried where nothing that the diagnosis names cures, upstream first, and the cause that a cure would name.

Longer training is not among them: it does nearly every program some good.
"""


def cures_of(change: str) -> tuple[str, ...]:
    """The kinds of causes that a change would cure."""
    return tuple(str(kind) for kind, changes in CURES.items() if change in changes)
