"""The number by which an experiment is judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arrays import Array
from ..model import Sequential

ROWS = 2000
"""Samples at a time."""


def measure(
    metric: Mapping[str, Any], network: Sequential, x: Array, y: Array, labels: Array
) -> float | None:
    """One of the vocabulary's metrics on some data, in evaluation mode; the network is left as it was.

    Args:
        metric: `name` and its settings: accuracy (the largest output, or a single one against `threshold`),
            argmax_accuracy (the largest output also where there is one only), bit_accuracy (every output against
            `threshold`), r2 (share of the variance that is explained, all outputs together), loss.
        network: trained or not.
        x: inputs (samples, …).
        y: targets as the loss takes them.
        labels: class numbers (samples,), or bits (samples, …) for bit_accuracy.

    Returns:
        None where an output is not finite.
    """
    twin, name = network.twin(), metric["name"]
    with np.errstate(all="ignore"):
        parts = [twin.forward(x[start : start + ROWS]) for start in range(0, len(x), ROWS)]
        output = np.concatenate(parts)
        if not np.isfinite(output).all():
            return None
        if name == "loss":  # in the network's dtype, as in training
            return network.loss(output, y)
        if name == "r2":
            return _r2(output.astype(np.float64), np.asarray(y, np.float64).reshape(output.shape))
    threshold = metric.get("threshold", 0.5)
    if name == "bit_accuracy":
        return float(np.mean((output > threshold) == (labels.reshape(output.shape) > 0.5)))
    single = output.shape[1] == 1 and name == "accuracy"
    predicted = output[:, 0] > threshold if single else output.argmax(axis=1)
    return float(np.mean(predicted == labels.reshape(-1)))


def _r2(output: Array, y: Array) -> float:
    return float(1 - np.square(output - y).sum() / np.square(y - y.mean(axis=0)).sum())
