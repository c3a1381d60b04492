"""Charts as inline SVG that follows the page's width and theme: positions in per cent, text in fixed sizes.

The text keeps its size at any width because nothing is scaled: labels stand at per cent of the width, and only the
curves live in a stretched view box (their strokes do not stretch). Colours come from the page's style sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from markupsafe import Markup

from .charts import Axis
from .model import ChainLink, Chart, Line
from .plots import axes

ENDS = {"end": 1.0, "start": 0.0, "middle": 0.5}
"""Where the label of a reference line may stand, as SVG's anchor → share of the width; the first is preferred."""

ASIDE = {"end": -2, "start": 4, "middle": 0}
"""Pixels from there."""

_LETTER = 0.019
"""Of the width of the narrowest charts, three in a row: what a letter of a label takes."""

_MORE = 0.08
"""Of the width of the chain: the link to what has no card."""

_BOX = 1000  # units of the stretched view box, in both directions


def chart_svg(chart: Chart, height: int = 130) -> Markup:
    """A chart with grid, axes, references and marks.

    Args:
        chart: what to draw.
        height: of the plotting area, in pixels; the labels stand outside of it.
    """
    across, up = axes(chart)
    parts: list[Markup] = []
    for value, label in up.ticks:
        y = _percent(1 - up.place(value))
        parts.append(_t('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>', y))
        parts.append(_t('<text class="tick" x="-8" y="{}" dy="4" text-anchor="end">{}</text>', y, label))
    for value, label in _spread(across):
        place = across.place(value)
        parts.append(
            _t(
                '<text class="tick" x="{}" y="{}" dy="17" text-anchor="middle">{}</text>',
                _percent(place),
                "100%",
                label,
            )
        )
    if chart.band:
        left, right = across.place(chart.band.first), across.place(chart.band.last)
        if right - left > 0.002:
            parts.append(
                _t(
                    '<rect class="band" x="{}" y="0" width="{}" height="100%"/>',
                    _percent(left),
                    _percent(right - left),
                )
            )
        parts.append(_t('<line class="mark" x1="{0}" x2="{0}" y1="-3" y2="100%"/>', _percent(left)))
        parts.append(_label(left, "-7", chart.band.label, "wrong"))
    for reference in chart.references:
        y = _percent(1 - up.place(reference.value))
        parts.append(_t('<line class="reference" x1="0" x2="100%" y1="{0}" y2="{0}"/>', y))
    parts.append(_curves(chart, across, up, readable=True))
    for reference in chart.references:
        place = 1 - up.place(reference.value)
        end, below = free_place(chart, across, up, place, reference.label)
        parts.append(
            _t(
                '<text class="remark good" x="{}" y="{}" dx="{}" dy="{}" text-anchor="{}">{}</text>',
                _percent(ENDS[end]), _percent(place), ASIDE[end], 14 if below else -5, end, reference.label,
            )
        )  # fmt: skip
    for row, gap in enumerate(chart.not_finite[:3]):
        place = across.place(gap.x)
        parts.append(_t('<line class="mark" x1="{0}" x2="{0}" y1="0" y2="100%"/>', _percent(place)))
        parts.append(_label(place, str(13 + 14 * row), f"✕ {gap.label}", "wrong"))
    unit = "step (log scale)" if chart.x_log else chart.x_label
    parts.append(_t('<text class="tick" x="100%" y="100%" dy="31" text-anchor="end">{}</text>', unit))
    parts.append(_t('<text class="tick" x="-46" y="100%" dy="31">{}</text>', _unit(chart)))
    scale = _t(
        ' data-y="{} {:.6g} {:.6g}"{}',
        "log" if chart.y_log else "lin",
        chart.low,
        chart.high,
        Markup(' data-percent="1"') if chart.percent else "",
    )
    return _frame(chart, f"height:{height}px", Markup("").join(parts), scale)


def shares(links: Sequence[ChainLink]) -> tuple[float, ...]:
    """The width of each card of the chain, as a share of that of all; the link to what has no card is narrow."""
    more = sum(not link.when for link in links)
    return tuple((1 - _MORE * more) / (len(links) - more) if link.when else _MORE for link in links)


