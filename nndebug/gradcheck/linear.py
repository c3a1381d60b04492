"""Which layers are `x @ weight + bias`: found by trying, not by name."""

from __future__ import annotations

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


def linear_form(tape: Tape, index: int, rng: np.random.Generator) -> Linear | None:
    """The linear form of layer `index`, or None if it has no parameters or computes something else.

    Shapes propose it; the forward pass decides, at the recorded input and at a random input with weights and
    biases moved in a random direction. A forward that is not what it says is so found out, which the shortcut
    dL/dweight = xᵀ dL/dz would hide.
    """
    layer, x, z = tape.layers[index], tape.inputs[index], tape.outputs[index]
    form = _proposal(getattr(layer, "parameters", {}), x, z)
    if form is None or not _computes(tape, index, form, x):
        return None
    with moved_parameters(layer, rng):
        return form if _computes(tape, index, form, rng.normal(size=x.shape).astype(x.dtype)) else None


class moved_parameters:  # noqa: N801  (used as a statement, like np.errstate)
    """Within the block a layer's parameters stand at random values; afterwards they are what they were, to the bit."""

    def __init__(self, layer: Any, rng: np.random.Generator) -> None:
        self.layer, self.rng = layer, rng
        self.kept: dict[str, Array] = {}

    def __enter__(self) -> None:
        for name, value in self.layer.parameters.items():
            self.kept[name] = np.array(value)
            # Of the size that keeps x @ weight near 1: large weights would drown the bias.
            size = 1 / np.sqrt(value.shape[0]) if value.ndim > 1 else 1.0
            value[...] = size * (4 * self.rng.random(value.shape) - 2)

    def __exit__(self, *_: object) -> None:
        for name, value in self.kept.items():
            self.layer.parameters[name][...] = value


def _proposal(parameters: Any, x: Array, z: Array) -> Linear | None:
    if x.ndim != 2 or z.ndim != 2:
        return None
    weights = [name for name, value in parameters.items() if value.shape == (x.shape[1], z.shape[1])]
    biases = [name for name, value in parameters.items() if value.shape == (z.shape[1],)]
    if len(weights) != 1 or len(biases) > 1 or len(parameters) != 1 + len(biases):
        return None
    return Linear(weights[0], biases[0] if biases else None)


def _computes(tape: Tape, index: int, form: Linear, x: Array) -> bool:
    parameters = tape.layers[index].parameters
    weight = parameters[form.weight]
    bias = parameters[form.bias] if form.bias else np.zeros(weight.shape[1])
    found = np.asarray(tape.forward(index, x))
    if found.shape != (len(x), weight.shape[1]):
        return False
    expected = x @ weight + bias
    if not np.isfinite(expected).all():  # parameters that are not finite say nothing about the form
        return True
    size = float(np.abs(x).max(initial=0.0) * np.abs(weight).sum(axis=0).max(initial=0.0)) + float(
        np.abs(bias).max()
    )
    return bool(np.abs(found - expected).max() <= ROUNDING * tape.eps * size)
