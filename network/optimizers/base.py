"""`Optimizer`: from gradients to an update, in place, on all parameters of a network at once.

A network keeps its parameters in one flat vector and its gradients in another (see `model.py`), so that an update
is a handful of NumPy calls whatever the number of layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array
from ..errors import NetworkError

if TYPE_CHECKING:
    from ..model import Sequential


class Optimizer:
    """Base class: a subclass defines `update`.

    Args:
        rate: learning rate.
        l2: λ of the penalty λ/(2n) Σ w² over the weights (never the biases), n = `samples`.
        decay: of the rate, which is rate / (1 + decay · t) at update t, counted from 0.
        clip_norm: the gradient of a parameter array, penalties included, is scaled down to this norm where it is larger.

    Attributes:
        rate: the learning rate of the next update; set it for a schedule of your own.
        samples: number of training samples n, which `fit` sets; λ/n is what one step feels.

    Raises:
        NetworkError: an argument is out of its range.
    """

    kind = "optimizer"

    def __init__(
        self, rate: float, l2: float = 0.0, *, decay: float = 0.0, clip_norm: float | None = None
    ) -> None:
        if not rate > 0 or not np.isfinite(rate):
            raise NetworkError(
                f"learning rate {rate} is not a positive number", help="0.1 is a usual start for SGD"
            )
        for name, value, what in (("l2", l2, "the penalty"), ("decay", decay, "the decay")):
            if not value >= 0 or not np.isfinite(value):
                raise NetworkError(
                    f"{name} {value} is not zero or a positive number", help=f"0 switches {what} off"
                )
        if clip_norm is not None and not clip_norm > 0:
            raise NetworkError(f"clip_norm {clip_norm} is not a positive number", help="1 is usual")
        self.rate, self.l2, self.samples = float(rate), float(l2), 1
        self.decay, self.clip_norm = float(decay), clip_norm
        self._network: Sequential | None = None
        self._state: dict[str, Array] = {}
        self._updates = 0

    def step(self, network: Sequential) -> None:
        """One update of the network's parameters from its gradients; observers see it before and after."""
        if self._network is not network:
            self.rate *= 1 + self.decay * self._updates
            self._network, self._state, self._updates = network, {}, 0
        if network.observed["before_step"]:
            network.hooks.emit("before_step", self)
        gradient = self.gradient(network)
        if network.frozen is None:
            self.update(network.flat_parameters, gradient)
        else:
            kept = network.flat_parameters[network.frozen]
            self.update(network.flat_parameters, gradient)
            network.flat_parameters[network.frozen] = kept
        if network.observed["after_step"]:
            network.hooks.emit("after_step", self)
        if self.decay:
            self._updates += 1
            self.rate *= (1 + self.decay * (self._updates - 1)) / (1 + self.decay * self._updates)

    def update(self, parameters: Array, gradient: Array) -> None:
        """Changes parameters (entries,) in place; must leave gradient (entries,) as it is."""
        raise NotImplementedError(f"{type(self).__name__} has no update")

    def gradient(self, network: Sequential) -> Array:
        """What the update is made from (entries,): the derivative of loss plus penalties, clipped."""
        gradient = network.flat_gradients
        if self.l2 or network.penalties:
            gradient = self._with_penalties(network)
        return gradient if self.clip_norm is None else self._clipped(network, gradient, self.clip_norm)

    def penalty(self, network: Sequential) -> float:
        """λ/(2n) Σ w² over the weights, and the penalties of the layers."""
        total = network.penalties.value(network.flat_parameters) if network.penalties else 0.0
        if self.l2:
            weights = network.flat_parameters * network.weight_mask
            total += float(0.5 * self.l2 / self.samples * np.dot(weights, weights))
        return total

    def _with_penalties(self, network: Sequential) -> Array:
        """gradient + λ/n · w on the weights, and what the layers add."""
        out = self._scratch("penalised", network.flat_parameters)
        np.multiply(network.flat_parameters, network.weight_mask, out=out)
        np.multiply(out, self.l2 / self.samples, out=out)
        np.add(out, network.flat_gradients, out=out)
        if network.penalties:
            network.penalties.add_gradient(network.flat_parameters, out)
        return out

    def _clipped(self, network: Sequential, gradient: Array, limit: float) -> Array:
        out = self._scratch("clipped", gradient)
        np.copyto(out, gradient)
        for part in network.slices.values():
            norm = float(np.sqrt(np.dot(out[part], out[part])))
            if norm > limit:
                out[part] *= limit / norm
        return out

    def _scratch(self, name: str, like: Array) -> Array:
        """An array of zeros on first use, the same array afterwards."""
        if name not in self._state:
            self._state[name] = np.zeros_like(like)
        return self._state[name]


def share(name: str, value: float, usual: str) -> float:
    """A setting that is a share of what is kept.

    Raises:
        NetworkError: it is not in 0 <= value < 1.
    """
    if not 0 <= value < 1:
        raise NetworkError(f"{name} {value} is not in 0 <= {name} < 1", help=f"{usual} is usual")
    return value
