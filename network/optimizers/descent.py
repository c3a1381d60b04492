"""Gradient descent, plain and with momentum."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .base import Optimizer, share


class SGD(Optimizer):
    """w ← w − rate · g."""

    kind = "sgd"

    def update(self, parameters: Array, gradient: Array) -> None:
        change = np.multiply(gradient, self.rate, out=self._scratch("change", parameters))
        np.subtract(parameters, change, out=parameters)


class Momentum(Optimizer):
    """v ← momentum · v + g;  w ← w − rate · v (the form of PyTorch, dampening 0).

    Args:
        rate: learning rate.
        momentum: share of the velocity that is kept, 0 <= momentum < 1.
        l2: see `Optimizer`.
        nesterov: w ← w − rate · (g + momentum · v) instead: the gradient counts where the velocity leads.
        decay: see `Optimizer`.
        clip_norm: see `Optimizer`.
    """

    kind = "momentum"

    def __init__(
        self,
        rate: float,
        momentum: float = 0.9,
        l2: float = 0.0,
        *,
        nesterov: bool = False,
        decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(rate, l2, decay=decay, clip_norm=clip_norm)
        self.momentum, self.nesterov = share("momentum", momentum, "0.9"), nesterov

    def update(self, parameters: Array, gradient: Array) -> None:
        velocity = self._scratch("velocity", parameters)
        np.multiply(velocity, self.momentum, out=velocity)
        np.add(velocity, gradient, out=velocity)
        change = self._scratch("change", parameters)
        if self.nesterov:
            np.multiply(velocity, self.momentum, out=change)
            np.add(change, gradient, out=change)
            np.multiply(change, self.rate, out=change)
        else:
            np.multiply(velocity, self.rate, out=change)
        np.subtract(parameters, change, out=parameters)
