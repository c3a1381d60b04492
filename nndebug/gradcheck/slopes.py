"""How every output of a layer changes along a line, each with its error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..signals import Array
from .differences import JUMP, POINTS, fourth_order, roughness, truncation_error

KINKED = ("relu", "leaky_relu")
"""Kinds of layers that are linear on either side of 0; which side every unit is on can then be compared."""

COARSE = 1e-8
"""Slopes with an error above this share of the largest one are measured again, with a smaller step."""

CLOSER = 8.0
"""What the step is divided by then."""

STEPS = 2
"""How often."""


def along(
    y: Array, eps: float, forward: Callable[[float], Array], same: Callable[[float], Array] | None = None
) -> tuple[Array, Array, Array]:
    """d forward(t)/dt at 0 of every output entry, its error, and where the two sides have the same slope.

    Args:
        y: forward(0).
        eps: machine epsilon of the arithmetic.
        forward: the outputs at a place of the line.
        same: for a piecewise linear layer, which outputs are on the same piece there as at 0.
    """
    step = eps**0.2
    value, error, smooth = _at_step(y, eps, forward, same, step)
    for _ in range(STEPS):
        if smooth.all() and float(error.max(initial=0.0)) <= COARSE * float(np.abs(value).max(initial=0.0)):
            break
        # Sharp bends, as of a norm over few numbers: come closer, and take what is better for each entry.
        step /= CLOSER
        near, near_error, near_smooth = _at_step(y, eps, forward, same, step)
        better = near_smooth & (~smooth | (near_error < error))
        value, error = np.where(better, near, value), np.where(better, near_error, error)
        smooth = smooth | near_smooth
    return value, error, smooth


def _at_step(
    y: Array,
    eps: float,
    forward: Callable[[float], Array],
    same: Callable[[float], Array] | None,
    step: float,
) -> tuple[Array, Array, Array]:
    values = np.stack([np.array(forward(step * float(p)), dtype=np.float64) for p in POINTS])[None]
    offsets = (step * POINTS).reshape((1, 4) + (1,) * y.ndim)
    base = np.asarray(y, np.float64)
    value, inner = (a[0] for a in fourth_order(values, offsets, base))
    change = values[0] - base
    right, left = (4 * change[2] - change[3]) / (2 * step), (change[0] - 4 * change[1]) / (2 * step)
    one_piece = (
        np.ones(y.shape, bool) if same is None else np.logical_and.reduce([same(step * p) for p in POINTS])
    )
    # Kinks are rough too, and where there are many they would pass for noise.
    floor = 3 * roughness(change[:, one_piece][None], 0.75)
    rounding = np.maximum(6 * eps * (np.abs(base) + np.abs(value)), floor) / step
    smooth = one_piece & (
        np.abs(right - left) <= JUMP * float(np.abs(value).max(initial=0.0)) + 10 * rounding
    )
    return value, truncation_error(value, inner, smooth)[0] + rounding, smooth


def pieces(layer: Any, x: Array) -> Any:
    """Which linear piece of a piecewise linear layer every entry is on, (batch, …); None for other layers."""
    if getattr(layer, "kind", None) in KINKED:
        return x > 0
    return layer.winners(x) if hasattr(layer, "winners") else None  # max pooling
