"""Series of a run as charts: thinned lines, axes, a description in words, and the numbers as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..signals import Array
from .charts import LARGEST, LOG_STEPS, Axis, bounds, step_axis, thin, trend, value_axis
from .model import Band, Chart, Line, NotFinite, Reference, Table
from .text import number, percent
from .vocabulary import Quantity

_TABLE_ROWS = 24


@dataclass(frozen=True)
class Curve:
    """A recorded series before thinning: `steps` and `values` (points,)."""

    label: str
    steps: Array
    values: Array
    tone: float = 0.0
    points: bool = False
    layer: int = -1


def chart(
    key: str,
    title: str,
    quantity: Quantity,
    curves: Sequence[Curve],
    *,
    references: Sequence[Reference] = (),
    band: Band | None = None,
    how: str = "",
    most: int = 400,
    trends: bool = False,
) -> Chart | None:
    """A chart of some curves of one quantity; None if nothing was recorded.

    Args:
        key: identifier, unique on the page.
        title: heading.
        quantity: unit, kind of axis, and how to read it.
        curves: what to draw, in this order.
        references: dashed lines.
        band: steps to mark.
        how: replaces the quantity's own "how to read this" line.
        most: points to keep of each curve.
        trends: draw medians over the curves.
    """
    curves = [c for c in curves if len(c.steps)]
    if not curves:
        return None
    everything = np.concatenate([np.asarray(c.values, dtype=float) for c in curves])
    lines_at = np.array([r.value for r in references], dtype=float)
    references = [r for r in references if math.isfinite(r.value)]
    low, high, y_log = bounds(everything, lines_at, quantity.log, quantity.share)
    first = float(min(c.steps[0] for c in curves))
    last = float(max(c.steps[-1] for c in curves))
    first = 0.0 if first < 0.1 * last else first
    x_log = last - first >= LOG_STEPS and not first  # less than a decade of steps has too few names on it
    lines, gaps = [], []
    for curve in curves:
        x, y = thin(np.asarray(curve.steps), np.asarray(curve.values, dtype=float), x_log, most)
        bad = np.flatnonzero(~np.isfinite(curve.values))
        if bad.size:
            word = "NaN" if np.isnan(curve.values[bad[0]]) else "infinite"
            gaps.append(
                NotFinite(
                    float(curve.steps[bad[0]]), f"{curve.label}: {word} at step {int(curve.steps[bad[0]]):,}"
                )
            )
        lines.append(
            Line(
                curve.label,
                tuple(float(v) for v in x),
                tuple(float(np.clip(v, -LARGEST, LARGEST)) if np.isfinite(v) else None for v in y),
                curve.tone,
                _figure(float(curve.values[-1]), quantity),
                curve.points or int(np.isfinite(y).sum()) == 1,
                tuple(trend(np.asarray(curve.steps), np.asarray(curve.values, dtype=float), x_log))
                if trends
                else (),
                curve.layer,
            )
        )
    how = how or quantity.how
    if y_log and any(v is not None and v < low for line in lines for v in line.y):
        how += f" Below {number(low)}: on the bottom edge."
    return Chart(
        key=key,
        title=title,
        unit=quantity.unit,
        how=how,
        lines=tuple(lines),
        low=low,
        high=high,
        x_low=first,
        x_high=last,
        description=_describe(curves, references, gaps, quantity),
        x_log=x_log,
        y_log=y_log,
        percent=quantity.share,
        references=tuple(references),
        band=band,
        not_finite=tuple(gaps),
        table=_table(curves, x_log, quantity) if most > 100 else Table((), ()),
    )


def axes(chart: Chart, x_most: int = 7, y_most: int = 5) -> tuple[Axis, Axis]:
    """The axes of a chart: steps, values."""
    return (
        step_axis(chart.x_low, chart.x_high, chart.x_log, x_most),
        value_axis(chart.low, chart.high, chart.y_log, chart.percent, y_most),
    )


def tones(count: int) -> list[float]:
    """Colours for layers from the first (0, blue) to the last (1, amber)."""
    return [i / (count - 1) if count > 1 else 0.0 for i in range(count)]


def _figure(value: float, quantity: Quantity) -> str:
    return percent(value) if quantity.share else number(value)


def _describe(
    curves: Sequence[Curve], references: Sequence[Reference], gaps: Sequence[NotFinite], quantity: Quantity
) -> str:
    parts = []
    for curve in curves[:8]:
        finite = np.isfinite(curve.values)
        if not finite.any():
            parts.append(f"{curve.label}: never finite.")
            continue
        steps, values = np.asarray(curve.steps)[finite], np.asarray(curve.values)[finite]
        low, high = int(np.argmin(values)), int(np.argmax(values))
        parts.append(
            f"{curve.label}: from {_figure(values[0], quantity)} at step {int(steps[0]):,} to "
            f"{_figure(values[-1], quantity)} at step {int(steps[-1]):,}; lowest {_figure(values[low], quantity)} at "
            f"{int(steps[low]):,}, highest {_figure(values[high], quantity)} at {int(steps[high]):,}."
        )
    parts += [f"Dashed line at {_figure(r.value, quantity)}: {r.label}." for r in references if r.label]
    parts += [f"{gap.label}." for gap in gaps]
    return " ".join(parts)


def _table(curves: Sequence[Curve], log: bool, quantity: Quantity) -> Table:
    chosen: set[int] = set()
    for curve in curves:
        steps, _ = thin(np.asarray(curve.steps), np.asarray(curve.values, dtype=float), log, _TABLE_ROWS)
        chosen.update(int(s) for s in steps)
        if len(chosen) > 2 * _TABLE_ROWS:
            break
    columns = []
    for curve in curves:
        known = dict(zip((int(s) for s in curve.steps), curve.values))
        columns.append({step: _figure(float(known[step]), quantity) for step in chosen if step in known})
    rows = tuple((f"{step:,}", *(c.get(step, "") for c in columns)) for step in sorted(chosen))
    total = sum(len(c.steps) for c in curves)
    drawn = sum(len(c) for c in columns)
    note = f"{drawn:,} of {total:,} recorded values, with the extremes." if drawn < total else ""
    return Table(("step", *(c.label for c in curves)), rows, note)
