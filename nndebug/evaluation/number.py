"""The number that an evaluation gives: a share of right answers, a percentage, a count, or something else."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from ..errors import UserError

COARSEST = 0.005
"""A share printed to 0.01, or whole percents, say what they say to so much; what is coarser is a number like 0.5."""


class Unit(StrEnum):
    """What a number of right answers is given in."""

    SHARE = "share"
    PERCENT = "percent"
    COUNT = "count"


class Said(NamedTuple):
    """What a number says in one unit.

    Attributes:
        unit: of the number.
        share: of right answers.
        rounding: share by which it may differ because it was rounded: half of its last digit, or 0.
    """

    unit: Unit
    share: float
    rounding: float


def readings(value: Any, samples: int, first: Unit | None = None) -> tuple[Said, ...]:
    """All that the number may say, the likeliest first: 97.0 of 200 samples is 97 % or 97 right answers.

    Args:
        value: a share of 1, a percentage, or right answers; a whole number (`int`) is a count wherever it can be one.
        samples: how many were evaluated.
        first: the unit of earlier numbers.

    Raises:
        UserError: the value is no number, not finite, negative, or larger than 100 and the count.
    """
    number = _number(value, samples)
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    order = [Unit.SHARE, Unit.PERCENT, Unit.COUNT]
    if (whole and number >= 1) or (number > 1 and number.is_integer() and samples <= 100):
        order = [Unit.COUNT, Unit.SHARE, Unit.PERCENT]
    order.sort(key=lambda unit: unit is not first)  # stable
    full = {Unit.SHARE: 1.0, Unit.PERCENT: 100.0, Unit.COUNT: float(samples)}
    found = [
        Said(unit, number / full[unit], 0.0 if unit is Unit.COUNT else _rounding(number, full[unit]))
        for unit in order
        if number <= full[unit]
    ]
    if not found:
        raise UserError(
            f"the value {number:,.6g} is no share of 1, no percentage and no count of {samples:,} samples",
            help="give the right answers divided by the samples",
        )
    return tuple(found)


def _number(value: Any, samples: int) -> float:
    try:
        shape = np.shape(value)
        number = float(value) if shape == () else float(np.asarray(value).item())
    except (TypeError, ValueError):
        what = f"an array of shape {shape}" if shape else " ".join(repr(value).split())[:60]
        raise UserError(
            f"the value {what} is no number", help="give what your evaluation returned: one number"
        ) from None
    if not math.isfinite(number) or number < 0:
        raise UserError(
            f"the value {number:g} is no share of 1, no percentage and no count of {samples:,} samples",
            help="give the right answers divided by the samples",
        )
    return number


def _rounding(number: float, full: float) -> float:
    """Half of the last digit that is written, as a share; 0 where the digits are too few to be meant as a rounding."""
    text = repr(number).removesuffix(".0")
    if "e" in text:
        return 0.0
    half = 0.5 * 10.0 ** -len(text.partition(".")[2]) / full
    return half if half <= COARSEST else 0.0
