"""Which layers are `x @ weight + bias`: found by trying, not by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..signals import Array
from .tape import Tape

ROUNDING = 1e3
"""How many machine epsilons of the summed absolute terms a forward may be off: sums are reordered by BLAS."""


@dataclass(frozen=True)
class Linear:
    """The names of a layer's parameters, by the part they play in x @ weight + bias."""

    weight: str
    bias: str | None


def linear_form(tape: Tape, index: int) -> Linear | None:
    """The linear form of layer `index` at the recorded input, or None if it has no parameters or computes something else.

    Shapes propose it; the forward pass decides, here and once more at a random input with random parameters, which
    `computes` is asked about. A forward that is not what it says is so found out, which the shortcut
    dL/dweight = xᵀ dL/dz would hide.
    """
    layer, x, z = tape.layers[index], tape.inputs[index], tape.outputs[index]
    form = _proposal(getattr(layer, "parameters", {}), x, z)
    return form if form and computes(layer, form, x, z, tape.eps) else None


def noise(
    rng: np.random.Generator, shape: tuple[int, ...], size: float = 1.0, out: Array | None = None
) -> Array:
    """Random numbers between -size and size of 16 bits, at a third of the price of a generator's own."""
    count = math.prod(shape)
    raw = rng.bit_generator.random_raw(count // 4 + 1)
    return np.multiply(raw.view(np.int16)[:count].reshape(shape), size * 2.0**-15, out=out)


class moved_parameters:  # noqa: N801  (used as a statement, like np.errstate)
    """Within the block a layer's parameters stand at random values; afterwards they are what they were, to the bit."""

    def __init__(self, layer: Any, rng: np.random.Generator) -> None:
        self.layer, self.rng = layer, rng
        self.kept: dict[str, tuple[Array, Array]] = {}

    def __enter__(self) -> None:
        for name, value in self.layer.parameters.items():
            self.kept[name] = value, np.array(value)
            # Of the size that keeps x @ weight near 1: large weights would drown the bias.
            size = 2 / np.sqrt(value.shape[0]) if value.ndim > 1 else 2.0
            noise(self.rng, value.shape, size, out=value if value.dtype.kind == "f" else None)

    def __exit__(self, *_: object) -> None:
        for name, (array, values) in self.kept.items():  # its backward may have put another there
            self.layer.parameters[name], array[...] = array, values


def _proposal(parameters: Any, x: Array, z: Array) -> Linear | None:
    if x.ndim != 2 or z.ndim != 2:
        return None
    weights = [name for name, value in parameters.items() if value.shape == (x.shape[1], z.shape[1])]
    biases = [name for name, value in parameters.items() if value.shape == (z.shape[1],)]
    if len(weights) != 1 or len(biases) > 1 or len(parameters) != 1 + len(biases):
        return None
    return Linear(weights[0], biases[0] if biases else None)


def computes(layer: Any, form: Linear, x: Array, found: Array, eps: float) -> bool:
    """Whether a layer's output (batch, units) is x @ weight + bias, to within rounding."""
    weight = layer.parameters[form.weight]
    if found.shape != (len(x), weight.shape[1]):
        return False
    expected = x @ weight
    if form.bias:
        expected += layer.parameters[form.bias]
    apart = float(np.abs(found - expected).max())
    largest = float(np.abs(expected).max())
    if apart <= ROUNDING * eps * largest:
        return True
    if not np.isfinite(expected).all():  # parameters that are not finite say nothing about the form
        return True
    # Terms that cancel are rounded all the same.
    size = float(np.abs(x).max(initial=0.0) * np.abs(weight).sum(axis=0).max(initial=0.0))
    if form.bias:
        size += float(np.abs(layer.parameters[form.bias]).max())
    return apart <= ROUNDING * eps * size
