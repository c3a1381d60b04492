"""The layers behind a user's own class, rebuilt from its parameters and checked against its own forward.

What is rebuilt can be taken apart: pre-activations, activations, one layer at a time. It stands for the user's code
only where it gives the same outputs at random parameters.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...adapters.attributes.layout import DenseAt
from ...adapters.attributes.members import Path
from ...adapters.attributes.model import OwnModel
from ...signals import Array
from ..functions import FUNCTIONS, IDENTITY, SOFTMAX, Function, leaky_relu

SLOPES = (0.01, 0.1, 0.2, 0.3, 0.05)
MOST_COMBINATIONS = 5000
SAME = 1e-8
"""Largest difference from the user's outputs, relative to the largest one."""

POINTS = 2
"""Random parameters at which the outputs must be the same."""


@dataclass(frozen=True)
class Pass:
    """One forward pass, as rows: x, then pre-activations and activations of every layer."""

    x: Array
    zs: tuple[Array, ...]
    activations: tuple[Array, ...]

    def before(self, layer: int) -> Array:
        """What layer number `layer`, counted from 0, gets."""
        return self.activations[layer - 1] if layer else self.x


@dataclass(frozen=True)
class Layers:
    """Dense layers with an activation each.

    Attributes:
        chain: where their parameters are.
        functions: their activations.
    """

    chain: tuple[DenseAt, ...]
    functions: tuple[Function, ...]

    def weight(self, values: Mapping[Path, Array], layer: int) -> Array:
        """(inputs, outputs)."""
        at = self.chain[layer]
        return at.matrix(values[at.weight])

    def run(self, values: Mapping[Path, Array], x: Array) -> Pass:
        """A forward pass of rows (samples, inputs)."""
        a = x.reshape(len(x), -1)
        start, zs, activations = a, [], []
        for layer, (at, function) in enumerate(zip(self.chain, self.functions)):
            z = a @ self.weight(values, layer)
            if at.bias is not None:
                z = z + values[at.bias].ravel()
            a = function.value(z)
            zs.append(z)
            activations.append(a)
        return Pass(start, tuple(zs), tuple(activations))


def rebuild(own: OwnModel, rng: np.random.Generator) -> Layers | None:
    """The layers that give the same outputs as the user's forward, None if none do."""
    points, outputs = points_of(own, rng)
    for chain in own.chains:
        for functions in _combinations(len(chain)):
            layers = Layers(chain, functions)
            if agree(own, layers, points, outputs):
                return layers
    return None


def points_of(own: OwnModel, rng: np.random.Generator) -> tuple[list[dict[Path, Array]], list[Array]]:
    """The parameters as they are and random ones, and the user's outputs there."""
    points = [own.start(), *(_moved(own, rng) for _ in range(POINTS))]
    outputs = []
    for values in points:
        with own.at(values):
            outputs.append(own.output(own.x))
    return points, outputs


def agree(
    own: OwnModel, layers: Layers, points: Sequence[Mapping[Path, Array]], outputs: Sequence[Array]
) -> bool:
    """Whether layers give these outputs at these parameters."""
    return all(_same(layers.run(v, own.x).activations[-1], o) for v, o in zip(points, outputs))


def _moved(own: OwnModel, rng: np.random.Generator) -> dict[Path, Array]:
    start = own.start()
    return {path: rng.normal(size=v.shape) / np.sqrt(max(v.shape, default=1)) for path, v in start.items()}


def _combinations(count: int) -> Any:
    """Activations of the layers: all hidden ones alike first, then any."""
    known = [*FUNCTIONS, *(leaky_relu(slope) for slope in SLOPES)]
    hidden = [function for function in known if function is not SOFTMAX]
    alike = [(h,) * (count - 1) + (o,) for h in hidden for o in known]
    if count < 3 or len(hidden) ** (count - 1) * len(known) > MOST_COMBINATIONS:
        return alike
    return itertools.chain(alike, itertools.product(*[hidden] * (count - 1), known))


