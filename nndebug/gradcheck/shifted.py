"""What is shifted to see what depends on it, and the slopes of its columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..signals import Array
from .differences import COUNT, Slopes, measured, straight

AT_ONCE = 2**19
"""Numbers of one stacked evaluation."""


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
