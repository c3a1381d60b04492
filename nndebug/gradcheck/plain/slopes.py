"""Slopes of smooth functions from four points, and the largest error that any of them has.

Four points give a derivative of order four, one of order two, and how far the two sides are apart. Where the two orders
are close and the sides meet, the function is smooth within the points, and the derivative of order four is good to the
square of their distance. Anything else, a kink for instance, is in doubt.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ...signals import Array
from .rows import Doubt

POINTS = 4

BENT = 1e-3
"""Derivatives of the two orders, or of the two sides, that are further apart than this share of the largest one."""

KINK = 1e-5
"""The same for one slope that is looked at again with a smaller step."""

NEARER = 64.0
"""So much smaller it is."""

# The sides are apart by noise that is 2.8 times that of the derivative, hence the half below.

FIFTH = 24.0
"""The fifth derivative of a sigmoid, by its third squared, and a margin of four."""


TINY = float(np.finfo(float).tiny)


@lru_cache(maxsize=8)
def step(eps: float) -> float:
    """The step, which balances truncation and rounding for functions of the size of 1."""
    return float(eps**0.2)


@lru_cache(maxsize=8)
def shifts(eps: float, nearer: float = 1.0) -> Array:
    """Where the points lie (4,)."""
    return step(eps) / nearer * np.array([-2.0, -1.0, 1.0, 2.0])


@lru_cache(maxsize=8)
def _stencils(eps: float, nearer: float) -> Array:
    """Derivative of order four, its distance from that of order two, right minus left derivative: (3, 4)."""
    rows = [[1.0, -8.0, 8.0, -1.0], [1.0, -2.0, 2.0, -1.0], [-6.0, 24.0, 24.0, -6.0]]
    return np.array(rows) / (12 * step(eps) / nearer)


def differences(values: Array, base: Array, eps: float, nearer: float = 1.0) -> Array:
    """Slopes, their distances from those of order two, and how far the sides are apart: (columns, 3, outputs).

    Args:
        values: what every column gave at `shifts(eps, nearer)`: (columns, 4, outputs).
        base: unshifted outputs (outputs,).
        eps: machine epsilon.
        nearer: what the usual step is divided by.
    """
    return np.asarray(_stencils(eps, nearer) @ (values - base))


def slopes(
    found: Array, base: Array, eps: float, again: Callable[[], Array]
) -> tuple[Array, float, Array | None]:
    """The slopes (columns, outputs), the largest error of any of them, and which were taken with a smaller step.

    Args:
        found: from `differences`.
        base, eps: as there.
        again: the same with the step that is `NEARER`; called where a kink seems to lie between the points.

    Returns:
        Of the last, None for nowhere.

    Raises:
        Doubt: there may be a kink, or the function bends too sharply for these points.
    """
    largest, off, jump = _sizes(found)
    kinks = None
    if off + jump > KINK * largest:
        size = np.abs(found)
        kinks = size[:, 1] + size[:, 2] > KINK * largest
        found = np.where(kinks[:, None], again(), found)
        largest, off, jump = _sizes(found)
    if not off + jump <= BENT * largest:  # NaN too
        raise Doubt
    rounding = 4 * eps * float(np.abs(base).max()) / step(eps)
    return found[:, 0], 0.5 * jump + FIFTH * off * (off / (largest + TINY)) + rounding, kinks


def _sizes(found: Array) -> list[float]:
    """The largest slope, distance from one of order two, and distance between the sides."""
    largest: list[float] = np.abs(found).max(axis=(0, 2)).tolist()
    return largest
