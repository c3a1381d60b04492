"""Losses on outputs as they are: squared and absolute distance, and the hinge of a margin."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..errors import DataError
from .base import Elementwise


class Quadratic(Elementwise):
    """½ ‖a − y‖² per sample. The mean squared error is `Quadratic(over_outputs="mean", scale=2)`."""

    kind = "quadratic"

    def values(self, output: Array, target: Array) -> Array:
        error = output - target
        return np.asarray(0.5 * error * error)

    def slopes(self, output: Array, target: Array, out: Array | None = None) -> Array:
        return np.subtract(output, target, out=out)


class AbsoluteError(Elementwise):
    """mean |a − y| over the outputs of a sample; its derivative at 0 is 0."""

    kind = "absolute_error"
    over_outputs = "mean"

    def values(self, output: Array, target: Array) -> Array:
        return np.asarray(np.abs(output - target))

    def slopes(self, output: Array, target: Array, out: Array | None = None) -> Array:
        out = np.subtract(output, target, out=out)
        return np.sign(out, out=out)


class Hinge(Elementwise):
    """mean max(0, 1 − y' a) over the outputs of a sample, with y' = −1 for the target 0 and 1 for the target 1.

    Raises:
        DataError: `check` finds a target below 0: −1 as a name for class 0, say.
    """

    kind = "hinge"
    over_outputs = "mean"
    threshold = 0.0

    def values(self, output: Array, target: Array) -> Array:
        return np.asarray(np.maximum(1 - (2 * target - 1) * output, 0))

    def slopes(self, output: Array, target: Array, out: Array | None = None) -> Array:
        signs = np.asarray(2 * target - 1)
        slopes: Array = np.multiply(-signs, signs * output <= 1, out=out)
        return slopes

    def check(self, target: Array) -> None:
        if (target < 0).any():
            raise DataError(
                f"targets of {self.kind} are 0 and 1, got {target.min():g}",
                help="number the two classes 0 and 1; the loss makes −1 and 1 of them",
            )
