"""Slopes of one layer or of the loss from its values at sixteen points, each with its own error estimate.

A *column* is one number, or several that no output has in common, shifted by sixteen steps: ±1 and ±2 at two small
scales, ±1 to ±4 at a large one. Eight points at the large scale have the least rounding (order eight), four at the small
ones come nearer to a kink (order four). Every slope is taken at the scale at which its error is smallest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ..signals import Array

COUNT = 16
"""Points of a column: four at the smallest scale, four at the middle one, eight at the large one."""

CLOSER = 64.0
"""The middle scale over the smallest."""

FOUR = np.array([1.0, -8.0, 8.0, -1.0]) / 12
"""Weights of the fourth-order first derivative at ±1 and ±2 (Abramowitz & Stegun 25.3.6)."""

EIGHT = np.array([3.0, -32.0, 168.0, -672.0, 672.0, -168.0, 32.0, -3.0]) / 840
"""Of the eighth-order one: it takes steps 25 times as large, so that rounding weighs 25 times less."""

FOUR_NOISE, EIGHT_NOISE = 0.95, 1.17
"""Roots of the summed squares of these weights: what independent noise of the values becomes, per step."""

SIDE_NOISE = 2.7
"""The same for three points on one side: √(3² + 4² + 1²)/2 of the noise, rounded up."""

SAFETY = 4.0
"""Higher derivatives of sigmoids grow faster than powers of 1/scale."""

JUMP = 1e-5
"""One-sided derivatives that differ by more than this share of the largest one show a kink. For a smooth function they
differ by (h/scale)², which is 5e-7 at the middle scale."""

LOUDER = 1.5
"""What the noise that is heard is multiplied with: it is an estimate from few numbers."""

SCALES = (slice(0, 4), slice(0, 4)), (slice(4, 7), slice(4, 8)), (slice(7, 9), slice(8, 16))
"""Rows of the stencils and points of each scale, the smallest first."""

NEARER = ((64.0, 1e-8), (4096.0, 1e-6))
"""What the steps are divided by where an error is above that share of the largest slope of its sample: what bends too
sharply for the usual ones."""

COARSE = 30.0
"""Noise that is so many times what float64 makes comes from coarser arithmetic inside."""

TINY = float(np.finfo(float).tiny)

ROOT_70 = 70**0.5
"""What a fourth difference makes of independent noise."""


@dataclass(frozen=True)
class Slopes:
    """Derivatives of every output by every column; all arrays are (columns, outputs).

    Attributes:
        value: the derivative; meaningless where `kinked`.
        error: its estimated absolute error; infinite where a value was not finite.
        kinked: True where a kink lies within the smallest step.
        left, right: one-sided derivatives.
        side_error: their estimated absolute error.
        near: False where a kink may lie within the middle step.
        noise: standard deviation of the values' own rounding (outputs,).
    """

    value: Array
    error: Array
    kinked: Array
    left: Array
    right: Array
    side_error: Array
    near: Array
    noise: Array


ENTRYWISE = ("value", "error", "kinked", "left", "right", "side_error", "near")


@lru_cache(maxsize=32)
def steps(eps: float, nearer: float = 1.0) -> tuple[float, float, float]:
    """The smallest, the middle and the large step for this machine epsilon, all of them divided by `nearer`."""
    middle = eps**0.2 / nearer
    return middle / CLOSER, middle, eps ** (1 / 9) / nearer


@lru_cache(maxsize=32)
def offsets(eps: float, nearer: float = 1.0) -> Array:
    """By how much a column is shifted: (16,)."""
    small, middle, large = steps(eps, nearer)
    two, four = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([-4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0])
    found = np.concatenate([small * two, middle * two, large * four])
    found.setflags(write=False)
    return found


@lru_cache(maxsize=32)
def _stencils(eps: float, nearer: float) -> Array:
    """Everything that is linear in the sixteen changes, as one matrix (9, 16).

    Rows, for the smallest and the middle scale each: derivative of order four, its distance from that of order two, right
    minus left derivative, and at the smallest scale the left one; then at the large scale the derivative of order eight
    and its distance from that of order four.
    """
    matrix = np.zeros((9, COUNT))
    second = np.array([0.0, -1.0, 1.0, 0.0]) / 2
    jump = np.array([-1.0, 4.0, 4.0, -1.0]) / 2
    small, middle, large = steps(eps, nearer)
    for (rows, at), h in zip(SCALES, (small, middle), strict=False):
        matrix[rows.start, at], matrix[rows.start + 1, at] = FOUR / h, (FOUR - second) / h
        matrix[rows.start + 2, at] = jump / h
    matrix[3, :4] = np.array([1.0, -4.0, 0.0, 0.0]) / (2 * small)
    matrix[7:, 8:] = EIGHT / large
    matrix[8, 10:14] -= FOUR / large
    return matrix


def measured(
    evaluate: Callable[[Array], Array], base: Array, eps: float, reach: float | Array, batch: int
) -> Slopes:
    """The slopes of columns, with steps that come nearer where the function bends too sharply for the first ones.

    Args:
        evaluate: offsets (16,) → what the shifted columns give (columns, 16, outputs).
        base, eps, reach, batch: as in `slopes`.
    """
    return sharpened(
        slopes(evaluate(offsets(eps)), base, eps, reach, batch), evaluate, base, eps, reach, batch
    )


def sharpened(
    found: Slopes,
    evaluate: Callable[[Array], Array],
    base: Array,
    eps: float,
    reach: float | Array,
    batch: int,
) -> Slopes:
    """What `slopes` found, or better: from nearer steps, as of the logarithm of a small probability."""
    for nearer, share in NEARER:
        shape = (len(found.value), batch, -1)
        size, error = _largest(found.value.reshape(shape)), found.error.reshape(shape)
        if (error <= share * size).all() and not found.kinked.any():
            break
        again = slopes(evaluate(offsets(eps, nearer)), base, eps, reach, batch, nearer, found.noise)
        clear = again.error <= NEARER[-1][1] * np.broadcast_to(size, error.shape).reshape(found.value.shape)
        better = ~again.kinked & np.where(found.kinked, clear, again.error < found.error)
        chosen = {n: np.where(better, getattr(again, n), getattr(found, n)) for n in ENTRYWISE}
        found = replace(found, **chosen)
    return found


def slopes(
    values: Array,
    base: Array,
    eps: float,
    reach: float | Array,
    batch: int = 1,
    nearer: float = 1.0,
    known: Array | None = None,
) -> Slopes:
    """The slopes of every column.

    Sizes are taken sample by sample: one that bends sharply says nothing about the others.

    Args:
        values: what the shifted columns gave (columns, 16, outputs), at `offsets(eps)`.
        base: unshifted outputs (outputs,).
        eps: machine epsilon of the arithmetic.
        reach: size of what was shifted, the largest or (outputs,): x + h is rounded too.
        batch: how many samples the outputs are of, one after the other.
        nearer: what the usual steps are divided by.
        known: noise that was heard already (outputs,): steps that are too small would not show it.
    """
    small, middle, large = steps(eps, nearer)
    shape = (len(values), len(base))
    found = np.matmul(_stencils(eps, nearer), change := values - base)
    if not np.isfinite(
        found
    ).all():  # as of a logarithm that a large step takes below zero: scale by scale then
        for rows, at in SCALES:
            found[:, rows] = np.matmul(_stencils(eps, nearer)[rows, at], change[:, at])
    v2, d2, j2, left, v1, d1, j1, v0, d0 = found.reshape(len(values), 9, batch, -1).swapaxes(0, 1)
    largest = _largest(v1)
    noise = np.abs(base).reshape(batch, -1) + largest * np.broadcast_to(reach + large, base.shape).reshape(
        batch, -1
    )
    noise *= 2 * eps
    # Fourth differences of anything smooth vanish at the smallest scale: what is left is noise, as large there as at
    # the middle scale, while that of a kink is 64 times smaller. An upper quantile, since rounding to float32 is uneven.
    rough, jump = np.abs(j2), np.abs(j1)
    loud = np.where(4 * jump < rough, rough, 0.0)
    times = loud / (noise + TINY)
    rank = (3 * times.size) // 4
    heard = float(np.partition(times, rank, axis=None)[rank]) * 2 * small / ROOT_70 if times.size else 0.0
    if 1 < LOUDER * heard < np.inf:
        noise *= LOUDER * heard
        if heard > COARSE:  # float32 somewhere inside: its rounding may be of larger numbers than come out
            noise = np.maximum(
                noise, 3 * 2 * small / ROOT_70 * float(np.partition(rough, rank, axis=None)[rank])
            )
    # An output that is the small difference of large numbers is rounded as they are: its own columns say so.
    own = np.sqrt(np.square(loud).mean(axis=0))
    own *= LOUDER * 2 * small / ROOT_70
    np.maximum(noise, own, out=noise, where=np.isfinite(own))
    if known is not None:
        np.maximum(noise, known.reshape(batch, -1), out=noise)
    e1 = np.abs(d1, out=d1)
    fine = FOUR_NOISE / middle * noise
    smooth = jump <= JUMP * largest + 10 * fine
    growth = np.minimum(6 * _largest(e1, smooth) / (largest + TINY), 1.0)
    e1 = _truncation(6.0, e1, v1, largest, smooth)
    e1 *= SAFETY
    e1 += fine
    e0 = np.abs(d0, out=d0)
    e0 = _truncation(50.0, e0, v0, largest)
    e0 += EIGHT_NOISE / large * noise
    # What stays at 0, as a unit that is off, is not rounded; coarse arithmetic may hide what moves.
    still = (v0 == 0) & (v1 == 0) & (base.reshape(batch, -1) == 0) & (known is None and heard <= COARSE)
    np.copyto(e0, 0.0, where=still)
    if smooth.all() and (np.abs(v0 - v1) <= 10 * (e0 + e1)).all() and (e0 <= e1).all() and e1.max() < np.inf:
        v0, e0, left, smooth = (a.reshape(shape) for a in (v0, e0, left, smooth))
        return Slopes(v0, e0, ~smooth, left, left, e0, smooth, noise.reshape(-1))
    # A smooth bend is 64² times weaker at the smallest scale than at the middle one; a kink is as strong as there.
    kinked = (rough > JUMP * largest + 10 * FOUR_NOISE / small * noise) & (jump < 1000 * rough)
    e2 = np.abs(d2, out=d2)
    e2 = _truncation(6.0, e2, v2, largest, ~kinked)
    e2 *= SAFETY
    e2 += FOUR_NOISE / small * noise
    apart = np.abs(v1 - v2)
    contrary = apart > 10 * (e1 + e2)  # the smallest scale is right then, and the estimates were too good
    # A function that is not smooth, as x / (1 + |x|) at 0, errs in proportion to the step, not to a power of it.
    np.maximum(e2, apart / (CLOSER / SAFETY), out=e2, where=contrary)
    value, error = v2.copy(), e2.copy()
    for v, e in ((v1, e1), (v0, e0)):
        # Scales that contradict each other: there is a kink between, or the larger estimate was too good.
        better = smooth & ~contrary & (e < error) & (np.abs(v - value) <= 10 * (e + error))
        np.copyto(value, v, where=better)
        np.copyto(error, e, where=better)
    np.copyto(error, 0.0, where=still & (v2 == 0) & ~kinked)
    lost = ~np.isfinite(value + error)
    value[lost], error[lost] = np.nan, np.inf
    side_error = SAFETY * growth / CLOSER**2 * largest + SIDE_NOISE / small * noise
    arrays = (value, error, kinked, left, left + j2, np.broadcast_to(side_error, value.shape), smooth & ~lost)
    value, error, kinked, left, right, side_error, near = (a.reshape(shape) for a in arrays)
    return Slopes(value, error, kinked, left, right, side_error, near, noise.reshape(-1))


def straight(value: Array, error: Array, noise: Array) -> Slopes:
    """Slopes of what is linear, in which there is no kink: (columns, outputs) each."""
    smooth = np.ones(value.shape, bool)
    return Slopes(value, error, ~smooth, value, value, error, smooth, noise)


def settled(low: Array, high: Array, claimed: Array | None) -> Array:
    """Of the derivatives between two sides, the one nearest to what is claimed.

    Either side of a kink is right, and what lies between them is a subgradient, as 0 is for |x|.
    """
    if claimed is None or claimed.shape != low.shape:
        return 0.5 * (low + high)
    return np.clip(claimed, np.minimum(low, high), np.maximum(low, high))


def _truncation(times: float, off: Array, value: Array, largest: Array, where: Array | bool = True) -> Array:
    """The error of a derivative, estimated from how far off one of lower order is.

    Args:
        times: the next orders multiply an error with so many times its own relative size.
        off: distance from the derivative of lower order (columns, samples, outputs); overwritten.
        value: the derivative.
        largest: the largest one of each sample (1, samples, 1).
        where: which entries speak for their sample.
    """
    relative = _largest(off, where) / (largest + TINY)
    size = np.abs(value)
    growth = np.maximum(off / (size + TINY), relative)
    growth *= times
    np.minimum(growth, 1.0, out=growth)
    off *= growth
    # Where the lower order errs by chance as the higher one does, its sample says what to expect.
    size *= np.minimum(times * relative, 1.0) * relative
    return np.maximum(off, size, out=off)


def _largest(values: Array, where: Array | bool = True) -> Array:
    """The largest finite size in each sample (1, samples, 1), 0 if there is none, of (columns, samples, outputs)."""
    size: Array = np.max(np.abs(values), axis=(0, 2), where=where, initial=0.0, keepdims=True)
    if math.isfinite(size.sum()):
        return size
    finite = where & np.isfinite(values)
    return np.asarray(np.max(np.abs(values), axis=(0, 2), where=finite, initial=0.0, keepdims=True))
