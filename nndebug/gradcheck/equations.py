"""Which of the four equations of backpropagation a gradient belongs to."""

from __future__ import annotations

from typing import Any

from ..signals import Array
from .tape import Tape


def input_equation(layers: list[Any], index: int) -> str:
    """BP1 for what stands between the last layer with parameters and the loss, BP2 for everything below."""
    after = layers[index + 1 :]
    owns = bool(getattr(layers[index], "parameters", {}))
    return "BP2" if owns or any(getattr(layer, "parameters", {}) for layer in after) else "BP1"


def equation_of(name: str, values: Array) -> str:
    """BP3 for biases and shifts, BP4 for weights and scales: by the name of a parameter, else by its axes.

    >>> equation_of("weight", np.ones(3)), equation_of("beta", np.zeros((3, 4))), equation_of("v", np.zeros(3))
    ('BP4', 'BP3', 'BP3')
    """
    if name[:1].lower() == "b":
        return "BP3"
    return "BP4" if name[:1].lower() in ("w", "g") or values.ndim > 1 else "BP3"


def equation_at(tape: Tape, index: int, part: str) -> str:
    """The equation of a part of a layer: `input` or the name of a parameter."""
    if part == "input":
        return input_equation(tape.layers, index)
    return equation_of(part, tape.layers[index].parameters[part])
