"""A sheet of paper in pixels on matplotlib: text that wraps, lines, boxes, charts; no pyplot, no global state."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.patheffects import PathEffectRenderer, withStroke

from .model import Chart, HeatMap, Line
from .plots import axes
from .png import PALETTES
from .svg import ASIDE, ENDS, free_place

PAGE, CARD, RULE, GRID = "#fbfbf9", "#ffffff", "#e2e2dd", "#ecece8"
TEXT, SOFT, RED, TINT, GREEN, BLUE, AMBER = (
    "#1a1d21",
    "#5a5f66",
    "#b3261e",
    "#fdebea",
    "#1c6b3f",
    "#1f5499",
    "#8f5400",
)
SEVERITY = {"error": RED, "warning": AMBER, "info": BLUE, "passed": GREEN}
TINTS = {"error": TINT, "warning": "#f8f0e3", "info": "#e9eff7"}
SIDES = {"end": "right", "start": "left", "middle": "center"}  # of SVG's anchors, in matplotlib's words
_PER_INCH = 100  # pixels of the layout; the file has dpi / 100 times as many

_PACKING = {"compress_level": 3}  # no larger than with the usual 6, in a third of the time

_widths: dict[tuple[object, ...], float] = {}  # most words come again after the next epoch


class Canvas:
    """Draws in pixels from the top left corner.

    Args:
        width: of the sheet, in pixels.
        height: of the sheet, in pixels.
        dpi: pixels of the file per 100 pixels of the sheet.
    """

    def __init__(self, width: int, height: int, dpi: int) -> None:
        self.figure = Figure(figsize=(width / _PER_INCH, height / _PER_INCH), dpi=dpi, facecolor=PAGE)
        agg = FigureCanvasAgg(self.figure)
        self._words = _Words()
        self.figure.add_artist(self._words)
        self._paper = self.figure.add_axes((0, 0, 1, 1))
        self._paper.set_axis_off()
        self._paper.set_xlim(0, width)
        self._paper.set_ylim(height, 0)
        self._paper.set_autoscale_on(False)
        self._dpi, self._scale = dpi, dpi / _PER_INCH
        self._renderer: Any = agg.get_renderer()  # type: ignore[no-untyped-call]

    def png(self) -> bytes:
        """The sheet as a PNG file."""
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a name may have letters that the font has not
            self.figure.savefig(file, format="png", dpi=self._dpi, facecolor=PAGE, pil_kwargs=_PACKING)
        return file.getvalue()

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = 13,
        colour: str = TEXT,
        *,
        ha: str = "left",
        bold: bool = False,
        mono: bool = False,
        halo: str = "",
    ) -> float:
        """Text with its base line at y; returns its width in pixels. No mathtext: a `$` is a dollar.

        Args:
            x: of its left end, middle or right end, as `ha` says.
            y: of the base line.
            words: one line.
            size: of the letters, in pixels.
            colour: of the letters.
            ha: "left", "center" or "right".
            bold: in bold letters.
            mono: in letters of one width.
            halo: colour of a rim around the letters, for words on curves; "" for none.
        """
        font = _font(size, bold, mono)
        width = self.measure(words, font)
        if words:
            left = x - {"left": 0.0, "center": 0.5, "right": 1.0}[ha] * width
            self._words.add(left * self._scale, y * self._scale, words, font, colour, halo)
        return width

    def measure(self, words: str, font: FontProperties) -> float:
        """Width of a text in pixels."""
        key = (words, font.get_size(), font.get_weight(), font.get_family()[0], self._dpi)
        if key in _widths:
            return _widths[key]
        if not words:
            return 0.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            width, _, _ = self._renderer.get_text_width_height_descent(words, font, False)
        if len(_widths) > 5000:
            _widths.clear()
        _widths[key] = float(width) / self._scale
        return _widths[key]

    def paragraph(
        self,
        x: float,
        y: float,
        width: float,
        runs: Sequence[tuple[str, str, bool]],
        size: float,
        gap: float,
        most: int,
    ) -> float:
        """Runs of (words, colour, bold) set one after the other and wrapped; returns the y of the next line.

        Args:
            x: left edge.
            y: base line of the first line.
            width: of the column.
            runs: what to set.
            size: of the letters, in pixels.
            gap: from base line to base line.
            most: lines; what is left over ends in an ellipsis.
        """
        at, line = x, 1
        for words, colour, bold in runs:
            font = _font(size, bold, False)
            piece, start, blank = "", at, self.measure(" ", font)
            for word in words.split():
                wide = self.measure(word, font)
                if at + wide > x + width and at > x:
                    if line == most:
                        self.text(start, y, piece.rstrip() + " …", size, colour, bold=bold)
                        return y + gap
                    self.text(start, y, piece, size, colour, bold=bold)
                    piece, at, start, y, line = "", x, x, y + gap, line + 1
                while wide > width and len(word) > 4:  # one endless word
                    word = word[: int(len(word) * width / wide) - 2] + "…"
                    wide = self.measure(word, font)
                piece += word + " "
                at += wide + blank
            self.text(start, y, piece.rstrip(), size, colour, bold=bold)
        return y + gap

    def line(
        self, x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 0.8, dash: bool = False
    ) -> None:
        """A straight line."""
        self._paper.plot(
            (x1, x2), (y1, y2), color=colour, lw=width, dashes=(5, 3.5) if dash else (), solid_capstyle="butt"
        )

    def card(self, x: float, y: float, width: float, height: float, fill: str = CARD) -> FancyBboxPatch:
        """A box with round corners."""
        style = "round,pad=0,rounding_size=8"
        box = FancyBboxPatch((x, y), width, height, boxstyle=style, fc=fill, ec=RULE, lw=0.8)
        self._paper.add_patch(box)
        return box

    def box(self, x: float, y: float, width: float, height: float, fill: str, alpha: float = 1.0) -> None:
        """A filled rectangle."""
        self._paper.add_patch(Rectangle((x, y), width, height, fc=fill, ec="none", alpha=alpha))

    def chart(self, chart: Chart, x: float, y: float, width: float, height: float) -> None:
        """A chart whose plotting area is this rectangle; labels stand outside of it, as on the page."""
        across, up = axes(chart)
        for value, label in up.ticks:
            at = y + height * (1 - up.place(value))
            self.line(x, at, x + width, at, GRID)
            self.text(x - 8, at + 4, label, 11, SOFT, ha="right")
        last = -1.0
        for value, label in across.ticks:
            if (place := across.place(value)) - last > 0.05:
                self.text(x + width * place, y + height + 16, label, 11, SOFT, ha="center")
                last = place
        self.text(
            x + width,
            y + height + 30,
            "step (log scale)" if chart.x_log else chart.x_label,
            11,
            SOFT,
            ha="right",
        )
        self.text(x - 44, y + height + 30, chart.unit + (" (log scale)" if chart.y_log else ""), 11, SOFT)
        if chart.band:
            first, end = across.place(chart.band.first), across.place(chart.band.last)
            self.box(x + width * first, y, width * (end - first), height, RED, 0.08)
            self.line(x + width * first, y - 3, x + width * first, y + height, RED)
            right = first >= 0.55
            self.text(
                x + width * first + (-5 if right else 5),
                y - 5,
                chart.band.label,
                12,
                RED,
                ha="right" if right else "left",
            )
        for reference in chart.references:
            at = y + height * (1 - up.place(reference.value))
            self.line(x, at, x + width, at, GREEN, 1, dash=True)
        self.curves(chart, x, y, width, height)
        for reference in chart.references:
            place = 1 - up.place(reference.value)
            side, below = free_place(chart, across, up, place, reference.label)
            at = y + height * place + (14 if below else -5)
            place = x + width * ENDS[side] + ASIDE[side]
            self.text(place, at, reference.label, 12, GREEN, ha=SIDES[side], halo=CARD)
        for row, lost in enumerate(chart.not_finite[:3]):
            at = x + width * across.place(lost.x)
            self.line(at, y, at, y + height, RED)
            right = at > x + 0.55 * width
            self.text(
                at + (-5 if right else 5),
                y + 12 + 14 * row,
                f"✕ {lost.label}",
                12,
                RED,
                ha="right" if right else "left",
            )

    def curves(self, chart: Chart, x: float, y: float, width: float, height: float) -> None:
        """Only the curves of a chart."""
        across, up = axes(chart)
        for line in chart.lines:
            points = [
                (x + width * across.place(a), np.nan if b is None else y + height * (1 - up.place(b)))
                for a, b in zip(line.x, line.y)
            ]
            colour = tone(line)
            faint = 0.3 if line.trend else 1.0
            self._paper.add_collection(
                LineCollection([points], colors=[colour], linewidths=1.1, joinstyle="round", alpha=faint)
            )
            if line.trend:
                points = [
                    (x + width * across.place(a), y + height * (1 - up.place(b))) for a, b in line.trend
                ]
                self._paper.add_collection(
                    LineCollection([points], colors=[colour], linewidths=1.3, joinstyle="round")
                )
            if line.points and len(points) <= 60:
                self._paper.plot(*zip(*points), "o", ms=3, color=colour)

    def map(self, chart: HeatMap, x: float, y: float, width: float, height: float) -> None:
        """A heat map with the names of its first and last row on its left."""
        colours = np.array(PALETTES[chart.palette][0], dtype=np.uint8)
        image = AxesImage(
            self._paper, extent=(x, x + width, y + height, y), interpolation="nearest", zorder=1.5
        )
        image.set_data(colours[np.array(chart.cells)])
        self._paper.add_image(image)
        if chart.lines:
            rows, columns = len(chart.cells), len(chart.cells[0])
            lines = [
                ((x + width * i / columns, y), (x + width * i / columns, y + height))
                for i in range(1, columns)
            ]
            lines += [
                ((x, y + height * i / rows), (x + width, y + height * i / rows)) for i in range(1, rows)
            ]
            self._paper.add_collection(LineCollection(lines, colors=CARD, linewidths=0.7))
        if chart.rows:
            self.text(x - 8, y + 10, chart.rows[0], 11, SOFT, ha="right")
            self.text(x - 8, y + height - 1, chart.rows[-1], 11, SOFT, ha="right")


@contextmanager
def quick_letters() -> Iterator[None]:
    """Letters that are measured and drawn at any place: fitting each to the pixel grid takes a third of a sheet's time."""
    with rc_context({"text.hinting": "none"}):
        yield


