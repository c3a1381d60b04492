"""Causes in the evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Cause, Severity
from ..wording import percent, right_answers
from .evidence import CHAIN, PROOF, Findings, cause
from .vocabulary import Kind

if TYPE_CHECKING:
    from ..run import Run


def wrong_metric(run: Run, found: Findings) -> Cause | None:
    finding, named = found.first("NND601"), found.first("NND602")
    if not finding:
        return None
    evidence = finding.evidence
    says, accuracy = (
        right_answers(evidence[name], evidence["samples"], "count")
        if evidence.get("unit") == "count"
        else percent(evidence[name])
        for name in ("reported", "accuracy")
    )
    why = f": {named.message.partition(' gives ')[0]}" if named else ""
    sentence = f"The evaluation is wrong: it says {says}, the accuracy is {accuracy}{why}."
    roots = [f for f in (named, finding) if f]
    return cause(Kind.WRONG_METRIC, None, found, roots, PROOF, sentence, help=(named or finding).help)


def held_out_preprocessing(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND605")
    if not finding or finding.severity is Severity.INFO:
        return None
    (mean, other_mean), (std, other_std) = finding.evidence["mean"], finding.evidence["std"]
    sentence = (
        f"The held-out inputs are not treated like the training inputs: mean {other_mean:.3g} and standard deviation "
        f"{other_std:.3g} against {mean:.3g} and {std:.3g}."
    )
    return cause(
        Kind.TRAIN_TEST_PREPROCESSING_MISMATCH,
        None,
        found,
        [finding, *found.of("NND506", "NND604")],
        CHAIN,
        sentence,
        first_step=0,
        help=finding.help,
    )


def classes_renamed(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND606")
    if not finding:
        return None
    sentence = f"Training and validation number their classes differently: {finding.message.removeprefix('validation ')}."
    return cause(
        Kind.CORRUPTED_LABELS,
        None,
        found,
        [finding, *found.of("NND506")],
        PROOF,
        sentence,
        first_step=0,
        help=finding.help,
    )
