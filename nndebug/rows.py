"""Rows of data: a key for each, so that equal ones are found; and how mixed their labels are."""

from __future__ import annotations

import numpy as np

from .signals import Array

FEW, MANY = 24, 64
"""Columns that make a key: 24 tell 49,955 of MNIST's 50,000 training images apart, and cost a third."""
_SAMPLE = 256


def telling_columns(x: Array, count: int) -> Array:
    """Numbers of the columns that differ most between samples of x (rows, …); keys of other rows are made of the same ones."""
    rows = x.reshape(len(x), -1)
    with np.errstate(all="ignore"):
        spread = np.std(rows[:: max(1, len(rows) // _SAMPLE)], axis=0, dtype=np.float64)
    return np.argsort(-np.nan_to_num(spread), kind="stable")[:count]


def row_keys(x: Array, columns: Array) -> Array:
    """One 64-bit key a row (rows,), equal for rows that are equal in these columns: whole-number sums of their bits."""
    # Reading the whole of a large data set would cost more than all that is recorded of an epoch.
    picked = x.reshape(len(x), -1)[:, columns].astype(np.float32) + np.float32(0)  # -0 equals 0
    factors = np.random.default_rng(0).integers(1, 2**63, len(columns), np.uint64) | np.uint64(1)
    return np.asarray(np.einsum("ij,j->i", picked.view(np.uint32), factors))


def entropy(counts: Array) -> float:
    """Of shares given as counts (classes,)."""
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(shares * np.log(shares)).sum())
