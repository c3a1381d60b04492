"""Ranges and shapes of labels, outputs and targets, in the words of the rules that say whether they fit one another."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..signals import Array

RANGES = {"sigmoid": (0, 1), "softmax": (0, 1), "tanh": (-1, 1), "relu": (0, np.inf)}
"""What an activation can give."""


def label_facts(y: Array) -> dict[str, Any]:
    """Range and number of class numbers, where y (samples,) could be some."""
    numbers = y.dtype.kind in "iub" or (y.dtype.kind == "f" and bool((y == np.rint(y)).all()))
    if not numbers or y.ndim != 1 or not y.size:
        return {}
    return {"labels": {"minimum": int(y.min()), "maximum": int(y.max()), "classes": int(np.unique(y).size)}}


def output_facts(output: Array) -> dict[str, Any]:
    """Range of the outputs (samples, …), and whether their rows are probabilities; empty if they are not finite."""
    if not output.size or not np.isfinite(output).all():
        return {}
    found: dict[str, Any] = {"minimum": float(output.min()), "maximum": float(output.max())}
    if output.ndim == 2:
        sums = output.sum(axis=1, dtype=np.float64)
        found["sums_to_1"] = bool(np.allclose(sums, 1, atol=1e-3) and output.min() >= 0)
    return {"output": found}


def target_facts(targets: Array, activation: str) -> dict[str, Any]:
    """Shape and range of targets (samples, …) as the loss takes them, and how many the output cannot reach."""
    values = np.asarray(targets, np.float64)
    target: dict[str, Any] = {
        "minimum": float(np.nanmin(values)),
        "maximum": float(np.nanmax(values)),
        "zero_one": bool(np.isin(values, (0, 1)).all()),
        "row_sum": float(values.sum(axis=1).mean()) if values.ndim == 2 else None,
        "integers": bool((values == np.rint(values)).all()),
        "distinct": min(int(np.unique(values[:2000]).size), 1000),
    }
    if bounds := RANGES.get(activation):
        target["outside"] = float(np.mean((values < bounds[0]) | (values > bounds[1])))
    return {"encoded_shape": list(targets.shape[1:]), "target": target}
