"""Optimisers that scale every entry's step by the size of its past gradients: Adam, RMSprop, Adadelta."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..errors import NetworkError
from .base import Optimizer, share


class Adam(Optimizer):
    """Adam with bias correction (Kingma & Ba 2015, algorithm 1); L2 is added to the gradient, as in the paper's time.

    Args:
        rate: learning rate.
        beta1: decay of the first moment, 0 <= beta1 < 1.
        beta2: decay of the second moment, 0 <= beta2 < 1.
        epsilon: added to the root of the second moment; more than 0, since a dead unit's moments are all 0.
        l2: see `Optimizer`.
        decay: see `Optimizer`.
        clip_norm: see `Optimizer`.
    """

    kind = "adam"

    def __init__(
        self,
        rate: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        l2: float = 0.0,
        *,
        decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(rate, l2, decay=decay, clip_norm=clip_norm)
        if not (0 <= beta1 < 1 and 0 <= beta2 < 1):
            raise NetworkError(
                f"betas {beta1}, {beta2} are not in 0 <= beta < 1", help="0.9 and 0.999 are usual"
            )
        self.beta1, self.beta2, self.epsilon = beta1, beta2, _guard(epsilon)

    def update(self, parameters: Array, gradient: Array) -> None:
        first, second = self._scratch("first", parameters), self._scratch("second", parameters)
        scratch = self._scratch("change", parameters)
        # The count lives beside the moments, so that both start afresh on another network.
        count = self._state.setdefault("count", np.zeros(()))
        count += 1
        _average(first, gradient, self.beta1, scratch)
        _average_of_squares(second, gradient, self.beta2, scratch)
        np.sqrt(second, out=scratch)
        np.divide(scratch, float(np.sqrt(1 - self.beta2**count)), out=scratch)
        np.add(scratch, self.epsilon, out=scratch)
        np.divide(first, scratch, out=scratch)
        np.multiply(scratch, float(self.rate / (1 - self.beta1**count)), out=scratch)
        np.subtract(parameters, scratch, out=parameters)


class RMSprop(Optimizer):
    """s ← rho · s + (1 − rho) · g²;  w ← w − rate · g / (√s + epsilon) (Hinton 2012, lecture 6e).

    Args:
        rate: learning rate.
        rho: share of the mean square that is kept, 0 <= rho < 1.
        epsilon: added to the root; more than 0.
        l2: see `Optimizer`.
        momentum: share of the last step that is kept, 0 <= momentum < 1 (the form of PyTorch).
        decay: see `Optimizer`.
        clip_norm: see `Optimizer`.
    """

    kind = "rmsprop"

    def __init__(
        self,
        rate: float = 1e-3,
        rho: float = 0.9,
        epsilon: float = 1e-7,
        l2: float = 0.0,
        *,
        momentum: float = 0.0,
        decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(rate, l2, decay=decay, clip_norm=clip_norm)
        self.rho, self.epsilon = share("rho", rho, "0.9"), _guard(epsilon)
        self.momentum = share("momentum", momentum, "0")

    def update(self, parameters: Array, gradient: Array) -> None:
        squares, scratch = self._scratch("squares", parameters), self._scratch("change", parameters)
        _average_of_squares(squares, gradient, self.rho, scratch)
        np.sqrt(squares, out=scratch)
        np.add(scratch, self.epsilon, out=scratch)
        np.divide(gradient, scratch, out=scratch)
        if self.momentum:
            velocity = self._scratch("velocity", parameters)
            np.multiply(velocity, self.momentum, out=velocity)
            np.add(velocity, scratch, out=velocity)
            np.copyto(scratch, velocity)
        np.multiply(scratch, self.rate, out=scratch)
        np.subtract(parameters, scratch, out=parameters)


class Adadelta(Optimizer):
    """Steps in units of past steps: Δ = √(d + epsilon) / √(s + epsilon) · g;  w ← w − rate · Δ (Zeiler 2012,
    arXiv:1212.5701), s and d being running means of g² and Δ².

    Args:
        rate: learning rate, 1 in the paper.
        rho: share of the means that is kept, 0 <= rho < 1.
        epsilon: inside both roots; more than 0: it makes the first step.
        l2: see `Optimizer`.
        decay: see `Optimizer`.
        clip_norm: see `Optimizer`.
    """

    kind = "adadelta"

    def __init__(
        self,
        rate: float = 1.0,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        l2: float = 0.0,
        *,
        decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(rate, l2, decay=decay, clip_norm=clip_norm)
        self.rho, self.epsilon = share("rho", rho, "0.95"), _guard(epsilon)

    def update(self, parameters: Array, gradient: Array) -> None:
        squares, steps = self._scratch("squares", parameters), self._scratch("steps", parameters)
        scratch, change = self._scratch("scratch", parameters), self._scratch("change", parameters)
        _average_of_squares(squares, gradient, self.rho, scratch)
        np.add(steps, self.epsilon, out=change)
        np.add(squares, self.epsilon, out=scratch)
        np.divide(change, scratch, out=change)
        np.sqrt(change, out=change)
        np.multiply(change, gradient, out=change)
        _average_of_squares(steps, change, self.rho, scratch)
        np.multiply(change, self.rate, out=change)
        np.subtract(parameters, change, out=parameters)


def _average(mean: Array, value: Array, kept: float, scratch: Array) -> None:
    """mean ← kept · mean + (1 − kept) · value."""
    np.multiply(mean, kept, out=mean)
    np.multiply(value, 1 - kept, out=scratch)
    np.add(mean, scratch, out=mean)


def _average_of_squares(mean: Array, value: Array, kept: float, scratch: Array) -> None:
    """mean ← kept · mean + (1 − kept) · value²."""
    np.multiply(value, value, out=scratch)
    np.multiply(scratch, 1 - kept, out=scratch)
    np.multiply(mean, kept, out=mean)
    np.add(mean, scratch, out=mean)


def _guard(epsilon: float) -> float:
    if not epsilon > 0:
        raise NetworkError(f"epsilon {epsilon} is not a positive number", help="1e-8 is usual")
    return epsilon
