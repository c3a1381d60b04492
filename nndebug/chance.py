"""What a network that knows nothing but the targets' shares can reach: the line every loss is compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .signals import Array

_ROWS = 1024
"""Rows at a time: a loss that broadcasts targets against outputs makes a square of them."""
_TINY = 1e-12


def loss_at_chance(loss: Any, targets: Array) -> float | None:
    """The mean loss of the best constant output.

    Args:
        loss: its `kind` says which constant is best, and its `per_sample` what it costs.
        targets: (samples, outputs), one-hot or values; (samples,) where the loss takes them as they are.

    Returns:
        None for a kind of loss that is not known.
    """
    y = np.asarray(targets, np.float64)
    best = _BEST.get(loss.kind)
    if best is None:
        return None
    constant = np.atleast_1d(best(y))[None, :]
    total = 0.0
    with np.errstate(all="ignore"):
        for start in range(0, len(y), _ROWS):
            part = y[start : start + _ROWS]
            total += float(np.sum(loss.per_sample(np.repeat(constant, len(part), axis=0), part)))
    return total / len(y)


def _mean(y: Array) -> Array:
    return np.asarray(y.mean(axis=0))


def _log_shares(y: Array) -> Array:
    return np.log(np.maximum(_mean(y), _TINY))


def _logits(y: Array) -> Array:
    share = np.clip(_mean(y), _TINY, 1 - _TINY)
    return np.asarray(np.log(share / (1 - share)))


_BEST: dict[str, Callable[[Array], Array]] = {
    "quadratic": _mean,
    "absolute_error": lambda y: np.asarray(np.median(y, axis=0)),
    "hinge": lambda y: np.where(_mean(y) > 0.5, 1.0, -1.0),
    "cross_entropy": _log_shares,
    "binary_cross_entropy": _logits,
    "probability_cross_entropy": _mean,
    "probability_binary_cross_entropy": _mean,
}
"""Kind of loss → the outputs that cost least if they may not depend on the input: (outputs,) from targets."""


def class_shares(labels: Array, classes: int) -> list[float]:
    """Share of every class among labels (samples,)."""
    counts = np.bincount(labels, minlength=classes)
    return [float(share) for share in counts / max(len(labels), 1)]


def class_labels(y: Array, targets: Array) -> Array | None:
    """Class numbers (samples,) if the targets are classes; for a single output, if all are 0 or 1."""
    if targets.ndim == 1 or targets.shape[1] == 1:
        column = targets.reshape(len(targets))
        return column.astype(np.int64) if np.isin(column, (0, 1)).all() else None
    if y.ndim == 1:
        return y.astype(np.int64)
    one_hot = bool(np.isin(targets, (0, 1)).all() and (targets.sum(axis=1) == 1).all())
    return np.asarray(targets.argmax(axis=1)) if one_hot else None
