"""The flat vectors of a network: all parameters in one, all gradients in another, and what holds for which entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import Array
from .layers import Layer


@dataclass(frozen=True)
class Flat:
    """One vector each; the layers hold views.

    Attributes:
        parameters, gradients: (entries,), layer by layer.
        weight_mask: (entries,), 1 at the entries of weights, 0 at biases and what normalisation learns.
        slices: `"hidden1.weight"` → where its entries are.
        penalties: those of the layers; None if no layer has one.
    """

    parameters: Array
    gradients: Array
    weight_mask: Array
    slices: dict[str, slice]
    penalties: Penalties | None


class Penalties:
    """l1 Σ |w| + l2 Σ w² over the weights of every layer, with factors of its own.

    Args:
        l1, l2: (entries,), the factors; 0 where there is no penalty.
    """

    def __init__(self, l1: Array, l2: Array) -> None:
        self._l1, self._l2 = (factor if factor.any() else None for factor in (l1, l2))

    def __bool__(self) -> bool:
        return self._l1 is not None or self._l2 is not None

    def value(self, parameters: Array) -> float:
        """The sum of all penalties."""
        total = 0.0
        if self._l1 is not None:
            total += float(np.dot(self._l1, np.abs(parameters)))
        if self._l2 is not None:
            total += float(np.dot(self._l2, parameters * parameters))
        return total

    def add_gradient(self, parameters: Array, out: Array) -> None:
        """Adds l1 sign(w) + 2 l2 w to `out` (entries,)."""
        if self._l1 is not None:
            out += self._l1 * np.sign(parameters)
        if self._l2 is not None:
            out += 2 * self._l2 * parameters


def flatten(layers: Sequence[Layer], dtype: np.dtype[Any]) -> Flat:
    """Moves all parameters into one vector and all gradients into another; the layers keep views."""
    total = sum(value.size for layer in layers for value in layer.parameters.values())
    parameters, gradients, mask = (np.zeros(total, dtype) for _ in range(3))
    penalised = any(layer.l1 or layer.l2 for layer in layers)
    l1, l2 = (np.zeros(total if penalised else 0, dtype) for _ in range(2))
    slices, start = {}, 0
    for layer in layers:
        for name, value in list(layer.parameters.items()):
            part = slices[f"{layer.name}.{name}"] = slice(start, start + value.size)
            parameters[part] = value.ravel()
            if name not in layer.unpenalised:
                mask[part] = 1
                if penalised:
                    l1[part], l2[part] = layer.l1, layer.l2
            layer.parameters[name] = parameters[part].reshape(value.shape)
            layer.gradients[name] = gradients[part].reshape(value.shape)
            start = part.stop
        # A twin follows what training does to the state of its layers; a copy has its own.
        layer.state = {name: np.array(value, dtype) for name, value in layer.state.items()}
    return Flat(parameters, gradients, mask, slices, Penalties(l1, l2) or None)
