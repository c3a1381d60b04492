"""The activations that the catalogue of mistakes knows, and how to recognise one by its values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..signals import Array


@dataclass(frozen=True)
class Function:
    """An activation.

    Attributes:
        name: as in `sigmoid`.
        value: z → a.
        derivative: z → da/dz; for softmax its diagonal.
        from_value: a → da/dz, as programs usually compute it; None if the derivative needs z.
        recipe: that formula in the name of its argument, as in `v * (1 - v)`.
    """

    name: str
    value: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    from_value: Callable[[Array], Array] | None = None
    recipe: str = ""


def sigmoid(z: Array) -> Array:
    # Either branch keeps exp from overflowing.
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


def softmax(z: Array) -> Array:
    axis = min(z.ndim - 1, 1)  # columns of rows, channels of images
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    result: Array = e / e.sum(axis=axis, keepdims=True)
    return result


def _logistic_slope(a: Array) -> Array:
    slope: Array = a * (1 - a)
    return slope


def _tanh_slope(a: Array) -> Array:
    slope: Array = 1 - a * a
    return slope


def _step(z: Array) -> Array:
    return (z > 0).astype(np.float64)


DENSITY = 1 / math.sqrt(2 * math.pi)
_erf = np.frompyfunc(math.erf, 1, 1)


def normal(z: Array) -> Array:
    """The distribution function of the standard normal."""
    return 0.5 * (1 + np.asarray(_erf(np.asarray(z) / math.sqrt(2)), np.float64))


def _inner(z: Array) -> Array:
    """What GELU's approximation takes the tanh of (Hendrycks & Gimpel 2016)."""
    inner: Array = math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)
    return inner


def _gelu_tanh_slope(z: Array) -> Array:
    a, slope = sigmoid(2 * _inner(z)), math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * z * z)
    result: Array = a + 2 * z * a * (1 - a) * slope
    return result


SIGMOID = Function(
    "sigmoid", sigmoid, lambda z: _logistic_slope(sigmoid(z)), _logistic_slope, "{} * (1 - {})"
)
TANH = Function("tanh", np.tanh, lambda z: _tanh_slope(np.tanh(z)), _tanh_slope, "1 - {}**2")
RELU = Function("relu", lambda z: np.maximum(z, 0), _step)
IDENTITY = Function("identity", lambda z: z, np.ones_like)
SOFTMAX = Function(
    "softmax", softmax, lambda z: _logistic_slope(softmax(z)), _logistic_slope, "{} * (1 - {})"
)
GELU = Function("gelu", lambda z: z * normal(z), lambda z: normal(z) + z * np.exp(-0.5 * z * z) * DENSITY)
GELU_TANH = Function("gelu (by tanh)", lambda z: z * sigmoid(2 * _inner(z)), _gelu_tanh_slope)
FUNCTIONS = (SIGMOID, TANH, RELU, IDENTITY, SOFTMAX, GELU, GELU_TANH)


def recognise(z: Array, a: Array) -> Function | None:
    """The known activation whose values these are, whatever the layer is called.

    >>> recognise(np.array([[-1.0, 2.0]]), np.array([[0.0, 2.0]])).name
    'relu'
    """
    if z.shape != a.shape or not z.size:
        return None
    for function in FUNCTIONS:
        if np.allclose(function.value(z), a, rtol=1e-9, atol=1e-12):
            return function
    slope = float(np.median(a[z < 0] / z[z < 0])) if (z < 0).any() else 1.0
    leaky = leaky_relu(slope)
    return leaky if np.allclose(leaky.value(z), a, rtol=1e-9, atol=1e-12) else None


def leaky_relu(slope: float) -> Function:
    """LeakyReLU with this slope at z <= 0."""
    return Function(
        "leaky_relu", lambda z: np.where(z > 0, z, slope * z), lambda z: np.where(z > 0, 1.0, slope)
    )
