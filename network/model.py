"""`Sequential`: ordered, named layers, and the flat vectors that hold their parameters and gradients."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .activations import ACTIVATIONS, Activation
from .arrays import Array
from .errors import DataError, NetworkError
from .hooks import Handle, Hooks, Observer
from .layers import Dense, Dropout, Flatten, Layer
from .losses import LOSSES, Loss, Quadratic

NETWORK_EVENTS = ("forward", "backward", "loss", "before_step", "after_step", "begin", "epoch", "end")


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
        weight_mask: 1 at the entries of weights, 0 at biases: what L2 applies to.
        input: what the last `forward` was given.
        output_gradient: dLoss/doutput that the last `backward` was given.
        observed: number of observers of the network and its layers, by kind of event.

    Raises:
        NetworkError: no layers, a layer twice, two equal names, an unknown dtype, or widths that do not fit.
    """

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
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.dtype("float32"), np.dtype("float64")):
            raise NetworkError(f"dtype {self.dtype} is not supported", help="float32 or float64")
        self.seed = seed
        name_layers(self.layers)
        self._check_widths()
        for position, layer in enumerate(self.layers):
            # A stream for each layer: another initialiser or a layer without biases changes no other layer's draw,
            # so that two networks of one seed differ only where they were made to differ.
            layer.build(np.random.default_rng([seed, position]), self.dtype)
        for layer in self.layers:
            layer.joined = True
        self._flatten()
        self._fresh_hooks()
        self.training = False

    # --- passes -----------------------------------------------------------------------------------------------

    def forward(self, x: Array) -> Array:
        """Maps x (batch, …) to the output of the last layer."""
        if not isinstance(x, np.ndarray):
            x = np.asarray(x, self.dtype)
        self.input = x
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
        """
        self.output_gradient = output_gradient
        if self.observed["backward"]:
            return self._observed_backward(output_gradient, input_gradient)
        gradient = output_gradient
        for layer in self._backward_order:
            gradient = layer.backward(gradient)
        if input_gradient:
            return self.layers[0].backward(gradient)
        self.layers[0].backward_parameters(gradient)
        return None

    def differentiate(self, x: Array, target: Array, *, input_gradient: bool = True) -> Array:
        """Forward, loss gradient and backward of one batch; returns the output.

        `loss` observers get output, target and dLoss/doutput.
        """
        output = self.forward(x)
        gradient = self.loss.gradient(output, target, self._loss_buffer(output))
        if self.observed["loss"]:
            self.hooks.emit("loss", output, target, gradient)
        self.backward(gradient, input_gradient=input_gradient)
        return output

    def _observed_forward(self, x: Array) -> Array:
        for layer in self.layers:
            output = layer.forward(x)
            layer.hooks.emit("forward", layer, x, output)
            self.hooks.emit("forward", layer, x, output)
            x = output
        return x

    def _observed_backward(self, gradient: Array, input_gradient: bool) -> Array | None:
        result: Array | None = gradient
        for layer in (*self._backward_order, self.layers[0]):
            if layer is self.layers[0] and not input_gradient:
                layer.backward_parameters(gradient)
                result = None
            else:
                result = layer.backward(gradient)
            layer.hooks.emit("backward", layer, gradient, result)
            self.hooks.emit("backward", layer, gradient, result)
            if result is not None:
                gradient = result
        return result

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
    def parameters(self) -> dict[str, Array]:
        """`"hidden1.weight"` → the array itself."""
        return {
            f"{layer.name}.{name}": value for layer in self.layers for name, value in layer.parameters.items()
        }

    @property
    def gradients(self) -> dict[str, Array]:
        """`"hidden1.weight"` → dLoss/dweight of the last backward, the array itself."""
        return {
            f"{layer.name}.{name}": value for layer in self.layers for name, value in layer.gradients.items()
        }

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
        values = [value for layer in self.layers for value in layer.parameters.values()]
        total = sum(value.size for value in values)
        self.flat_parameters = np.zeros(total, self.dtype)
        self.flat_gradients = np.zeros(total, self.dtype)
        self.weight_mask = np.zeros(total, self.dtype)
        start = 0
        for layer in self.layers:
            for name, value in list(layer.parameters.items()):
                part = slice(start, start + value.size)
                self.flat_parameters[part] = value.ravel()
                self.weight_mask[part] = name != "bias"
                layer.parameters[name] = self.flat_parameters[part].reshape(value.shape)
                layer.gradients[name] = self.flat_gradients[part].reshape(value.shape)
                start = part.stop
        self._backward_order = self.layers[:0:-1]

    def copy(self, dtype: npt.DTypeLike | None = None) -> Sequential:
        """An independent copy with its own arrays and no observers, in the same mode.

        Args:
            dtype: another dtype to convert to; the gradient check computes in `float64`.
        """
        other = copy.copy(self)
        other.dtype = self.dtype if dtype is None else np.dtype(dtype)
        other.layers = [layer.sharing() for layer in self.layers]
        for layer in other.layers:
            if hasattr(layer, "rng"):
                layer.rng = copy.deepcopy(layer.rng)
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
        other._backward_order = other.layers[:0:-1]
        return other

    def _detach_from_original(self) -> None:
        self._fresh_hooks()
        self.training = False

    # --- description and storage ------------------------------------------------------------------------------

    @property
    def inputs(self) -> int | None:
        """Width of the input, if a layer says so."""
        return next((layer.inputs for layer in self.layers if isinstance(layer, Dense)), None)

    @property
    def outputs(self) -> int | None:
        """Width of the output, if a layer says so."""
        return next((layer.units for layer in reversed(self.layers) if isinstance(layer, Dense)), None)

    def describe(self) -> str:
        """The architecture in one line, as in `784 → 30 relu → 10 sigmoid`."""
        parts: list[str] = []
        for layer in self.layers:
            if isinstance(layer, Dense):
                parts += [str(layer.inputs)] if not parts else []
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
            NetworkError: a layer is of a class of your own, which only your own code can rebuild.
        """
        spec = {"layers": [_layer_spec(layer) for layer in self.layers], "loss": self.loss.kind}
        if type(self.loss) is not LOSSES.get(self.loss.kind):
            raise NetworkError(
                f"cannot save the loss {type(self.loss).__name__}", help="only the core's losses"
            )
        header = np.array(json.dumps({**spec, "dtype": self.dtype.name, "seed": self.seed}))
        arrays = {
            f"{i}.{name}": a for i, layer in enumerate(self.layers) for name, a in layer.parameters.items()
        }
        with Path(path).open("wb") as file:
            np.savez(file, allow_pickle=False, **{"network": header, **arrays})

    @classmethod
    def load(cls, path: str | Path) -> Sequential:
        """Reads what `save` wrote; never executes code.

        Raises:
            DataError: the file is not one that `save` wrote.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                spec = json.loads(str(file["network"]))
                layers = [_layer_from_spec(s) for s in spec["layers"]]
                for i, layer in enumerate(layers):
                    names = {key.split(".", 1)[1]: key for key in file.files if key.startswith(f"{i}.")}
                    layer.parameters = {name: file[key] for name, key in names.items()}
            return cls(*layers, loss=LOSSES[spec["loss"]](), dtype=spec["dtype"], seed=spec["seed"])
        except OSError:
            raise
        except Exception as error:
            raise DataError(
                f"{path} is not a saved network: {error}", help="write one with net.save(path)"
            ) from None

    def _check_widths(self) -> None:
        width: int | None = None
        for layer in self.layers:
            if isinstance(layer, Dense):
                if width not in (None, layer.inputs):
                    raise NetworkError(
                        f"{layer.name} ({layer.describe()}) gets {width} inputs from the layer before",
                        help=f"use Dense({width}, {layer.units})",
                    )
                width = layer.units


def name_layers(layers: list[Layer]) -> None:
    """Gives every layer its site name.

    Dense layers are `hidden1`, `hidden2`, … and `output` (the last); an activation shares the name of the Dense
    right before it; others are called by kind, as in `dropout1`.
    """
    dense = [layer for layer in layers if isinstance(layer, Dense)]
    automatic = {id(layer): f"hidden{i}" for i, layer in enumerate(dense, 1)}
    if dense:
        automatic[id(dense[-1])] = "output"
    counts: dict[str, int] = {}
    taken: set[str] = set()
    before: Layer | None = None
    for layer in layers:
        if isinstance(layer, Activation) and isinstance(before, Dense) and not layer.given_name:
            layer.name = before.name
        else:
            layer.name = layer.given_name or ""
            if not layer.name:
                counts[layer.kind] = counts.get(layer.kind, 0) + 1
                layer.name = automatic.get(id(layer), f"{layer.kind}{counts[layer.kind]}")
            if layer.name in taken:
                raise NetworkError(f"two layers are called {layer.name!r}", help="give each its own name=")
            taken.add(layer.name)
        before = layer


def _layer_spec(layer: Layer) -> dict[str, Any]:
    spec: dict[str, Any] = {"kind": layer.kind, "name": layer.name}
    if type(layer) is Dense:
        return {**spec, "inputs": layer.inputs, "units": layer.units, "bias": layer.bias}
    if type(layer) is Dropout:
        return {**spec, "rate": layer.rate}
    if type(layer) is Flatten:
        return spec
    if type(layer) is ACTIVATIONS.get(layer.kind):
        return {**spec, "slope": layer.slope} if hasattr(layer, "slope") else spec
    raise NetworkError(f"cannot save {layer.name} ({type(layer).__name__})", help="only the core's layers")


def _layer_from_spec(spec: dict[str, Any]) -> Layer:
    arguments = {key: value for key, value in spec.items() if key != "kind"}
    kinds: Mapping[str, type[Layer]] = {"dense": Dense, "dropout": Dropout, "flatten": Flatten, **ACTIVATIONS}
    return kinds[spec["kind"]](**arguments)


def sites(network: Sequential) -> Iterator[tuple[str, list[Layer]]]:
    """Layers grouped by site name, in order."""
    groups: dict[str, list[Layer]] = {}
    for layer in network.layers:
        groups.setdefault(layer.name, []).append(layer)
    yield from groups.items()
