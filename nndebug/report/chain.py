"""The chain from the cause to its last consequence, on a time line of steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..findings import Cause, CheckResult, Finding
from .charts import Axis, step_axis
from .evidence import anchor, explained
from .layers import layer_of
from .model import ChainLink
from .text import clean, split_lead, steps_range

if TYPE_CHECKING:
    from ..run import Run

_CHAIN_CARDS = 6


def chain(run: Run, result: CheckResult) -> tuple[ChainLink, ...]:
    """From the root to the last consequence, in order of the step; the same rule in several layers is one card."""
    if not result.causes:
        return ()
    own = explained(result.causes[0], result.findings)
    if not own:
        return ()
    order = sorted(own[1:], key=_place_in_chain)
    groups: dict[str, list[Finding]] = {}
    for finding in [own[0], *order]:
        groups.setdefault(finding.code, []).append(finding)
    links: list[ChainLink] = []
    for group in groups.values():
        finding = group[0]
        lead, joint, rest = split_lead(clean(finding.message, 300))
        when = steps_range(finding.first_step, finding.last_step, run.steps)
        root = not links
        links.append(
            ChainLink(
                ", ".join(filter(None, (_root(result.causes[0]), when))) if root else when or "whole run",
                clean(finding.site, 24) if root else _places(group),
                clean(lead, 90),
                f"{joint} {clean(rest, 110)}" if rest else "",
                finding.severity.value,
                anchor(finding),
                root,
                _place(run, finding, root),
                layer_of(run, finding.site),
            )
        )
    if len(links) > _CHAIN_CARDS:
        left = len(links) - _CHAIN_CARDS + 1
        more = ChainLink("", "", f"{left} more consequences", ", see below", "info", "findings")
        links = [*links[: _CHAIN_CARDS - 1], more]
    return tuple(links)


def _root(cause: Cause) -> str:
    return "cause" if cause.certainty > 0 else "seen first"


def _places(findings: Sequence[Finding]) -> str:
    places = list(dict.fromkeys(clean(f.site, 24) for f in findings))
    return places[0] + (f" +{len(places) - 1}" if places[1:] else "")


def _place_in_chain(finding: Finding) -> tuple[bool, float]:
    """By step; how the training came out (learning, evaluation) is the end of every chain."""
    return finding.code[3:4] in ("5", "6"), math.inf if finding.first_step is None else finding.first_step


def decades(run: Run) -> tuple[float, ...]:
    """Places of steps 0, 1, 10, 100, … on the time line, 0 to 1."""
    axis = _axis(run)
    return tuple(round(axis.place(step), 4) for step, _ in axis.ticks)


def _axis(run: Run) -> Axis:
    return step_axis(0.0, float(max(run.steps, 1)), log=True)


def _place(run: Run, finding: Finding, root: bool) -> float | None:
    """Where a finding begins on the time line; how training came out is its end."""
    at_the_end, step = _place_in_chain(finding)
    if at_the_end and not root:
        return 1.0
    return round(_axis(run).place(step), 4) if math.isfinite(step) else None
