"""Held-out inputs beside the training's: were both treated alike?"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..signals import Array

ROWS = 512
_ERRORS, _SPREADS = 5.0, 0.5
"""A feature is off where its mean moved by so many standard errors and so many standard deviations."""


def compare_inputs(x: Array, held_out: Array | None) -> dict[str, Any] | None:
    """Means and spreads of up to 512 rows of each, drawn from a seed of its own.

    Args:
        x: training inputs (samples, …).
        held_out: the others (samples, …), or None.

    Returns:
        `mean` and `std` of both; `standard_error` of the difference of means, from the means of rows; and `features_off`,
        the share of features whose mean moved by more than chance. None without held-out inputs of the same width.
    """
    if held_out is None or x.shape[1:] != held_out.shape[1:] or len(held_out) < 2 or len(x) < 2:
        return None
    a, b = _some(x), _some(held_out)
    rows = [part.mean(axis=1) for part in (a, b)]
    features = [(part.mean(axis=0), part.var(axis=0)) for part in (a, b)]
    error = np.sqrt(features[0][1] / len(a) + features[1][1] / len(b))
    spread = np.sqrt((features[0][1] + features[1][1]) / 2)
    moved = np.abs(features[0][0] - features[1][0])
    off = (moved > _ERRORS * error) & (moved > _SPREADS * spread)
    return {
        "mean": [float(a.mean()), float(b.mean())],
        "std": [float(a.std()), float(b.std())],
        "standard_error": float(np.sqrt(rows[0].var() / len(a) + rows[1].var() / len(b))),
        "features_off": float(np.mean(off)),
    }


def _some(x: Array) -> Array:
    chosen = np.random.default_rng(0).choice(len(x), min(ROWS, len(x)), replace=False)
    return x[np.sort(chosen)].reshape(len(chosen), -1).astype(np.float64)
