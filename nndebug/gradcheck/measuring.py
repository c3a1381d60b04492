"""Directional derivatives of a function of arrays about which nothing else is known, each with its error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import UserError
from ..signals import Array
from .containers import Path, name_of, rebuilt

SPACING = 1e-6
"""How far apart the points lie that show the noise, in units of the parameters' size: so near that fourth differences
of anything smooth vanish."""

COARSE_SPACING = 1e-4
"""The same for functions that compute in float32: many of its roundings."""

TINY = 1e-9
SINGLE_EPS = 1.2e-7
SMALLEST = 1e-4
"""Parameters are not taken to be smaller than this."""

FIRST_STEP = 1e-4
SHRINK = 16.0
GROW = 8.0
ATTEMPTS = 5

WEIGHTS = (64 / 45, -20 / 45, 1 / 45)
"""Of the central differences at h, 2h and 4h, for a sixth-order derivative."""

ROUNDING = 1.02
"""Its error per noise of one value and step: the root of the summed squares of its six weights."""

LINEAR = 0.35
"""Between the shares by which an error shrinks that goes with the step's square, 1/4, and with the step itself, 1/2."""

PERSISTS = 0.3
"""A jump between one-sided derivatives that keeps this share of its size at a 16 times smaller step is a kink."""


@dataclass(frozen=True)
class Slope:
    """A derivative along a direction.

    Attributes:
        value: the derivative; meaningless if `kinked`.
        error: its estimated absolute error; infinite if the function is not finite there.
        step: the step it was taken with.
        bend: |sixth-order − second-order derivative| / step²: truncation of a two-point difference.
        left, right: one-sided derivatives.
        kinked: whether they differ however small the step.
    """

    value: float
    error: float
    step: float
    bend: float
    left: float
    right: float
    kinked: bool = False


@dataclass(frozen=True)
class Direction:
    """A direction within one tensor.

    Attributes:
        path: which tensor.
        entries: flat numbers of the entries that move, None for all of them.
        weights: how far each entry moves (entries of the tensor,); those that do not move are not read.
    """

    path: Path
    entries: Array | None
    weights: Array

    @cached_property
    def at(self) -> slice | Array:
        """The entries, as a slice where they lie side by side: indexing by numbers costs ten times as much."""
        entries = self.entries
        if entries is None:
            return slice(None)
        if len(entries) and np.array_equal(entries, np.arange(entries[0], entries[0] + len(entries))):
            return slice(int(entries[0]), int(entries[-1]) + 1)
        return entries

    def dot(self, gradient: Array) -> float:
        """⟨gradient, direction⟩ for a gradient of the tensor's shape."""
        flat = np.asarray(gradient, np.float64).reshape(-1)
        return float(flat[self.at] @ self.weights[self.at])

    def norm(self, gradient: Array) -> float:
        """What ⟨gradient, direction⟩ would be if the signs were random (root of the summed squares)."""
        flat = np.asarray(gradient, np.float64).reshape(-1)
        product = flat[self.at] * self.weights[self.at]
        largest = float(np.abs(product).max(initial=0.0))
        if not 0 < largest < np.inf:
            return largest
        product /= largest  # squares of 1e200 are infinite
        return largest * float(np.sqrt(product @ product))


