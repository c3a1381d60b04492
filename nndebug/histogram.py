"""Counts of values by sign and magnitude: a histogram with the same bins for every array."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .signals import Array

_BLOCK = 1 << 14  # entries at a time, so that the intermediate arrays stay in the cache
_OCTAVES = 40  # magnitudes from 2^-40 to 2^40 have bins of their own
_PARTS = 4  # equal parts of an octave
_SPAN = 2 * _OCTAVES * _PARTS
_CENTRE = _SPAN + 2  # the bin of exact zeros
_ORDERED = 2 * _CENTRE + 1  # bins of finite values, in the order of the values
BINS = _ORDERED + 3
"""Length of the counts of an `ExponentHistogram`."""


def _bin_edges() -> Array:
    mantissas = 1 + np.arange(_PARTS) / _PARTS
    magnitudes = np.ldexp(mantissas, np.arange(-_OCTAVES, _OCTAVES)[:, None]).ravel()
    positive = np.concatenate([[0.0], magnitudes, [2.0**_OCTAVES, np.inf]])
    edges = np.concatenate([-positive[::-1], positive])
    edges.setflags(write=False)
    return edges


_EDGES = _bin_edges()


@dataclass(slots=True)
class ExponentHistogram:
    """Counts of values by sign and magnitude, four bins to every power of two.

    The bins are the same for every array, so histograms of any layers, steps and runs can be added exactly.
    In the order of the values: below -2^40, 320 bins down to -2^-40, tiny negative ones, exact zeros, tiny positive
    ones, 320 bins up to 2^40, above. Then the counts of -infinity, +infinity and NaN.

    Attributes:
        counts: (BINS,) int64.
    """

    counts: Array = field(default_factory=lambda: np.zeros(BINS, np.int64))

    @classmethod
    def of(cls, array: Array) -> ExponentHistogram:
        """The histogram of one array of real numbers, of any shape."""
        histogram = cls()
        histogram.add(array)
        return histogram

    def add(self, array: Array) -> None:
        """Counts the entries of one more array."""
        flat = np.asarray(array).ravel("K")
        for start in range(0, flat.size, _BLOCK):
            self._add_block(flat[start : start + _BLOCK].astype(np.float64))

    def _add_block(self, block: Array) -> None:
        finite = np.isfinite(block)
        if not finite.all():
            others = block[~finite]
            self.counts[_ORDERED:] += [
                np.sum(others == -np.inf),
                np.sum(others == np.inf),
                np.sum(np.isnan(others)),
            ]
            block = block[finite]
        # The 11 exponent bits of a double and the first two of its mantissa number the quarters of octaves.
        quarter = (block.view(np.int64) >> 50) & 0x1FFF
        first = (1023 - _OCTAVES) * _PARTS
        distance = (np.clip(quarter - first, -1, _SPAN) + 2) * (block != 0)
        index = _CENTRE + np.where(block < 0, -distance, distance)
        self.counts[:_ORDERED] += np.bincount(index, minlength=_ORDERED)

    def merge(self, other: ExponentHistogram) -> None:
        """Adds the counts of another histogram."""
        self.counts += other.counts

    def __add__(self, other: ExponentHistogram) -> ExponentHistogram:
        return ExponentHistogram(self.counts + other.counts)

    @property
    def edges(self) -> Array:
        """(BINS - 2,) edges of the bins of finite values, from -infinity to infinity; the bin of 0 has no width."""
        return _EDGES

    @property
    def ordered(self) -> Array:
        """(BINS - 3,) counts of finite values, in the order of the values: `ordered[i]` lies between `edges[i:i+2]`."""
        return self.counts[:_ORDERED]

    @property
    def total(self) -> int:
        """Finite values counted."""
        return int(self.ordered.sum())

    @property
    def nonfinite(self) -> int:
        """Infinite and NaN values counted."""
        return int(self.counts[_ORDERED:].sum())

    def quantile(self, q: float) -> float:
        """The value below which the share `q` of the finite values lies; NaN if there is none.

        It lies in the same bin as the exact order statistic, so its relative error is below 25 %; below 2^-40
        the absolute error is, and beyond 2^40 the answer is 2^40 with the sign of the value.

        Raises:
            ValueError: `q` is not between 0 and 1.
        """
        if not 0 <= q <= 1:
            raise ValueError(f"a quantile lies between 0 and 1, got {q}")
        below = np.cumsum(self.ordered)
        if not below[-1]:
            return math.nan
        rank = min(max(math.ceil(q * int(below[-1])), 1), int(below[-1]))
        place = int(np.searchsorted(below, rank))
        share = (rank - 0.5 - int(below[place] - self.ordered[place])) / int(self.ordered[place])
        low, high = np.clip(_EDGES[place : place + 2], -(2.0**_OCTAVES), 2.0**_OCTAVES)
        return float(low + share * (high - low))

    def rebin(self, edges: Array) -> Array:
        """(len(edges) - 1,) float counts between other, increasing edges, for drawing.

        The counts of a bin that straddles an edge are split in proportion to its width.
        """
        bounds = np.clip(_EDGES, -(2.0**_OCTAVES), 2.0**_OCTAVES)
        width = np.diff(bounds)
        wanted = np.asarray(edges, dtype=np.float64)
        spread = np.where(width > 0, self.ordered, 0)
        counts = np.diff(np.interp(wanted, bounds, np.concatenate([[0], np.cumsum(spread)])))
        # Bins without width (zero, and beyond 2^40) go whole where their value lies.
        points = np.flatnonzero((width == 0) & (self.ordered > 0))
        counts += np.histogram(bounds[points], wanted, weights=self.ordered[points])[0]
        return np.asarray(counts)

    def to_array(self) -> Array:
        """(BINS,) int64 counts, a copy."""
        return self.counts.copy()

    @classmethod
    def from_array(cls, counts: Array) -> ExponentHistogram:
        """The histogram with these (BINS,) counts.

        Raises:
            ValueError: another length, or no whole numbers.
        """
        counts = np.asarray(counts)
        if counts.shape != (BINS,) or counts.dtype.kind not in "iu":
            raise ValueError(f"expected {BINS} whole counts, got {counts.dtype} of shape {counts.shape}")
        return cls(counts.astype(np.int64))

    def to_json(self) -> dict[str, int]:
        """The bins that are not empty, by number."""
        return {str(i): int(self.counts[i]) for i in np.flatnonzero(self.counts)}

    @classmethod
    def from_json(cls, data: Mapping[str, int]) -> ExponentHistogram:
        histogram = cls()
        for number, count in data.items():
            histogram.counts[int(number)] = count
        return histogram
