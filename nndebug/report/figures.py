"""The first screen of the report as a PNG, one after every epoch; matplotlib is imported when it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..atomic import write_atomically
from .html import MARKS
from .layers import SEEN_AT_ONCE
from .model import CauseView, Chart, FindingView, Report
from .svg import shares

if TYPE_CHECKING:
    from .canvas import Canvas

_WIDTH, _HEIGHT = 1280, 860
_EDGE, _RIGHT_EDGE = 40, 1240
_LEFT, _RIGHT = (40, 560), (618, 622)  # columns: x and width


def dashboard(report: Report, path: str | Path, dpi: int = 110) -> Path:
    """Draws verdict, chain, leading findings, layers, loss and accuracy on one sheet.

    Args:
        report: what `build` made.
        path: the PNG to write; it is put in place at once, never half written.
        dpi: pixels of the file per 100 pixels of the sheet of 1280 by 860.

    Raises:
        OSError: the file cannot be written.
    """
    from .canvas import Canvas, quick_letters

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with quick_letters():
        sheet = Canvas(_WIDTH, _HEIGHT, dpi)
        _draw(sheet, report)
        drawn = sheet.png()
    write_atomically(path, drawn)
    return path


def _draw(sheet: Canvas, report: Report) -> None:
    y = _head(sheet, report)
    if report.chain:
        y = _chain(sheet, report, y)
    if report.causes:
        _findings(sheet, report.causes[0], y)
        charts = report.learning[:2]
    else:
        _checked(sheet, report, y)
        charts = report.learning[:1] + report.flow[:1]
    _right(sheet, report, charts, y)


def _head(sheet: Canvas, report: Report) -> float:
    from .canvas import RULE, SEVERITY, SOFT, TEXT

    x: float = _EDGE
    if report.name:
        x += sheet.text(x, 27, report.name[:40], 13, bold=True) + 18
    summary = report.summary if len(report.summary) < 90 else report.summary[:89] + "…"
    x += sheet.text(x, 27, summary, 13, SOFT) + 18
    sheet.text(x, 27, report.length, 13, SOFT)
    sheet.text(
        _RIGHT_EDGE,
        27,
        "still running" if report.notice.startswith("Still") else report.cost,
        13,
        SOFT,
        ha="right",
    )
    sheet.line(_EDGE, 41, _RIGHT_EDGE, 41, RULE)
    colour = SEVERITY[report.severity]
    runs = [(f"{MARKS[report.severity]} {report.verdict[0]}", colour, True), (report.verdict[1], TEXT, True)]
    y = sheet.paragraph(_EDGE, 76, _RIGHT_EDGE - _EDGE, runs, 24, 30, 2)
    return (
        sheet.paragraph(_EDGE, y - 2, _RIGHT_EDGE - _EDGE, [(report.subline, SOFT, False)], 14.5, 20, 1) - 4
    )


def _chain(sheet: Canvas, report: Report, y: float) -> float:
    from .canvas import CARD, RULE, SEVERITY, SOFT, TEXT, TINTS

    height, x = 98, float(_EDGE)
    sheet.card(_EDGE, y, _RIGHT_EDGE - _EDGE, height)
    for link, share in zip(report.chain, shares(report.chain)):
        width = share * (_RIGHT_EDGE - _EDGE)
        if link.root:
            sheet.card(x, y, width, height, TINTS.get(report.severity, CARD))
        if x > _EDGE:
            sheet.line(x, y, x, y + height, RULE)
        when = " · ".join(filter(None, [link.when, link.site]))
        mark = f"{MARKS[report.severity]} " if link.root else ""
        runs = [(mark + when, SEVERITY[report.severity] if link.root else SOFT, link.root)]
        sheet.paragraph(x + 14, y + 21, width - 24, runs, 12, 18, 1)
        runs = [(link.lead + link.rest[:1].strip(), TEXT, True), (link.rest[1:], TEXT, False)]
        sheet.paragraph(x + 14, y + 41, width - 26, runs, 13.5, 19, 3)
        x += width
    return y + height + 14


def _findings(sheet: Canvas, cause: CauseView, top: float) -> None:
    from .canvas import GREEN, SOFT, TEXT

    x, width = _LEFT
    sheet.card(x, top, width, _HEIGHT - 22 - top)
    y = top + 26
    for finding in cause.leading[:2]:
        y = _finding(sheet, finding, x, width, y)
    if cause.help and y < _HEIGHT - 60:
        lines = int((_HEIGHT - 40 - y) // 20)
        end = sheet.paragraph(
            x + 32,
            y + 4,
            width - 48,
            [("What to do:", GREEN, True), (cause.help, TEXT, False)],
            14,
            20,
            lines,
        )
        sheet.line(x + 18, y - 12, x + 18, end - 10, GREEN, 2.4)
        y = end + 14
    if cause.following and y < _HEIGHT - 50:
        words = "; ".join(f.headline for f in cause.following)
        lines = int((_HEIGHT - 30 - y) // 18)
        sheet.paragraph(
            x + 16,
            y + 4,
            width - 32,
            [("What follows from it:", TEXT, True), (words, SOFT, False)],
            13,
            18,
            lines,
        )


def _finding(sheet: Canvas, finding: FindingView, x: float, width: float, y: float) -> float:
    from .canvas import SEVERITY, SOFT, TEXT

    runs = [
        (MARKS[finding.severity], SEVERITY[finding.severity], True),
        (finding.headline, TEXT, True),
    ]
    y = sheet.paragraph(x + 16, y, width - 32, runs, 14.5, 18, 1)
    sheet.paragraph(
        x + 16,
        y,
        width - 32,
        [(" · ".join(filter(None, (finding.rest, f"{finding.code} {finding.name}"))), SOFT, False)],
        12,
        16,
        1,
    )
    if finding.chart:
        sheet.chart(finding.chart, x + 66, y + 28, width - 96, 130)
        y = (
            sheet.paragraph(
                x + 16, y + 28 + 130 + 52, width - 32, [(finding.chart.how, SOFT, False)], 12.5, 17, 2
            )
            + 12
        )
    if finding.map:
        height = min(11 * len(finding.map.cells), 120)
        sheet.map(finding.map, x + 78, y + 12, width - 94, height)
        y = (
            sheet.paragraph(
                x + 16, y + 12 + height + 18, width - 32, [(finding.map.how, SOFT, False)], 12.5, 17, 2
            )
            + 14
        )
    return y + (0 if finding.chart or finding.map else 24)


def _checked(sheet: Canvas, report: Report, top: float) -> None:
    from .canvas import GREEN, SEVERITY, SOFT, TEXT

    x, width = _LEFT
    charts = report.learning[1:2]
    bottom = _HEIGHT - 22
    last = bottom - 210 if charts else bottom - 20
    box = sheet.card(x, top, width, last - top)
    y = top + 27
    if report.others:
        sheet.text(x + 16, y, "Findings", 14.5, bold=True)
        for finding in report.others[:5]:
            runs = [
                (MARKS[finding.severity], SEVERITY[finding.severity], True),
                (finding.headline, TEXT, False),
            ]
            y = sheet.paragraph(x + 16, y + 22, width - 32, runs, 13, 18, 2) - 18
        y += 32
    sheet.text(x + 16, y, "What was checked and passed", 14.5, bold=True)
    y += 26
    for group in report.passed:
        if y > last - 60:
            break
        names = ", ".join(name.replace("-", " ") or code for code, name, _ in group.rules)
        runs = [("○", GREEN, False), (group.title, TEXT, True), (names, SOFT, False)]
        y = sheet.paragraph(x + 16, y, width - 32, runs, 13, 18, 3) + 6
    box.set_height(y - top)
    for chart in charts:
        _card_chart(sheet, chart, x, width, y + 14, min(bottom - y - 14, 420))


def _right(sheet: Canvas, report: Report, charts: tuple[Chart, ...], top: float) -> None:
    x, width = _RIGHT
    y = _layers(sheet, report, top) if report.layers else top
    if len(charts) > 1 and (_HEIGHT - 22 - y - 14) / 2 < 150:
        charts = charts[:1]
    each = (_HEIGHT - 22 - y - 14 * (len(charts) - 1)) / max(len(charts), 1)
    for chart in charts:
        _card_chart(sheet, chart, x, width, y, min(each, 300))
        y += min(each, 300) + 14


def _layers(sheet: Canvas, report: Report, top: float) -> float:
    """The layers at a glance; returns where the next card begins."""
    from .canvas import RULE, SEVERITY, SOFT, TEXT

    x, width = _RIGHT
    rows = report.layers[:SEEN_AT_ONCE]
    height = 62 + 46 * len(rows)
    sheet.card(x, top, width, height)
    left = len(report.layers) - len(rows)
    sheet.text(
        x + 16,
        top + 27,
        "Layers at a glance" + (f", {left} more on the page" if left else ""),
        14.5,
        bold=True,
    )
    places = (x + 16, x + 164, x + 284, x + 356, x + 436, x + 526)
    for place, title in zip(places, ("layer", "state", "never fire", *report.spark_titles)):
        sheet.text(place, top + 50, title if title != "update : weight" else "update:weight", 11.5, SOFT)
    for i, row in enumerate(rows):
        y = top + 58 + 46 * i
        sheet.line(x + 16, y, x + width - 16, y, RULE)
        sheet.paragraph(places[0], y + 18, 150, [(row.site, TEXT, True)], 13.5, 18, 1)
        sheet.paragraph(places[0], y + 34, 152, [(row.description, SOFT, False)], 11.5, 16, 1)
        sheet.paragraph(
            places[1],
            y + 18,
            122,
            [(f"{MARKS[row.severity]} {row.state}", SEVERITY[row.severity], False)],
            12,
            16,
            2,
        )
        sheet.paragraph(places[2], y + 18, 66, [(row.never_fire, TEXT, False)], 12, 16, 2)
        for place, spark in zip(places[3:], row.sparks):
            if spark:
                sheet.curves(spark, place, y + 7, 74, 20)
                sheet.text(place, y + 41, spark.lines[0].last, 10.5, SOFT)
    return top + height + 14


def _card_chart(sheet: Canvas, chart: Chart, x: float, width: float, y: float, height: float) -> None:
    from .canvas import SOFT, tone

    if height < 130:
        return
    sheet.card(x, y, width, height)
    at = x + 16 + sheet.text(x + 16, y + 27, chart.title, 14.5, bold=True) + 22
    for line in chart.lines:
        sheet.line(at, y + 22, at + 18, y + 22, tone(line), 1.4)
        at += 24 + sheet.text(at + 24, y + 27, f"{line.label} {line.last}", 12, SOFT) + 16
    lines = 2 if height > 250 else 1 if height > 190 else 0
    sheet.chart(chart, x + 68, y + 48, width - 96, height - 94 - 20 * lines)
    if lines:
        top = y + height + 5 - 19 * lines
        sheet.paragraph(x + 16, top, width - 32, [(chart.how, SOFT, False)], 12.5, 17, lines)
