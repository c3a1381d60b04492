"""Causes at the output: targets, last activation and loss that do not fit one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Cause, Severity
from .evidence import CHAIN, GUESS, PATTERN, PROOF, Findings, cause, failing
from .vocabulary import Kind

if TYPE_CHECKING:
    from ..run import Run

_EFFECTS = ("NND505", "NND508", "NND101", "NND204", "NND503")
"""What parts that do not fit do before and in training."""
_OTHER_REASONS = (
    "NND205",
    "NND201",
    "NND301",
    "NND307",
    "NND406",
    "NND409",
    "NND411",
    "NND701",
    "NND705",
    "NND801",
)

_THROWN = ("NND101", "NND411", "NND401", "NND304", "NND201", "NND204")
"""What steps that are too long do."""


def target_shape_broadcast(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND002")
    if not finding:
        return None
    roots = [finding, *found.of("NND003", *_EFFECTS)]
    sentence = f"Targets and outputs broadcast: {finding.message.partition(' broadcast')[0]}, so that every sample is compared with all targets."
    return cause(
        Kind.TARGET_SHAPE_BROADCAST,
        None,
        found,
        roots,
        PROOF,
        sentence,
        first_step=0,
        help=finding.help,
    )


def wrong_axis(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND009")
    if not finding:
        return None
    layer = finding.evidence["layer"]
    what = f"{layer} mixes the samples of a batch" if layer else "the loss mixes the samples of a batch"
    return cause(
        Kind.WRONG_AXIS,
        layer or run.sites[-1].name,
        found,
        [finding, *found.of("NND003", *_EFFECTS)],
        PROOF,
        f"An operation goes along the wrong axis: {what} instead of its classes.",
        first_step=0,
        help=finding.help,
    )


def wrong_output_units(run: Run, found: Findings) -> Cause | None:
    labels = found.first("NND007")
    classes = found.first("NND006", reason=lambda reason: reason == "classes")
    finding = labels or classes
    if not finding:
        return None
    return cause(
        Kind.WRONG_OUTPUT_UNITS,
        finding.site,
        found,
        [finding, *found.of(*_EFFECTS)],
        PROOF if labels else CHAIN,
        f"The outputs do not fit the classes: {finding.message}.",
        first_step=0,
        help=finding.help,
    )


def wrong_output_activation(run: Run, found: Findings) -> Cause | None:
    missing = found.first("NND004")
    misfit = found.first("NND006", reason=lambda reason: reason in ("single", "range", "sums"))
    finding = missing or misfit
    if not finding and failing(found):
        finding = found.first("NND006", reason=lambda reason: reason == "relu")
    if not finding:
        return None
    certainty = PROOF if finding.severity is Severity.ERROR else CHAIN
    if finding.severity is Severity.INFO:
        certainty = PATTERN if found.of("NND207", "NND508", "NND201") else GUESS
    return cause(
        Kind.WRONG_OUTPUT_ACTIVATION,
        finding.site,
        found,
        [finding, *found.of(*_EFFECTS, "NND201")],
        certainty,
        f"The last activation does not fit: {finding.message}.",
        first_step=0,
        help=finding.help,
    )


def redundant_output_activation(run: Run, found: Findings) -> Cause | None:
    twice = found.first("NND802", activation=lambda kind: kind == "softmax", last=bool)
    finding = found.first("NND005") or twice
    if not finding:
        return None
    return cause(
        Kind.REDUNDANT_OUTPUT_ACTIVATION,
        finding.site,
        found,
        [finding, *found.of("NND505", "NND303")],
        CHAIN,
        f"Probabilities are made twice: {finding.message}.",
        first_step=0,
        help=finding.help,
    )


def wrong_loss(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND006", reason=lambda reason: reason in ("distance", "binary"))
    slow = finding is not None and finding.severity is not Severity.INFO
    if not finding or not (slow or failing(found) or found.of("NND204", "NND305")):
        return None
    # Legal, and seldom the reason: what has shown itself as one comes instead.
    if any(f.severity is not Severity.INFO for f in found.of(*_OTHER_REASONS)):
        return None
    return cause(
        Kind.WRONG_LOSS,
        finding.site,
        found,
        [finding, *found.of("NND204", "NND305", "NND410", "NND509")],
        PATTERN if slow else GUESS - 0.1,
        f"The loss {'does' if slow else 'may'} not suit the task: {finding.message}.",
        first_step=0,
        help=finding.help,
    )


def unstable_loss(run: Run, found: Findings) -> Cause | None:
    finding, lost = found.first("NND105"), found.first("NND101")
    if lost and lost.first_step == 0 and lost.site == "loss":
        # Of finite outputs, and of the initial weights: neither the network nor the rate has a part in it.
        sentence = "The loss is not finite before any update, and what the network gave it was finite."
        roots = [lost, *([finding] if finding else []), *found.of("NND007")]
        return cause(Kind.UNSTABLE_LOSS, None, found, roots, CHAIN, sentence, first_step=0, help=lost.help)
    if not finding or not lost:
        return None
    # Steps that were too long before it made the network sure of what is wrong: then the guard is not the root.
    thrown = [
        f
        for f in found.of("NND008", "NND411", "NND401")
        if f.severity is not Severity.INFO and (f.first_step or 0) < (lost.first_step or 0)
    ]
    at_loss = lost.site in ("loss", "run", run.sites[-1].name)
    return cause(
        Kind.UNSTABLE_LOSS,
        finding.site,
        found,
        [finding, lost],
        PATTERN if thrown or not at_loss else CHAIN,
        f"The loss has no guard: a probability of exactly 0 made it infinite at step {lost.first_step:,}.",
        help=finding.help,
    )


def wrong_loss_reduction(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND008")
    thrown = [f for f in found.of(*_THROWN) if f.severity is not Severity.INFO]
    if not finding or not (thrown or failing(found)):
        return None
    size, rate = finding.evidence["batch"], run.manifest.get("optimizer", {}).get("rate") or 0.0
    return cause(
        Kind.WRONG_LOSS_REDUCTION,
        None,
        found,
        [finding, *thrown],
        CHAIN if thrown else PATTERN,
        f"The loss is summed over the batch, not averaged: with {size} samples a rate of {rate:g} acts like "
        f"{rate * size:g}.",
        first_step=0,
        help=finding.help,
    )
