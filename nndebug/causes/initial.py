"""Causes in the initial values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Cause, Severity
from ..rules.outcome import Outcome, outcome
from ..wording import percent
from .evidence import CHAIN, PATTERN, PROOF, Findings, cause
from .vocabulary import Kind

if TYPE_CHECKING:
    from ..run import Run

_SMALL_WEIGHTS = 0.5
"""Times 1 / sqrt(inputs), the size that keeps the scale of a signal (LeCun)."""

_LARGE_WEIGHTS = 7.0
"""Times 1 / sqrt(inputs): five times what suits a ReLU (He), as rule NND804 has it."""
_FAR_FROM_CHANCE = 10.0
"""Times the loss at chance: N(0, 1) weights on 784 inputs start at up to 5.8."""


def constant_init(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND409")
    if not finding:
        return None
    value, apart = finding.evidence.get("value", 0.0), finding.evidence.get("apart", False)
    equal = "The initial weights are all the same" if value is not None else "The units all start alike"
    return cause(
        Kind.CONSTANT_INIT,
        finding.site,
        found,
        # Copies fire together or not at all, and a layer of copies has the capacity of one unit.
        [finding, *found.of("NND303", "NND205", "NND202", "NND201", "NND505")],
        CHAIN if apart else PROOF,
        f"{equal}: {finding.site}'s units {'differ by their biases only' if apart else 'are copies of one another'}.",
        first_step=0,
        help=finding.help,
    )


def negative_biases(run: Run, found: Findings) -> Cause | None:
    born = found.first("NND202")
    bias = run.series("weight.mean", f"{born.site}.bias").first if born else 0.0
    if not born or not bias < -0.5:
        return None
    return cause(
        Kind.INIT_TOO_LARGE,
        born.site,
        found,
        [born, *found.of("NND201", "NND303", "NND205")],
        CHAIN,
        f"The initial biases are too negative ({bias:.2g} on average): {born.evidence['dead']} of {born.site}'s "
        f"{born.evidence['units']} units never fire.",
        first_step=0,
        help=born.help,
    )


def init_too_large(run: Run, found: Findings) -> Cause | None:
    scale = found.of("NND205", "NND503")
    large = found.first("NND205", std=lambda std: std is not None and std > 1)
    wrong_side = found.first("NND204", at_birth=lambda share: (share or 0) >= 0.02)
    lasting = wrong_side is not None and wrong_side.severity is not Severity.INFO
    # Weights that are too large by themselves, not only through their inputs, keep hidden units on their flat ends.
    flat = [f for f in found.of("NND203") if f.severity is not Severity.INFO]
    oversized = found.first("NND804", ratio=lambda ratio: ratio > 1)
    undoing = found.first("NND503", ratio=lambda ratio: (ratio or 0) > _FAR_FROM_CHANCE)
    if undoing and (outcome(run) is Outcome.LEARNED or not large or not _large_weights(run, large.site)):
        undoing = None
    followed = lasting or found.of("NND305", "NND501", "NND507") or (flat and oversized) or undoing
    if not large or not followed:
        return None
    if lasting and wrong_side:
        born = wrong_side.evidence["at_birth"]
        sentence = (
            f"The initial weights are too large: {percent(born, 0)} of the outputs start saturated on the wrong side, "
            "where no gradient passes."
        )
        layer, certainty = wrong_side.site, CHAIN
    else:
        sentence = (
            f"The initial weights are too large: {large.site}'s pre-activations start with a standard deviation of "
            f"{large.evidence['std']:.3g}."
        )
        if undoing:
            sentence = f"{sentence[:-1]}, and the loss at {undoing.evidence['ratio']:.0f} × that of chance."
        layer, certainty = large.site, CHAIN if "NND503" in found else PATTERN
    return cause(
        Kind.INIT_TOO_LARGE,
        layer,
        found,
        [*scale, *found.of("NND804", "NND204", "NND203", *(["NND509"] if undoing else []))],
        certainty,
        sentence,
        first_step=0,
        help="use He initial weights for ReLU, Xavier for sigmoid and tanh",
    )


def init_too_small(run: Run, found: Findings) -> Cause | None:
    # A deviation of exactly 0 comes from constant inputs, equal weights or dead units before it.
    small = found.first("NND205", std=lambda std: std is not None and 0 < std < 1)
    if not small or not found.of("NND303", "NND501", "NND207") or found.of("NND202", "NND409"):
        return None
    site = next(site for site in run.sites if site.name == small.site)
    if sum("weight" in other.parameters for other in run.sites) < 2:
        return None  # a single layer learns from any start
    weights = run.series("weight.std", f"{site.name}.weight")
    if weights and site.inputs and weights.first > _SMALL_WEIGHTS / site.inputs**0.5:
        return None  # its own weights are of the usual size
    return cause(
        Kind.INIT_TOO_SMALL,
        small.site,
        found,
        [*found.of("NND205", "NND303")],
        PATTERN,
        f"The initial weights are too small: {small.site}'s pre-activations start with a standard deviation of "
        f"{small.evidence['std']:.2g}.",
        first_step=0,
        help=small.help,
    )


def _large_weights(run: Run, name: str) -> bool:
    """Whether a layer's own weights start too large, whatever its inputs are."""
    site = next((site for site in run.sites if site.name == name), None)
    spread = run.series("weight.std", f"{name}.weight")
    return bool(site and spread and site.inputs and spread.first > _LARGE_WEIGHTS / site.inputs**0.5)
