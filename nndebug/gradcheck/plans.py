"""Which entries of a tensor are shifted together: those that no output has in common (Curtis, Powell and Reid 1974)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..signals import Array
from .shifted import AT_ONCE, Tensor
from .tape import Tape

MOST_PROBED = 4096
"""Entries of a sample up to which it is looked up which outputs each of them reaches."""

FAR = 10.0
"""How far an entry is moved to see what it reaches: far enough to win in any window of pooling."""


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


def input_plans(tape: Tape, index: int, x: Array, y: Array) -> Iterator[Plan]:
    """Plans for the input x (batch, …) of a layer with the output y, the cheapest first; the last one always holds."""
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


def parameter_plans(tensor: Tensor, y: Array) -> Iterator[Plan]:
    """The same for a parameter."""
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
