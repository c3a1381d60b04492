"""What an elementwise layer makes of an error, found by running its forward: never its backward.

All its entries are shifted at once, and whether no output depends on another place is checked along a random direction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..signals import Array
from .differences import COUNT, ENTRYWISE, Slopes, offsets, settled, sharpened, slopes, steps
from .linear import noise
from .tape import Tape


@dataclass(frozen=True)
class Error:
    """dLoss by some array: how far the loss moves with each of its entries.

    Attributes:
        value: the derivative.
        error: its estimated absolute error.
        kinks: derivatives behind it that sat on a kink.
        share: the largest share of one layer's derivatives that did.
        total: largest sum of absolute terms of an entry, of which it is what does not cancel; 0 if not known.
        open: what the largest entry might be if nothing above were saturated: every slope at least 1.
    """

    value: Array
    error: Array
    kinks: int = 0
    share: float = 0.0
    total: float = 0.0
    open: float = 0.0


def elementwise(
    tape: Tape, index: int, points: list[tuple[Array, Array]], rng: np.random.Generator
) -> list[Slopes] | None:
    """Slopes of a layer whose every output depends on the input in its own place; None if it is no such layer.

    Args:
        tape: the recorded pass.
        index: index of the layer.
        points: inputs and outputs (batch, …) at which the slopes are wanted.
        rng: where the direction comes from along which that is tried.

    Returns:
        For every point slopes of shape (1, entries).
    """
    if tape.draws(index):  # a mask is of the batch's own size
        found = [_elementwise(tape, index, x, y, rng) for x, y in points]
        return None if None in found else found  # type: ignore[return-value]
    x, y = (np.concatenate(arrays) for arrays in zip(*points, strict=True))
    whole = _elementwise(tape, index, x, y, rng)
    if whole is None or len(points) == 1:
        return None if whole is None else [whole]
    size = points[0][1].size
    return [_part(whole, slice(start, start + size)) for start in range(0, whole.noise.size, size)]


def _part(whole: Slopes, at: slice) -> Slopes:
    """The slopes of some outputs."""
    value, error, kinked, left, right, side_error, near = (getattr(whole, n)[:, at] for n in ENTRYWISE)
    return Slopes(value, error, kinked, left, right, side_error, near, whole.noise[at])


def _elementwise(tape: Tape, index: int, x: Array, y: Array, rng: np.random.Generator) -> Slopes | None:
    eps, shape = tape.eps, x.shape
    middle = steps(eps)[1]
    away = 0.75 + 0.25 * noise(rng, shape)
    direction = np.copysign(away, noise(rng, shape))
    stack = np.empty((COUNT + 4, *shape), x.dtype)
    stack[...] = x
    stack[:COUNT] += offsets(eps).reshape((COUNT,) + (1,) * x.ndim)
    stack[COUNT] += middle * direction
    stack[COUNT + 1] -= middle * direction
    stack[COUNT + 2] += away  # all the others lie evenly around x: a mean over all copies would not show
    tape.separate(index)  # true, or the last copy differs from what was recorded
    values = tape.run(index, stack)
    base, found = y.reshape(-1), None
    if values.shape[1:] == shape:
        values = values.reshape(COUNT + 4, -1)
        if _same(values[-1], base, eps):
            reach, change = np.abs(x).reshape(-1), values[COUNT] - values[COUNT + 1]
            first = slopes(values[None, :COUNT], base, eps, reach, len(x))
            found = sharpened(first, partial(_at, tape, index, x), base, eps, reach, len(x))
            if holds(found, direction.reshape(-1), change, middle):
                return found
    tape.forget(index)
    return None


def through_elementwise(back: Error, found: Slopes, claimed: Array | None) -> Error:
    """The error below an elementwise layer, from the one above it."""
    shape, u = back.value.shape, back.value
    value, error = found.value.reshape(shape), found.error.reshape(shape)
    right = u * value
    spread = np.abs(u) * error + np.abs(value) * back.error
    opened = back.open * max(1.0, float(np.max(np.abs(value), where=np.isfinite(value), initial=0.0)))
    kinks = int(np.count_nonzero(found.kinked))
    if not kinks:
        return replace(back, value=right, error=spread, open=opened)
    kinked, left, other = (a.reshape(shape) for a in (found.kinked, found.left, found.right))
    side = np.abs(u) * found.side_error.reshape(shape) + np.maximum(np.abs(left), np.abs(other)) * back.error
    return Error(
        np.where(kinked, settled(u * left, u * other, claimed), right),
        np.where(kinked, side, spread),
        back.kinks + kinks,
        max(back.share, kinks / u.size),
        open=opened,
    )


def _at(tape: Tape, index: int, x: Array, shifts: Array) -> Array:
    """Outputs of a layer with its whole input shifted: (1, shifts, outputs)."""
    stack = x + shifts.reshape((-1,) + (1,) * x.ndim)
    return np.array(tape.run(index, stack.astype(x.dtype))).reshape(1, len(shifts), -1)


def _same(found: Array, expected: Array, eps: float) -> bool:
    """Whether two runs gave the same, to within rounding."""
    if np.array_equal(found, expected):
        return True
    return np.allclose(found, expected, rtol=1e4 * eps, atol=1e3 * eps, equal_nan=True)


def holds(found: Slopes, direction: Array, change: Array, step: float) -> bool:
    """Whether slopes of one column explain how all outputs change along a direction.

    Args:
        found: the slopes (1, outputs).
        direction: how far each entry moves, at most 1 (outputs,).
        change: outputs at +step · direction minus those at -step · direction (outputs,).
        step: the step.
    """
    value, error = found.value[0], found.error[0]
    off = np.abs(change / (2 * step) - value * direction)
    allowed = 10 * (error + found.noise / step)
    # A smooth function bends by (h/scale)² within the step.
    allowed += 1e-5 * float(np.max(np.abs(value), where=np.isfinite(value), initial=0.0))
    return bool((off <= allowed)[found.near[0]].all())
