"""The chain from the cause to its last consequence, on a time line of steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..findings import Cause, CheckResult, Finding
from .charts import Axis, step_axis
from .evidence import anchor, explained, place
from .layers import layer_of
from .model import ChainLink
from .text import clean, shorten, split_lead, steps_range

if TYPE_CHECKING:
    from ..run import Run

_CARDS = 5
_LETTERS, _MARGINS, _BOLD = 410, 10, 1.13
"""In three lines over the width of a whole page; what the margins of a card take of them; width of a bold letter."""


def chain(run: Run, result: CheckResult) -> tuple[ChainLink, ...]:
    """What the first cause explains, in order of the steps; the same rule in several layers is one card.

    At equal steps the cause comes first, then in causal order.
    """
    own = explained(result.causes[0], result.findings) if result.causes else []
    if not own:
        return ()
    root, groups = own[0], dict[str, list[Finding]]()
    for finding in own:
        groups.setdefault(finding.code, []).append(finding)
    cards = [
        (root if root in group else min(group, key=lambda f: _step(run, f)), group)
        for group in groups.values()
    ]
    cards.sort(key=lambda card: (_step(run, card[0], card[0] is root), card[0] is not root))
    at = next(place for place, (finding, _) in enumerate(cards) if finding is root)
    if at >= _CARDS:  # the cause has a card, whatever began before it
        cards.insert(_CARDS - 1, cards.pop(at))
    left = len(cards) - _CARDS
    letters = _LETTERS // min(len(cards), _CARDS) - _MARGINS
    links = [_card(run, result.causes[0], finding, group, root, letters) for finding, group in cards[:_CARDS]]
    if left > 0:
        links.append(ChainLink("", "", f"{left} more", " below", "info", "findings"))
    return tuple(links)


def ticks(run: Run) -> tuple[tuple[float, str], ...]:
    """Places of steps 0, 1, 10, 100, … on the time line, 0 to 1, and their names."""
    axis = _axis(run)
    return tuple((round(axis.place(step), 4), label) for step, label in axis.ticks)


def _card(
    run: Run, cause: Cause, finding: Finding, group: Sequence[Finding], root: Finding, letters: int
) -> ChainLink:
    lead, joint, rest = split_lead(clean(finding.message, 300))
    rest = f"{joint} {rest}" if rest else ""
    room = max(letters - round((_BOLD - 1) * len(lead)), int(letters / _BOLD))
    words = shorten(lead + rest, room)
    lead, rest = (lead, words[len(lead) :]) if words.startswith(lead) else (words, "")
    step = _step(run, finding, finding is root)
    if step == finding.first_step:
        when = steps_range(finding.first_step, finding.last_step, run.steps)
        when = when.replace("the first step on", "step 0")
    else:
        when = f"by step {step:,.0f}" if math.isfinite(step) else "whole run"
    if finding is root:
        when = f"{'cause' if cause.certainty > 0 else 'seen first'}, {when}"
    return ChainLink(
        when,
        place(finding, 24) if finding is root else _places(group),
        lead,
        rest,
        finding.severity.value,
        anchor(finding),
        finding is root,
        round(_axis(run).place(step), 4) if math.isfinite(step) else None,
        layer_of(run, finding.site),
    )


def _places(findings: Sequence[Finding]) -> str:
    places = list(dict.fromkeys(filter(None, (place(f, 24) for f in findings))))
    return (places[0] if places else "") + (f" +{len(places) - 1}" if places[1:] else "")


def _step(run: Run, finding: Finding, root: bool = False) -> float:
    """When a finding began; how the whole training came out, no cause of anything, is known at its end."""
    first, last = finding.first_step, finding.last_step
    whole = first == 0 and last is not None and last >= 0.98 * run.steps
    if whole and last and finding.code[3:4] in ("5", "6") and not root:
        return last
    return math.inf if first is None else first


def _axis(run: Run) -> Axis:
    return step_axis(0.0, float(max(run.steps, 1)), log=True)