def rail_svg(links: Sequence[ChainLink], ticks: Sequence[tuple[float, str]], severity: str) -> Markup:
    """The time line above the chain's cards: a node where each begins, and a line from there down to its card.

    Args:
        links: the cards.
        ticks: places of steps 0, 1, 10, … on the line, 0 to 1, and their names.
        severity: of the verdict, for the colour of the cause.
    """
    parts = [Markup('<line class="rail-line" x1="0" x2="100%" y1="21" y2="21"/>')]
    for number, (place, label) in enumerate(ticks):
        x = _percent(place)
        anchor = "start" if not number else "end" if place > 0.98 else "middle"
        label = label if number else f"step {label}"
        parts.append(_t('<line class="rail-line" x1="{0}" x2="{0}" y1="17" y2="25"/>', x))
        parts.append(_t('<text class="tick" x="{}" y="11" text-anchor="{}">{}</text>', x, anchor, label))
    edges = list(accumulate(shares(links)))
    placed = [
        (link, link.place, edge - share / 2)
        for link, share, edge in zip(links, shares(links), edges)
        if link.place is not None
    ]
    for link, place, middle in placed:
        kind = "root" if link.root else "node"
        line = '<line class="lead {}" x1="{}" y1="21" x2="{}" y2="38"/>'
        parts.append(_t(line, kind, _percent(place), _percent(middle)))
    for link, place, _ in sorted(placed, key=lambda drawn: drawn[0].root):
        kind, size = ("root", 5) if link.root else ("node", 3.5)
        parts.append(_t('<circle class="{}" cx="{}" cy="21" r="{}"/>', kind, _percent(place), size))
    return _t(
        '<svg class="rail" data-severity="{}" aria-hidden="true">{}</svg>', severity, Markup("").join(parts)
    )


def spark_svg(chart: Chart) -> Markup:
    """A curve as small as a word, without axes."""
    across, up = axes(chart)
    parts = [
        _t('<line class="reference" x1="0" x2="100%" y1="{0}" y2="{0}"/>', _percent(1 - up.place(r.value)))
        for r in chart.references
    ]
    return _frame(chart, "", Markup("").join([*parts, _curves(chart, across, up)]), Markup())


def legend(chart: Chart, named: bool = False) -> Markup:
    """Swatch, name and last value of each line; empty for a single line unless it is that of one of many layers.

    Args:
        chart: whose lines.
        named: the title says nothing of layers.
    """
    if len(chart.lines) < 2 and not (named and any(line.layer >= 0 for line in chart.lines)):
        return Markup("")
    items = [
        _t(
            '<li{}><svg class="swatch" aria-hidden="true"><line {} x1="0" x2="18" y1="6" y2="6"/></svg>{} <b>{}</b></li>',
            layer(line.layer), _tone(line), line.label, line.last,
        )
        for line in chart.lines
    ]  # fmt: skip
    return _t('<ul class="legend">{}</ul>', Markup("").join(items))


def layer(number: int) -> Markup:
    """The attribute by which the parts of the page that are about one layer find each other."""
    return _t(' data-layer="{}"', number) if number >= 0 else Markup("")


def _frame(chart: Chart, style: str, inside: Markup, scale: Markup) -> Markup:
    return _t(
        '<svg role="img" aria-labelledby="{0}-t {0}-d" style="{1}"{5}><title id="{0}-t">{2}</title>'
        '<desc id="{0}-d">{3}</desc>{4}</svg>',
        chart.key, style, chart.title, chart.description, inside, scale,
    )  # fmt: skip


def _curves(chart: Chart, across: Axis, up: Axis, readable: bool = False) -> Markup:
    paths: list[Markup] = []
    dots: list[Markup] = []
    for line in chart.lines:
        data = layer(line.layer)
        if readable:
            data += _t(
                ' data-label="{}" data-x="{}"', line.label if len(chart.lines) > 1 else "", _gaps(line)
            )
        points = [(across.place(x), None if y is None else 1 - up.place(y)) for x, y in zip(line.x, line.y)]
        if line.trend:
            trend = [(across.place(x), 1 - up.place(y)) for x, y in line.trend]
            paths.insert(0, _t('<path {}{} opacity=".3" d="{}"/>', _tone(line), data, _path(points)))
            paths.append(_t('<path {}{} d="{}"/>', _tone(line), layer(line.layer), _path(trend)))
        else:
            paths.append(_t('<path {}{} d="{}"/>', _tone(line), data, _path(points)))
        alone = line.points and len(points) <= 60
        for i, (x, y) in enumerate(points):
            neighbours = [points[j][1] for j in (i - 1, i + 1) if 0 <= j < len(points)]
            if y is not None and (alone or all(n is None for n in neighbours)):
                dots.append(_t('<circle {} cx="{}" cy="{}" r="2"/>', _tone(line), _percent(x), _percent(y)))
    box = _t(
        '<svg viewBox="0 0 {0} {0}" preserveAspectRatio="none" width="100%" height="100%">{1}</svg>',
        _BOX,
        Markup("").join(paths),
    )
    return box + Markup("").join(dots)


