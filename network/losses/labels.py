"""Class numbers: checked, and as one-hot rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import DataError


def one_hot(labels: Array, classes: int, dtype: Any = np.float64) -> Array:
    """Class numbers (batch,) as rows (batch, classes) with a single 1.

    Raises:
        DataError: a label is negative, not below `classes`, or not a whole number.
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iub":
        bad = (
            labels
            if labels.dtype.kind != "f"
            else labels[~(np.isfinite(labels) & (labels == np.trunc(labels)))]
        )
        if len(bad):
            raise DataError(
                f"labels must be whole numbers 0 to {classes - 1}, got {bad[0]}",
                help="number the classes from 0; for regression give targets (batch, outputs)",
            )
    check_labels(labels, classes)
    rows = np.zeros((len(labels), classes), dtype)
    rows[np.arange(len(labels)), labels.astype(np.int64)] = 1
    return rows


def check_labels(labels: Array, classes: int) -> None:
    """Refuses class numbers (batch,) that are not 0 to `classes` − 1.

    Raises:
        DataError: a label is negative or not below `classes`.
    """
    if not len(labels) or (labels.min() >= 0 and labels.max() < classes):
        return
    bad = int(labels.min()) if labels.min() < 0 else int(labels.max())
    hint = (
        "count classes from 0"
        if bad == classes
        else "number the classes from 0, and give the last layer one output per class"
    )
    raise DataError(f"label {bad} is out of range 0 to {classes - 1}", help=hint)
