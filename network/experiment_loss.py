"""Which of the core's losses is the one that a specification names, if any is.

The core's losses sum over the outputs and take the mean over the rows; its cross-entropies are on logits. So

* `cce` after softmax and `bce` after sigmoid are the fused losses without that last activation;
* `mse`, the mean of squares over the outputs, is 2 / outputs times the core's quadratic loss, and `bce` and
  `bce_logits`, means over the outputs, are 1 / outputs times its binary cross-entropy. Nothing is scaled in silence:
  where the factor, times `scale`, is not 1, the loss is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from .experiment_fields import refusal
from .losses import BinaryCrossEntropy, CrossEntropy, Loss, Quadratic

LARGEST_CLIP = 1e-6
"""Clips up to here only guard the logarithm; what the fused losses give differs only beyond them."""


class MappedLoss(NamedTuple):
    """A loss of the core, and whether the network's last activation is inside it."""

    loss: Loss
    fused: bool
    note: str = ""


def map_loss(spec: Mapping[str, Any], activation: str, outputs: int) -> MappedLoss:
    """The core's loss for `spec`, a loss specification.

    Args:
        spec: `name` and its settings.
        activation: what the network ends in.
        outputs: width of its output.

    Raises:
        ExperimentError: the core has no loss with exactly this meaning.
    """
    name = spec["name"]
    if name in ("mae", "hinge"):
        raise refusal(name, "loss.name", "the core has quadratic, cross_entropy and binary_cross_entropy")
    if spec.get("axis", 1) not in (1, -1):
        raise refusal(f"{name} over axis {spec['axis']}", "loss.axis", "classes are the columns: axis 1")
    if spec.get("reduction") == "sum":
        raise refusal(
            f"{name} summed over the rows", "loss.reduction", "the core takes the mean over the rows"
        )
    if name in ("mse", "quadratic"):
        factor = 2 * spec.get("scale", 1.0) / outputs if name == "mse" else 1.0
        _refuse_factor(factor, name, outputs, "quadratic")
        return MappedLoss(Quadratic(), fused=False)
    if name in ("cce", "cce_logits", "cross_entropy"):
        return _multiclass(spec, name, activation, outputs)
    return _binary(spec, name, activation, outputs)


def _multiclass(spec: Mapping[str, Any], name: str, activation: str, outputs: int) -> MappedLoss:
    if outputs < 2:
        raise refusal(f"{name} over a single output", "loss.name", "use binary_cross_entropy for one output")
    if name == "cross_entropy" and activation == "sigmoid":
        raise refusal(
            "cross_entropy after sigmoid",
            "loss.name",
            "binary_cross_entropy goes with sigmoid; cross_entropy has softmax",
        )
    if name == "cce" and activation != "softmax":
        raise refusal(f"cce on {activation} outputs", "loss.name", "end in softmax, or use cce_logits")
    _refuse_factor(spec.get("scale", 1.0), name, outputs, "cross_entropy")
    fused = name != "cce_logits" and activation == "softmax"
    return MappedLoss(CrossEntropy(), fused, _clip_note(spec) if name == "cce" else "")


def _binary(spec: Mapping[str, Any], name: str, activation: str, outputs: int) -> MappedLoss:
    if name == "binary_cross_entropy" and activation == "softmax":
        raise refusal(
            f"{name} after softmax",
            "loss.name",
            "cross_entropy goes with softmax; binary_cross_entropy has sigmoid",
        )
    if name == "bce" and activation != "sigmoid":
        raise refusal(f"bce on {activation} outputs", "loss.name", "end in sigmoid, or use bce_logits")
    over_outputs = (
        1.0 if name == "binary_cross_entropy" or spec.get("over_outputs") == "sum" else 1.0 / outputs
    )
    _refuse_factor(over_outputs * spec.get("scale", 1.0), name, outputs, "binary_cross_entropy")
    fused = name != "bce_logits" and activation == "sigmoid"
    return MappedLoss(BinaryCrossEntropy(), fused, _clip_note(spec) if name == "bce" else "")


def _clip_note(spec: Mapping[str, Any]) -> str:
    name, clip = spec["name"], spec.get("clip", 1e-7)
    if not clip:
        raise refusal(
            f"{name} with clip 0, a logarithm without a guard",
            "loss.clip",
            "the core's loss cannot overflow like this",
        )
    if clip > LARGEST_CLIP:
        raise refusal(f"{name} with clip {clip:g}", "loss.clip", f"leave it out, or at most {LARGEST_CLIP:g}")
    return (
        f"{name} is computed on logits: as written wherever no probability is within {clip:g} of 0 or 1, "
        "and with a gradient where clipping has none"
    )


def _refuse_factor(factor: float, name: str, outputs: int, core: str) -> None:
    if not math.isclose(factor, 1, rel_tol=1e-12):
        raise refusal(
            f"{name} over {outputs} output{'s' * (outputs > 1)}, which is {factor:g} x {core}",
            "loss.name",
            f"use {core}; with sgd and no l2, {factor:g} x the learning rate then gives the same updates"
            if factor > 0
            else f"use {core}",
        )
