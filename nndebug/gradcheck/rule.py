"""An update rule with its numbers, and which of them an optimiser says it follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..signals import Array

NUMBERS: dict[str, tuple[str, ...]] = {
    "sgd": (),
    "momentum": ("momentum",),
    "adam": ("beta1", "beta2", "epsilon"),
    "rmsprop": ("rho", "epsilon"),
    "adadelta": ("rho", "epsilon"),
}
"""The rules that are known, and the numbers that an optimiser must have to be taken for one of them."""
KNOWN = tuple(NUMBERS)


@dataclass(frozen=True)
class Rule:
    """An update rule with its numbers.

    Attributes:
        kind: one of `KNOWN`.
        rate: learning rate.
        decay: λ/n, the factor of w in the penalised gradient.
        on_biases: whether the penalty reaches biases, which it must not.
        scale: factor on the gradient, 1 if all is right.
        momentum, nesterov, beta1, beta2, rho, epsilon: as in the core's optimisers.
    """

    kind: str
    rate: float
    decay: float
    on_biases: bool = False
    scale: float = 1.0
    momentum: float = 0.0
    beta1: float = 0.0
    beta2: float = 0.0
    epsilon: float = 0.0
    rho: float = 0.0
    nesterov: bool = False

    def change(self, start: Array, gradients: Array, is_bias: bool) -> Array:
        """Parameters after all updates minus `start`.

        Args:
            start: parameters (…).
            gradients: one gradient for each update (updates, …).
            is_bias: whether the penalty leaves them out.
        """
        value, first, second = start.copy(), np.zeros_like(start), np.zeros_like(start)
        decay = 0.0 if is_bias and not self.on_biases else self.decay
        for count, gradient in enumerate(gradients, 1):
            g = self.scale * gradient + decay * value
            if self.kind == "adam":
                first = self.beta1 * first + (1 - self.beta1) * g
                second = self.beta2 * second + (1 - self.beta2) * g * g
                mean, root = first / (1 - self.beta1**count), np.sqrt(second / (1 - self.beta2**count))
                value = value - self.rate * mean / (root + self.epsilon)
            elif self.kind == "adadelta":
                second = self.rho * second + (1 - self.rho) * g * g
                change = np.sqrt((first + self.epsilon) / (second + self.epsilon)) * g
                first = self.rho * first + (1 - self.rho) * change * change
                value = value - self.rate * change
            else:
                if self.kind == "rmsprop":
                    second = self.rho * second + (1 - self.rho) * g * g
                    g = g / (np.sqrt(second) + self.epsilon)
                first = self.momentum * first + g
                value = value - self.rate * (g + self.momentum * first if self.nesterov else first)
        return value - start


def rule_of(optimizer: Any) -> Rule | None:
    """The rule that an optimiser says it follows, with its numbers; None if it is not known."""
    kind = getattr(optimizer, "kind", type(optimizer).__name__)
    if kind not in KNOWN or not all(hasattr(optimizer, name) for name in NUMBERS[kind]):
        return None
    names = ("momentum", "beta1", "beta2", "epsilon", "rho")
    numbers: dict[str, Any] = {n: float(getattr(optimizer, n)) for n in names if hasattr(optimizer, n)}
    numbers["nesterov"] = bool(getattr(optimizer, "nesterov", False))
    decay = getattr(optimizer, "l2", 0.0) / getattr(optimizer, "samples", 1)
    return Rule(kind, float(optimizer.rate), decay, **numbers)
