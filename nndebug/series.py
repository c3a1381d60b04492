"""A recorded quantity over steps: the view that rules read, and the bounded store behind it."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from .signals import Array

LIMIT = 8192
"""Most points that a series keeps."""

KEEP_FIRST, KEEP_LAST = 512, 2048
"""Points at its ends that are never thinned out."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One quantity at increasing steps. Empty (and false) if it was never recorded.

    Attributes:
        steps: (points,) int64.
        values: (points,) float64, NaN and infinities included.
    """

    steps: Array
    values: Array

    @classmethod
    def empty(cls) -> Series:
        return cls(np.empty(0, np.int64), np.empty(0))

    def __len__(self) -> int:
        return len(self.steps)

    def __bool__(self) -> bool:
        return len(self.steps) > 0

    def __iter__(self) -> Iterator[tuple[int, float]]:
        """Pairs of step and value."""
        return zip(self.steps.tolist(), self.values.tolist())

    @property
    def first(self) -> float:
        """The first value, NaN without one."""
        return float(self.values[0]) if self else math.nan

    @property
    def last(self) -> float:
        """The last value, NaN without one."""
        return float(self.values[-1]) if self else math.nan

    @property
    def minimum(self) -> float:
        """The smallest value that is not NaN; NaN without one."""
        numbers = self.values[~np.isnan(self.values)]
        return float(numbers.min()) if numbers.size else math.nan

    @property
    def maximum(self) -> float:
        """The largest value that is not NaN; NaN without one."""
        numbers = self.values[~np.isnan(self.values)]
        return float(numbers.max()) if numbers.size else math.nan

    @property
    def finite(self) -> Series:
        """The points with finite values."""
        return self._where(np.isfinite(self.values))

    def at(self, step: int) -> float:
        """The value at this step, or else the latest one before it; NaN if there is none."""
        place = int(np.searchsorted(self.steps, step, side="right")) - 1
        return float(self.values[place]) if place >= 0 else math.nan

    def before(self, step: int) -> Series:
        """The points at earlier steps than this one."""
        return self._slice(slice(None, int(np.searchsorted(self.steps, step))))

    def since(self, step: int) -> Series:
        """The points at this step and later ones."""
        return self._slice(slice(int(np.searchsorted(self.steps, step)), None))

    def median_last(self, n: int) -> float:
        """Median of the last `n` values that are not NaN; NaN without one."""
        numbers = self.values[~np.isnan(self.values)][-n:] if n > 0 else self.values[:0]
        with np.errstate(invalid="ignore"):
            return float(np.median(numbers)) if numbers.size else math.nan

    def first_in_a_row(self, condition: Callable[[Array], Array], checks: int = 2) -> int | None:
        """The step of the first of `checks` points in a row that fulfil a condition, None if there are none.

        Args:
            condition: from (points,) values to (points,) truths, as in `lambda v: v > 4`.
            checks: one noisy point proves little; 2 is the custom of the rules.
        """
        with np.errstate(all="ignore"):
            truths = np.asarray(condition(self.values), dtype=bool)
        if len(truths) < checks:
            return None
        in_a_row: Array = np.convolve(truths, np.ones(checks, np.int64), mode="valid")
        places = np.flatnonzero(in_a_row == checks)
        return int(self.steps[places[0]]) if places.size else None

    def _where(self, mask: Array) -> Series:
        return Series(self.steps[mask], self.values[mask])

    def _slice(self, part: slice) -> Series:
        return Series(self.steps[part], self.values[part])


@dataclass(slots=True)
class Column:
    """The growing store of one series; bounded, and the same for the same points in the same order."""

    steps: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def append(self, step: int, value: float) -> None:
        """Adds a point; what a resumed run records again replaces what it had recorded from that step on."""
        steps, values = self.steps, self.values
        while steps and steps[-1] >= step:
            steps.pop()
            values.pop()
        steps.append(step)
        values.append(value)
        if len(steps) > LIMIT:
            # Only the middle: how it began and how it ends is what findings are about.
            del steps[KEEP_FIRST:-KEEP_LAST:2], values[KEEP_FIRST:-KEEP_LAST:2]

    def until(self, step: int) -> Column:
        """The points up to a step, that one included."""
        end = bisect_right(self.steps, step)
        return Column(self.steps[:end], self.values[:end])

    def series(self) -> Series:
        # Copies, because an array cannot grow while NumPy looks at it.
        steps, values = np.array(self.steps, np.int64), np.array(self.values, np.float64)
        steps.setflags(write=False)
        values.setflags(write=False)
        return Series(steps, values)
