"""What any layer makes of an error, found by running its forward: its input, or one of its parameters, column by column.

Entries that no output has in common are shifted together (Curtis, Powell and Reid 1974): of a pooling layer one in every
window, of a convolution's weights one for each output channel, of a batch norm all channels. Whether they really have
no output in common is checked along a random direction; where it is not so, one is shifted at a time. What is linear
at a distance needs no differences at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..signals import Array
from .differences import COUNT, settled, steps
from .plans import Plan, input_plans, parameter_plans
from .pointwise import Error
from .shifted import AT_ONCE, Tensor
from .tape import Tape

MOST_NUMBERS = 2**32
"""Numbers that the derivative by one tensor may take; beyond it takes minutes."""

ROUNDING = 1e3
"""How many machine epsilons a layer that is linear may be off from being so."""


class TooLarge(Exception):
    """The derivative would take too long."""


def through(
    tape: Tape, index: int, x: Array, y: Array, back: Error, claimed: Array | None, rng: np.random.Generator
) -> Error:
    """The error below any layer, from the one above it.

    Args:
        tape: the recorded pass.
        index: index of the layer.
        x, y: its input and output (batch, …).
        back: dLoss by its output (batch, …).
        claimed: dLoss by its input as the network has it, for kinks.
        rng: where directions come from.

    Raises:
        TooLarge: the layer has too many entries to be shifted one by one.
    """
    direction = _direction(rng, x.shape)
    middle = steps(tape.eps)[1]
    ups = [1.0, -1.0, middle, -middle]
    up, down, near_up, near_down = np.array(tape.run(index, np.stack([x + t * direction for t in ups])))
    size = float(np.abs(y).max(initial=0.0)) + float(np.abs(up).max(initial=0.0))
    linear = bool(np.abs(up + down - 2 * y).max(initial=0.0) <= ROUNDING * tape.eps * size)
    if linear and not tape.draws(index) and not tape.mixes(index):
        matrix = _matrix(tape, index, x, y)
        found = direction.reshape(len(x), -1) @ matrix if matrix is not None else np.inf
        if np.abs(found - (up - y).reshape(len(x), -1)).max(initial=0.0) <= ROUNDING * tape.eps * size:
            return _through_matrix(back, matrix, x.shape, tape.eps)  # type: ignore[arg-type]

    def move(flat: Array) -> Array:
        return tape.run(index, flat.reshape(-1, *x.shape)).reshape(len(flat), -1)

    change = (near_up - near_down).ravel() / (2 * middle)
    tensor = Tensor(x, move, y.ravel(), False, direction.ravel(), change, tape.eps, len(y))
    return _first(input_plans(tape, index, x, y), tensor, back, claimed)


def by_parameter(
    tape: Tape, index: int, name: str, x: Array, y: Array, back: Error, rng: np.random.Generator
) -> Error:
    """dLoss by one parameter of any layer, from the error above the layer; arguments as in `through`.

    Raises:
        TooLarge: it has too many entries to be shifted one by one.
    """
    values = tape.layers[index].parameters[name]
    start = values.copy()

    def move(flat: Array) -> Array:
        outputs = np.empty((len(flat), y.size), y.dtype)
        try:
            for row, shifted in zip(outputs, flat, strict=True):
                values[...] = shifted.reshape(values.shape)
                row[...] = tape.forward(index, x).reshape(-1)
        finally:
            values[...] = start
        return outputs

    direction = _direction(rng, values.shape).ravel()
    middle = steps(tape.eps)[1]
    up, down = move(start.ravel() + np.array([[1.0], [-1.0]]) * direction)
    base = y.ravel()
    size = float(np.abs(base).max(initial=0.0)) + float(np.abs(up).max(initial=0.0))
    linear = bool(np.abs(up + down - 2 * base).max(initial=0.0) <= ROUNDING * tape.eps * size)
    change = up - base
    if not linear:
        near_up, near_down = move(start.ravel() + np.array([[middle], [-middle]]) * direction)
        change = (near_up - near_down) / (2 * middle)
    tensor = Tensor(start, move, base, linear, direction, change, tape.eps, len(y))
    return _first(parameter_plans(tensor, y), tensor, back, None)


# --- what comes of it ---------------------------------------------------------------------------------------------


def _first(plans: Iterator[Plan], tensor: Tensor, back: Error, claimed: Array | None) -> Error:
    """The derivative by the first plan that holds; the last one always does."""
    most = max(tensor.start.size, tensor.base.size)
    for plan in plans:
        if plan.count * (1 if tensor.linear else COUNT) * most > MOST_NUMBERS:
            raise TooLarge
        found = _by_plan(plan, tensor, back, claimed)
        if found is not None:
            return found
    raise AssertionError("the last plan holds")


def _by_plan(plan: Plan, tensor: Tensor, back: Error, claimed: Array | None) -> Error | None:
    """Dloss by a tensor; None if entries that are shifted together reach the same outputs after all."""
    size, u, doubt = tensor.start.size, back.value.ravel(), back.error.ravel()
    sums, whole, spread, low, high, kinked = (np.zeros(size + 1) for _ in range(6))
    explained, allowed, near = np.zeros(u.size), np.zeros(u.size), np.ones(u.size, bool)
    largest = 0.0
    each = max(1, AT_ONCE // (COUNT * max(size, u.size)))
    for start in range(0, plan.count, each):
        columns = np.arange(start, min(start + each, plan.count))
        found = tensor.slopes(columns, plan.column)
        owner = plan.owner(columns) + 1  # what nobody owns goes into the first bin
        moves = np.concatenate([[0.0], tensor.direction])[owner]
        explained += (moves * found.value).sum(axis=0)
        allowed += found.error.sum(axis=0)
        near &= found.near.all(axis=0)
        largest = max(largest, float(np.max(np.abs(found.value), initial=0.0)))

        def add(into: Array, values: Array, owner: Array = owner) -> None:
            into += np.bincount(owner.ravel(), values.ravel(), size + 1)

        add(sums, u * found.value)
        add(whole, np.abs(u * found.value))
        add(spread, np.abs(u) * found.error + np.abs(found.value) * doubt)
        if found.kinked.any():
            # Each output may take either side: of two windows of a pool one may count an entry and the other not.
            left, right = (
                u * np.where(found.kinked, side, found.value) for side in (found.left, found.right)
            )
            add(low, np.minimum(left, right))
            add(high, np.maximum(left, right))
            add(spread, np.where(found.kinked, np.abs(u) * found.side_error, 0.0))
            add(kinked, (found.kinked & (u != 0)).astype(float))
        else:
            add(low, u * found.value)
            add(high, u * found.value)
    off = np.abs(explained - tensor.change)
    noise = 10 * allowed + 1e-5 * largest + 1e4 * tensor.eps * (1 + np.abs(tensor.base))
    if not plan.certain and not (off <= noise)[near].all():
        return None
    shape = tensor.start.shape
    value, error, least, greatest = (a[1:].reshape(shape) for a in (sums, spread, low, high))
    at_kink = (kinked > 0)[1:].reshape(shape)
    count = int(at_kink.sum())
    if count:
        value = np.where(at_kink, settled(least, greatest, claimed), value)
        if claimed is None:
            error = error + np.where(at_kink, greatest - least, 0.0)
    share = max(back.share, count / size)
    most = max(back.open, float(np.max(np.abs(value), where=np.isfinite(value), initial=0.0)))
    return Error(value, error, back.kinks + count, share, float(whole.max()), most)


def _matrix(tape: Tape, index: int, xs: Array, ys: Array) -> Array | None:
    """The matrix of a layer that is linear and the same for every sample: (entries, outputs) of one."""
    x, y = xs[0], ys[0]
    if x.size * max(x.size, y.size) > MOST_NUMBERS // 64:
        return None
    matrix = np.empty((x.size, y.size))
    layer = tape.layers[index]
    start = np.array(layer.forward(np.zeros((1, *x.shape), x.dtype))).reshape(-1)
    each = max(1, AT_ONCE // max(x.size, y.size))
    for at in range(0, x.size, each):
        rows = np.eye(min(each, x.size - at), x.size, at, dtype=x.dtype)
        matrix[at : at + each] = layer.forward(rows.reshape(-1, *x.shape)).reshape(len(rows), -1) - start
    return matrix


def _through_matrix(back: Error, matrix: Array, shape: tuple[int, ...], eps: float) -> Error:
    u, doubt = back.value.reshape(shape[0], -1), back.error.reshape(shape[0], -1)
    doubt = doubt + 8 * eps * np.abs(u)
    value = u @ matrix.T
    most = max(back.open, float(np.abs(value).max(initial=0.0)))
    error = doubt @ np.abs(matrix).T
    return replace(back, value=value.reshape(shape), error=error.reshape(shape), open=most)


def _direction(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Random numbers between 1/2 and 1, of either sign."""
    direction: Array = rng.uniform(0.5, 1.0, shape) * rng.choice(np.array([-1.0, 1.0]), shape)
    return direction
