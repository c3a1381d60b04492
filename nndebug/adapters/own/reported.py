"""The number of right answers, in whatever unit, in what an evaluation of one's own has returned."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import UserError
from ...gradcheck.own.losses import KNOWN, encoded
from ...signals import Array

SAME = 1e-6
"""A number this near to the mean of a known loss, relative to it, is a loss and no accuracy."""


def number_of(returned: Any, network: Any, x: Array, y: Array) -> float | None:
    """The number that is no loss; None where nothing was returned.

    Args:
        returned: a share, a count, or a percentage; of a pair (loss, accuracy) the one that is no loss.
        network: whose outputs are judged, at its parameters of now.
        x, y: rows of what was evaluated.

    Raises:
        UserError: it is no number, or nothing but a loss.
    """
    if returned is None:
        return None
    given = list(returned) if isinstance(returned, tuple | list) else [returned]
    numbers = [number for v in given if (number := _number(v)) is not None]
    if len(numbers) != len(given) or not 1 <= len(numbers) <= 2:
        what = (
            f"an array of shape {returned.shape}"
            if isinstance(returned, np.ndarray)
            else f"a {type(returned).__name__}"
        )
        raise UserError(f"it returned {what}", help="return one number")
    losses = _losses(network, x, y)
    left = [v for v in numbers if not any(abs(v - loss) <= SAME * abs(loss) for loss in losses)]
    if not left:
        raise UserError(f"{numbers[0]:.6g} is the loss", help="return the right answers")
    if len(left) > 1:
        raise UserError("it returned two numbers, neither of them the loss", help="return one number")
    return left[0]


def _number(value: Any) -> float | None:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    known = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return value if known else None


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
