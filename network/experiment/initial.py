"""Initial values as a specification describes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..arrays import Array
from ..initializers import INITIALIZERS, Initializer, Shape, constant, fans

STD_WITHIN_TWO = 0.87962566103423978
"""Standard deviation of a standard normal variable that is kept within ±2."""


def initializer(init: Mapping[str, Any]) -> Initializer:
    """The function that draws initial values as `init` says."""
    kind = init["kind"]
    if kind in INITIALIZERS and set(init) == {"kind"}:
        return INITIALIZERS[kind]
    if kind == "glorot_uniform":
        return INITIALIZERS["xavier"]
    draw = _drawn(init)
    draw.__name__ = kind  # so that what shows an initialiser's name shows this one
    return draw


def _drawn(init: Mapping[str, Any]) -> Callable[[np.random.Generator, Shape], Array]:
    def draw(rng: np.random.Generator, shape: Shape) -> Array:
        match init["kind"]:
            case "normal":
                return rng.normal(init.get("mean", 0.0), init.get("std", 1.0), shape)
            case "uniform":
                return rng.uniform(init["low"], init["high"], shape)
            case "he_uniform":
                limit = math.sqrt(6 / fans(shape)[0])
                return rng.uniform(-limit, limit, shape)
            case "trunc_normal":
                return _truncated(rng, shape, init["std"])
            case "he_normal":
                # Keras: truncated at two deviations, widened so that the variance is 2 / inputs all the same.
                return _truncated(rng, shape, math.sqrt(2 / fans(shape)[0]) / STD_WITHIN_TWO)
            case _:
                return constant(rng, shape, init["value"])

    return draw


def _truncated(rng: np.random.Generator, shape: Shape, std: float) -> Array:
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return values * std
