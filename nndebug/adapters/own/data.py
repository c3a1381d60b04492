"""A user's samples as rows: batches, training sets, and what an evaluation is given."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...signals import Array
from ..attributes.data import is_list, split_pairs
from ..attributes.model import OwnModel

MOST_BYTES = 2**29
"""Of a training set that is kept as lists of samples, so much is copied as rows; of a larger one, rows drawn at random."""


def count_of(own: OwnModel, x: Any) -> int:
    """How many samples these are."""
    if own.inputs.axis is None and not is_list(x):
        return 1
    if is_list(x):
        return len(x)
    shape = np.shape(x)
    if len(shape) < 2:
        return 1
    return int(shape[1 if own.inputs.axis == 1 else 0])


def rows_of(own: OwnModel, x: Any, y: Any) -> tuple[Array, Array | None]:
    """Inputs (samples, features) and targets (samples, outputs) or (samples,); copies.

    Args:
        own: says how its code keeps samples.
        x, y: a batch, a single sample, or a list of samples; x may be a list of pairs with y None.
    """
    x, y = split_pairs(x, y)
    if is_list(x):
        rows = np.array([np.ravel(one) for one in x])
    elif own.inputs.axis is None or np.ndim(x) < 2:
        rows = np.array(x).reshape(1, -1)
    else:
        rows = np.array(np.asarray(x).T if own.inputs.axis == 1 else x)
    return rows, None if y is None else answers_of(own, y, len(rows))


def answers_of(own: OwnModel, y: Any, count: int) -> Array:
    """Targets of so many samples as (samples, outputs), or class numbers (samples,)."""
    if isinstance(y, list | tuple) or (isinstance(y, np.ndarray) and y.ndim == 3):
        return np.array([one if np.ndim(one) == 0 else np.ravel(one) for one in y])
    array = np.array(y)
    if array.ndim == 2 and (own.inputs.axis == 1 or array.shape[0] != count) and array.shape[1] == count:
        array = array.T
    if array.ndim == 2 and array.shape[1] == 1 and array.dtype.kind in "iub" and own.y.ndim == 1:
        return array[:, 0]
    if array.ndim == 1 and len(array) == count:
        return array
    return array.reshape(count, -1) if array.ndim else array.reshape(1)


def some_of(x: Any, y: Any, most: int, axis: int | None) -> tuple[Any, Any]:
    """The first samples of a set as the user keeps it; `axis` is where they lie if somebody said so."""
    x, y = split_pairs(x, y)
    if is_list(x):
        return x[:most], y[:most]
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim < 2 or y.ndim == 0:
        return x, y
    if axis is None:
        axis = 0 if len(x) == len(y) else 1
    if axis == 0:
        return x[:most], y[:most]
    return x[:, :most], y[:most] if y.ndim == 1 else y[:, :most]


def training_set(own: OwnModel, x: Any, y: Any) -> tuple[Array, Array]:
    """A whole training set as rows; of lists that would fill the memory, a part drawn from a seed of its own."""
    x, y = split_pairs(x, y)
    if is_list(x):
        size = np.asarray(x[0]).nbytes * len(x)
        if size > MOST_BYTES:
            count = max(1, int(len(x) * MOST_BYTES / size))
            chosen = np.sort(np.random.default_rng(0).choice(len(x), count, replace=False))
            x, y = [x[i] for i in chosen], [y[i] for i in chosen]
        rows, answers = rows_of(own, x, y)
    elif own.inputs.axis == 1 and own.targets.axis == 1:
        rows, answers = rows_of(own, x, y)
    else:
        rows, answers = np.asarray(x), answers_of(own, y, len(x))
        rows = rows.T if own.inputs.axis == 1 else rows
    assert answers is not None
    return rows, answers


def is_set(x: Any) -> bool:
    """Whether this holds several samples and may be read more than once."""
    return (isinstance(x, list | tuple) and len(x) > 0) or (isinstance(x, np.ndarray) and x.ndim > 1)
