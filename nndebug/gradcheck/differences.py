"""Numerical derivatives that bring their own error estimate, for many columns of unknowns at once.

A *column* is one number that is shifted for all samples at once: a unit's pre-activation, or an entry of a
parameter. Samples do not influence each other, so the per-sample losses of one shifted batch are as many
derivatives as there are samples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from ..signals import Array

POINTS = np.array([-2.0, -1.0, 1.0, 2.0])
"""Where a column is evaluated, in steps."""

WEIGHTS = np.array([1.0, -8.0, 8.0, -1.0])
"""Weights of the fourth-order first derivative: f' = Σ w f / Σ w s (Abramowitz & Stegun 25.3.6)."""

FINE_POINTS = np.array([-4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0])
FINE_WEIGHTS = np.array([3.0, -32.0, 168.0, -672.0, 672.0, -168.0, 32.0, -3.0])
"""The eighth-order one: it takes steps 25 times as large, so that rounding weighs 25 times less."""

SHRINK = 8.0
"""What a step is divided by where a kink lies between its points."""

LARGEST_STEP = 0.1
SAFETY = 4.0
ROWS_AT_ONCE = 2048
"""Rows of one stacked evaluation: enough for BLAS, few enough to stay in cache."""

JUMP = 1e-5
"""One-sided derivatives that differ by more than this share of the largest one show a kink. For a smooth loss they
differ by (h/scale)², which is 5e-7 at the first step."""


@dataclass(frozen=True)
class Points:
    """Evaluations of some columns at p points each.

    Attributes:
        losses: per-sample losses (columns, p, batch).
        flips: how many ReLU-like units changed sides against the unshifted pass (columns, p, batch).
        offsets: the shifts that really took place after rounding, (columns, p, batch) or (columns, p, 1).
    """

    losses: Array
    flips: Array
    offsets: Array


class Columns(Protocol):
    """Something that can be shifted column by column."""

    count: int

    def evaluate(self, columns: Array, offsets: Array) -> Points:
        """The losses with column `columns[i]` shifted by `offsets[i, p]`."""
        ...


@dataclass(frozen=True)
class Derivative:
    """dL_sample/dcolumn of every sample and column; all arrays are (batch, columns).

    Attributes:
        value: the derivative; meaningless where `kinked`.
        error: its estimated absolute error.
        kinked: True where the loss has a kink within the smallest step.
        flips: how many units change sides at that kink, 0 if it was found by its jump.
        left, right: one-sided derivatives, for the kinked entries.
        left_error, right_error: their estimated absolute errors.
    """

    value: Array
    error: Array
    kinked: Array
    flips: Array
    left: Array
    right: Array
    left_error: Array
    right_error: Array

    def settled(self, claimed: Array | None) -> tuple[Array, Array]:
        """Values and errors with every kink resolved in favour of what is claimed.

        Either side is right there, and what lies between them is a subgradient, as 0 is for |x|. Where several units sit on their kinks at once, mixed sides are possible too and prove nothing: the
        error then says so.

        Args:
            claimed: the derivative under test (batch, columns), or None.
        """
        if not self.kinked.any():
            return self.value, self.error
        if claimed is None or claimed.shape != self.value.shape:
            claimed = 0.5 * (self.left + self.right)
        is_left = np.abs(claimed - self.left) <= np.abs(claimed - self.right)
        nearest = np.clip(claimed, np.minimum(self.left, self.right), np.maximum(self.left, self.right))
        error = np.where(is_left, self.left_error, self.right_error)
        error = error + np.where(self.flips > 1, np.abs(claimed - nearest), 0.0)
        return np.where(self.kinked, nearest, self.value), np.where(self.kinked, error, self.error)


