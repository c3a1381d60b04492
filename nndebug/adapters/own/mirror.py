"""A user's network as adapters, probe, preflight and replay take one: layers with hooks over flat vectors.

Its numbers are the user's. Parameters, gradients and updates are copied from the user's object at every recorded step;
forward values come from the layers that gave what the user's own forward gave when the object was understood; and the
gradients of a copy are those of the user's own backward, run on a copy of the object's state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ...gradcheck import gradcheck
from ...gradcheck.functions import IDENTITY
from ...gradcheck.result import GradCheck
from ...signals import Array
from .hooks import Handle, Hooks
from .optimizer import OwnOptimizer
from .parts import Activation, Dense, Layer
from .understanding import Understood

WATCHED = ("loss", "forward", "backward", "after_step")


class Mirror:
    """The observer protocol of `network/hooks.py` over an `Understood`.

    Args:
        understood: the user's object.
        dtype: of the arrays; the user's own if None.
        parameters: the flat vector to show; one of its own if None.

    Attributes:
        layers, loss, flat_parameters, flat_gradients, weight_mask, slices, input, output_gradient, state, penalties,
        frozen_layers, training, seed: as of `network.Sequential`.
    """

    def __init__(self, understood: Understood, dtype: Any = None, parameters: Array | None = None) -> None:
        own = understood.own
        kinds = {value.dtype for value in own.parameters.values()}
        self.dtype = np.dtype(dtype or (kinds.pop() if len(kinds) == 1 else np.float64))
        self.understood, self.loss, self.hooks = understood, understood.loss, Hooks()
        self.layers: list[Layer] = []
        shapes: list[tuple[Layer, str, tuple[int, ...]]] = []
        for number, (at, function) in enumerate(zip(understood.layers.chain, understood.layers.functions)):
            inputs, units = at.matrix(own.parameters[at.weight]).shape
            dense = Dense(at.name, inputs, units)
            self.layers.append(dense)
            shapes.append((dense, "weight", (inputs, units)))
            shapes += [] if at.bias is None else [(dense, "bias", (units,))]
            last = number == len(understood.layers.chain) - 1
            if function is not IDENTITY and not (last and understood.fused):
                self.layers.append(Activation(at.name, function))
        size = sum(int(np.prod(shape)) for _, _, shape in shapes)
        self.flat_parameters = np.zeros(size, self.dtype) if parameters is None else parameters
        self.flat_gradients, self.weight_mask = np.zeros(size, self.dtype), np.zeros(size, self.dtype)
        self.slices: dict[str, slice] = {}
        start = 0
        for layer, name, shape in shapes:
            part = slice(start, start := start + int(np.prod(shape)))
            self.slices[f"{layer.name}.{name}"] = part
            layer.parameters[name] = self.flat_parameters[part].reshape(shape)
            layer.gradients[name] = self.flat_gradients[part].reshape(shape)
            self.weight_mask[part] = name == "weight"
        self.penalties, self.state, self.seed = None, dict[str, Array](), None
        self.frozen, self.frozen_layers, self.training = None, (), False
        self.input = np.empty((0, 0), self.dtype)
        self.output_gradient = np.zeros((1, 1), self.dtype)
        self._target: list[Array | None] = [None]
        self._by_formula = False

    # --- as a network ----------------------------------------------------------------------------------------

    def forward(self, x: Array) -> Array:
        """The output (batch, outputs) by the layers: logits where the output's activation is part of the loss."""
        self.input = x = np.asarray(x, self.dtype)
        for layer in self.layers:
            output = layer.forward(x)
            layer.hooks.emit("forward", layer, x, output)
            self.hooks.emit("forward", layer, x, output)
            x = output
        return x

    __call__ = forward

    def backward(self, output_gradient: Array, *, input_gradient: bool = True) -> None:
        """Fills the gradients with those of the user's own backward, of the last input and the last targets."""
        target = self._target[0]
        assert target is not None
        self.output_gradient = output_gradient
        given = self.understood.gradients(self.parameters, self.input, target)
        for name, value in given.items():
            self.gradients[name][...] = value

    def differentiate(self, x: Array, target: Array, *, input_gradient: bool = True) -> Array:
        """Forward by the layers, gradients by the user's code; returns the output.

        A twin and a copy in training mode take those of the layers: what looks at states or trains for a try asks what the
        network can do, and not whether its code is right.
        """
        output = self.forward(x)
        encoded = self.loss.encode(target, output.shape[1], self.dtype)
        self._target = [encoded]
        gradient = self.loss.gradient(output, encoded)
        if not (self._by_formula or self.training):
            self.backward(gradient, input_gradient=input_gradient)
            return output
        for layer in reversed(self.layers):
            if isinstance(layer, Dense):
                layer.differentiate(gradient)
            gradient = layer.backward(gradient)
        return output

    def check_gradients(self, x: Array, y: Array, samples: int | None) -> GradCheck:
        """The gradient check of the user's object itself, on rows."""
        understood, own = self.understood, self.understood.own
        y = own.targets.batch(understood.targets(self.loss.encode(y, self.outputs, self.dtype)))
        with understood.quiet():
            return gradcheck(
                own.model, own.inputs.batch(np.asarray(x, np.float64)), y, samples=samples, **understood.given
            )

    @property
    def outputs(self) -> int:
        return next(layer.units for layer in reversed(self.layers) if isinstance(layer, Dense))

    @property
    def parameters(self) -> Mapping[str, Array]:
        return self._all("parameters")

    @property
    def gradients(self) -> Mapping[str, Array]:
        return self._all("gradients")

    def _all(self, what: str) -> Mapping[str, Array]:
        found = {f"{layer.name}.{k}": v for layer in self.layers for k, v in getattr(layer, what).items()}
        return MappingProxyType(found)

    def hook(self, kind: str, observer: Callable[..., Any]) -> Handle:
        return self.hooks.attach(kind, observer)

    def copy(self, dtype: Any = None) -> Mirror:
        """An independent copy without observers, of the same user's object."""
        other = Mirror(self.understood, dtype or self.dtype)
        other.flat_parameters[...] = self.flat_parameters
        other.training, other._target = self.training, self._target
        return other

    def twin(self) -> Mirror:
        """The same parameters with buffers of its own; all of it by the layers, for what only looks at states."""
        other = Mirror(self.understood, self.dtype, self.flat_parameters)
        other._target, other._by_formula = self._target, True
        return other

    def describe(self) -> str:
        """As in `784 → 30 relu → 10`."""
        parts = [str(layer.inputs) for layer in self.layers[:1] if isinstance(layer, Dense)]
        for layer in self.layers:
            if isinstance(layer, Dense):
                parts.append(str(layer.units))
            else:
                parts[-1] += f" {layer.kind}"
        return " → ".join(parts)

    # --- as it trains ------------------------------------------------------------------------------------------

    @property
    def watched(self) -> bool:
        """Whether somebody wants to see the step that comes now."""
        return self.hooks.any(*WATCHED) or any(layer.hooks.any("forward") for layer in self.layers)

    def play(
        self, x: Array, target: Array, gradients: Array, before: Array, after: Array, optimizer: OwnOptimizer
    ) -> None:
        """Shows observers one step of the user's training.

        Args:
            x, target: rows of the batch, and encoded targets (batch, outputs).
            gradients: what the update was made of (entries,).
            before, after: parameters (entries,).
            optimizer: what the update is.
        """
        self.flat_parameters[...] = before
        self._target[0] = target = np.asarray(target, self.dtype)
        with np.errstate(all="ignore"):
            output = self.forward(x)
            gradient = self.loss.gradient(output, target)
            self.output_gradient = gradient
            self.hooks.emit("loss", output, target, gradient)
            if self.hooks.any("backward"):
                for layer in reversed(self.layers):
                    first = layer is self.layers[0]
                    result = None if first else layer.backward(gradient)
                    self.hooks.emit("backward", layer, gradient, result)
                    gradient = gradient if result is None else result
            self.flat_gradients[...] = gradients
            self.hooks.emit("before_step", optimizer)
            self.flat_parameters[...] = after
            self.hooks.emit("after_step", optimizer)

    def skip(self, optimizer: OwnOptimizer) -> None:
        """Counts a step that nobody wants to see."""
        self.output_gradient = self._nothing
        self.hooks.emit("before_step", optimizer)

    _nothing = np.zeros((1, 1))