class _Words(Artist):
    """All words of a sheet, drawn last: one artist, since laying out a hundred of them costs more than the letters."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[tuple[float, float, str, FontProperties, str, str]] = []
        self.set_zorder(10)

    def add(self, x: float, y: float, words: str, font: FontProperties, colour: str, halo: str) -> None:
        """Words with their left end and base line at a place, in pixels of the file from the top left corner."""
        self._lines.append((x, y, words, font, colour, halo))

    def draw(self, renderer: Any) -> None:
        """Draws the words."""
        context = renderer.new_gc()
        for x, y, words, font, colour, halo in self._lines:
            context.set_foreground(colour)
            drawn = (
                PathEffectRenderer([withStroke(linewidth=3, foreground=halo)], renderer) if halo else renderer
            )
            drawn.draw_text(context, x, y, words, font, 0.0)
        context.restore()


def tone(line: Line) -> str:
    """Colour of a line: blue for the first layer, amber for the last."""
    ends = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (BLUE, AMBER)]
    return "#" + "".join(f"{round(a + (b - a) * line.tone):02x}" for a, b in zip(*ends))


@lru_cache(maxsize=64)
def _font(size: float, bold: bool, mono: bool) -> FontProperties:
    family = "DejaVu Sans Mono" if mono else "DejaVu Sans"
    return FontProperties(family=family, size=size * 72 / _PER_INCH, weight="bold" if bold else "normal")