class Measured:
    """A loss at fixed parameters: counts its evaluations, hands out copies, knows its own noise.

    Args:
        loss: takes a container, returns a number.
        params: the user's container; never handed out.
        arrays: its arrays by path; the base point is a float64 copy of them.

    Attributes:
        evaluations: calls of the loss so far.
        base: its value at the base point.
        noise: standard deviation of its rounding.
        coarse: whether it computes in float32 somewhere.
        moved: whether any other point gave another value.
        changed: names of parameters that the loss changed in its argument, and by how much.
    """

    def __init__(self, loss: Callable[[Any], Any], params: Any, arrays: Mapping[Path, Array]) -> None:
        self.loss, self.params = loss, params
        self.point = {
            path: np.array(a, dtype=np.result_type(a.dtype, np.float64)) for path, a in arrays.items()
        }
        self.evaluations = 0
        self.changed: dict[str, float] = {}
        self.moved = False
        self.base = self._call(look=True)
        self.noise = max(2.3e-16 * abs(self.base), 1e-300)
        self.coarse = False

    def scale(self, path: Path) -> float:
        """Size of a tensor's entries (root mean square), 1 if it is zero; the step needs to start somewhere."""
        value = self.point[path].astype(np.float64)
        size = float(np.sqrt(np.mean(value * value))) if value.size else 0.0
        return max(size, SMALLEST) if size and np.isfinite(size) else 1.0

    def arguments(self) -> Any:
        """A fresh copy of the base point in the user's kind of container."""
        return rebuilt(self.params, lambda path: self.point[path].copy())

    def again(self) -> float:
        """The loss at the base point once more."""
        return self._call(look=True)

    def along(self, direction: Direction, step: float) -> float:
        """The loss with the base point moved by step · direction."""
        moved = self.point[direction.path].copy()
        moved.reshape(-1)[direction.at] += step * direction.weights[direction.at]
        return self._call({direction.path: moved})

    def listen(self, directions: list[Direction]) -> None:
        """Measures the noise: fourth differences of points so near that all but rounding cancels.

        They amplify it by √70. Of two directions the quieter one counts, for the other may cross a kink.
        """
        self.noise = max(2.3e-16 * abs(self.base), 1e-300)
        self.coarse = self._is_coarse(directions[0])
        spacing = COARSE_SPACING if self.coarse else SPACING
        found = []
        for direction in directions:
            step = spacing * self.scale(direction.path)
            values = np.array([self.base, *(self.along(direction, step * k) for k in range(1, 6))])
            fourth = np.diff(values - self.base, n=4)
            found.append(float(np.sqrt(np.mean(fourth**2) / 70)))
        finite = [noise for noise in found if np.isfinite(noise)]
        heard = max(finite, default=0.0) if self.coarse else min(finite, default=0.0)
        # Two fourth differences make a rough estimate; too large a one costs less than a false alarm.
        self.noise = max(3 * heard, self.noise, SINGLE_EPS * abs(self.base) if self.coarse else 0.0)

    def _is_coarse(self, direction: Direction) -> bool:
        """Whether a tiny step that must show in float64 leaves the loss exactly where it is."""
        scale, size = self.scale(direction.path), abs(self.base)
        if self.along(direction, TINY * scale) != self.base:
            return False
        for step in (1e4, 1e7):
            value = self.along(direction, step * TINY * scale)
            if value != self.base:  # of which the tiny step must have shown its share
                is_single = all(float(np.float32(v)) == v for v in (value, self.base))
                return bool(is_single or abs(value - self.base) / step > 1e-13 * size)
        return False

    def slope(self, direction: Direction, goal: float, step: float | None = None) -> Slope:
        """The derivative along a direction, with the step moved until its error is small.

        Args:
            direction: where to.
            goal: an error that is good enough.
            step: the first step; by default `FIRST_STEP` of the tensor's size.
        """
        h = step or FIRST_STEP * self.scale(direction.path)
        best, last_jump, persisted, grown = None, 0.0, 0, False
        for _ in range(ATTEMPTS):
            slope, truncation, jump = self.six_points(direction, h)
            better = best is None or slope.error < best.error
            best = slope if better or best is None else best
            rounding = ROUNDING * self.noise / h
            if jump:
                persisted = persisted + 1 if jump > PERSISTS * last_jump > 0 else 0
                if persisted >= 2:
                    return Slope(
                        slope.value, slope.error, h, slope.bend, slope.left, slope.right, kinked=True
                    )
            last_jump = jump
            if slope.error <= goal or (grown and not better):
                break
            if not np.isfinite(slope.error) or jump or truncation > 4 * rounding:
                h /= SHRINK
            elif rounding > 5 * truncation:  # noise alone makes it 14
                h, grown = h * GROW, True
            else:
                break
        assert best is not None
        return best

    def pair(self, direction: Direction, step: float, bend: float) -> tuple[float, float]:
        """The two-point derivative along a direction and its error; half the price, for searching.

        Args:
            direction: where to.
            step: how far.
            bend: truncation per step² of a direction that contains this one.
        """
        up, down = self.along(direction, step), self.along(direction, -step)
        error = 0.71 * self.noise / step + bend * step * step
        value = (up - down) / (2 * step)
        return value, error if np.isfinite(value) else np.inf

    def six_points(self, direction: Direction, h: float) -> tuple[Slope, float, float]:
        """The derivative at one step, its truncation error and the jump between its sides (0 if smooth)."""
        offsets = (1, 2, 4)
        up = np.array([self.along(direction, k * h) for k in offsets]) - self.base
        down = np.array([self.along(direction, -k * h) for k in offsets]) - self.base
        central = (up - down) / (2 * h * np.array(offsets))
        value = float(np.dot(WEIGHTS, central))
        truncation = abs(value - float((4 * central[0] - central[1]) / 3))
        right, left = (4 * up[0] - up[1]) / (2 * h), -(4 * down[0] - down[1]) / (2 * h)
        # Curvature shows in how far a one-sided derivative is from its first-order version.
        curve = max(abs(right - up[0] / h), abs(left + down[0] / h))
        jump = abs(float(right - left))
        # Beside a minimum the values are larger than the base, and so is their rounding.
        noise = max(self.noise, 2.3e-16 * float(np.abs([up, down]).max())) / h
        if not jump > 40 * noise + 0.1 * curve + 1e-9 * max(abs(left), abs(right)):
            jump = 0.0
        # A second derivative that leaps here leaves an error that shrinks with h, not with h²: halves, where a quarter should be.
        near, far = abs(float(central[0] - central[1])), abs(float(central[1] - central[2]))
        if near > LINEAR * far and near > 4 * noise:
            truncation = max(truncation, near)
        error = truncation + ROUNDING * noise + jump
        if not np.isfinite(value):
            error = truncation = np.inf
        bend = abs(value - float(central[0])) / (h * h)
        return Slope(value, error, h, bend, float(left), float(right)), truncation, jump

    def _call(self, moved: Mapping[Path, Array] | None = None, look: bool = False) -> float:
        values = {path: (moved or {}).get(path, value) for path, value in self.point.items()}
        # What was moved is a copy already; where it is compared afterwards it takes another.
        handed = {
            p: value if not look and moved and p in moved else value.copy() for p, value in values.items()
        }
        self.evaluations += 1
        result = self.loss(rebuilt(self.params, lambda path: handed[path]))
        if look:
            for path, value in values.items():
                if not np.array_equal(handed[path], value, equal_nan=True):
                    self.changed[name_of(path)] = float(np.max(np.abs(handed[path] - value)))
        number = as_number(result)
        self.moved = self.moved or (bool(moved) and number != self.base)
        return number


def as_number(result: Any) -> float:
    """What a loss returned, as a float.

    Raises:
        UserError: it is no real number.
    """
    array = np.asarray(result)
    if array.dtype.kind not in "fiub":
        what = "complex numbers" if array.dtype.kind == "c" else type(result).__name__
        raise UserError(f"the loss gives {what}, not a number", help="return one float")
    if array.size != 1:
        raise UserError(
            f"the loss gives an array of shape {array.shape}, not a number",
            help="return the sum or the mean of it",
        )
    return float(array.reshape(()) if array.ndim else array)
