"""Layers with parameters or structure: the base class, Dense, Flatten and Dropout.

A layer maps a batch to a batch (`forward`) and its output gradient to its input gradient (`backward`), which
also fills `gradients`. The derivative stands right below the forward value.
"""

from __future__ import annotations

import copy
import math
from functools import lru_cache
from typing import Any, Self

import numpy as np

from .arrays import Array
from .errors import NetworkError, ShapeError
from .hooks import Handle, Hooks, Observer
from .initializers import INITIALIZERS, Initializer, Shape, zeros

LAYER_EVENTS = ("forward", "backward")


class Layer:
    """Base class. A subclass of your own needs `forward` and `backward`, and `build` if it has parameters.

    Attributes:
        kind: what it is, in lower case, as in `dense`.
        name: site name, given by the network that it joins.
        joined: whether it belongs to a network, which holds its parameters.
        training: in training mode Dropout drops, and the arrays that `forward` and `backward` return are
            buffers that the next call with the same batch size overwrites. In evaluation mode (the default)
            nothing that was returned is ever overwritten.
        parameters: name → array; write into the arrays, do not replace them.
        gradients: name → dLoss/dparameter, of the same shape; written by `backward`.
        state: name → array that training changes and no gradient does, as running statistics; changed in place.
        unpenalised: names of parameters that penalties leave out.
        l1, l2: factors of the layer's own penalty, l1 Σ |w| + l2 Σ w².
        rng: the layer's own generator; only a layer that draws random numbers has one.
    """

    kind = "layer"
    unpenalised: frozenset[str] = frozenset({"bias"})
    l1 = l2 = 0.0

    def __init__(self, name: str | None = None) -> None:
        self.given_name = name
        self.name = name or ""
        self.joined = False
        self.training = False
        self.parameters: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}
        self.state: dict[str, Array] = {}
        self.hooks = Hooks(lambda: self.name or self.kind, LAYER_EVENTS)
        self._buffers: dict[tuple[str, tuple[int, ...]], Array] = {}

    def build(self, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        """Draws the parameters, unless they exist already. Layers without parameters do nothing."""

    def forward(self, x: Array) -> Array:
        """Maps x (batch, …) to the layer's output (batch, …)."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, output_gradient: Array) -> Array:
        """Maps dLoss/doutput of the last forward to dLoss/dinput and fills `gradients`."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def backward_parameters(self, output_gradient: Array) -> None:
        """`backward` where nobody needs the input gradient: the first layer of a network in training."""
        self.backward(output_gradient)

    def describe(self) -> str:
        """Kind and sizes, as in `Dense 784 -> 30`."""
        return type(self).__name__

    def draw(self, init: Initializer, rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any]) -> Array:
        """Initial values of a parameter.

        Raises:
            ShapeError: the initialiser gives another shape.
        """
        values: Array = np.array(init(rng, shape), dtype)
        if values.shape != shape:
            raise ShapeError(
                f"{self.name or self.kind} ({self.describe()}) expects initial values {shape}, got {values.shape}",
                help="an initialiser returns an array of the shape that it is given",
            )
        return values

    def hook(self, kind: str, observer: Observer) -> Handle:
        """Observes `forward` (layer, input, output) or `backward` (layer, output gradient, input gradient).

        Observers are called in the passes of the network that the layer belongs to. The input gradient is None
        where nobody needed it: in training, at the first layer with parameters; a layer before it has no backward
        pass then. Parameter gradients are in `layer.gradients` when the backward observer is called.
        """
        return self.hooks.attach(kind, observer)

    def sharing(self) -> Self:
        """A layer with the same parameter and state arrays, but its own buffers and generator, no observers, in evaluation mode.

        A layer of your own that changes other arrays in place gives the new one copies of them.
        """
        other = copy.copy(self)
        other.training = False
        other.parameters, other.gradients, other.state = dict(self.parameters), {}, dict(self.state)
        other.hooks = Hooks(lambda: other.name or other.kind, LAYER_EVENTS)
        other._buffers = {}
        if hasattr(other, "rng"):
            other.rng = copy.deepcopy(other.rng)
        return other

    def buffer(self, use: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array to write into: kept per use and shape in training mode, else fresh."""
        if not self.training:
            return np.empty(shape, dtype)
        kept = self._buffers.get((use, shape))
        if kept is None or kept.dtype != dtype:
            kept = self._buffers[use, shape] = np.empty(shape, dtype)
        return kept


class Dense(Layer):
    """z = x @ weight + bias, with x (batch, inputs), weight (inputs, units) and bias (units,).

    Args:
        inputs: width of the input.
        units: width of the output.
        init: initialiser of the weights, a name or a function of (generator, shape).
        bias_init: the same for the biases.
        bias: False leaves the biases out.
        l1, l2: factors of the penalty l1 Σ |weight| + l2 Σ weight².
        name: site name; automatic if None.

    Raises:
        ShapeError: a width is no whole number of 1 or more.
        NetworkError: a factor is below 0 or not finite.
    """

    kind = "dense"

    def __init__(
        self,
        inputs: int,
        units: int,
        init: str | Initializer = "he",
        bias_init: str | Initializer = zeros,
        bias: bool = True,
        l1: float = 0.0,
        l2: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.l1, self.l2 = factor("l1", l1), factor("l2", l2)
        if not all(isinstance(width, (int, np.integer)) and width > 0 for width in (inputs, units)):
            raise ShapeError(
                f"Dense {inputs} -> {units} has no room for weights", help="give whole widths of 1 or more"
            )
        self.inputs, self.units = inputs, units
        self.init, self.bias_init, self.bias = initializer(init), initializer(bias_init), bias

    def describe(self) -> str:
        return f"Dense {self.inputs} -> {self.units}"

    def build(self, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        if not self.parameters:
            self.parameters["weight"] = self.draw(self.init, rng, (self.inputs, self.units), dtype)
            if self.bias:
                self.parameters["bias"] = self.draw(self.bias_init, rng, (self.units,), dtype)

    def forward(self, x: Array) -> Array:
        if not self.parameters:
            self.build(np.random.default_rng(0), np.result_type(x.dtype, np.float32))
        weight = self.parameters["weight"]
        try:
            z = self.buffer("z", (len(x), self.units), weight.dtype)
            np.dot(x, weight, out=z)
        except (ValueError, TypeError):
            # Looked at only when NumPy refuses: a check at every step would cost the price of an operation.
            if x.ndim == 2 and x.shape[1] == self.inputs and x.dtype != weight.dtype:
                x = x.astype(weight.dtype)
                np.dot(x, weight, out=z)
            else:
                raise wrong_shape(self, f"(batch, {self.inputs})", x.shape) from None
        if self.bias:
            z += self.parameters["bias"]
        self._input = x
        return z

    def backward(self, output_gradient: Array) -> Array:
        self.backward_parameters(output_gradient)
        weight = self.parameters["weight"]
        input_gradient = self.buffer("dx", (len(output_gradient), self.inputs), weight.dtype)
        np.dot(output_gradient, weight.T, out=input_gradient)
        return input_gradient

    def backward_parameters(self, output_gradient: Array) -> None:
        if not self.gradients:
            self.gradients = {name: np.empty_like(value) for name, value in self.parameters.items()}
        np.dot(self._input.T, output_gradient, out=self.gradients["weight"])
        if self.bias:
            # A sum over the rows as a product, which is a third of the price of a reduction.
            np.dot(
                ones(len(output_gradient), output_gradient.dtype.char),
                output_gradient,
                self.gradients["bias"],
            )


class Flatten(Layer):
    """(batch, …) to (batch, features): a view, nothing is copied."""

    kind = "flatten"

    def forward(self, x: Array) -> Array:
        self._shape = x.shape
        return x.reshape(len(x), math.prod(x.shape[1:]))  # -1 says nothing where there are no rows

    def backward(self, output_gradient: Array) -> Array:
        return output_gradient.reshape(self._shape)


class Dropout(Layer):
    """In training, zeroes each entry with probability `rate` and scales the rest by 1 / (1 - rate).

    Its generator is its own, so that dropping does not change what other users of randomness draw.

    Args:
        rate: probability of dropping, 0 <= rate < 1.
        seed: seed of its generator. None: its network seeds it, by the network's seed and the layer's place, so that
            two layers do not drop the same units.
        name: site name; automatic if None.
    """

    kind = "dropout"

    def __init__(self, rate: float, seed: int | None = None, name: str | None = None) -> None:
        super().__init__(name)
        if not 0 <= rate < 1:
            raise NetworkError(
                f"Dropout rate {rate} is not in 0 <= rate < 1", help="0.5 drops half of the units"
            )
        self.rate, self.seed, self.rng = rate, seed, np.random.default_rng(seed or 0)
        self._mask: Array | None = None

    def describe(self) -> str:
        return f"Dropout {self.rate:g}"

    def build(self, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        if self.seed is None:
            self.rng = rng

    def forward(self, x: Array) -> Array:
        if not self.training or not self.rate:
            self._mask = None
            return x
        draw = self.buffer("draw", x.shape, np.float32)
        self.rng.random(dtype=np.float32, out=draw)
        self._mask = self.buffer("mask", x.shape, x.dtype)
        np.greater_equal(draw, self.rate, out=self._mask)
        np.multiply(self._mask, 1 / (1 - self.rate), out=self._mask)
        return np.multiply(x, self._mask, out=self.buffer("a", x.shape, x.dtype))

    def backward(self, output_gradient: Array) -> Array:
        if self._mask is None:
            return output_gradient
        out = self.buffer("dx", output_gradient.shape, output_gradient.dtype)
        return np.multiply(output_gradient, self._mask, out=out)


@lru_cache(maxsize=64)
def ones(length: int, dtype: str) -> Array:
    """A read-only vector of ones (length,)."""
    vector: Array = np.ones(length, dtype)
    vector.setflags(write=False)
    return vector


def factor(name: str, value: float) -> float:
    """The factor of a penalty.

    Raises:
        NetworkError: it is below 0 or not finite.
    """
    if not 0 <= value < np.inf:
        raise NetworkError(f"{name} {value} is not zero or a positive number", help="0 switches it off")
    return float(value)


def initializer(init: str | Initializer) -> Initializer:
    """The initialiser of this name; a function is passed through.

    Raises:
        NetworkError: no initialiser has this name.
    """
    if callable(init):
        return init
    if init not in INITIALIZERS:
        raise NetworkError(f"no initialiser is called {init!r}", help="known: " + ", ".join(INITIALIZERS))
    return INITIALIZERS[init]


def wrong_shape(layer: Layer, expected: str, shape: tuple[int, ...]) -> ShapeError:
    """`hidden1 (Dense 784 -> 30) expects (batch, 784), got (784, 10): looks transposed`."""
    inputs = getattr(layer, "inputs", None)
    message = f"{layer.name or layer.kind} ({layer.describe()}) expects {expected}, got {shape}"
    if len(shape) == 2 and shape[0] == inputs:
        return ShapeError(f"{message}: looks transposed", help="rows are samples: pass x.T")
    if shape == (inputs,):
        return ShapeError(f"{message}: the batch axis is missing", help="pass x[None, :] for a single sample")
    if len(shape) > 2 and np.prod(shape[1:]) == inputs:
        return ShapeError(f"{message}: images", help="put a Flatten() layer first")
    return ShapeError(message, help="rows are samples, columns are the layer's inputs")
