"""Initial values of parameters. Every function takes the generator first and returns float64.

`shape` is (inputs, units) for the weights of a dense layer, (out channels, in channels, kernel height, kernel width)
for those of a convolution, and (units,) for biases; see `fans`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .arrays import Array

Shape = tuple[int, ...]
Initializer = Callable[[np.random.Generator, Shape], Array]


def fans(shape: Shape) -> tuple[int, int]:
    """Fan-in and fan-out: how many inputs each unit sees, and how many units see each input."""
    if len(shape) == 4:  # a convolution's: every place of the kernel counts
        area = shape[2] * shape[3]
        return shape[1] * area, shape[0] * area
    return shape[0], shape[-1]


def normal(rng: np.random.Generator, shape: Shape, std: float = 1.0) -> Array:
    """Independent N(0, std²) values, whatever the fan-in."""
    return rng.normal(0.0, std, shape)


def he(rng: np.random.Generator, shape: Shape) -> Array:
    """N(0, 2 / inputs): keeps the scale through ReLU layers (He et al. 2015, arXiv:1502.01852)."""
    return rng.normal(0.0, np.sqrt(2.0 / fans(shape)[0]), shape)


def xavier(rng: np.random.Generator, shape: Shape) -> Array:
    """Uniform of variance 2 / (inputs + units) (Glorot & Bengio 2010, eq. 16)."""
    limit = np.sqrt(6.0 / sum(fans(shape)))
    return rng.uniform(-limit, limit, shape)


def lecun(rng: np.random.Generator, shape: Shape) -> Array:
    """N(0, 1 / inputs) (LeCun et al. 1998, "Efficient BackProp", section 4.6)."""
    return rng.normal(0.0, np.sqrt(1.0 / fans(shape)[0]), shape)


def zeros(rng: np.random.Generator, shape: Shape) -> Array:
    """All zero: usual for biases; on weights every unit of a layer then stays like its neighbours."""
    return np.zeros(shape)


def constant(rng: np.random.Generator, shape: Shape, value: float = 0.1) -> Array:
    """All the same value."""
    return np.full(shape, float(value))


INITIALIZERS: dict[str, Initializer] = {
    function.__name__: function for function in (normal, he, xavier, lecun, zeros, constant)
}
