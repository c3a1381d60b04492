"""What any layer makes of an error, found by running its forward: its input, or one of its parameters, column by column.

Entries that no output has in common are shifted together (Curtis, Powell and Reid 1974): of a pooling layer one in every
window, of a convolution's weights one for each output channel, of a batch norm all channels. Whether they really have
no output in common is checked along a random direction; where it is not so, one is shifted at a time. What is linear
at a distance needs no differences at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..signals import Array
from .differences import COUNT, Slopes, measured, settled, steps, straight
from .pointwise import Error
from .tape import Tape

AT_ONCE = 2**19
"""Numbers of one stacked evaluation."""

MOST_NUMBERS = 2**32
"""Numbers that the derivative by one tensor may take; beyond it takes minutes."""

MOST_PROBED = 4096
"""Entries of a sample up to which it is looked up which outputs each of them reaches."""

FAR = 10.0
"""How far an entry is moved to see what it reaches: far enough to win in any window of pooling."""

ROUNDING = 1e3
"""How many machine epsilons a layer that is linear may be off from being so."""


class TooLarge(Exception):
    """The derivative would take too long."""


@dataclass(frozen=True)
class Plan:
    """Which entries are shifted together.

    Attributes:
        count: number of columns.
        column: of every entry of the tensor, the column it belongs to (entries,).
        owner: some columns (n,) → for each output the entry of that column which it depends on (n, outputs); -1 is none.
        certain: whether it holds for every layer.
    """

    count: int
    column: Array
    owner: Callable[[Array], Array]
    certain: bool = False


@dataclass(frozen=True)
class Tensor:
    """What is shifted: the input of a layer, or a parameter.

    Attributes:
        start: its values.
        move: shifted values (copies, entries) → outputs (copies, outputs).
        base: outputs of the unshifted values (outputs,).
        linear: whether the outputs are linear in it.
        direction: how far each entry moves in the test of a plan (entries,).
        change: by how much the outputs change along that direction (outputs,).
        eps: machine epsilon of the arithmetic.
        batch: how many samples the outputs are of.
    """

    start: Array
    move: Callable[[Array], Array]
    base: Array
    linear: bool
    direction: Array
    change: Array
    eps: float
    batch: int

    def slopes(self, columns: Array, column: Array) -> Slopes:
        """The slopes of some columns."""
        mask = column == columns[:, None]
        flat = self.start.reshape(-1)
        if self.linear:
            values = self.move(flat + mask)
            change = values - self.base
            error = 2 * self.eps * (np.abs(values) + np.abs(self.base))
            return straight(change, error, self.base)

        def evaluate(shifts: Array) -> Array:
            shifted = flat + shifts[:, None] * mask[:, None, :]
            return self.move(shifted.reshape(-1, flat.size)).reshape(len(columns), COUNT, -1)

        return measured(evaluate, self.base, self.eps, float(np.abs(flat).max(initial=0.0)), self.batch)


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
    return _first(_input_plans(tape, index, x, y), tensor, back, claimed)


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
    return _first(_parameter_plans(tensor, y), tensor, back, None)


# --- what is shifted together -------------------------------------------------------------------------------------


def _input_plans(tape: Tape, index: int, x: Array, y: Array) -> Iterator[Plan]:
    entries = np.arange(x.size).reshape(len(x), -1)
    places = entries.shape[1]
    if tape.mixes(index):
        if x.ndim > 1 and y.shape[:2] == x.shape[:2]:  # channels by themselves
            numbers = np.arange(x.size).reshape(*x.shape[:2], -1)
            by_channel = numbers.swapaxes(1, 2).reshape(-1, x.shape[1])
            column = np.repeat(np.arange(len(x)), x[0].size) * numbers.shape[2] + np.tile(
                np.arange(numbers.shape[2]), x.shape[0] * x.shape[1]
            )
            channel = np.broadcast_to(np.arange(y.shape[1]).reshape((1, -1) + (1,) * (y.ndim - 2)), y.shape)
            yield Plan(len(by_channel), column, lambda c: by_channel[c][:, channel.ravel()])
        yield _one_by_one(x.size, y.size)
        return
    own = np.repeat(np.arange(len(y)), y[0].size)
    if places <= MOST_PROBED and not tape.draws(index):
        colour, owner = _coloured(_reached(tape, index, x[0], y[0]))
        if len(owner) < places:
            shared = np.where(owner < 0, -1, 0)[:, None, :] + np.where(
                owner[:, None, :] < 0, 0, owner[:, None, :] + places * np.arange(len(x))[:, None]
            )
            flat = shared.reshape(len(owner), -1)
            yield Plan(len(owner), np.tile(colour, len(x)), lambda c: flat[c])
    yield Plan(places, np.tile(np.arange(places), len(x)), lambda c: own * places + c[:, None], True)


def _parameter_plans(tensor: Tensor, y: Array) -> Iterator[Plan]:
    shape = tensor.start.shape
    numbers = np.arange(tensor.start.size).reshape(shape)
    if shape == y.shape[1:]:  # each entry has a place of its own
        everywhere = np.tile(numbers.ravel(), len(y))
        yield Plan(1, np.zeros(numbers.size, int), lambda c: np.broadcast_to(everywhere, (len(c), y.size)))
    for axis, length in enumerate(shape):
        for at in range(1, y.ndim):
            if y.shape[at] != length or not _reaches_its_own(tensor, axis, y, at):
                continue
            lines = np.moveaxis(numbers, axis, -1).reshape(-1, length)
            column = np.empty(numbers.size, int)
            column[lines] = np.arange(len(lines))[:, None]
            unit = np.arange(length).reshape((-1,) + (1,) * (y.ndim - at - 1))
            units = np.broadcast_to(unit, y.shape).ravel()
            yield Plan(len(lines), column, lambda c, lines=lines, units=units: lines[c][:, units])  # type: ignore[misc]
    yield _one_by_one(numbers.size, y.size)


def _reaches_its_own(tensor: Tensor, axis: int, y: Array, at: int) -> bool:
    """Whether the first entries along an axis reach the first outputs along another, and no more."""
    first = np.zeros(tensor.start.shape)
    np.moveaxis(first, axis, 0)[0] = 1
    moved = tensor.move((tensor.start.ravel() + tensor.direction * first.ravel())[None])[0]
    changed = np.moveaxis((moved != tensor.base).reshape(y.shape), at, 0)
    return not changed[1:].any()


def _one_by_one(entries: int, outputs: int) -> Plan:
    return Plan(entries, np.arange(entries), lambda c: np.broadcast_to(c[:, None], (len(c), outputs)), True)


def _reached(tape: Tape, index: int, x: Array, y: Array) -> Array:
    """Which outputs each entry of a sample reaches, as far as two large steps of one sample show: (entries, outputs)."""
    reached = np.zeros((x.size, y.size), bool)
    each = max(1, AT_ONCE // max(x.size, y.size))
    for start in range(0, x.size, each):
        rows = np.arange(start, min(start + each, x.size))
        for shift in (FAR, -FAR):
            stack = np.broadcast_to(x.reshape(-1), (len(rows), x.size)).copy()
            stack[np.arange(len(rows)), rows] += shift * (1 + np.abs(x).max())
            values = tape.layers[index].forward(stack.reshape(-1, *x.shape)).reshape(len(rows), -1)
            reached[rows] |= values != y.reshape(-1)
    return reached


def _coloured(reached: Array) -> tuple[Array, Array]:
    """Columns of entries that have no output in common: the column of each (entries,), and the owners (columns, outputs)."""
    colour = np.empty(len(reached), int)
    owners: list[Array] = []
    taken = np.zeros((0, reached.shape[1]), bool)
    for entry, outputs in enumerate(reached):
        free = np.flatnonzero(~(taken & outputs).any(axis=1))
        if len(free):
            at = int(free[0])
        else:
            at = len(owners)
            owners.append(np.full(reached.shape[1], -1))
            taken = np.concatenate([taken, np.zeros((1, reached.shape[1]), bool)])
        colour[entry] = at
        owners[at][outputs] = entry
        taken[at] |= outputs
    return colour, np.array(owners, int).reshape(len(owners), reached.shape[1])


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
