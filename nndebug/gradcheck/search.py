"""Group testing: which of many entries are wrong, from sums over subsets of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..signals import Array

GUILTY = 6.0
"""A sum that is this many times its error contains something."""

MOST = 32
"""More guilty groups than this at once are no longer told apart one by one."""


@dataclass(frozen=True)
class Group:
    """Some items and what they sum to.

    Attributes:
        items: their numbers (n,).
        total: the sum over them.
        error: its estimated absolute error.
    """

    items: Array
    total: float
    error: float

    @property
    def guilty(self) -> bool:
        return not abs(self.total) <= GUILTY * self.error


def bisect(
    whole: Group, measure: Callable[[Array], tuple[float, float]], most: int = MOST, additive: bool = True
) -> list[int] | None:
    """The items that are not zero, found by halving; None if there are more than `most`.

    Halves are taken level by level, so that many wrong items show after few measurements.

    Args:
        whole: all items and their sum.
        measure: the sum over some items (n,), and its error.
        most: how many guilty groups to follow at once.
        additive: the sum over one half follows from the other's. Not so for sizes, as that of a kink.
    """
    level = [whole] if whole.guilty else []
    while level and any(len(group.items) > 1 for group in level):
        below: list[Group] = []
        for group in level:
            below += [half for half in _halves(group, measure, additive) if half.guilty]
            if len(below) > most:
                return None
        level = below
    return [int(group.items[0]) for group in level]


def _halves(
    group: Group, measure: Callable[[Array], tuple[float, float]], additive: bool
) -> tuple[Group, ...]:
    if len(group.items) == 1:
        return (group,)
    middle = len(group.items) // 2
    first, second = group.items[:middle], group.items[middle:]
    measured = Group(first, *measure(first))
    if not additive:
        return measured, Group(second, *measure(second))
    rest = Group(second, group.total - measured.total, float(np.hypot(group.error, measured.error)))
    return measured, rest
