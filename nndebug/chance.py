"""What a network that knows nothing but the targets' shares can reach: the line every loss is compared with."""

from __future__ import annotations

from typing import Any

import numpy as np

from .signals import Array


def loss_at_chance(kind: str, targets: Array) -> float | None:
    """The mean loss of the best constant output.

    Args:
        kind: `quadratic`, `cross_entropy` or `binary_cross_entropy`.
        targets: (samples, outputs), one-hot or values.

    Returns:
        None for another kind of loss.
    """
    y = np.asarray(targets, np.float64)
    if kind == "quadratic":
        return float(0.5 * y.var(axis=0).sum())  # the mean is the best constant
    shares = y.mean(axis=0)
    if kind == "cross_entropy":
        return float(-_xlogy(shares, shares).sum())  # the entropy of the shares
    if kind == "binary_cross_entropy":
        return float(-(_xlogy(shares, shares) + _xlogy(1 - shares, 1 - shares)).sum())
    return None


def class_shares(labels: Array, classes: int) -> list[float]:
    """Share of every class among labels (samples,)."""
    counts = np.bincount(labels, minlength=classes)
    return [float(share) for share in counts / max(len(labels), 1)]


def class_labels(y: Array, targets: Array, loss: Any) -> Array | None:
    """Class numbers (samples,) if the targets are classes."""
    if targets.shape[1] == 1:
        binary = loss.kind == "binary_cross_entropy" and bool(np.isin(targets, (0, 1)).all())
        return targets[:, 0].astype(np.int64) if binary else None
    if y.ndim == 1:
        return y.astype(np.int64)
    one_hot = bool(np.isin(targets, (0, 1)).all() and (targets.sum(axis=1) == 1).all())
    return np.asarray(targets.argmax(axis=1)) if one_hot else None


def _xlogy(x: Array, y: Array) -> Array:
    out: Any = np.zeros_like(x)
    np.log(y, out=out, where=x > 0)
    return np.asarray(x * out)