def differentiate(columns: Columns, base: Array, noise: Array, eps: float) -> Derivative:
    """The derivative by every column, with steps moved until its error is small.

    Args:
        columns: what is shifted.
        base: per-sample losses of the unshifted pass (batch,).
        noise: rounding noise of those losses, as a standard deviation (batch,).
        eps: machine epsilon of the arithmetic.
    """
    steps = np.full(columns.count, eps**0.2)
    everything = np.arange(columns.count)
    result, rounding, truncation = _measure(columns, everything, steps, base, noise)
    shrunk = np.zeros(columns.count, bool)
    for _ in range(2):  # a kink between the points: come closer
        crossing = np.flatnonzero(result.kinked.any(axis=0))
        if not len(crossing):
            break
        closer = steps[crossing] / SHRINK
        steps[crossing], shrunk[crossing] = closer, True
        near, _, _ = _measure(columns, crossing, closer, base, noise)
        result = _update(result, near, crossing, result.kinked[:, crossing])
    for _ in range(2):  # rounding and truncation far apart: balance them
        blurred = np.flatnonzero(_blurred(result) & ~shrunk)
        ratio = (rounding[blurred] + np.finfo(float).tiny) / (4 * truncation[blurred] + np.finfo(float).tiny)
        better = np.clip(ratio**0.2, 1 / 64, 64) * steps[blurred]
        better = np.minimum(better, LARGEST_STEP)
        moved = np.abs(np.log2(better / steps[blurred])) > 1
        chosen, new_steps = blurred[moved], better[moved]
        if not len(chosen):
            break
        again, r, t = _measure(columns, chosen, new_steps, base, noise)
        old_value, old_error = result.value[:, chosen], result.error[:, chosen]
        # Two steps that contradict each other show that an estimate was too good.
        apart = np.abs(again.value - old_value)
        honest = np.where(apart > again.error + old_error, np.maximum(apart, again.error), again.error)
        again = replace(again, error=honest)
        result = _update(
            result, again, chosen, ~again.kinked & ~result.kinked[:, chosen] & (honest < old_error)
        )
        steps[chosen], rounding[chosen], truncation[chosen] = new_steps, r, t
    return result


def confirmed(columns: Columns, first: Derivative, base: Array, noise: Array, eps: float) -> Derivative:
    """The same derivative with an error that covers a second, eight times smaller step.

    For what seems to disagree: a wrong verdict costs more than a second look.
    """
    everything = np.arange(columns.count)
    second, _, _ = _measure(columns, everything, np.full(columns.count, eps**0.2 / 8), base, noise)
    smooth = ~first.kinked
    apart = np.abs(second.value - first.value)
    expected = second.error + first.error
    error = np.maximum(first.error, np.where(smooth & (apart > expected), apart, 0.0))
    if smooth.any() and np.median((apart / expected)[smooth]) > 1:
        # Not one entry but all are noisier than estimated: then those that agree do so by chance.
        error = error + float(np.median(apart[smooth]))
    return replace(first, error=error)


def sharpened(
    columns: Columns, first: Derivative, base: Array, noise: Array, eps: float, widen: float = 1.0
) -> Derivative:
    """The same derivative from eight points, wherever they are better.

    For entries that are small because samples cancel: rounding is all there is to see of them at four points.

    Args:
        columns: what is shifted.
        first: what `differentiate` found.
        base, noise, eps: as in `differentiate`.
        widen: factor on the step.
    """
    step = widen * eps ** (1 / 9)
    points = _evaluate(
        columns, np.arange(columns.count), np.full(columns.count, step), FINE_POINTS, len(base)
    )
    change = points.losses - base
    value = _weighted(FINE_WEIGHTS, change, points.offsets)
    lower = _weighted(WEIGHTS, change[:, 2:6], points.offsets[:, 2:6])
    # |value − lower| is the fourth-order error at this step, (h/scale)⁴; four more orders square it.
    off = np.abs(value - lower)
    largest = float(np.max(np.abs(value), initial=0.0)) or 1.0
    error = off * min(1.0, 50 * float(off.max(initial=0.0)) / largest) + 1.17 * noise / step
    consistent = np.abs(value.T - first.value) <= 10 * (error.T + first.error)
    smooth = ~first.kinked & (points.flips.max(axis=1) == 0).T
    better = consistent & smooth & (first.error > error.T)
    return replace(
        first, value=np.where(better, value.T, first.value), error=np.where(better, error.T, first.error)
    )


def fourth_order(losses: Array, offsets: Array, base: Array) -> tuple[Array, Array]:
    """The derivative from four points, and the second-order one from the inner two; both without axis 1.

    Args:
        losses: values at `POINTS` (columns, 4, …).
        offsets: the shifts (columns, 4, …).
        base: the unshifted value; subtracted first, which keeps digits.
    """
    change = losses - base
    value = _weighted(WEIGHTS, change, offsets)
    inner = (change[:, 2] - change[:, 1]) / (offsets[:, 2] - offsets[:, 1])
    return value, inner


def truncation_error(value: Array, inner: Array, smooth: Array) -> tuple[Array, float]:
    """Estimated truncation of the fourth-order value, and (h/scale)².

    value − inner is the second-order error, of relative size (h/scale)², which is read off the largest smooth
    entries; two more orders multiply it by (h/scale)² again. Higher derivatives of sigmoids grow faster than
    powers of 1/scale, hence the factor 4.
    """
    second_order: Array = np.abs(value - inner)
    largest = float(np.max(np.abs(value), where=smooth, initial=0.0))
    growth = 6 * float(np.max(second_order, where=smooth, initial=0.0)) / largest if largest > 0 else 1.0
    growth = min(1.0, growth)
    return SAFETY * growth * second_order, growth


