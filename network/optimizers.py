"""Optimisers: from gradients to an update, in place, on all parameters of a network at once.

A network keeps its parameters in one flat vector and its gradients in another (see `model.py`), so that an update
is a handful of NumPy calls whatever the number of layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .arrays import Array
from .errors import NetworkError

if TYPE_CHECKING:
    from .model import Sequential


class Optimizer:
    """Base class: a subclass defines `update`.

    Args:
        rate: learning rate.
        l2: λ of the penalty λ/(2n) Σ w² over the weights (never the biases), n = `samples`.

    Attributes:
        samples: number of training samples n, which `fit` sets; λ/n is what one step feels.
    """

    kind = "optimizer"

    def __init__(self, rate: float, l2: float = 0.0) -> None:
        if not rate > 0 or not np.isfinite(rate):
            raise NetworkError(
                f"learning rate {rate} is not a positive number", help="0.1 is a usual start for SGD"
            )
        if not l2 >= 0 or not np.isfinite(l2):
            raise NetworkError(f"l2 {l2} is not zero or a positive number", help="0 switches the penalty off")
        self.rate, self.l2, self.samples = float(rate), float(l2), 1
        self._network: Sequential | None = None
        self._state: dict[str, Array] = {}

    def step(self, network: Sequential) -> None:
        """One update of the network's parameters from its gradients; observers see it before and after."""
        if self._network is not network:
            self._network, self._state = network, {}
        if network.observed["before_step"]:
            network.hooks.emit("before_step", self)
        self.update(network.flat_parameters, self._with_penalty(network))
        if network.observed["after_step"]:
            network.hooks.emit("after_step", self)

    def update(self, parameters: Array, gradient: Array) -> None:
        """Changes parameters (entries,) in place; must leave gradient (entries,) as it is."""
        raise NotImplementedError(f"{type(self).__name__} has no update")

    def penalty(self, network: Sequential) -> float:
        """λ/(2n) Σ w² over the weights."""
        if not self.l2:
            return 0.0
        weights = network.flat_parameters * network.weight_mask
        return float(0.5 * self.l2 / self.samples * np.dot(weights, weights))

    def _with_penalty(self, network: Sequential) -> Array:
        """The derivative of loss plus penalty: gradient + λ/n · w on the weights."""
        if not self.l2:
            return network.flat_gradients
        out = self._scratch("penalised", network.flat_parameters)
        np.multiply(network.flat_parameters, network.weight_mask, out=out)
        np.multiply(out, self.l2 / self.samples, out=out)
        return np.add(out, network.flat_gradients, out=out)

    def _scratch(self, name: str, like: Array) -> Array:
        """An array of zeros on first use, the same array afterwards."""
        if name not in self._state:
            self._state[name] = np.zeros_like(like)
        return self._state[name]


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
    """

    kind = "momentum"

    def __init__(self, rate: float, momentum: float = 0.9, l2: float = 0.0) -> None:
        super().__init__(rate, l2)
        if not 0 <= momentum < 1:
            raise NetworkError(f"momentum {momentum} is not in 0 <= momentum < 1", help="0.9 is usual")
        self.momentum = momentum

    def update(self, parameters: Array, gradient: Array) -> None:
        velocity = self._scratch("velocity", parameters)
        np.multiply(velocity, self.momentum, out=velocity)
        np.add(velocity, gradient, out=velocity)
        change = np.multiply(velocity, self.rate, out=self._scratch("change", parameters))
        np.subtract(parameters, change, out=parameters)


class Adam(Optimizer):
    """Adam with bias correction (Kingma & Ba 2015, algorithm 1); L2 is added to the gradient, as in the paper's time.

    Args:
        rate: learning rate.
        beta1: decay of the first moment, 0 <= beta1 < 1.
        beta2: decay of the second moment, 0 <= beta2 < 1.
        epsilon: added to the root of the second moment; more than 0, since a dead unit's moments are all 0.
        l2: see `Optimizer`.
    """

    kind = "adam"

    def __init__(
        self,
        rate: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        l2: float = 0.0,
    ) -> None:
        super().__init__(rate, l2)
        if not (0 <= beta1 < 1 and 0 <= beta2 < 1):
            raise NetworkError(
                f"betas {beta1}, {beta2} are not in 0 <= beta < 1", help="0.9 and 0.999 are usual"
            )
        if not epsilon > 0:
            raise NetworkError(f"epsilon {epsilon} is not a positive number", help="1e-8 is usual")
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def update(self, parameters: Array, gradient: Array) -> None:
        first, second = self._scratch("first", parameters), self._scratch("second", parameters)
        scratch = self._scratch("change", parameters)
        # The count lives beside the moments, so that both start afresh on another network.
        count = self._state.setdefault("count", np.zeros(()))
        count += 1
        np.multiply(first, self.beta1, out=first)
        np.multiply(gradient, 1 - self.beta1, out=scratch)
        np.add(first, scratch, out=first)
        np.multiply(gradient, gradient, out=scratch)
        np.multiply(scratch, 1 - self.beta2, out=scratch)
        np.multiply(second, self.beta2, out=second)
        np.add(second, scratch, out=second)
        np.sqrt(second, out=scratch)
        np.divide(scratch, float(np.sqrt(1 - self.beta2**count)), out=scratch)
        np.add(scratch, self.epsilon, out=scratch)
        np.divide(first, scratch, out=scratch)
        np.multiply(scratch, float(self.rate / (1 - self.beta1**count)), out=scratch)
        np.subtract(parameters, scratch, out=parameters)


OPTIMIZERS: dict[str, type[Optimizer]] = {c.kind: c for c in (SGD, Momentum, Adam)}
