"""Preprocessing written as data: lists of `[operation, argument]`, statistics from the training part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import DataError
from ..losses import one_hot

RELABEL_SEED = 7  # which rows get a random label belongs to the data, not to the run


def preprocess(train: Array, other: Array, steps: Sequence[Sequence[Any]]) -> Array:
    """`other` after all steps, with the statistics of `train`, which goes through the same steps.

    Args:
        train: (samples, …), the part that means and ranges are taken from.
        other: (samples, …), the part to process; may be `train` itself.
        steps: `[operation, arguments…]`, applied in order: standardize and minmax (to [low, high], by default
            [0, 1]) per column, standardize_all and minmax_all over the whole array, one_hot n, column (to shape
            (samples, 1)), flatten (to shape (samples,)), divide, floor_divide, multiply, shuffle_rows seed,
            relabel fraction classes.

    Returns:
        An array of its own unless there are no steps; whole numbers stay whole where the operation allows it.

    Raises:
        DataError: one_hot of what are not class numbers below n.
    """
    for name, *arguments in steps:
        train, other = _apply(name, arguments, train, train), _apply(name, arguments, train, other)
    return other


def _apply(name: str, arguments: list[Any], train: Array, a: Array) -> Array:
    if name.startswith(("standardize", "minmax")):
        return _scaled(name, arguments, train, a)
    if name == "one_hot":
        if a.ndim != 1:
            raise DataError(
                f"one_hot expects class numbers (samples,), got {a.shape}", help="leave the step out"
            )
        return one_hot(a, arguments[0], np.float32)
    if name == "column":
        return a.reshape(len(a), -1).astype(np.float32)
    if name == "flatten":
        return a.reshape(-1)
    if name == "divide":
        return np.asarray(a / arguments[0])
    if name == "floor_divide":
        return np.asarray(a // arguments[0])
    if name == "multiply":
        return np.asarray(a * arguments[0])
    if name == "shuffle_rows":
        return a[np.random.default_rng(arguments[0]).permutation(len(a))]
    if name == "relabel":
        fraction, classes = arguments
        rng = np.random.default_rng(RELABEL_SEED)
        return np.where(rng.random(len(a)) < fraction, rng.integers(0, classes, len(a)), a)
    raise ValueError(f"unknown preprocessing operation {name!r}")


def _scaled(name: str, arguments: list[Any], train: Array, a: Array) -> Array:
    axis = None if name.endswith("_all") else 0
    train, a = np.asarray(train, np.float64), np.asarray(a, np.float64)
    if name.startswith("standardize"):
        middle, spread, (low, high) = train.mean(axis), train.std(axis), (0.0, 1.0)
    else:
        middle, spread = train.min(axis), train.max(axis) - train.min(axis)
        low, high = arguments[0] if arguments else (0.0, 1.0)
    # A constant column has no spread to divide by; it becomes 0.
    return np.asarray((a - middle) / np.where(spread == 0, 1, spread) * (high - low) + low)
