"""Rows of data: a key for each, so that equal ones are found; and how mixed their labels are."""

from __future__ import annotations

import numpy as np

from .signals import Array


def row_keys(x: Array) -> Array:
    """One 64-bit key a row (rows,), equal for equal rows: whole-number sums of the bits in up to 64 columns."""
    rows = x.reshape(len(x), -1)
    columns = np.unique(np.linspace(0, rows.shape[1] - 1, 64).astype(int))
    bits = np.ascontiguousarray(rows[:, columns] + 0.0, np.float32).view(np.uint32).astype(np.uint64)
    factors = np.random.default_rng(0).integers(1, 2**63, len(columns), np.uint64) | np.uint64(1)
    return np.asarray((bits * factors).sum(axis=1, dtype=np.uint64))


def entropy(counts: Array) -> float:
    """Of shares given as counts (classes,)."""
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(shares * np.log(shares)).sum())
