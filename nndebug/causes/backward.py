"""Causes in the backward pass: what the gradient check proved before the first step, in words of the vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..findings import Cause, Finding
from .evidence import DYNAMICS, PROOF, Findings, cause
from .vocabulary import Kind

if TYPE_CHECKING:
    from ..run import Run

_BY_NAME = (
    ("not cleared", Kind.MISSING_ZERO_GRAD),
    ("never cleared", Kind.MISSING_ZERO_GRAD),
    ("place of its derivative", Kind.COST_FOR_DERIVATIVE),
    ("sign flipped", Kind.WRONG_GRADIENT_SIGN),
    ("division by the batch", Kind.WRONG_GRADIENT_SCALE),
    ("divided by the batch", Kind.WRONG_GRADIENT_SCALE),
    ("a factor", Kind.WRONG_GRADIENT_SCALE),
    ("the transpose forgotten", Kind.TRANSPOSE_FORGOTTEN),
    ("the product transposed", Kind.REVERSED_PRODUCT),
    ("(samples,) against", Kind.TARGET_SHAPE_BROADCAST),
)
"""What a mistake's name must contain; the first that fits."""

_BY_PART = {
    "loss": Kind.WRONG_LOSS_GRADIENT,
    "activation": Kind.ACTIVATION_DERIVATIVE,
    "input": Kind.WRONG_ERROR_PASSED_BACK,
    "passed back": Kind.WRONG_ERROR_PASSED_BACK,
    "weight": Kind.WRONG_WEIGHT_GRADIENT,
    "bias": Kind.WRONG_BIAS_GRADIENT,
    "softmax": Kind.WRONG_AXIS,
}

_OF_A_DERIVATIVE = (
    "derivative missing",
    "derivative) missing",
    "taken at",
    "in place of",
    "derivative too many",
)
_OF_A_DELTA = {
    ("output error", "BP1"): Kind.WRONG_LOSS_GRADIENT,
    ("backward", "BP2"): Kind.WRONG_ERROR_PASSED_BACK,
}
"""Of classes of one's own, whose deltas hold the derivatives of loss and activation in one product."""

_OF_SHAPES = ("shape", "broadcast", "aligned")
"""Words of the errors that NumPy raises for shapes that do not fit."""


def wrong_gradient(run: Run, found: Findings) -> Cause | None:
    wrong = found.of("NND301")
    if not wrong:
        return None
    first = wrong[0]
    if _kind(first) is Kind.MISSING_ZERO_GRAD and "NND404" in found:
        return None  # the first steps show it better
    mistakes: list[dict[str, Any]] = first.evidence["mistakes"]
    what = mistakes[0]["name"] if mistakes else first.message.partition(" (")[0]
    equation = str(first.evidence["equation"])
    where = f" ({equation})" if equation.startswith("BP") else ""
    return cause(
        _kind(first),
        first.site,
        found,
        [*wrong, *found.of(*DYNAMICS)],
        PROOF,
        f"The gradient is wrong: {first.site}'s backward has {what}{where}."
        if mistakes
        else f"The gradient is wrong at {first.site}{where}: {what}.",
        first_step=0,
        help=first.help,
    )


def _kind(finding: Finding) -> Kind:
    raised = finding.evidence["part"] == "backward" and not finding.evidence["mistakes"]
    if raised and any(word in finding.message for word in _OF_SHAPES):
        return Kind.SHAPE_MISMATCH
    names = " ".join([finding.message, *(mistake["name"] for mistake in finding.evidence["mistakes"][:1])])
    for words, kind in _BY_NAME:
        if words in names:
            return kind
    part = str(finding.evidence["part"])
    of_delta = _OF_A_DELTA.get((part, str(finding.evidence["equation"]))) if "is wrong" in names else None
    if of_delta and any(words in names for words in _OF_A_DERIVATIVE):
        return Kind.ACTIVATION_DERIVATIVE
    return of_delta or _BY_PART.get(part, Kind.WRONG_GRADIENT)
