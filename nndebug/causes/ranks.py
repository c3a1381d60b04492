"""Causes in what several processes do that train one network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Cause
from .evidence import PATTERN, PROOF, Findings, cause, step_name
from .vocabulary import Kind

if TYPE_CHECKING:
    from ..run import Run


def ranks_diverge(run: Run, found: Findings) -> Cause | None:
    gradient, parameters = found.first("NND421"), found.first("NND422")
    told = [finding for finding in (gradient, parameters) if finding is not None]
    if not told:
        return None
    first = min(told, key=lambda finding: finding.first_step or 0)
    rank, step = first.evidence["rank"], step_name(first.first_step or 0)
    tensor, size = first.site, f"{first.evidence['difference']:.2g}"
    sentence = (
        f"Rank {rank} does not share its gradient: from {step} on that of {tensor} differs by {size} of the others' norm."
        if first is gradient
        else f"Rank {rank} trains another network: from {step} on its {tensor} differs by {size} from the other ranks'."
    )
    return cause(
        Kind.RANKS_DIVERGE,
        first.site.rpartition(".")[0] or None,
        found,
        told,
        PROOF,
        sentence,
        help=first.help,
    )


def rank_stopped(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND426")
    if not finding:
        return None
    sentence = f"A rank is missing: {finding.message}."
    return cause(Kind.RANK_STOPPED, None, found, [finding], PROOF, sentence, help=finding.help)


def rank_data(run: Run, found: Findings) -> Cause | None:
    told = found.of("NND423", "NND424")
    if not told:
        return None
    sentence = f"A rank does not have the data it should: {told[0].message}."
    return cause(Kind.RANK_DATA, None, found, told, PATTERN, sentence, help=told[0].help)


def rank_slow(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND425")
    if not finding:
        return None
    return cause(
        Kind.RANK_SLOW,
        None,
        found,
        [finding],
        PATTERN,
        f"The ranks wait: {finding.message}.",
        help=finding.help,
    )
