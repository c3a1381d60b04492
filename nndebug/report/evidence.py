"""Findings and causes as a reader sees them: the fact, its chart, its units, and what follows from what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..findings import Cause, CheckResult, Finding
from .layers import layer_of
from .maps import unit_map
from .model import Band, CauseView, Chart, FindingView, HeatMap, Reference, Table
from .plots import Curve, chart, tones
from .text import clean, number, percent, split_lead, steps_range
from .vocabulary import quantity

if TYPE_CHECKING:
    from ..run import Run
    from ..series import Series

_MOST_CHARTS = 16
_MOST_CURVES = 6


def causes(run: Run, result: CheckResult) -> tuple[tuple[CauseView, ...], tuple[FindingView, ...]]:
    """The causes with what they explain, and the findings that none of them explains.

    A finding belongs to the first cause that explains it. Of a cause, the root is shown open, together with the
    first consequence that has a picture of another kind; the rest is folded.
    """
    views = _Views(run)
    left = list(result.findings)
    views_of_causes = []
    for cause in result.causes:
        own = explained(cause, result.findings)
        own = [f for f in own if f in left]
        left = [f for f in left if f not in own]
        drawn = [views.of(f) for f in own]
        leading = drawn[:1]
        leading += _second(drawn)
        severity = max((f.severity for f in own), key=lambda s: s.rank, default=result.severity)
        views_of_causes.append(
            CauseView(
                clean(cause.kind, 60),
                clean(cause.sentence, 400),
                severity.value if severity else "info",
                percent(round(cause.certainty, 2)) if cause.certainty > 0 else "",
                steps_range(cause.first_step, None),
                tuple(leading),
                tuple(v for v in drawn if v.anchor not in {lead.anchor for lead in leading}),
                tuple(clean(s, 300) for s in cause.supports),
                tuple(clean(a, 300) for a in cause.against),
                tuple(clean(r, 300) for r in cause.ruled_out),
                clean(cause.help, 600),
            )
        )
    return tuple(views_of_causes), tuple(views.of(f) for f in left)


def _second(drawn: Sequence[FindingView]) -> list[FindingView]:
    """The consequence to show beside the root: the first with a picture of another kind."""
    if not drawn:
        return []
    root = drawn[0]
    maps = [v for v in drawn[1:] if v.map and not root.map]
    charts = [v for v in drawn[1:] if v.chart and not (root.chart and v.chart.unit == root.chart.unit)]
    return [replace(v, chart=None) if v.map and root.chart else v for v in (maps or charts)[:1]]


def explained(cause: Cause, findings: Sequence[Finding]) -> list[Finding]:
    """The findings that a cause explains, in causal order."""
    own = []
    for mark in cause.explains:
        own += [f for f in findings if f.fingerprint == mark and f not in own]
    return own


def place(finding: Finding, limit: int) -> str:
    """The finding's layer or parameter, short; empty if it is about the whole run, which a reader would take for one."""
    return "" if finding.site == "run" else clean(finding.site, limit)


def anchor(finding: Finding) -> str:
    """Identifier of a finding on the page."""
    return f"finding-{finding.fingerprint}"


class _Views:
    """Turns findings into views; counts charts, so that a run with hundreds of findings stays a readable page."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.charts = 0
        self.mapped: set[str] = set()
        self.seen: dict[str, int] = {}

    def of(self, finding: Finding) -> FindingView:
        lead, _, rest = split_lead(clean(finding.message, 600))
        # A rule may speak twice of one place; the second one needs a mark of its own on the page.
        count = self.seen[finding.fingerprint] = self.seen.get(finding.fingerprint, 0) + 1
        key = anchor(finding) + (f"-{count}" if count > 1 else "")
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
            place(finding, 60),
            lead,
            rest,
            steps_range(finding.first_step, finding.last_step, self.run.steps),
            key,
            clean(finding.help, 600),
            drawn,
            units,
            table_of(finding.evidence),
            layer_of(self.run, finding.site),
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
    kinds = [quantity(name, run.manifest) for name, _, _ in found]
    one_name, one_site = len({k.title for k in kinds}) == 1, len({site for _, site, _ in found}) == 1
    # The same quantity recorded under two names (on the probe first, on batches later) is one curve.
    parts: dict[tuple[str, str], list[Series]] = {}
    for (_, site, series), kind in zip(found, kinds):
        parts.setdefault((kind.title, site), []).append(series)
    curves = []
    for ((name, site), pieces), tone in zip(parts.items(), tones(len(parts))):
        place = clean(site, 30)
        label = name.lower() if one_site else place if one_name else f"{place} {name.lower()}"
        steps, first = np.unique(np.concatenate([p.steps for p in pieces]), return_index=True)
        curves.append(
            Curve(
                label,
                steps,
                np.concatenate([p.values for p in pieces])[first],
                tone,
                layer=layer_of(run, site),
            )
        )
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