def _same(mine: Array, theirs: Array) -> bool:
    if mine.shape != theirs.shape or not np.isfinite(theirs).all():
        return False
    return bool(np.abs(mine - theirs).max() <= SAME * (np.abs(theirs).max() or 1.0))


def through(function: Function, z: Array, a: Array, u: Array) -> Array:
    """dL/dz from dL/da = u, for rows."""
    if function is SOFTMAX:
        result: Array = a * (u - (u * a).sum(axis=1, keepdims=True))
        return result
    return u if function is IDENTITY else u * function.derivative(z)


# --- as the rest of the check takes a network ----------------------------------------------------------------------


class DenseView:
    """A dense layer of the user's class, with the user's gradients beside the right backward."""

    kind = "dense"

    def __init__(self, name: str, weight: Array, bias: Array | None) -> None:
        self.name = name
        self.parameters = {"weight": weight} | ({} if bias is None else {"bias": bias})
        self.gradients: dict[str, Array] = {}
        self._input = np.empty(0)

    def forward(self, x: Array) -> Array:
        self._input = x
        z: Array = x @ self.parameters["weight"]
        return z + self.parameters["bias"] if "bias" in self.parameters else z

    def backward(self, gradient: Array) -> Array:
        self.gradients = {"weight": self._input.T @ gradient}
        if "bias" in self.parameters:
            self.gradients["bias"] = gradient.sum(axis=0)
        passed: Array = gradient @ self.parameters["weight"].T
        return passed


class ActivationView:
    """An activation of the user's class."""

    def __init__(self, name: str, function: Function) -> None:
        self.name, self.function, self.kind = name, function, function.name
        self.parameters: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}
        self._z = self._a = np.empty(0)

    def forward(self, z: Array) -> Array:
        self._z, self._a = z, self.function.value(z)
        return self._a

    def backward(self, gradient: Array) -> Array:
        return through(self.function, self._z, self._a, gradient)


class LossView:
    """The user's loss by its output, as a mean or a sum over the samples."""

    kind = "own"

    def __init__(
        self, each: Callable[[Array, Array], Array], slope: Callable[[Array, Array], Array], mean: bool
    ) -> None:
        self.each, self.slope, self.mean = each, slope, mean

    def __call__(self, output: Array, y: Array) -> float:
        values = self.each(output, y)
        return float(values.mean() if self.mean else values.sum())

    def per_sample(self, output: Array, y: Array) -> Array:
        return self.each(output, y)

    def gradient(self, output: Array, y: Array) -> Array:
        slope = self.slope(output, y)
        return slope / len(output) if self.mean else slope


class Rebuilt:
    """The layers as a network whose `differentiate` gives the user's gradients."""

    def __init__(
        self,
        layers: Layers,
        values: Mapping[Path, Array],
        loss: LossView,
        claims: Mapping[str, Mapping[str, Array]],
    ) -> None:
        self.loss, self.claims = loss, claims
        self.layers: list[Any] = []
        for number, (at, function) in enumerate(zip(layers.chain, layers.functions)):
            bias = None if at.bias is None else np.array(values[at.bias]).ravel()
            self.layers.append(DenseView(at.name, np.array(layers.weight(values, number)), bias))
            if function is not IDENTITY:
                self.layers.append(ActivationView(at.name, function))

    @property
    def parameters(self) -> dict[str, Array]:
        return {
            f"{layer.name}.{name}": value for layer in self.layers for name, value in layer.parameters.items()
        }

    def forward(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, gradient: Array) -> Array:
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient)
        return gradient

    def differentiate(self, x: Array, y: Array) -> None:
        """Leaves the user's gradients in the layers, whatever their shape."""
        for layer in self.layers:
            if layer.parameters:
                layer.gradients = {name: np.array(value) for name, value in self.claims[layer.name].items()}


def describe(layers: Layers, values: Mapping[Path, Array]) -> str:
    """Widths and activations in one line."""
    widths = [layers.weight(values, 0).shape[0]]
    widths += [layers.weight(values, layer).shape[1] for layer in range(len(layers.chain))]
    names = [function.name for function in layers.functions]
    return f"{'-'.join(map(str, widths))}, {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    return " → ".join(names)
