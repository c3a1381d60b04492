"""A layer of any kind by itself: ⟨u, J v⟩ by differences of its forward against ⟨backward(u), v⟩ along random v."""

from __future__ import annotations

import numpy as np

from ..signals import Array
from .comparing import compare
from .differences import Slopes, measured, straight
from .equations import equation_at
from .linear import noise
from .result import Row
from .running import run_back
from .tape import Tape, site

DIRECTIONS = 2
"""Random directions for each tensor: what one misses by cancellation, two do not."""

BOTH_WAYS = np.array([1.0, -1.0])

LINEAR = 1e3
"""How many machine epsilons a layer that is linear along a direction may be off from being so."""

MOSTLY = 0.5
"""Where at least this share of a layer's outputs has a derivative, the others are left out."""


def projections(
    tape: Tape,
    index: int,
    x: Array,
    y: Array,
    u: Array,
    given: dict[str, Array | None],
    rng: np.random.Generator,
) -> list[Row]:
    """⟨u, J v⟩ against ⟨backward(u), v⟩ for the input and every parameter."""
    layer, name = tape.layers[index], site(tape.layers, index)
    parameters = getattr(layer, "parameters", {})
    moves: dict[str, list[tuple[Array, Array, Array, Array]]] = {}
    for part, gradient in given.items():
        at = x if part == "input" else parameters[part]
        if gradient is None or gradient.shape != at.shape:
            continue
        directions = [noise(rng, at.shape).astype(at.dtype) for _ in range(DIRECTIONS)]
        found = _along(tape, index, part, x, y, directions)
        shaped = [a.reshape(len(directions), *y.shape) for a in (found.value, found.error, ~found.kinked)]
        moves[part] = list(zip(directions, *shaped, strict=True))
    smooth_everywhere = np.logical_and.reduce([move[3] for part in moves.values() for move in part])
    if MOSTLY < np.mean(smooth_everywhere) < 1:
        # A window of max pooling that two entries compete for has no derivative: the others are asked.
        u = np.where(smooth_everywhere, u, 0.0).astype(u.dtype)
        tape.forward(index, x)
        given, _ = run_back(tape, index, u)
    rows = []
    for part, gradient in given.items():
        if part == "input" and gradient is None and not index:
            continue
        equation = equation_at(tape, index, part)
        if part not in moves or gradient is None:
            at = x if part == "input" else parameters[part]
            rows.append(compare(name, part, equation, gradient, np.zeros(at.shape), 0.0))
            continue
        claimed, right, error, size = [], [], [], []
        for v, change, change_error, smooth in moves[part]:
            kink_error = np.where(smooth, 0.0, np.abs(change))
            right.append(float((u * change).sum()))
            error.append(float((np.abs(u) * (change_error + kink_error)).sum()))
            claimed.append(float((gradient * v).sum()))
            size.append(float(np.linalg.norm(u * change)))
        rows.append(
            compare(
                name, part, equation, np.array(claimed), np.array(right), np.array(error),
                eps=tape.eps, scale=max(size),
            )
        )  # fmt: skip
    return rows


def _along(tape: Tape, index: int, part: str, x: Array, y: Array, directions: list[Array]) -> Slopes:
    """How the outputs change along directions of the input or of a parameter: (directions, outputs)."""
    value = x if part == "input" else tape.layers[index].parameters[part]
    kept = np.array(value)

    def evaluate(offsets: Array) -> Array:
        shifts = np.stack(directions)[:, None] * offsets.reshape((-1,) + (1,) * kept.ndim)
        shifts = shifts.reshape(-1, *kept.shape)
        if part == "input":
            values = tape.run(index, (x + shifts).astype(x.dtype))
        else:
            values = np.empty((len(shifts), *y.shape), y.dtype)
            try:
                for row, shift in zip(values, shifts, strict=True):
                    np.add(kept, shift, out=value)
                    row[...] = tape.forward(index, x)
            finally:
                value[...] = kept
        return values.reshape(len(directions), len(offsets), -1)

    base = y.reshape(-1)
    up, down = evaluate(BOTH_WAYS).swapaxes(0, 1)
    size = np.abs(up) + np.abs(base)
    if (np.abs(up + down - 2 * base) <= LINEAR * tape.eps * float(size.max(initial=0.0))).all():
        return straight((up - down) / 2, tape.eps * size, base)  # convolutions and means: nothing to approach
    return measured(evaluate, base, tape.eps, float(np.abs(kept).max(initial=0.0)), len(y))
