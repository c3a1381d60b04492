"""Heat maps of a run: units by epochs, distributions by epochs, first-layer weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..histogram import ExponentHistogram
from ..signals import Array
from .model import HeatMap, Table
from .png import EMPTY, LEVELS, WRONG
from .text import clean, number, percent

if TYPE_CHECKING:
    from ..epochs import Epoch
    from ..run import Run

_MOST_EPOCHS = 40
_MOST_UNITS = 600
_TABLE_UNITS = 60
_DISTRIBUTION_BINS = 72
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def unit_map(run: Run, site: str, key: str, title: str) -> HeatMap | None:
    """Units (columns) by epochs (rows): how often each fires; red where it never does, as confirmed.

    None if no epoch recorded the activity of this site.
    """
    epochs = epochs_with(run, f"{site}/activity")
    if not epochs:
        return None
    activity = [np.asarray(e.arrays[f"{site}/activity"], dtype=float) for e in epochs]
    units = len(activity[-1])
    if not units or any(len(a) != units for a in activity):
        return None
    died_at = _died_at(run, site, units)
    dead = [(died_at >= 0) & (died_at <= e.step) for e in epochs]
    # Sorted by how the run ended, so that what died is one block; the busiest first, dead at birth last.
    order = np.lexsort((-np.mean(activity, axis=0), -activity[-1], dead[0], dead[-1]))
    drawn = order if units <= _MOST_UNITS else order[np.linspace(0, units - 1, _MOST_UNITS).astype(int)]
    shades = np.round(np.nan_to_num(np.clip(np.stack(activity), 0, 1)) * (LEVELS - 1)).astype(int)
    cells = _tuples(np.where(np.stack(dead), WRONG, shades)[:, drawn])
    first, last = labels(epochs)[0], labels(epochs)[-1]
    count = int(dead[-1].sum())
    how = "A column a unit, busiest first; a row an epoch: the stronger the colour, the more samples it fires for."
    how += " Red: none." if any(d.any() for d in dead) else ""
    return HeatMap(
        key,
        title,
        "activity",
        cells,
        how,
        f"{units} units over {len(epochs)} rows, {first} to {last}. {count} of {units} never fire at the end"
        f" ({int(dead[0].sum())} at {first}).",
        labels(epochs),
        lines=units <= 80,
        table=_unit_table(order, activity, died_at, epochs),
    )


def distribution_map(run: Run, site: str, array: str, key: str, title: str) -> HeatMap | None:
    """Distribution (columns, from the most negative to the most positive) by epochs (rows).

    Args:
        run: the run.
        site: a site or a parameter.
        array: name of the stored counts of an `ExponentHistogram`.
        key: identifier, unique on the page.
        title: heading.
    """
    epochs = epochs_with(run, f"{site}/{array}")
    histograms = [ExponentHistogram.from_array(np.asarray(e.arrays[f"{site}/{array}"])) for e in epochs]
    epochs = [e for e, h in zip(epochs, histograms) if h.total]
    histograms = [h for h in histograms if h.total]
    if not histograms:
        return None
    spread = [
        (h.quantile(0.002), h.quantile(0.16), h.quantile(0.5), h.quantile(0.84), h.quantile(0.998))
        for h in histograms
    ]
    # Linear near 0 and logarithmic far out (inverse sine hyperbolic), so that a layer that grew 100-fold still
    # shows how it began.
    unit = float(np.median([max(abs(s[1]), abs(s[3]), 1e-12) for s in spread]))
    low = min(min(s[0] for s in spread), 0.0) / unit
    high = max(max(s[4] for s in spread), 0.0) / unit
    ends = np.arcsinh([low * 1.1 - 1e-3, high * 1.1 + 1e-3])
    edges = np.sinh(np.linspace(ends[0], ends[1], _DISTRIBUTION_BINS + 1)) * unit
    shares = np.stack([h.rebin(edges) / h.total for h in histograms])
    level = np.sqrt(shares / shares.max(axis=1, keepdims=True))  # each row by itself: its shape counts
    cells = _tuples(np.where(shares < 1e-4, EMPTY, np.round(level * (LEVELS - 1)).astype(int)))
    names = labels(epochs)
    figures = [tuple(number(v) for v in s) for s in spread]
    return HeatMap(
        key,
        title,
        "density",
        cells,
        "A row an epoch, values from left to right (log scale far from 0): the stronger the colour, the more entries.",
        f"At {names[0]} the middle two thirds lie between {figures[0][1]} and {figures[0][3]}; at {names[-1]} between "
        f"{figures[-1][1]} and {figures[-1][3]}.",
        names,
        _value_ticks(ends, unit),
        table=Table(
            ("epoch", "0.2 %", "16 %", "median", "84 %", "99.8 %"),
            tuple((n, *f) for n, f in zip(names, figures)),
        ),
        profile=tuple(
            "".join(_DIGITS[round(v)] for v in row)
            for row in shares / shares.max(axis=1, keepdims=True) * (len(_DIGITS) - 1)
        ),
    )


def _value_ticks(ends: Array, unit: float) -> tuple[tuple[float, str], ...]:
    width = ends[1] - ends[0]
    sizes = [digit * 10.0**exponent for digit in (1, 3) for exponent in range(12, -13, -1)]
    wanted = [0.0, *(sign * size for size in sizes for sign in (1, -1))]
    ticks: list[tuple[float, str]] = []
    for value in wanted:
        place = float((np.arcsinh(value / unit) - ends[0]) / width)
        if 0 <= place <= 1 and all(abs(place - other) > 0.11 for other, _ in ticks):
            ticks.append((round(place, 4), number(value)))
    return tuple(sorted(ticks))


def weight_images(run: Run, site: str, key: str) -> HeatMap | None:
    """The first layer's weights of up to 30 units, each drawn in the shape of an input image, in one picture."""
    epochs = epochs_with(run, f"{site}.weight/images")
    if not epochs:
        return None
    images = np.asarray(epochs[-1].arrays[f"{site}.weight/images"], dtype=float)
    if images.ndim != 3 or not images.size:
        return None
    count, height, width = images.shape
    across = min(count, 15 if width <= 32 else 8)
    down = -(-count // across)
    cells = np.full((down * (height + 1) - 1, across * (width + 1) - 1), EMPTY)
    for i, image in enumerate(np.nan_to_num(images)):
        row, column = divmod(i, across)
        size = float(np.quantile(np.abs(image), 0.99)) or 1.0
        half = LEVELS // 2
        level = np.clip(np.round(image / size * (half - 1)), -(half - 1), half - 1).astype(int)
        cells[row * (height + 1) :, column * (width + 1) :][:height, :width] = np.where(
            level < 0, half - 1 + level, half + level
        )
    return HeatMap(
        key,
        f"{clean(site, 40)}: weights of the first {count} units",
        "signed",
        _tuples(cells),
        "Each unit's weights in the shape of an input, scaled to its own largest; blue below 0, amber above. "
        "Noise all over: the unit still is as it was born.",
        f"{count} images of {height} by {width} weights, {across} in a row, after {labels(epochs)[-1]}.",
        table=Table(
            ("unit", "smallest", "largest", "mean size"),
            tuple(
                (str(i), f"{im.min():.3g}", f"{im.max():.3g}", f"{np.abs(im).mean():.3g}")
                for i, im in enumerate(images)
            ),
        ),
    )


def epochs_with(run: Run, array: str) -> list[Epoch]:
    """The epochs that recorded this array, thinned to a number that can be drawn: no others are read."""
    epochs = [e for e in run.epochs if array in e.names]
    if len(epochs) > _MOST_EPOCHS:
        epochs = [epochs[i] for i in np.linspace(0, len(epochs) - 1, _MOST_EPOCHS).astype(int)]
    return [e for e in epochs if e.arrays.get(array) is not None]


def labels(epochs: list[Epoch]) -> tuple[str, ...]:
    """`birth`, `epoch 1`, ..."""
    return tuple(f"epoch {e.number}" if e.number else "birth" for e in epochs)


def _tuples(cells: Array) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in cells.tolist())


def _died_at(run: Run, site: str, units: int) -> Array:
    """(units,) step at which each unit died as last counted on the training set, 0 for birth, -1 for the living."""
    died_at = run.last_array(f"{site}/died_at")
    return died_at if died_at is not None and died_at.shape == (units,) else np.full(units, -1)


def _unit_table(order: Array, activity: list[Array], died_at: Array, epochs: list[Epoch]) -> Table:
    rows = []
    for unit in order[::-1][:_TABLE_UNITS]:
        step = int(died_at[unit])
        state = "fires" if step < 0 else "dead since birth" if step == 0 else f"dead since step {step:,}"
        rows.append((str(unit), percent(activity[0][unit]), percent(activity[-1][unit]), state))
    note = f"{len(rows)} of {len(order)} units." if len(rows) < len(order) else ""
    names = labels(epochs)
    return Table(("unit", f"fires, {names[0]}", f"fires, {names[-1]}", "state"), tuple(rows), note)
