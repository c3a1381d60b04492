"""When did each ReLU unit last fire? From that, which units are dead, since birth or since which step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .signals import Array


def fired(activation: Array) -> Array:
    """Which units give a value above 0 anywhere in a batch.

    Args:
        activation: (batch, units), or (batch, units, …) where a unit, a channel of images, fires if any place does.

    Returns:
        (units,) of bool.
    """
    found: Array = np.logical_or.reduce(activation > 0, axis=(0, *range(2, activation.ndim)))
    return found


def share_fired(activation: Array) -> Array:
    """Share of the samples of a batch that each unit fires for: (units,) float32, of the same (batch, units, …)."""
    positive = activation > 0
    if positive.ndim > 2:
        positive = np.logical_or.reduce(positive, axis=tuple(range(2, positive.ndim)))
    return np.asarray(np.mean(positive, axis=0, dtype=np.float32))


class LastAlive:
    """The last state at which every unit was seen to fire.

    State k is the network before step k. A unit that fires for no training sample is dead; it died at the step
    after the last state at which it fired, and one that never fired is dead since birth (step 0).

    Args:
        units: site name → number of units.
    """

    def __init__(self, units: Mapping[str, int]) -> None:
        self._state: dict[str, Array] = {site: np.full(count, -1, np.int64) for site, count in units.items()}

    def __contains__(self, site: str) -> bool:
        return site in self._state

    @property
    def sites(self) -> tuple[str, ...]:
        return tuple(self._state)

    def saw(self, site: str, fired: Array, state: int) -> None:
        """Notes which units fired at a state, from fired (units,) of bool."""
        np.maximum(self._state[site], state, out=self._state[site], where=fired)

    def died_at(self, site: str, dead: Array) -> Array:
        """(units,) of int64: -1 for the living, 0 for dead since birth, else the step at which the unit died."""
        return np.where(dead, self._state[site] + 1, -1)
