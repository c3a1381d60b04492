"""One chart or heat map as a matplotlib figure of its own, for papers and slides: ordinary axes, one style sheet."""

from __future__ import annotations

import io
import textwrap
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from ..atomic import write_atomically
from .canvas import GREEN, RED, SIDES, SOFT, tone
from .model import Chart, HeatMap
from .plots import axes
from .png import PALETTES
from .svg import ASIDE, ENDS, free_place

STYLE = Path(__file__).parent / "templates" / "nndebug.mplstyle"


def figure(drawn: Chart | HeatMap) -> Figure:
    """The figure, with axes to go on with; nothing of matplotlib's global state is touched.

    Args:
        drawn: what a report would show.
    """
    with mpl.rc_context(fname=STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a name may have letters that the font has not
        made = Figure(layout="constrained")
        made.get_layout_engine().set(w_pad=0.12, h_pad=0.1)  # type: ignore[union-attr, call-arg]
        FigureCanvasAgg(made)
        place = made.add_subplot()
        place.set_title(textwrap.shorten(drawn.title, 90, placeholder=" …"))
        if isinstance(drawn, HeatMap):
            if not drawn.rows:
                made.set_figheight(min(7.4 * len(drawn.cells) / len(drawn.cells[0]) + 1.2, 12))
            _map(place, drawn)
        else:
            _chart(place, drawn)
        if drawn.how:
            made.supxlabel(textwrap.fill(drawn.how, 105), x=0.015, ha="left", fontsize=8.5, color=SOFT)
        return made


def save(made: Figure, path: Path, dpi: int) -> Path:
    """Writes a figure as PNG, put in place at once.

    Raises:
        OSError: the file cannot be written.
    """
    file = io.BytesIO()
    with mpl.rc_context(fname=STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        made.savefig(file, format="png", dpi=dpi)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, file.getvalue())
    return path


def _chart(place: Any, chart: Chart) -> None:
    across, up = axes(chart)
    if across.log:
        place.set_xscale(
            "function", functions=(lambda x: np.log10(1 + np.maximum(x, 0)), lambda y: 10**y - 1)
        )
    if chart.y_log:
        place.set_yscale("log")
    place.minorticks_off()
    for line in chart.lines:
        y = [np.nan if v is None else v for v in line.y]
        if chart.y_log:
            y = [v if not v < chart.low else chart.low for v in y]
        label = f"{line.label} {line.last}".strip()
        faint = 0.3 if line.trend else 1.0
        marker = "o" if line.points and len(y) <= 60 else ""
        place.plot(
            line.x, y, color=tone(line), alpha=faint, marker=marker, ms=3.5, label="" if line.trend else label
        )
        if line.trend:
            place.plot(*zip(*line.trend), color=tone(line), label=label)
    for reference in chart.references:
        place.axhline(reference.value, color=GREEN, lw=1.1, ls=(0, (5, 3.5)))
        end, below = free_place(chart, across, up, 1 - up.place(reference.value), reference.label)
        place.annotate(
            reference.label,
            (ENDS[end], reference.value),
            xycoords=("axes fraction", "data"),
            color=GREEN,
            fontsize=9,
            ha=SIDES[end],
            va="top" if below else "bottom",
            xytext=(ASIDE[end], -4 if below else 3),
            textcoords="offset points",
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )
    marks = [(chart.band.first, chart.band.label)] if chart.band else []
    marks += [(gap.x, f"✕ {gap.label}") for gap in chart.not_finite[:3]]
    if chart.band:
        place.axvspan(chart.band.first, chart.band.last, color=RED, alpha=0.08, lw=0)
    for row, (step, label) in enumerate(marks):
        left = across.place(step) < 0.55
        place.axvline(step, color=RED, lw=1.1)
        place.annotate(label, (step, 1), xycoords=("data", "axes fraction"), color=RED, fontsize=9, va="top",
                       ha="left" if left else "right", xytext=(4 if left else -4, -2 - 12 * row),
                       textcoords="offset points")  # fmt: skip
    place.set_xlim(chart.x_low, chart.x_high if chart.x_high > chart.x_low else chart.x_low + 1)
    place.set_ylim(chart.low, chart.high)
    place.set_xticks([v for v, _ in across.ticks], [label for _, label in across.ticks])
    place.set_yticks([v for v, _ in up.ticks], [label for _, label in up.ticks])
    place.set_xlabel("step (log scale)" if chart.x_log else chart.x_label)
    place.set_ylabel(chart.unit + (" (log scale)" if chart.y_log else ""))
    if len(chart.lines) > 1 or chart.lines[0].label not in chart.title:
        place.legend(
            loc="upper right", bbox_to_anchor=(1, 1.13), borderaxespad=0, ncols=min(len(chart.lines), 4)
        )


def _map(place: Any, drawn: HeatMap) -> None:
    colours = np.array(PALETTES[drawn.palette][0]) / 255
    cells = np.array(drawn.cells)
    picture = not drawn.rows  # its cells are square
    place.imshow(
        cells,
        cmap=ListedColormap(colours),
        vmin=0,
        vmax=len(colours) - 1,
        aspect="equal" if picture else "auto",
        interpolation="nearest",
        extent=(0, cells.shape[1] if picture else 1, len(cells), 0),
    )
    place.grid(visible=False)
    place.set_xticks([at for at, _ in drawn.ticks], [label for _, label in drawn.ticks])
    shown = sorted({0, len(drawn.rows) // 2, len(drawn.rows) - 1}) if drawn.rows else []
    place.set_yticks([i + 0.5 for i in shown], [drawn.rows[i] for i in shown])
