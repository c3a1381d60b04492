"""Gradients that agree plainly; whatever leaves a doubt is for the full check to judge."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...signals import Array
from ..comparing import BLURRED, LEAST
from ..result import Row, Verdict

PLAIN = 1e-8
"""The largest difference with which a gradient agrees plainly, as a share of its largest entry: a hundredth of what the full
check calls wrong."""

SMALL = 1e-6
"""The largest relative error of an entry: of small ones four points know less than the sixteen of the full check."""


class Doubt(Exception):
    """This is not plain: the full check is to look at it."""


class Bounded(NamedTuple):
    """dLoss by some array, every entry of which is off by no more than `error`."""

    value: Array
    error: float


def agreed(
    layer: str,
    parameter: str,
    equation: str,
    given: Array | None,
    right: Array,
    error: float,
    scale: float = 0.0,
) -> Row:
    """The row of a gradient that agrees.

    Args:
        layer, parameter, equation: as in `Row`.
        given: the gradient to be checked.
        right: the right one.
        error: no entry of `right` is further off than this.

    Raises:
        Doubt: it has another shape, is zero or not finite, is not known well enough, or differs.
    """
    if given is None or given.shape != right.shape or not right.size:
        raise Doubt
    shape = right.shape
    given, right = given.ravel(), right.ravel()
    off = given - right
    np.abs(off, out=off)
    size = np.abs(right)
    largest = float(size.max())
    if not 0 < largest < np.inf or not error <= BLURRED * largest:
        raise Doubt
    at = int(off.argmax())
    if not off[at] <= PLAIN * largest:  # NaN too
        raise Doubt
    if off[at]:  # else all are equal, as where both are the same product
        size += LEAST * largest
        off /= size
        at = int(off.argmax())
    worst = float(off[at])
    if worst > SMALL:
        raise Doubt
    blur = error / max(float(size[at]), LEAST * largest)
    entries, index = at, []
    for length in reversed(shape):
        entries, along = divmod(entries, length)
        index.append(along)
    return Row(
        layer, parameter, equation, right.size, 0, worst, tuple(reversed(index)), float(given[at]), float(right[at]), blur,
        Verdict.AGREES,
    )  # fmt: skip
