"""Entries that sit on kinks: found, compared with either side, and left out of the other directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..signals import Array
from .comparing import FLOOR, MARGIN
from .measuring import Direction, Slope
from .search import Group, bisect

if TYPE_CHECKING:
    from .tensors import Tensor


def leave_out_kinks(tensor: Tensor, slope: Slope, direction: Direction) -> bool:
    """Finds the entries that sit on a kink and compares them with either side; False if there are too many."""

    def jump(items: Array) -> tuple[float, float]:
        part = Direction(tensor.path, items, direction.weights)
        found, _, height = tensor.loss.six_points(part, slope.step)
        return (height, 0.0) if np.isfinite(found.error) else (np.inf, 0.0)

    everything = np.arange(tensor.size)
    kinked = bisect(Group(everything, 1.0, 0.0), jump, additive=False)
    if not kinked:
        tensor.finding.many_kinks = True
        low, high = sorted((slope.left, slope.right))
        alike = [Direction(tensor.path, None, way * np.abs(direction.weights)) for way in _alike(tensor)]
        sides = [(d, tensor.loss.six_points(d, slope.step)[0]) for d in alike]
        tensor.finding.outside = not all(
            _between(tensor, d.dot(tensor.given), s.left, s.right, s, d.norm(tensor.given))
            for d, s in [(direction, slope), *sides]
        )
        tensor.finding.reason = (
            f"at a kink: from one side the derivative is {low:.3g}, from the other {high:.3g}"
        )
        return False
    for entry in kinked:
        side = tensor._single(entry, step=slope.step)
        low, high = sorted((side.left, side.right))
        if not _between(tensor, tensor.given[entry], low, high, side, tensor.largest):
            # Several kinks in one place mix their sides, so that neither side proves nothing.
            tensor.finding.many_kinks = tensor.finding.outside = True
            tensor.finding.reason = (
                f"at a kink, {list(tensor.index(entry))}: yours is {tensor.given[entry]:.3g}, "
                f"the derivative {low:.3g} from one side and {high:.3g} from the other"
            )
    if len(kinked) > 1 and not tensor.finding.outside:
        _together(tensor, np.array(kinked), slope.step)
    tensor.moving[kinked] = 0.0
    tensor.finding.kinks = len(kinked)
    return True


def _together(tensor: Tensor, kinked: Array, step: float) -> None:
    """Entries on kinks moved as one: each may be within its own sides and all of them together not.

    Of a window whose largest entries tie each may have the gradient 1, and not all of them.
    """
    for way in _alike(tensor):
        d = Direction(tensor.path, kinked, way)
        claim, side = d.dot(tensor.given), tensor.loss.six_points(d, step)[0]
        if _between(tensor, claim, side.left, side.right, side, d.norm(tensor.given)):
            continue
        low, high = sorted((side.left, side.right))
        sides = f"{low:.3g}" if high - low <= 1e-3 * abs(high) else f"{low:.3g} to {high:.3g}"
        tensor.finding.many_kinks = tensor.finding.outside = True
        tensor.finding.reason = (
            f"at kinks, {len(kinked)} entries together: yours is {claim:.3g}, the derivative {sides}"
        )
        return


def _alike(tensor: Tensor) -> tuple[Array, Array]:
    """All up, and all along the gradient: directions that add everything, where any signs hide much."""
    return np.ones(tensor.size), np.where(tensor.given < 0, -1.0, 1.0)


def _between(tensor: Tensor, given: float, left: float, right: float, slope: Slope, size: float) -> bool:
    """Whether a derivative lies between the two sides of a kink."""
    low, high = sorted((left, right))
    slack = MARGIN * (4 * tensor.loss.noise / slope.step + 8 * tensor.grain * size)
    slack = max(slack, FLOOR * max(size, abs(low), abs(high)))
    return bool(low - slack <= given <= high + slack)
