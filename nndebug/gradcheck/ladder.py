"""The loss's derivative with the step that suits each output: a probability of 1e-7 has a logarithm that bends within 1e-7.

For what the usual steps leave open. Every error is read off the entry's own differences: how far orders and sides are
apart, and what is rough. A larger step is believed only where it does not contradict the smaller ones, since it may
leap over a bend and find the function smooth on both sides of it.
"""

from __future__ import annotations

import numpy as np

from ..signals import Array
from .comparing import MARGIN
from .ending import Ending

POINTS = np.array([-2.0, -1.0, 1.0, 2.0])
LADDER = 4.0 ** -np.arange(21)
"""Steps, in units of the usual one for four points."""

NEAR_ZERO = 4.0 ** -np.arange(3)
"""Steps, in units of the usual one for four points, times the smallest output of the sample and times the output itself:
what is logarithmic or is divided by the sum of the outputs bends on the scale of the outputs, however small."""

JUMPS = 0.01
"""One-sided derivatives that differ by this share of their size at the best step show a kink."""

STEADY = 2.0
"""At a kink the sides differ by the same at any step, to within this factor: by less at a smaller one where the function
only bends, by more where it leaps or bends within the smallest."""

TINY = 1e-300

RESOLUTION = 1e-5
"""What the loss's gradient must be known to, relative to its largest entry: that of a probability of 1 − 1e-7 is known
no better, for 1 − p has lost half of its digits."""


def by_ladder(tape: Ending, claimed: Array) -> tuple[Array, Array]:
    """dLoss/doutput (batch, …) and its error; at a kink the value between the two sides that is nearest to what is claimed."""
    flat, given = (np.asarray(a).reshape(tape.batch, -1) for a in (tape.output, claimed))
    with np.errstate(all="ignore"):
        found = [_column(tape, flat, column, given[:, column]) for column in range(flat.shape[1])]
    value, error = (np.stack(parts, axis=1).reshape(tape.output.shape) for parts in zip(*found))
    return value, error


def _steps(flat: Array, column: int, eps: float) -> Array:
    """From the smallest to the largest, for every sample (steps, batch)."""
    size = np.abs(flat)
    least = np.min(size, axis=1, where=size > 0, initial=1.0)
    own = np.where(size[:, column] > 0, size[:, column], least)
    scales = [np.broadcast_to(LADDER[:, None], (len(LADDER), len(flat)))]
    scales += [NEAR_ZERO[:, None] * near for near in (least, own)]
    return np.asarray(np.sort(eps**0.2 * np.concatenate(scales), axis=0))


def _column(tape: Ending, flat: Array, column: int, claimed: Array) -> tuple[Array, Array]:
    """The same for one output of every sample (batch,)."""
    h = _steps(flat, column, tape.eps)
    stack = np.empty((len(h), len(POINTS), *flat.shape), flat.dtype)
    stack[...] = flat
    stack[..., column] += h[:, None] * POINTS[:, None]
    offsets = stack[..., column] - flat[:, column]
    losses = tape.losses(stack.reshape(-1, *tape.output.shape)).reshape(offsets.shape)
    change, base = losses - tape.per_sample, tape.per_sample

    value = _over((1.0, -8.0, 8.0, -1.0), change, offsets)
    inner = _over((0.0, -1.0, 1.0, 0.0), change, offsets)
    left, right = _over((-1.0, 4.0, 0.0, 0.0), change, offsets), _over((0.0, 0.0, 4.0, -1.0), change, offsets)
    rough = np.abs(change[:, 0] + change[:, 3] - 4 * (change[:, 1] + change[:, 2])) / h
    # Losses are rounded, and so is what they are of: p, or 1 − p unless a step far too small for that moves the loss.
    one = np.maximum(1.0, np.abs(flat[:, column]))
    seen = (change[0] != 0).all(axis=0) & (h[0] < tape.eps / 4 * one)
    argument = np.where(seen, np.abs(flat[:, column]), one) * np.abs(value)
    # What a logarithm is taken of is rounded by ε if it is near 1, however small the loss and its slope.
    size = np.maximum(np.abs(losses).max(axis=1), np.abs(base)) + argument + tape.unit
    rounding, jump = 2 * tape.eps * size / h, np.abs(right - left)
    apart = np.abs(value - inner) + jump
    # Two more orders square what they are apart by, unless there is a kink.
    error = 10 * apart * np.minimum(1.0, apart / np.maximum(np.abs(value), TINY)) + 3 * rough + rounding
    # A step that is lost in 1 − p moves nothing: that is no derivative of 0.
    lost = (change == 0).all(axis=1) & (h < tape.eps * one)
    error = np.where(np.isfinite(error) & ~lost, error, np.inf)

    at = _best(value, error), np.arange(tape.batch)
    next_to = np.where(at[0] > 0, at[0] - 1, at[0] + 1), at[1]
    value, error, left, right, rounding = (a[at] for a in (value, error, left, right, rounding))
    kinked = (jump[at] > JUMPS * (np.abs(left) + np.abs(right))) & (jump[at] > 10 * rounding)
    ratio = jump[at] / np.maximum(jump[next_to], TINY)
    steady = (ratio < STEADY) & (ratio > 1 / STEADY)
    between = np.clip(claimed, np.minimum(left, right), np.maximum(left, right))
    error = np.where(kinked, np.where(steady, 3 * rounding, np.inf), error)
    return np.where(kinked, between, value), error


def _best(value: Array, error: Array) -> Array:
    """Which step is the best for every sample (batch,), of (steps, batch), the smallest step first."""
    best, each = np.zeros(value.shape[1], int), np.arange(value.shape[1])
    for step in range(1, len(value)):
        v, e = value[best, each], error[best, each]
        fits = ~(np.abs(value[step] - v) > MARGIN * (error[step] + e))
        best[fits & (error[step] < e)] = step
    return best


def _over(weights: tuple[float, ...], change: Array, offsets: Array) -> Array:
    """Σ w f / Σ w s over the points."""
    shaped = np.array(weights)[None, :, None]
    return np.asarray((shaped * change).sum(axis=1) / (shaped * offsets).sum(axis=1))
