"""The loss's derivative with the step that suits each output: a probability of 1e-7 has a logarithm that bends within 1e-7.

For what the usual steps leave open. Every error is read off the entry's own differences: how far orders and sides are
apart, and what is rough.
"""

from __future__ import annotations

import numpy as np

from ..signals import Array
from .tape import Tape

POINTS = np.array([-2.0, -1.0, 1.0, 2.0])
LADDER = 4.0 ** -np.arange(15)
"""Steps, in units of the usual one for four points."""

JUMPS = 0.01
"""One-sided derivatives that differ by this share of their size at the best step show a kink."""

TINY = 1e-300

RESOLUTION = 1e-5
"""What the loss's gradient must be known to, relative to its largest entry: that of a probability of 1 − 1e-7 is known
no better, for 1 − p has lost half of its digits."""


def by_ladder(tape: Tape, claimed: Array) -> tuple[Array, Array]:
    """dLoss/doutput (batch, …) and its error; at a kink the value between the two sides that is nearest to what is claimed."""
    flat, given = (np.asarray(a).reshape(tape.batch, -1) for a in (tape.output, claimed))
    steps = tape.eps**0.2 * LADDER
    with np.errstate(all="ignore"):
        found = [_column(tape, flat, column, steps, given[:, column]) for column in range(flat.shape[1])]
    value, error = (np.stack(parts, axis=1).reshape(tape.output.shape) for parts in zip(*found))
    return value, error


def _column(tape: Tape, flat: Array, column: int, steps: Array, claimed: Array) -> tuple[Array, Array]:
    """The same for one output of every sample (batch,)."""
    shape, h = (len(steps), len(POINTS)), steps[:, None]
    stack = np.empty((*shape, *flat.shape), flat.dtype)
    stack[...] = flat
    stack[..., column] += (steps[:, None] * POINTS)[:, :, None]
    offsets = stack[..., column] - flat[:, column]
    losses = tape.losses(stack.reshape(-1, *tape.output.shape)).reshape(*shape, tape.batch)
    change, base = losses - tape.per_sample, tape.per_sample

    value = _over((1.0, -8.0, 8.0, -1.0), change, offsets)
    inner = _over((0.0, -1.0, 1.0, 0.0), change, offsets)
    left, right = _over((-1.0, 4.0, 0.0, 0.0), change, offsets), _over((0.0, 0.0, 4.0, -1.0), change, offsets)
    rough = np.abs(change[:, 0] + change[:, 3] - 4 * (change[:, 1] + change[:, 2])) / h
    # Losses are rounded, and so is what they are of: 1 − p of a p close to 1.
    size = np.maximum(np.abs(losses).max(axis=1), np.abs(base)) + np.abs(flat[:, column] * value)
    rounding, jump = 2 * tape.eps * size / h, np.abs(right - left)
    apart = np.abs(value - inner) + jump
    # Two more orders square what they are apart by, unless there is a kink.
    error = 10 * apart * np.minimum(1.0, apart / np.maximum(np.abs(value), TINY)) + 3 * rough + rounding
    error = np.where(np.isfinite(error), error, np.inf)

    at = error.argmin(axis=0), np.arange(tape.batch)
    value, error, left, right, jump, rounding = (a[at] for a in (value, error, left, right, jump, rounding))
    kinked = (jump > JUMPS * (np.abs(left) + np.abs(right))) & (jump > 10 * rounding)
    between = np.clip(claimed, np.minimum(left, right), np.maximum(left, right))
    return np.where(kinked, between, value), np.where(kinked, 3 * rounding, error)


def _over(weights: tuple[float, ...], change: Array, offsets: Array) -> Array:
    """Σ w f / Σ w s over the points."""
    shaped = np.array(weights)[None, :, None]
    return np.asarray((shaped * change).sum(axis=1) / (shaped * offsets).sum(axis=1))
