"""Findings and causes as a reader sees them: the fact, its chart, its units, and what follows from what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..findings import Cause, CheckResult, Finding
from .maps import unit_map
from .model import Band, CauseView, ChainLink, Chart, FindingView, HeatMap, Reference, Table
from .plots import Curve, chart, tones
from .text import clean, listing, number, percent, plural, split_lead, steps_range
from .vocabulary import quantity

if TYPE_CHECKING:
    from ..run import Run

_CHAIN_CARDS = 6
_MOST_CHARTS = 16
_MOST_CURVES = 6


def causes(run: Run, result: CheckResult) -> tuple[tuple[CauseView, ...], tuple[FindingView, ...]]:
    """The causes with what they explain, and the findings that none of them explains.

    A finding belongs to the first cause that explains it. Of a cause, the root is shown open, together with the
    first consequence that has a picture of another kind; the rest is folded.
    """
    views = _Views(run)
    left = list(result.findings)
    shown = []
    for cause in result.causes:
        own = explained(cause, result.findings)
        own = [f for f in own if f in left]
        left = [f for f in left if f not in own]
        drawn = [views.of(f) for f in own]
        leading = drawn[:1]
        if leading:
            more = (
                v for v in drawn[1:] if (v.map and not leading[0].map) or (v.chart and not leading[0].chart)
            )
            leading += list(more)[:1]
        severity = max((f.severity for f in own), key=lambda s: s.rank, default=result.severity)
        shown.append(
            CauseView(
                clean(cause.kind, 60),
                clean(cause.sentence, 400),
                severity.value if severity else "info",
                f"{100 * cause.certainty:.0f}\u00a0%" if math.isfinite(cause.certainty) else "",
                steps_range(cause.first_step, None),
                tuple(leading),
                tuple(v for v in drawn if v not in leading),
                tuple(clean(a, 300) for a in cause.against),
                clean(cause.help, 600),
            )
        )
    return tuple(shown), tuple(views.of(f) for f in left)


def explained(cause: Cause, findings: Sequence[Finding]) -> list[Finding]:
    """The findings that a cause explains, in causal order."""
    own = []
    for mark in cause.explains:
        own += [f for f in findings if f.fingerprint == mark and f not in own]
    return own


def chain(run: Run, result: CheckResult) -> tuple[ChainLink, ...]:
    """From the root to the last consequence, in order of the step; the same rule in several layers is one card."""
    if not result.causes:
        return ()
    own = explained(result.causes[0], result.findings)
    if not own:
        return ()
    order = sorted(own[1:], key=lambda f: math.inf if f.first_step is None else f.first_step)
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
                ("root cause" + (f", {when}" if when else "")) if root else when or "whole run",
                "" if root else clean(listing(list(dict.fromkeys(clean(f.site, 24) for f in group)), 3), 80),
                clean(lead, 90),
                f"{joint} {clean(rest, 110)}" if rest else "",
                finding.severity.value,
                anchor(finding),
                root,
            )
        )
    if len(links) > _CHAIN_CARDS:
        left = len(links) - _CHAIN_CARDS + 1
        more = ChainLink("", "", f"{plural(left, 'consequence')} more", "below", "info", "findings")
        links = [*links[: _CHAIN_CARDS - 1], more]
    return tuple(links)


def anchor(finding: Finding) -> str:
    """Identifier of a finding on the page."""
    return f"finding-{finding.fingerprint}"


class _Views:
    """Turns findings into views; counts charts, so that a run with hundreds of findings stays a readable page."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.charts = 0
        self.mapped: set[str] = set()

    def of(self, finding: Finding) -> FindingView:
        lead, _, rest = split_lead(clean(finding.message, 600))
        key = f"{anchor(finding)}-{self.charts}"
        drawn: Chart | None = None
        units: HeatMap | None = None
        if self.charts < _MOST_CHARTS:
            drawn = _evidence_chart(self.run, finding, f"{key}-chart")
            site = finding.evidence.get("unit_map")
            if isinstance(site, str) and site not in self.mapped:
                self.mapped.add(site)
                units = unit_map(self.run, site, f"{key}-units", f"{clean(site, 40)}: which units fire")
            self.charts += bool(drawn) + bool(units)
        return FindingView(
            clean(finding.code, 20),
            clean(finding.name, 60),
            finding.severity.value,
            clean(finding.site, 60),
            lead,
            rest,
            steps_range(finding.first_step, finding.last_step, self.run.steps),
            anchor(finding),
            clean(finding.help, 600),
            drawn,
            units,
            table_of(finding.evidence),
        )


def table_of(evidence: Mapping[str, Any]) -> Table | None:
    """The small table of a finding, from its evidence `"table": {"epoch": ["birth", 1], "dead": [3, 11]}`.

    Each entry is a row: its name and its values. None if there is none, or it is not of that form.
    """
    data = evidence.get("table")
    if not isinstance(data, Mapping) or not data:
        return None
    rows = []
    for name, values in data.items():
        if isinstance(values, str) or not isinstance(values, Sequence):
            return None
        shown = [v for v in values if isinstance(v, str | int | float)][:14]
        rows.append((clean(name, 30), *(clean(v, 20) if isinstance(v, str) else number(v) for v in shown)))
    width = max(len(row) for row in rows)
    return Table(
        rows[0] + ("",) * (width - len(rows[0])), tuple(r + ("",) * (width - len(r)) for r in rows[1:])
    )


def _evidence_chart(run: Run, finding: Finding, key: str) -> Chart | None:
    wanted = [s for s in _list(finding.evidence.get("series")) if isinstance(s, Mapping)]
    names = [(str(s.get("name", "")), str(s.get("site", finding.site))) for s in wanted]
    found = [(name, site, run.series(name, site)) for name, site in names]
    found = [entry for entry in found if len(entry[2])][:_MOST_CURVES]
    if not found:
        return None
    kinds = [quantity(name) for name, _, _ in found]
    one_name, one_site = len({k.title for k in kinds}) == 1, len({site for _, site, _ in found}) == 1
    curves = []
    for (_, site, series), kind, tone in zip(found, kinds, tones(len(found))):
        label = (
            clean(site, 30)
            if one_name and not one_site
            else kind.title.lower()
            if one_site
            else f"{clean(site, 30)} {kind.title.lower()}"
        )
        curves.append(Curve(label, series.steps, series.values, tone))
    threshold = _float(finding.evidence.get("threshold"))
    label = clean(finding.evidence.get("threshold_label") or "limit", 60)
    references = [Reference(threshold, label)] if threshold is not None else []
    title = f"{clean(found[0][1], 40)}: {kinds[0].title.lower()}" if one_site else kinds[0].title
    return chart(
        key, title, kinds[0], curves, references=references, band=_band(run, finding, curves, kinds[0].share)
    )


def _band(run: Run, finding: Finding, curves: list[Curve], share: bool) -> Band | None:
    marked = [_float(s) for s in _list(finding.evidence.get("steps"))]
    ends = [s for s in marked if s is not None] or [
        float(s) for s in (finding.first_step, finding.last_step) if s is not None
    ]
    if not ends:
        return None
    first, last = int(min(ends)), int(max(ends))
    label = steps_range(first, last, run.steps)
    if first == last and len(curves) == 1:
        at = curves[0].values[curves[0].steps == first]
        if len(at) and math.isfinite(at[0]):
            label += f": {percent(at[0]) if share else number(at[0])}"
    return Band(first, last, label)


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else []


def _float(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None
