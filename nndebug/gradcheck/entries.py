"""Parameters whose entries are shifted one by one, for layers of any form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..signals import Array
from .differences import Columns, Derivative, Points
from .tape import Tape


class Entries:
    """The entries of one parameter of one layer, shifted one by one: for layers of any form."""

    def __init__(self, tape: Tape, index: int, name: str) -> None:
        self.tape, self.index = tape, index
        self.values = tape.layers[index].parameters[name]
        self.count = self.values.size

    def evaluate(self, columns: Array, offsets: Array) -> Points:
        real = np.empty_like(offsets)
        outputs = []
        for i, column in enumerate(columns):
            at = np.unravel_index(int(column), self.values.shape)
            kept = self.values[at].copy()
            try:
                for p, offset in enumerate(offsets[i]):
                    self.values[at] = kept + offset
                    real[i, p] = self.values[at] - kept
                    outputs.append(np.array(self.tape.forward(self.index, self.tape.inputs[self.index])))
            finally:
                self.values[at] = kept
        losses, flips = self.tape.above(self.index + 1, np.concatenate(outputs), len(outputs))
        shape = (*offsets.shape, self.tape.batch)
        return Points(losses.reshape(shape), flips.reshape(shape), real[:, :, None])


class Summed:
    """The same columns, seen through the loss of the whole batch.

    What samples push one way and the other, as before a normalisation, cancels here before errors are counted.
    """

    def __init__(self, columns: Columns) -> None:
        self.columns, self.count = columns, columns.count

    def evaluate(self, columns: Array, offsets: Array) -> Points:
        points = self.columns.evaluate(columns, offsets)
        losses, flips = (a.sum(axis=2, keepdims=True) for a in (points.losses, points.flips))
        return Points(losses, flips, points.offsets[:, :, :1])


def where_better(derivative: Derivative, whole: Derivative) -> Derivative:
    """A derivative (batch, columns) in which columns that the whole batch's loss knows better are its share for each.

    Args:
        derivative: by samples.
        whole: of their sum (1, columns).
    """
    better = (
        ~whole.kinked[0] & ~derivative.kinked.any(axis=0) & (whole.error[0] < derivative.error.sum(axis=0))
    )
    batch = len(derivative.value)
    return replace(
        derivative,
        value=np.where(better, whole.value / batch, derivative.value),
        error=np.where(better, whole.error / batch, derivative.error),
    )