def roughness(change: Array, share: float = 0.25) -> float:
    """Noise that shows in the differences themselves (standard deviation), as in a pass that computes in float32.

    The fourth difference amplifies it by √70, and a smooth function by next to nothing. A low quantile, for kinks
    are rough too, but not everywhere.

    Args:
        change: values at `POINTS` minus the unshifted one (…, 4, …), with the points on axis 1.
        share: which quantile.
    """
    fourth = np.abs(change[:, 0] + change[:, 3] - 4 * (change[:, 1] + change[:, 2]))
    return float(np.quantile(fourth, share)) / np.sqrt(70) if fourth.size else 0.0


def one_sided(change: Array, offsets: Array, outer: int, inner: int) -> tuple[Array, Array]:
    """The second-order derivative from two points on one side, and how far it is from the first-order one."""
    near, far = change[:, inner], change[:, outer]
    value = (4 * near - far) / (4 * offsets[:, inner] - offsets[:, outer])
    return value, np.abs(value - near / offsets[:, inner])


def _measure(
    columns: Columns, which: Array, steps: Array, base: Array, noise: Array
) -> tuple[Derivative, Array, Array]:
    """One pass over some columns; also the rounding and truncation error of each column (columns,)."""
    points = _evaluate(columns, which, steps, POINTS, len(base))
    losses, flips, offsets = points.losses, points.flips, points.offsets
    value, inner = fourth_order(losses, offsets, base)
    change = losses - base
    # A unit changes sides above or below, not both: what flips on either side are different units.
    worst_flips = flips[:, :2].max(axis=1) + flips[:, 2:].max(axis=1)
    # Independent errors of the four points: the root of the summed squares of their weights is √130/12.
    rounding = 0.95 * noise / steps[:, None]
    left, left_bend = one_sided(change, offsets, 0, 1)
    right, right_bend = one_sided(change, offsets, 3, 2)
    scale = float(np.max(np.abs(value), initial=0.0))
    jump = np.abs(right - left) > JUMP * scale + 10 * rounding
    kinked = (worst_flips > 0) | jump
    truncation, growth = truncation_error(value, inner, ~kinked)
    error = truncation + rounding
    error[~np.isfinite(value)] = np.inf
    # Where nothing is smooth, the scale is taken to be 1.
    bend = SAFETY * np.sqrt(np.where(kinked.all(), steps**2, growth))[:, None]
    # Three points on one side: √(3² + 4² + 1²)/2 of the noise.
    left_error, right_error = (bend * b + 2.7 * rounding for b in (left_bend, right_bend))
    arrays = (value, error, kinked, worst_flips, left, right, left_error, right_error)
    result = Derivative(*(np.asarray(a).T for a in arrays))
    return result, rounding.max(axis=1), truncation.max(axis=1)


def _evaluate(columns: Columns, which: Array, steps: Array, points: Array, batch: int) -> Points:
    """All points of some columns, in chunks that stay in cache."""
    size = max(1, ROWS_AT_ONCE // (len(points) * batch))
    chunks = [slice(start, start + size) for start in range(0, len(which), size)]
    parts = [columns.evaluate(which[chunk], steps[chunk, None] * points) for chunk in chunks]
    losses, flips = (np.concatenate([getattr(p, n) for p in parts]) for n in ("losses", "flips"))
    return Points(losses, flips, np.concatenate([np.broadcast_to(p.offsets, p.losses.shape) for p in parts]))


def _weighted(weights: Array, change: Array, offsets: Array) -> Array:
    """Σ w f / Σ w s over axis 1."""
    shaped = weights.reshape((1, -1) + (1,) * (change.ndim - 2))
    result: Array = (shaped * change).sum(axis=1) / (shaped * offsets).sum(axis=1)
    return result


def _blurred(result: Derivative) -> Array:
    """Columns whose error is worth reducing (columns,)."""
    size = np.max(np.where(result.kinked, 0.0, np.abs(result.value)), axis=0, initial=0.0)
    error = np.max(np.where(result.kinked, 0.0, result.error), axis=0, initial=0.0)
    blurred: Array = np.isfinite(error) & (size > 0) & (error > 1e-9 * size)
    return blurred


def _update(result: Derivative, part: Derivative, columns: Array, where: Array) -> Derivative:
    """`result` with entries of `part` (batch, some columns) at `where` (batch, some columns)."""
    fields: dict[str, Any] = {}
    for name, before in vars(result).items():
        whole = np.array(before)
        whole[:, columns] = np.where(where, getattr(part, name), whole[:, columns])
        fields[name] = whole
    return Derivative(**fields)
