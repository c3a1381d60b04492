"""Statistics of fixed size that merge in any order: moments and activity of units (and value histograms)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .histogram import BINS, ExponentHistogram
from .signals import Array

__all__ = ["BINS", "ExponentHistogram", "Moments", "UnitActivity"]

NAN = math.nan

# Sums run over blocks of this many entries: within a block BLAS adds in the array's own precision, the blocks
# are added in double precision. It also keeps BLAS from starting threads, so that sums repeat bit for bit.
_BLOCK = 4096
_ONES = {dtype: np.ones((_BLOCK, 1), dtype) for dtype in "fd"}

# Largest magnitudes whose squares neither overflow nor lose digits in single precision; others are scaled.
_SMALL, _LARGE = 1e-6, 1e12


@dataclass(slots=True)
class Moments:
    """Count, mean, spread and extremes of all entries seen.

    Entries that are NaN or infinite are only counted; everything else describes the finite ones. Without any,
    mean and extremes are NaN. Float64 arrays agree with NumPy to 1e-12 of the root mean square; float32 arrays,
    whose squares are added in blocks, to 1e-5.

    Attributes:
        count: finite entries.
        mean: their mean.
        m2: sum of their squared deviations from the mean.
        minimum: the smallest.
        maximum: the largest.
        zeros: how many are exactly 0.
        nonfinite: entries that are NaN or infinite.
    """

    count: int = 0
    mean: float = NAN
    m2: float = 0.0
    minimum: float = NAN
    maximum: float = NAN
    zeros: int = 0
    nonfinite: int = 0

    @classmethod
    def of(cls, array: Array) -> Moments:
        """The moments of one array of real numbers, of any shape and memory order."""
        flat = np.asarray(array).ravel("K")
        if flat.dtype.char not in _ONES:
            flat = flat.astype(np.float64)
        count = flat.size
        if not count:
            return cls()
        minimum, maximum = float(np.minimum.reduce(flat)), float(np.maximum.reduce(flat))
        if not maximum - minimum < math.inf:
            finite = flat[np.isfinite(flat)]
            if finite.size < count:
                moments = cls.of(finite)
                moments.nonfinite = count - finite.size
                return moments
        zeros = int(np.count_nonzero(flat == 0)) if minimum <= 0 <= maximum else 0
        if minimum == maximum:  # common, as in zero gradients: nothing to sum
            return cls(count, minimum, 0.0, minimum, maximum, zeros)
        scale, largest = 1.0, max(-minimum, maximum)
        if not _SMALL <= largest <= _LARGE:
            # A power of two shifts exponents only: no digit is lost. 2^±126 is a normal number in single precision.
            limit = 126 if flat.dtype.char == "f" else 1000
            scale = 2.0 ** max(-limit, min(limit, -math.frexp(largest)[1]))
        with np.errstate(all="ignore"):
            mean, m2 = _mean_and_m2(flat if scale == 1 else flat * flat.dtype.type(scale))
        mean, m2 = mean / scale, m2 / scale / scale
        return cls(count, mean, m2, minimum, maximum, zeros)

    def add(self, array: Array) -> None:
        """Takes the entries of one more array into account."""
        self.merge(Moments.of(array))

    def merge(self, other: Moments) -> None:
        """Takes the entries that another one has seen into account (Chan, Golub and LeVeque 1979)."""
        self.nonfinite += other.nonfinite
        if not other.count:
            return
        if not self.count:
            self.mean, self.m2 = other.mean, other.m2
            self.minimum, self.maximum = other.minimum, other.maximum
        else:
            total = self.count + other.count
            difference = other.mean - self.mean
            self.m2 += other.m2 + difference * (difference * self.count * other.count / total)
            self.mean = (self.mean * self.count + other.mean * other.count) / total
            self.minimum = min(self.minimum, other.minimum)
            self.maximum = max(self.maximum, other.maximum)
        self.count += other.count
        self.zeros += other.zeros

    def __add__(self, other: Moments) -> Moments:
        merged = Moments(**asdict(self))
        merged.merge(other)
        return merged

    @property
    def std(self) -> float:
        """Standard deviation of the entries themselves (ddof 0)."""
        return math.sqrt(self.m2 / self.count) if self.count else NAN

    @property
    def norm(self) -> float:
        """Square root of the sum of squares (the Frobenius norm); NaN where no entry is finite."""
        if not self.count:
            return NAN if self.nonfinite else 0.0
        return math.sqrt(self.m2 + self.count * self.mean * self.mean)

    @property
    def zero_share(self) -> float:
        """Share of the finite entries that are exactly 0."""
        return self.zeros / self.count if self.count else NAN

    def summary(self, prefix: str = "") -> dict[str, float]:
        """The figures that a row stores: mean, std, minimum, maximum, norm and zero_share, by prefixed name."""
        return {
            prefix + "mean": self.mean,
            prefix + "std": self.std,
            prefix + "minimum": self.minimum,
            prefix + "maximum": self.maximum,
            prefix + "norm": self.norm,
            prefix + "zero_share": self.zero_share,
        }

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Moments:
        # float() also reads "NaN" and "Infinity", the spellings of strict JSON.
        return cls(
            count=int(data["count"]),
            mean=float(data["mean"]),
            m2=float(data["m2"]),
            minimum=float(data["minimum"]),
            maximum=float(data["maximum"]),
            zeros=int(data["zeros"]),
            nonfinite=int(data["nonfinite"]),
        )


def shift(moved: Moments, signal: Moments) -> float:
    """How far pre-activations moved, in their own standard deviations.

    Args:
        moved: after - before.
        signal: before.
    """
    return moved.std / signal.std if signal.std > 0 else (0.0 if moved.std == 0 else math.inf)


def _sums(flat: Array) -> tuple[float, float]:
    """Sum and sum of squares of a float32 or float64 array of shape (entries,)."""
    ones = _ONES[flat.dtype.char]
    if flat.size <= _BLOCK:
        return float(np.dot(flat, ones[: flat.size, 0])), float(np.dot(flat, flat))
    whole = flat.size - flat.size % _BLOCK
    blocks = flat[:whole].reshape(-1, 1, _BLOCK)
    total = float(np.matmul(blocks, ones).sum(dtype=np.float64))
    squares = float(np.matmul(blocks, blocks.transpose(0, 2, 1)).sum(dtype=np.float64))
    rest = flat[whole:]
    return total + float(np.dot(rest, ones[: rest.size, 0])), squares + float(np.dot(rest, rest))


def _mean_and_m2(flat: Array) -> tuple[float, float]:
    """Mean and sum of squared deviations of a finite array of shape (entries,)."""
    count = flat.size
    total, squares = _sums(flat)
    mean = total / count
    m2 = squares - total * mean
    # E[x^2] - E[x]^2 loses digits when the mean dominates: then the mean is taken off first, and once more
    # if that mean was itself too coarse.
    for _ in range(2):
        if m2 > 0.5 * squares:
            break
        centre = flat.dtype.type(mean)
        total, squares = _sums(flat - centre)
        mean = float(centre) + total / count
        m2 = squares - total * (total / count)
    return mean, max(m2, 0.0)


@dataclass(slots=True)
class UnitActivity:
    """For every unit of a layer, how many samples it fired for (gave a value above 0), and when last.

    Attributes:
        fired: (units,) int64 number of samples.
        last_fired: (units,) int64 last step, -1 for never.
        seen: samples looked at.
    """

    fired: Array
    last_fired: Array
    seen: int = 0

    @classmethod
    def of_units(cls, units: int) -> UnitActivity:
        """Nothing seen yet of a layer with so many units."""
        return cls(np.zeros(units, np.int64), np.full(units, -1, np.int64))

    def add(self, activation: Array, step: int) -> None:
        """Counts one batch.

        Args:
            activation: (batch, units), or (batch, units, ...) where a unit fires if any of its places does.
            step: the update that the batch belongs to.
        """
        positive = np.asarray(activation > 0)
        if positive.ndim > 2:
            positive = np.asarray(positive.any(axis=tuple(range(2, positive.ndim))))
        fired = np.add.reduce(positive, axis=0, dtype=np.int64)
        self.fired += fired
        self.seen += len(activation)
        np.maximum(self.last_fired, step, out=self.last_fired, where=fired > 0)

    def merge(self, other: UnitActivity) -> None:
        """Adds what another one has seen of the same units."""
        self.fired += other.fired
        self.seen += other.seen
        np.maximum(self.last_fired, other.last_fired, out=self.last_fired)

    def __add__(self, other: UnitActivity) -> UnitActivity:
        merged = UnitActivity(self.fired.copy(), self.last_fired.copy(), self.seen)
        merged.merge(other)
        return merged

    @property
    def silent(self) -> Array:
        """(units,) bool: fired for no sample at all."""
        return np.asarray(self.fired == 0)

    @property
    def share(self) -> Array:
        """(units,) share of the samples that each unit fired for; NaN before any sample."""
        return self.fired / self.seen if self.seen else np.full(len(self.fired), NAN)

    def to_arrays(self) -> dict[str, Array]:
        return {"fired": self.fired, "last_fired": self.last_fired, "seen": np.array(self.seen)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> UnitActivity:
        return cls(np.array(arrays["fired"]), np.array(arrays["last_fired"]), int(arrays["seen"]))

    def to_json(self) -> dict[str, Any]:
        return {"fired": self.fired.tolist(), "last_fired": self.last_fired.tolist(), "seen": self.seen}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> UnitActivity:
        return cls(
            np.array(data["fired"], np.int64), np.array(data["last_fired"], np.int64), int(data["seen"])
        )
