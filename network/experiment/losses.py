"""The loss that a specification names.

`cross_entropy` and `binary_cross_entropy` are the core's, which make probabilities of the outputs themselves: a last
softmax or sigmoid is inside them. All other names are taken literally, on the outputs as they are, with the meanings
of Keras.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    Hinge,
    Loss,
    ProbabilityBinaryCrossEntropy,
    ProbabilityCrossEntropy,
    Quadratic,
)
from .faults import CrossEntropyOver
from .fields import refusal

CORE_LOSSES = ("quadratic", "cross_entropy", "binary_cross_entropy")
"""The core's own words."""


def make_loss(spec: Mapping[str, Any], activation: str, distributions: bool = True) -> tuple[Loss, bool]:
    """The loss for `spec`, a loss specification, and whether the network's last activation is inside it.

    Args:
        spec: `name` and its settings.
        activation: what the network ends in.
        distributions: whether every row of the targets sums to 1.

    Raises:
        ExperimentError: one of the core's own words after the activation of the other.
    """
    name = spec["name"]
    if name in CORE_LOSSES:
        return _core_loss(name, activation)
    common = {"reduction": spec.get("reduction", "mean"), "scale": spec.get("scale", 1.0)}
    each = {"over_outputs": spec.get("over_outputs", "mean"), **common}
    clip, axis = spec.get("clip", 1e-7), spec.get("axis", 1)
    if name == "mse":
        return Quadratic(**{**each, "scale": 2 * each["scale"]}), False
    if name in ("mae", "hinge"):
        return (AbsoluteError if name == "mae" else Hinge)(**each), False
    if name == "bce":
        return ProbabilityBinaryCrossEntropy(clip=clip, **each), False
    if name == "bce_logits":
        return BinaryCrossEntropy(**each), False
    if axis in (1, -1) and name == "cce":
        # Keras divides by the row sum before it clips; where nothing is clipped, nothing is divided.
        renormalise = bool(clip) and spec.get("renormalise", True)
        return ProbabilityCrossEntropy(clip=clip, renormalise=renormalise, **common), False
    if axis in (1, -1) and distributions:
        return CrossEntropy(**common), False
    if name == "cce":
        raise refusal(f"cce over axis {axis}", "loss.axis", "cce_logits can be taken over another axis")
    return CrossEntropyOver(axis, **common), False


def _core_loss(name: str, activation: str) -> tuple[Loss, bool]:
    if name == "quadratic":
        return Quadratic(), False
    own, other = ("softmax", "sigmoid") if name == "cross_entropy" else ("sigmoid", "softmax")
    if activation == other:
        fitting = "cross_entropy" if other == "softmax" else "binary_cross_entropy"
        raise refusal(f"{name} after {other}", "loss.name", f"{fitting} goes with {other}; {name} has {own}")
    return CrossEntropy() if name == "cross_entropy" else BinaryCrossEntropy(), activation == own