def _path(points: Sequence[tuple[float, float | None]]) -> str:
    words, pen = [], "M"
    for x, y in points:
        if y is None:
            pen = "M"
            continue
        words.append(f"{pen}{x * _BOX:.0f} {y * _BOX:.0f}")
        pen = "L"
    return "".join(words)


def _gaps(line: Line) -> str:
    """The steps of the points on a path, each as its distance from the one before."""
    steps = [0.0, *(x for x, y in zip(line.x, line.y) if y is not None)]
    return " ".join(f"{b - a:g}" for a, b in pairwise(steps))


def _tone(line: Line) -> Markup:
    if line.tone in (0.0, 1.0):
        return _t('class="s{}"', int(line.tone))
    return _t('class="s" style="--tone:{}%"', round(100 * line.tone))


def _label(place: float, y: str, text: str, kind: str) -> Markup:
    """Text beside a vertical mark, on the side where there is room."""
    anchor, shift = ("start", 5) if place < 0.55 else ("end", -5)
    return _t(
        '<text class="remark {}" x="{}" y="{}" dx="{}" text-anchor="{}">{}</text>',
        kind, _percent(place), y, shift, anchor, text,
    )  # fmt: skip


def free_place(chart: Chart, across: Axis, up: Axis, place: float, label: str) -> tuple[str, bool]:
    """Where the label of a reference line hides least of the curves: (its end or middle, below the line)."""
    points = [
        [(across.place(x), 1 - up.place(y)) for x, y in zip(line.x, line.y) if y is not None]
        for line in chart.lines
    ]
    width = min(_LETTER * max(len(label), 1), 0.9)
    tried: list[tuple[int, str, bool]] = []
    for end, share in ENDS.items():
        for below in (False, True):
            if (place < 0.12 and not below) or (place > 0.85 and below):
                continue
            # A curve that runs along the line itself passes beside the words.
            low, high = (place + 0.015, place + 0.16) if below else (place - 0.16, place - 0.015)
            tried.append((_hidden(points, share * (1 - width), width, low, high), end, below))
    return min(tried, key=lambda found: found[0])[1:]


def _hidden(
    points: list[list[tuple[float, float]]], start: float, width: float, low: float, high: float
) -> int:
    """In how many of 24 columns from `start` on a curve runs between two heights."""
    columns = 24
    hidden = set()
    for curve in points:
        for (x1, y1), (x2, y2) in pairwise(curve):
            first, last = (int((x - start) / width * columns) for x in (x1, x2))
            for column in range(max(first, 0), min(last, columns - 1) + 1):
                at = start + (column + 0.5) * width / columns
                share = min(max((at - x1) / (x2 - x1), 0.0), 1.0) if x2 > x1 else 0.0
                if low <= y1 + share * (y2 - y1) <= high:
                    hidden.add(column)
    return len(hidden)


def _spread(axis: Axis) -> list[tuple[float, str]]:
    """Ticks without those that would touch the one before."""
    kept: list[tuple[float, str]] = []
    for value, label in axis.ticks:
        if not kept or axis.place(value) - axis.place(kept[-1][0]) > 0.05:
            kept.append((value, label))
    return kept


def _unit(chart: Chart) -> str:
    return chart.unit + (" (log scale)" if chart.y_log else "")


def _percent(place: float) -> str:
    return f"{100 * place:.2f}".rstrip("0").rstrip(".") + "%"


def _t(template: str, *values: object) -> Markup:
    """A template with its values escaped."""
    return Markup(template).format(*values)
