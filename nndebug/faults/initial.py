"""Faults of the initial values."""

from __future__ import annotations

from typing import Any

from .fault import DEEP, FIRST, LAST, PLAIN, Fault, Parts


def _constant(value: float) -> Any:
    return {"kind": "constant", "value": value}


def _normal(std: float) -> Any:
    return {"kind": "normal", "std": std}


def _equal_units(parts: Parts) -> None:
    """Every hidden unit has the same random weights in, and the same out."""
    inside, outside = (parts.network.parameters[f"{name}.weight"] for name in ("hidden1", "output"))
    inside[...] = inside[:, :1]
    outside[...] = outside[:1]


FAULTS = (
    Fault("zero-weights", "all initial weights are zero", "constant_init", "hidden1", PLAIN, {"init": "zeros"}),
    Fault("equal-weights", "all initial weights are 0.1", "constant_init", "hidden1", FIRST, {"init": _constant(0.1)}),
    Fault("weights-of-one", "all initial weights are 1", "constant_init", "hidden1", FIRST, {"init": _constant(1.0)}),
    Fault("equal-units", "one random row copied to every unit of the hidden layer", "constant_init", "hidden1", FIRST,
          patch=_equal_units),
    Fault("relu-switch", "sigmoid switched to ReLU, N(0, 1) weights left as they were", "init_too_large", "output",
          {**LAST, "layers": (64, 100, 10)}, {"init": "normal", "lr": 3.0, "bias_init": "normal"}),
    Fault("weights-too-large", "initial weights ten times too large for tanh", "init_too_large", None,
          {**PLAIN, "layers": (64, 30, 30, 10), "activation": "tanh", "init": "xavier"}, {"init": _normal(5.0)}),
    Fault("weights-too-small", "initial weights of N(0, 0.01²) in six layers", "init_too_small", None, DEEP,
          {"init": _normal(0.01)}),
    Fault("negative-biases", "hidden biases that start at -5: no unit fires", "init_too_large", "hidden1", PLAIN,
          {"bias_init": _constant(-5.0)}),
)  # fmt: skip
