"""Causes in the evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Cause
from .evidence import PROOF, Findings, cause
from .vocabulary import Kind

if TYPE_CHECKING:
    from ..run import Run


def wrong_metric(run: Run, found: Findings) -> Cause | None:
    finding, named = found.first("NND601"), found.first("NND602")
    if not finding:
        return None
    reported, accuracy = finding.evidence["reported"], finding.evidence["accuracy"]
    why = f": {named.message.partition(' gives ')[0]}" if named else ""
    sentence = f"The evaluation is wrong: it says {reported:.1%}, the accuracy is {accuracy:.1%}{why}."
    roots = [f for f in (named, finding) if f]
    return cause(Kind.WRONG_METRIC, None, found, roots, PROOF, sentence, help=(named or finding).help)
