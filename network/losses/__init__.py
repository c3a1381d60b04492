"""Losses: on outputs as they are, on logits, on probabilities."""

from __future__ import annotations

from .base import Elementwise, Loss
from .labels import check_labels, one_hot
from .logits import BinaryCrossEntropy, CrossEntropy
from .probabilities import ProbabilityBinaryCrossEntropy, ProbabilityCrossEntropy
from .values import AbsoluteError, Hinge, Quadratic

LOSSES: dict[str, type[Loss]] = {
    loss.kind: loss
    for loss in (
        *(Quadratic, AbsoluteError, Hinge),
        *(CrossEntropy, BinaryCrossEntropy),
        *(ProbabilityCrossEntropy, ProbabilityBinaryCrossEntropy),
    )
}

__all__ = [
    "LOSSES",
    "AbsoluteError",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Elementwise",
    "Hinge",
    "Loss",
    "ProbabilityBinaryCrossEntropy",
    "ProbabilityCrossEntropy",
    "Quadratic",
    "check_labels",
    "one_hot",
]
