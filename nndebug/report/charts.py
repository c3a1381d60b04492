"""Axes and thinning: from thousands of points to the few hundred that a picture needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..signals import Array
from .text import evenly, ticks_step

LARGEST = 1e300
"""Finite values beyond this are drawn at it, so that differences of two values stay finite."""

SMALLEST = 1e-290
"""Values nearer to 0 than this are drawn as 0."""

LOG_STEPS = 100
"""From this many steps on the step axis is logarithmic: the first updates tell most."""

_LONGEST_DECADES = 9.0

_NARROWEST = 0.1
"""Of the larger bound: how little an axis with a reference line may span."""


@dataclass(frozen=True)
class Axis:
    """Maps values to 0..1 and names its ticks.

    Attributes:
        low: value at position 0.
        high: value at position 1.
        log: "" linear, "log", or "steps" for log10(1 + step), which has a place for step 0.
        ticks: values and labels.
    """

    low: float
    high: float
    log: str
    ticks: tuple[tuple[float, str], ...]

    def place(self, value: float) -> float:
        """Position of a value, 0..1; what lies outside is put on the edge."""
        value = min(max(value, self.low), self.high)
        if self.log == "log":
            value, low, high = math.log10(value), math.log10(self.low), math.log10(self.high)
        elif self.log == "steps":
            value, low, high = math.log10(1 + value), math.log10(1 + self.low), math.log10(1 + self.high)
        else:
            low, high = self.low, self.high
        return (value - low) / (high - low) if high > low else 0.5


def step_axis(low: float, high: float, log: bool, most: int = 8) -> Axis:
    """The axis of steps or epochs."""
    if not log:
        gap = max(1.0, nice_gap(high - low, most))
        first = math.ceil(low / gap) * gap
        ticks = (
            [first + i * gap for i in range(int((high - first) / gap + 1e-9) + 1)] if high > low else [low]
        )
        return Axis(low, high, "", tuple((t, ticks_step(t)) for t in ticks))
    decades = [0.0] + [10.0**k for k in range(math.floor(math.log10(max(high, 1))) + 1)]
    return Axis(low, high, "steps", tuple((t, ticks_step(t)) for t in decades if low <= t <= high))


def value_axis(low: float, high: float, log: bool, share: bool = False, most: int = 5) -> Axis:
    """The axis of values; the bounds are kept as they are."""
    if log:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        every = max(1, math.ceil((last - first + 1) / most))
        return Axis(low, high, "log", tuple((10.0**k, _decade(k)) for k in range(last, first - 1, -every)))
    gap = nice_gap(high - low, most)
    first_tick = math.ceil(low / gap - 1e-9)
    count = math.floor(high / gap + 1e-9) - first_tick
    ticks = [float(f"{(first_tick + i) * gap:.12g}") for i in range(count + 1)]
    ticks = [tick for tick in ticks if low <= tick <= high]
    return Axis(low, high, "", tuple(zip(ticks, evenly(ticks, share))))


def bounds(values: Array, references: Array, log_hint: bool, share: bool) -> tuple[float, float, bool]:
    """Lowest and highest value of an axis, and whether it should be logarithmic.

    Args:
        values: everything drawn, not finite values included.
        references: values of reference lines, which must be in sight.
        log_hint: the quantity usually spans decades.
        share: the quantity is a share of one: the axis is 0 to 1.
    """
    finite, lines = _tame(values), _tame(references)
    if share and (finite.size == 0 or (finite.min() >= 0 and finite.max() <= 1)):
        return 0.0, 1.0, False
    if not finite.any():
        finite = np.array([0.0, 1.0])
    positive = finite[finite > 0]
    if finite.min() >= 0 and positive.size >= 0.3 * finite.size and np.all(lines > 0):
        decades = math.log10(positive.max()) - math.log10(float(np.quantile(positive, 0.05)) or 1e-300)
        if decades > (0.9 if log_hint else 2.5):
            both = np.concatenate([positive, lines])
            high = float(both.max())
            low = max(float(both.min()), high * 10**-_LONGEST_DECADES, SMALLEST)
            return 10 ** (math.log10(low) - 0.15), 10 ** (math.log10(high) + 0.15), True
    both = np.concatenate([finite, lines])
    low, high = float(both.min()), float(both.max())
    if low >= 0 and low < 0.6 * high:
        low = 0.0
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    elif lines.size and high - low < _NARROWEST * max(abs(low), abs(high)):
        # Beside a reference line, a wobble of parts of a per cent must not look like a mountain range.
        wider = (_NARROWEST * max(abs(low), abs(high)) - (high - low)) / 2
        low, high = low - wider, high + wider
    return (low if low == 0 else low - 0.04 * (high - low)), high + 0.06 * (high - low), False


def thin(steps: Array, values: Array, log: bool, most: int = 400) -> tuple[Array, Array]:
    """At most about `most` points of a series; the extremes and the first gap of every stretch stay.

    Args:
        steps: (points,) ascending.
        values: (points,) with NaN and infinities where they were recorded.
        log: stretches are equally wide in log10(1 + step) instead of in steps.
        most: number of points to keep.

    Returns:
        Steps and values, (kept,) each.
    """
    if len(steps) <= most:
        return steps, values
    place = np.log10(1 + np.maximum(steps, 0)) if log else steps.astype(float)
    width = (place[-1] - place[0]) or 1.0
    bucket = np.minimum(((place - place[0]) / width * (most // 2)).astype(int), most // 2 - 1)
    finite = np.isfinite(values)
    keep = {0, len(steps) - 1}
    edges = np.flatnonzero(np.diff(bucket)) + 1
    for first, last in zip(np.r_[0, edges], np.r_[edges, len(steps)]):
        inside = finite[first:last]
        if not inside.all():
            keep.add(int(first + np.argmin(inside)))
        if inside.any():
            part = values[first:last]
            keep.add(int(first + np.argmin(np.where(inside, part, np.inf))))
            keep.add(int(first + np.argmax(np.where(inside, part, -np.inf))))
    chosen = np.array(sorted(keep))
    return steps[chosen], values[chosen]


def trend(steps: Array, values: Array, log: bool, most: int = 60) -> list[tuple[float, float]]:
    """Medians of about `most` equally wide stretches, for lines too noisy to follow; see `thin`."""
    finite = np.isfinite(values)
    steps, values = steps[finite], values[finite]
    if len(steps) <= 2 * most:
        return []
    place = np.log10(1 + np.maximum(steps, 0)) if log else steps.astype(float)
    bucket = ((place - place[0]) / ((place[-1] - place[0]) or 1.0) * most).astype(int)
    parts = np.split(np.arange(len(steps)), np.flatnonzero(np.diff(bucket)) + 1)
    return [
        (float(np.median(steps[p])), float(np.clip(np.median(values[p]), -LARGEST, LARGEST))) for p in parts
    ]


def nice_gap(span: float, most: int) -> float:
    """Distance between ticks: 1, 2 or 5 times a power of ten, so that there are at most about `most`."""
    if not math.isfinite(span) or span <= 0:
        return 1.0
    rough = span / most
    size = 10.0 ** math.floor(math.log10(rough))
    return next((k * size for k in (1, 2, 5) if k * size >= rough * (1 - 1e-9)), 10 * size)


def _decade(exponent: int) -> str:
    return (
        f"{10**exponent:,}"
        if 0 <= exponent < 5
        else f"{10.0**exponent:g}"
        if -3 <= exponent < 0
        else f"1e{exponent}"
    )


def _tame(values: Array) -> Array:
    """The finite values, within what differences and logarithms can bear."""
    finite = np.clip(values[np.isfinite(values)].astype(float), -LARGEST, LARGEST)
    return np.where(np.abs(finite) < SMALLEST, 0.0, finite)
