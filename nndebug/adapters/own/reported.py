"""What an evaluation of one's own has returned, as a share of right answers; or that it says something else."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...gradcheck.own.losses import KNOWN, encoded
from ...signals import Array

SAME = 1e-6
"""A number this near to the mean of a known loss, relative to it, is a loss and no accuracy."""


def share_of(returned: Any, network: Any, x: Array, y: Array) -> float | None:
    """The share that this says, None if it is no number, or a loss.

    Args:
        returned: a share, a count, or a percentage; of a pair (loss, accuracy) the one that is no loss.
        network: whose outputs are judged, at its parameters of now.
        x, y: rows of what was evaluated.
    """
    losses = _losses(network, x, y)
    given = list(returned) if isinstance(returned, tuple | list) else [returned]
    numbers = [v for v in given if isinstance(v, int | float | np.number) and not isinstance(v, bool)]
    if len(numbers) != len(given) or len(numbers) > 2:
        return None
    left = [v for v in numbers if not any(abs(v - loss) <= SAME * abs(loss) for loss in losses)]
    if len(left) != 1 or len(left) < len(numbers) - 1 or not np.isfinite(left[0]):
        return None
    value, count = left[0], len(x)
    if isinstance(value, int | np.integer):
        return int(value) / count if 0 <= value <= count else None
    if 0 <= value <= 1:
        return float(value)
    if value <= 100 and not float(value).is_integer():
        return float(value) / 100
    return float(value) / count if value <= count else None


def _losses(network: Any, x: Array, y: Array) -> list[float]:
    """The mean of every known loss of these samples."""
    found = []
    with np.errstate(all="ignore"):
        output = network.twin().forward(x)
        for formula in KNOWN:
            try:
                each = formula.per_sample(output, encoded(np.asarray(y), output.shape[1]))
            except (ValueError, IndexError):
                continue
            found += [float(each.mean()), float(each.sum())]
    return [value for value in found if np.isfinite(value) and value > 0]
