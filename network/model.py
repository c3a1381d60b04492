"""`Sequential`: ordered, named layers, and the flat vectors that hold their parameters and gradients."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import saving
from .activations import Activation
from .arrays import Array
from .errors import NetworkError
from .flat import flatten
from .hooks import Handle, Hooks, Observer
from .layers import Dense, Layer
from .losses import Loss, Quadratic
from .naming import name_layers
from .widths import check_widths, width_in, width_out

NETWORK_EVENTS = ("forward", "backward", "loss", "before_step", "after_step", "begin", "epoch", "end")


SUPPORTED = {known: (known, known.name, known.type) for known in map(np.dtype, ("float64", "float32"))}


class Sequential:
    """A chain of layers with a loss.

    Args:
        layers: at least one; a layer belongs to one network.
        loss: the loss; quadratic if None.
        dtype: `float32` or `float64`.
        seed: seed of the initial values.

    Attributes:
        layers: in order of the forward pass.
        flat_parameters, flat_gradients: every parameter and its gradient, (entries,); `layer.parameters` are views.
        weight_mask: 1 at the entries of weights, 0 at biases and what normalisation learns: what L2 applies to.
        slices: `"hidden1.weight"` → where its entries are in these vectors.
        penalties: l1 and l2 of the layers, None if they have none.
        frozen_layers: names of layers that no update changes; `frozen` is True at their entries, None without any.
        input: what the last `forward` was given, in the network's dtype.
        output_gradient: dLoss/doutput that the last `backward` was given; empty before the first.
        observed: number of observers of the network and its layers, by kind of event.

    Raises:
        NetworkError: no layers, a layer twice, two equal names, an unknown dtype, or widths that do not fit.
    """

    frozen: Array | None

    def __init__(
        self, *layers: Layer, loss: Loss | None = None, dtype: npt.DTypeLike = "float32", seed: int = 0
    ) -> None:
        if not layers:
            raise NetworkError("a network needs at least one layer", help="Sequential(Dense(784, 10), ...)")
        if len({id(layer) for layer in layers}) < len(layers):
            raise NetworkError(
                "the same layer object stands twice in the network", help="make a layer for each place"
            )
        if any(layer.joined for layer in layers):
            raise NetworkError(
                "a layer belongs to another network already", help="make new layers, or net.copy()"
            )
        self.layers = list(layers)
        self.loss: Loss = loss if loss is not None else Quadratic()
        self.dtype, self.seed = _supported(dtype), seed
        name_layers(self.layers)
        check_widths(self.layers)
        for position, layer in enumerate(self.layers):
            # A stream for each layer: another initialiser or a layer without biases changes no other layer's draw,
            # so that two networks of one seed differ only where they were made to differ.
            layer.build(np.random.default_rng([seed, position]), self.dtype)
        for layer in self.layers:
            layer.joined = True
        self.output_gradient = np.empty((0, 0), self.dtype)
        self._flatten()
        self.freeze()
        self._fresh_hooks()
        self.training = False

    # --- passes -----------------------------------------------------------------------------------------------

    def forward(self, x: Array) -> Array:
        """Maps x (batch, …) to the output of the last layer."""
        self.input = x = np.asarray(x, self.dtype)
        if self.observed["forward"]:
            return self._observed_forward(x)
        for layer in self.layers:
            x = layer.forward(x)
        return x

    __call__ = forward

    def backward(self, output_gradient: Array, *, input_gradient: bool = True) -> Array | None:
        """Passes dLoss/doutput (batch, outputs) back and fills every layer's gradients.

        Args:
            output_gradient: as `loss.gradient` gives it.
            input_gradient: False leaves out dLoss/dinput, which no update needs, and returns None.

        Raises:
            NetworkError: there was no forward pass.
        """
        if not hasattr(self, "input"):
            raise NetworkError("backward before any forward", help="call net.forward(x) first")
        return self._backward(np.asarray(output_gradient, self.dtype), input_gradient)

    def _backward(self, gradient: Array, input_gradient: bool) -> Array | None:
        self.output_gradient = gradient
        if self.observed["backward"]:
            return self._observed_backward(gradient, input_gradient)
        for layer in self._until_first:
            gradient = layer.backward(gradient)
        if not input_gradient:
            self._first.backward_parameters(gradient)
            return None
        for layer in self._from_first:
            gradient = layer.backward(gradient)
        return gradient

    def differentiate(self, x: Array, target: Array, *, input_gradient: bool = True) -> Array:
        """Forward, loss gradient and backward of one batch; returns the output.

        `loss` observers get output, target and dLoss/doutput.
        """
        output = self.forward(x)
        gradient = self.loss.gradient(output, target, self._loss_buffer(output))
        if self.observed["loss"]:
            self.hooks.emit("loss", output, target, gradient)
        self._backward(gradient, input_gradient)
        return output

    def _observed_forward(self, x: Array) -> Array:
        for layer in self.layers:
            output = layer.forward(x)
            layer.hooks.emit("forward", layer, x, output)
            self.hooks.emit("forward", layer, x, output)
            x = output
        return x

    def _observed_backward(self, gradient: Array, input_gradient: bool) -> Array | None:
        for layer in (*self._until_first, *(self._from_first if input_gradient else ())):
            result = layer.backward(gradient)
            layer.hooks.emit("backward", layer, gradient, result)
            self.hooks.emit("backward", layer, gradient, result)
            gradient = result
        if input_gradient:
            return gradient
        self._first.backward_parameters(gradient)
        self._first.hooks.emit("backward", self._first, gradient, None)
        self.hooks.emit("backward", self._first, gradient, None)
        return None

    def _loss_buffer(self, output: Array) -> Array | None:
        if not self._training:
            return None
        kept = self._gradient_buffers.get(len(output))
        if kept is None:
            kept = self._gradient_buffers[len(output)] = np.empty_like(output)
        return kept

    # --- observers --------------------------------------------------------------------------------------------

    def hook(self, kind: str, observer: Observer) -> Handle:
        """Observes every layer's `forward` and `backward`, the `loss`, `before_step` and `after_step` of the
        optimiser, and `begin`, `epoch` and `end` of a training by `fit`."""
        return self.hooks.attach(kind, observer)

    def _fresh_hooks(self) -> None:
        self.hooks = Hooks(lambda: "the network", NETWORK_EVENTS)
        self.observed = self.hooks.counts
        for layer in self.layers:
            layer.hooks.share_counts(self.observed)

    # --- parameters -------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> Mapping[str, Array]:
        """`"hidden1.weight"` → the array itself: write into it, as in `net.parameters["hidden1.weight"][...] = 0`."""
        return MappingProxyType(
            {
                f"{layer.name}.{name}": value
                for layer in self.layers
                for name, value in layer.parameters.items()
            }
        )

    @property
    def gradients(self) -> Mapping[str, Array]:
        """`"hidden1.weight"` → dLoss/dweight of the last backward, the array itself."""
        return MappingProxyType(
            {
                f"{layer.name}.{name}": value
                for layer in self.layers
                for name, value in layer.gradients.items()
            }
        )

    @property
    def state(self) -> Mapping[str, Array]:
        """`"norm1.running_mean"` → what training changes beside the parameters, the array itself."""
        return MappingProxyType(
            {f"{layer.name}.{name}": value for layer in self.layers for name, value in layer.state.items()}
        )

    @property
    def training(self) -> bool:
        """Training or evaluation mode, of the network and all its layers."""
        return self._training

    @training.setter
    def training(self, on: bool) -> None:
        self._training = on
        self._gradient_buffers: dict[int, Array] = {}
        for layer in self.layers:
            layer.training = on

    def _flatten(self) -> None:
        """Moves all parameters into one vector and all gradients into another; the layers keep views."""
        flat = flatten(self.layers, self.dtype)
        self.flat_parameters, self.flat_gradients = flat.parameters, flat.gradients
        self.weight_mask, self.slices, self.penalties = flat.weight_mask, flat.slices, flat.penalties
        self._order_backward()

    def freeze(self, *names: str) -> None:
        """Leaves these layers out of every update from now on; without names, all layers learn again.

        Raises:
            NetworkError: no layer has this name.
        """
        known = [layer.name for layer in self.layers]
        for name in names:
            if name not in known:
                raise NetworkError(f"no layer is called {name!r}", help="layers: " + ", ".join(known))
        self.frozen_layers, self.frozen = names, None
        if names:
            self.frozen = np.zeros(self.flat_parameters.shape, np.bool_)
            for parameter, part in self.slices.items():
                self.frozen[part] = parameter.rpartition(".")[0] in names

    def _order_backward(self) -> None:
        """Splits the backward pass at the first layer with parameters: no update needs what lies before it."""
        first = next((i for i, layer in enumerate(self.layers) if layer.parameters), 0)
        self._first = self.layers[first]
        self._until_first, self._from_first = self.layers[:first:-1], self.layers[first::-1]

    def copy(self, dtype: npt.DTypeLike | None = None) -> Sequential:
        """An independent copy with its own arrays and no observers, in the same mode.

        Args:
            dtype: another dtype to convert to; the gradient check computes in `float64`.

        Raises:
            NetworkError: an unknown dtype.
        """
        other = copy.copy(self)
        other.dtype = self.dtype if dtype is None else _supported(dtype)
        other.layers = [layer.sharing() for layer in self.layers]
        other._detach_from_original()
        other._flatten()
        other.training = self.training
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Sequential:
        return self.copy()

    def twin(self) -> Sequential:
        """A network on the same parameter arrays with its own buffers and no observers, in evaluation mode:
        what it computes leaves no trace in this one."""
        other = copy.copy(self)
        other.layers = [layer.sharing() for layer in self.layers]
        other.flat_gradients = np.zeros_like(self.flat_gradients)
        other._detach_from_original()
        start = 0
        for layer in other.layers:
            for name, value in layer.parameters.items():
                layer.gradients[name] = other.flat_gradients[start : start + value.size].reshape(value.shape)
                start += value.size
        other._order_backward()
        return other

    def _detach_from_original(self) -> None:
        self._fresh_hooks()
        self.training = False

    # --- description and storage ------------------------------------------------------------------------------

    @property
    def inputs(self) -> int | None:
        """Width of the input, or channels of images, if a layer says so."""
        return next((width for width in map(width_in, self.layers) if width is not None), None)

    @property
    def outputs(self) -> int | None:
        """Width of the output, or channels of images, if a layer says so."""
        return width_out(self.layers)

    def describe(self) -> str:
        """The architecture in one line, as in `784 → 30 relu → 10 sigmoid`."""
        parts: list[str] = []
        first = next((layer for layer in self.layers if isinstance(layer, Dense)), None)
        for layer in self.layers:
            if isinstance(layer, Dense):
                parts += [str(layer.inputs)] if layer is first else []
                parts.append(str(layer.units))
            elif isinstance(layer, Activation) and parts:
                parts[-1] += f" {layer.kind}"
            else:
                parts.append(layer.describe().lower())
        return " → ".join(parts)

    def __repr__(self) -> str:
        return (
            f"Sequential({self.describe()}, loss={self.loss.kind}, {self.flat_parameters.size:,} parameters)"
        )

    def save(self, path: str | Path) -> None:
        """Writes architecture and parameters as .npz, without pickle.

        Raises:
            NetworkError: a layer or the loss is of a class of your own, which only your own code can rebuild.
        """
        saving.save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Sequential:
        """Reads what `save` wrote; never executes code.

        Raises:
            DataError: the file is not one that `save` wrote.
            OSError: the file cannot be read.
        """
        return saving.load(cls, path)


def _supported(dtype: npt.DTypeLike) -> np.dtype[Any]:
    for known, names in SUPPORTED.items():
        if dtype in names:
            return known
    raise NetworkError(f"dtype {dtype} is not supported", help="float32 or float64")
