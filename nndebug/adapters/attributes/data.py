"""How the user's code wants its samples: rows, columns, or one at a time; and the same samples as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import UserError
from ...signals import Array


@dataclass(frozen=True)
class Form:
    """One of the two arrays of a call.

    Attributes:
        axis: where the samples lie in a batch: 0 rows, 1 columns, None where the code takes one sample at a time.
        shape: of one sample by itself, as in (784, 1), (784,), (1, 784) or () for a class number.
    """

    axis: int | None
    shape: tuple[int, ...]

    def rows(self, given: Any) -> Array:
        """The samples as rows (samples, features), or as class numbers (samples,)."""
        if self.axis is None:
            each = [np.asarray(one) for one in given]
            return np.array([one.ravel() if self.shape else one for one in each])
        array = np.asarray(given)
        if self.axis == 1 and array.ndim == 2:
            array = array.T if self.shape else array.ravel()
        return np.array(array)

    def batch(self, rows: Array) -> Any:
        """Rows as the code wants several samples."""
        if self.axis is None:
            return [self.one(row) for row in rows]
        if self.axis == 1:
            return np.array(rows.T) if rows.ndim == 2 else np.array(rows[None])
        return np.array(rows)

    def one(self, row: Array) -> Any:
        """One row as the code wants a single sample."""
        if not self.shape:
            return row.item() if np.ndim(row) == 0 else np.array(row)
        return np.array(row).reshape(self.shape)

    def describe(self) -> str:
        if self.axis is None:
            return f"one sample at a time, as {self.shape or 'a number'}"
        return "columns are samples" if self.axis else "rows are samples"


def is_list(x: Any) -> bool:
    """Whether these are separate samples: a list of arrays, or an array (samples, features, 1)."""
    return isinstance(x, list | tuple) or (isinstance(x, np.ndarray) and x.ndim == 3 and 1 in x.shape[1:])


def split_pairs(x: Any, y: Any) -> tuple[Any, Any]:
    """Inputs and targets of a list of pairs (x, y), as mini-batches often are."""
    pairs = isinstance(x, list | tuple) and len(x) and all(isinstance(p, tuple) and len(p) == 2 for p in x)
    if y is None and pairs:
        return [a for a, _ in x], [b for _, b in x]
    return x, y


def forms(x: Any, y: Any, axis: int | None = None) -> list[tuple[Form, Form]]:
    """The ways to read x and y, the likeliest first.

    Args:
        x: as the user's factory gave it.
        y: the same.
        axis: 0 or 1 if the user said where the samples lie.

    Raises:
        UserError: the two do not fit together, or are no numbers.
    """
    if x is None or y is None:
        raise UserError(
            "a network of one's own is checked on samples", help="return (model, x, y) with a few samples"
        )
    if is_list(x):
        if not len(x) or len(x) != len(y):
            raise UserError(f"x has {len(x)} samples and y has {len(y)}", help="one target per sample")
        shapes = {np.shape(one) for one in x}
        if len(shapes) > 1:
            raise UserError(
                f"the samples have different shapes: {sorted(shapes)[:3]}", help="one width for all"
            )
        return [(Form(None, np.shape(x[0])), Form(None, np.shape(y[0])))]
    array, target = _numbers("x", x), _numbers("y", y)
    if array.ndim == 1:
        return [(Form(None, array.shape), Form(None, target.shape))]
    found = []
    for place in (0, 1) if axis is None else (axis,):
        count = array.shape[place]
        if array.ndim > 2 and place:
            continue
        sample = (1, *array.shape[1:]) if place == 0 else (array.shape[0], 1)
        if target.ndim == 1 and len(target) == count:
            found.append((Form(place, sample), Form(0, ())))
        elif target.ndim == 2 and target.shape[place] == count:
            numbers = place == 1 and target.shape[0] == 1 and target.dtype.kind in "iu"
            other = () if numbers else (1, target.shape[1]) if place == 0 else (target.shape[0], 1)
            found.append((Form(place, sample), Form(place, other)))
    if axis is None and array.ndim == 2 and target.shape[:1] == array.shape[:1]:
        found.append((Form(None, array.shape[1:]), Form(None, target.shape[1:])))
    if not found:
        raise UserError(
            f"x {array.shape} and y {target.shape} have no number of samples in common",
            help="rows: x (samples, features), y (samples, outputs); columns: the other way round",
        )
    return found


def unwrapped(x: Any, y: Any) -> tuple[Any, Any]:
    """A single sample, (features,) or a column (features, 1), as a list of one."""
    if is_list(x) or x is None or y is None:
        return x, y
    column = (
        np.ndim(x) == np.ndim(y) == 2 and np.shape(x)[1] == np.shape(y)[1] == 1 and np.shape(x) != np.shape(y)
    )
    return ([np.asarray(x)], [np.asarray(y)]) if column or np.ndim(x) == 1 else (x, y)


def _numbers(what: str, value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or not array.ndim:
        raise UserError(
            f"{what} is {type(value).__name__}, not an array of numbers", help="return (model, x, y)"
        )
    return array


def joined(parts: Sequence[Any]) -> Array:
    """Outputs of single samples as rows (samples, outputs)."""
    return np.array([np.asarray(part, np.float64).ravel() for part in parts])
