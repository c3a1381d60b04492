"""A second look at a derivative that contradicts a gradient: with the smallest step that can show it."""

from __future__ import annotations

import numpy as np

from ..signals import Array
from .measuring import SINGLE_EPS, Direction, Measured, Slope

SEEN = 100.0
"""A difference that is so many times what rounding makes of it can be seen."""

STIRS = 1e-12
"""Of a tensor's largest entry, the share by which it can be moved."""

NEAR = 0.1
"""A derivative that is nearer to the gradient than this share of the difference contradicts the first one."""

FEW, MIXED = 32, 1e3
"""Entries of a tensor of no more than these, that differ in size by more than that: one step hardly suits them all."""

SHARP = "the loss bends too sharply here: near by, the derivative is another one"


def confirmed(loss: Measured, direction: Direction, slope: Slope, claim: float) -> bool:
    """Whether a derivative differs from a gradient with the smallest step that can show it, or with one half as large.

    Far apart, points of what bends within the step, as a sine of a large number, may fit a polynomial by chance.

    Args:
        loss: the function.
        direction: along which.
        slope: the derivative along it.
        claim: what the gradient says instead.
    """
    off, eps = abs(slope.value - claim), SINGLE_EPS if loss.coarse else 2.3e-16
    largest = float(np.abs(loss.point[direction.path]).max(initial=0.0))
    # Not the noise that was heard: what bends within a step is heard as noise.
    step = max(SEEN * eps * max(abs(loss.base), off * slope.step) / off, STIRS * largest)
    if not step < slope.step / 4:
        return True
    return any(not abs(loss.six_points(direction, h)[0].value - claim) < NEAR * off for h in (step, step / 2))


def mixed(values: Array) -> str:
    """What to do about entries that one step cannot suit, empty if they are alike or many.

    Args:
        values: of a tensor.
    """
    sizes = np.abs(values[values != 0].astype(np.float64))
    if not 1 < values.size <= FEW or sizes.size < 2 or not sizes.max() > MIXED * sizes.min():
        return ""
    times = sizes.max() / sizes.min()
    return f"; its entries differ {times:.0e}-fold in size: make large and small ones arrays of their own"
