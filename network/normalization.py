"""Normalisation: to mean 0 and variance 1 over the batch or over the features, then scale and shift that are learnt."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import Array
from .errors import NetworkError, ShapeError
from .layers import Layer


class Normalization(Layer):
    """Base: y = weight · (x - mean) / √(variance + epsilon) + bias.

    Parameters: weight (the scale, γ) and bias (the shift, β), which start at 1 and 0; a penalty leaves them out.
    """

    stem = "norm"
    unpenalised = frozenset({"weight", "bias"})

    def __init__(self, shape: tuple[int, ...], epsilon: float, name: str | None) -> None:
        super().__init__(name)
        label = type(self).__name__
        if not shape or not all(isinstance(size, (int, np.integer)) and size > 0 for size in shape):
            raise ShapeError(f"{label} of {shape} features", help="give whole numbers of 1 or more")
        if not epsilon > 0:
            raise NetworkError(
                f"{label} epsilon {epsilon} is not above 0",
                help="1e-5 is usual: it guards the division where a feature is constant",
            )
        self.shape, self.epsilon = tuple(map(int, shape)), float(epsilon)

    def build(self, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        if not self.parameters:
            self.parameters = {"weight": np.ones(self.shape, dtype), "bias": np.zeros(self.shape, dtype)}

    def _built(self, x: Array) -> Array:
        """x in the dtype of the parameters, which are made if need be."""
        if not self.parameters:
            self.build(np.random.default_rng(0), np.result_type(x.dtype, np.float32))
        return x.astype(self.parameters["weight"].dtype, copy=False)

    def _normalise(self, x: Array, mean: Array, variance: Array, axes: tuple[int, ...] | None) -> Array:
        """y (the shape of x); keeps what `backward` needs. mean, variance: broadcast against x.

        axes: those that mean and variance were taken over; None if they are constants.
        """
        self._axes = axes
        self._scale = 1 / np.sqrt(variance + x.dtype.type(self.epsilon))
        self._normalised = np.subtract(x, mean, out=self.buffer("normalised", x.shape, x.dtype))
        np.multiply(self._normalised, self._scale, out=self._normalised)
        weight, bias = (self._broadcast(self.parameters[name], x) for name in ("weight", "bias"))
        y = np.multiply(self._normalised, weight, out=self.buffer("y", x.shape, x.dtype))
        return np.add(y, bias, out=y)

    def backward(self, output_gradient: Array) -> Array:
        self.backward_parameters(output_gradient)
        weight = self._broadcast(self.parameters["weight"], output_gradient)
        dx = np.multiply(output_gradient, weight, out=self.buffer("dx", output_gradient.shape, weight.dtype))
        if self._axes is not None:
            # Mean and variance depend on x too: what they would give back is taken off.
            scratch = np.multiply(dx, self._normalised, out=self.buffer("scratch", dx.shape, dx.dtype))
            along = scratch.mean(axis=self._axes, keepdims=True)
            np.multiply(self._normalised, along, out=scratch)
            scratch += dx.mean(axis=self._axes, keepdims=True)
            dx -= scratch
        np.multiply(dx, self._scale, out=dx)
        return dx

    def backward_parameters(self, output_gradient: Array) -> None:
        if not self.gradients:
            self.gradients = {name: np.empty_like(value) for name, value in self.parameters.items()}
        product = self.buffer("scratch", output_gradient.shape, self._normalised.dtype)
        np.multiply(output_gradient, self._normalised, out=product)
        others = self._others(output_gradient.ndim)
        np.add.reduce(product, axis=others, out=self.gradients["weight"])
        np.add.reduce(output_gradient, axis=others, out=self.gradients["bias"])

    def _broadcast(self, value: Array, x: Array) -> Array:
        """A parameter in a shape that broadcasts against x."""
        raise NotImplementedError

    def _others(self, ndim: int) -> tuple[int, ...]:
        """The axes of x that the parameters do not have."""
        raise NotImplementedError


class BatchNorm(Normalization):
    """Normalises every feature over the batch, every channel over batch and places (Ioffe & Szegedy 2015).

    In training mode mean and variance are those of the batch, so that samples depend on each other, and running
    statistics follow them; in evaluation mode the running statistics stand in. They are `state`, "running_mean" and
    "running_var" (features,), not parameters. As in PyTorch, the running variance is the unbiased one. A batch with a
    single value per feature has no variance: it gives the shift alone and leaves the running statistics as they are.

    Args:
        features: features of x (batch, features), or channels of x (batch, channels, height, width).
        momentum: share of the batch in the new running statistics, 0 <= momentum <= 1 (PyTorch's meaning of the word).
        epsilon: added to the variance.
        name: site name; automatic if None.

    Raises:
        NetworkError: an argument is out of its range.
    """

    kind = "batch_norm"

    def __init__(
        self, features: int, momentum: float = 0.1, epsilon: float = 1e-5, name: str | None = None
    ) -> None:
        super().__init__((features,), epsilon, name)
        if not 0 <= momentum <= 1:
            raise NetworkError(
                f"BatchNorm momentum {momentum} is not in 0 <= momentum <= 1",
                help="0.1 is usual: the share of the new batch, 1 minus Keras' momentum",
            )
        self.features, self.momentum = int(features), float(momentum)

    @property
    def units(self) -> int:
        """Features, or channels."""
        return self.features

    def describe(self) -> str:
        return f"BatchNorm {self.features}"

    def build(self, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        super().build(rng, dtype)
        if not self.state:
            self.state = {
                "running_mean": np.zeros(self.shape, dtype),
                "running_var": np.ones(self.shape, dtype),
            }

    def forward(self, x: Array) -> Array:
        if x.ndim not in (2, 4) or x.shape[1] != self.features:
            raise self._wrong_shape(x.shape)
        x = self._built(x)
        if not self.training:
            mean, variance = (
                self._broadcast(self.state[name], x) for name in ("running_mean", "running_var")
            )
            return self._normalise(x, mean, variance, None)
        axes, count = self._others(x.ndim), x.size // self.features
        mean = x.mean(axis=axes, keepdims=True)
        deviation = np.subtract(x, mean, out=self.buffer("y", x.shape, x.dtype))
        np.multiply(deviation, deviation, out=deviation)
        variance = deviation.mean(axis=axes, keepdims=True)
        if count > 1:
            self._follow("running_mean", mean)
            self._follow("running_var", variance * (count / (count - 1)))
        return self._normalise(x, mean, variance, axes)

    def _follow(self, name: str, batch: Array) -> None:
        running = self.state[name]
        running *= 1 - self.momentum
        running += self.momentum * batch.reshape(self.shape)

    def _broadcast(self, value: Array, x: Array) -> Array:
        return value if x.ndim == 2 else value[:, None, None]

    def _others(self, ndim: int) -> tuple[int, ...]:
        return (0,) if ndim == 2 else (0, 2, 3)

    def _wrong_shape(self, shape: tuple[int, ...]) -> ShapeError:
        c = self.features
        return ShapeError(
            f"{self.name or self.kind} ({self.describe()}) expects (batch, {c}) or (batch, {c}, height, width), "
            f"got {shape}",
            help=f"use BatchNorm({shape[1]})"
            if len(shape) in (2, 4)
            else "rows are samples, the second axis features",
        )


class LayerNorm(Normalization):
    """Normalises every sample over its features (Ba, Kiros & Hinton 2016); samples stay independent of each other.

    Parameters: weight and bias, of the shape of the features.

    Args:
        features: width of x (batch, features), or the shape of a sample, as (channels, height, width).
        epsilon: added to the variance.
        name: site name; automatic if None.

    Raises:
        NetworkError: an argument is out of its range.
    """

    kind = "layer_norm"

    def __init__(
        self, features: int | tuple[int, ...], epsilon: float = 1e-5, name: str | None = None
    ) -> None:
        shape = tuple(features) if isinstance(features, (tuple, list)) else (features,)
        super().__init__(shape, epsilon, name)
        self.features = self.shape

    @property
    def units(self) -> int:
        """Features, or channels."""
        return self.shape[0]

    def describe(self) -> str:
        return "LayerNorm " + "x".join(map(str, self.shape))

    def forward(self, x: Array) -> Array:
        if x.shape[1:] != self.shape:
            raise ShapeError(
                f"{self.name or self.kind} ({self.describe()}) expects (batch, {', '.join(map(str, self.shape))}), "
                f"got {x.shape}",
                help="give the shape of one sample: LayerNorm("
                + (str(x.shape[1]) if x.ndim == 2 else str(x.shape[1:]))
                + ")",
            )
        x = self._built(x)
        axes = tuple(range(1, x.ndim))
        mean = x.mean(axis=axes, keepdims=True)
        deviation = np.subtract(x, mean, out=self.buffer("y", x.shape, x.dtype))
        np.multiply(deviation, deviation, out=deviation)
        return self._normalise(x, mean, deviation.mean(axis=axes, keepdims=True), axes)

    def _broadcast(self, value: Array, x: Array) -> Array:
        return value

    def _others(self, ndim: int) -> tuple[int, ...]:
        return (0,)
