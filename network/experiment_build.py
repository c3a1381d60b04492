"""From a specification to a network, an optimiser and data; what the core cannot do is refused by name."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from .activations import ACTIVATIONS, Activation, LeakyReLU
from .arrays import Array
from .convolution import Conv2D, MaxPool2D
from .data import Dataset
from .data.download import Progress
from .errors import ExperimentError, ShapeError
from .experiment_data import load_data, with_targets
from .experiment_fields import refusal
from .experiment_loss import map_loss
from .initializers import INITIALIZERS, Initializer, Shape, constant, fans
from .layers import Dense, Dropout, Flatten, Layer
from .model import Sequential
from .normalization import BatchNorm
from .optimizers import SGD, Adam, Momentum, Optimizer

KERAS_SLOPE = 0.3
"""Slope of leaky_relu in the vocabulary, where a layer does not give its own."""


def build(
    spec: Mapping[str, Any],
    folder: str | os.PathLike[str] | None = None,
    download: bool = True,
    progress: Progress | None = None,
) -> tuple[Sequential, Optimizer, Dataset]:
    """What `Experiment.build` returns, from the full form of a specification.

    Raises:
        ExperimentError: something is not supported, or does not fit together.
        DataError: the data cannot be loaded or does not fit the loss.
    """
    layers: list[dict[str, Any]] = spec["model"]["layers"]
    # Refusals first: nobody should wait for data to hear that a layer is missing.
    penalty = _check_layers(layers)
    _check_training(spec["train"])
    _check_optimizer(spec["optimizer"])
    outputs = next((layer["units"] for layer in reversed(layers) if layer["type"] == "dense"), 0)
    if not outputs:
        raise ExperimentError(
            "model.layers: no dense layer, so there is nothing to train", help="add one of type 'dense'"
        )
    mapped = map_loss(spec["loss"], _final_activation(layers), outputs)
    dataset = load_data(spec, folder, download, progress)
    dataset = with_targets(dataset, spec["loss"]["name"], mapped.loss, outputs)
    _check_inputs(spec["model"], dataset)
    seed, samples = spec["train"].get("seed", 0), len(dataset.train[0])
    _check_steps(spec["train"], samples)
    made = list(_layers(layers, dataset.train[0].shape[1:], seed))
    if mapped.fused:
        made.pop()
    network = Sequential(*made, loss=mapped.loss, dtype=spec["model"].get("dtype", "float32"), seed=seed)
    return network, _optimizer(spec["optimizer"], penalty, samples), dataset


def notes(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Where what `build` makes is not to the last bit what the specification says."""
    layers = spec["model"]["layers"]
    outputs = next((layer["units"] for layer in reversed(layers) if layer["type"] == "dense"), 1)
    note = map_loss(spec["loss"], _final_activation(layers), outputs).note
    return (note,) if note else ()


# --- layers -----------------------------------------------------------------------------------------------------


def _check_layers(layers: list[dict[str, Any]]) -> float:
    """Refuses what the core has no layers for; returns the L2 factor that all layers with weights share."""
    factors = set()
    for position, layer in enumerate(layers):
        where = f"model.layers[{position}]" + (f", {layer['name']!r}" if "name" in layer else "")
        if layer.get("padding") == "same" and layer["kernel"] % 2 == 0:
            # Programs differ in the side that gets the odd entry, and even in the size of what comes out.
            raise refusal("padding same of an even kernel", where, "give a kernel of odd size")
        activation = layer.get("activation", "linear")
        if activation != "linear" and activation not in ACTIVATIONS:
            raise refusal(activation, where, "the core has linear, " + ", ".join(_known_activations()))
        if layer.get("l1"):
            raise refusal("l1", where, "the core has l2 only")
        if layer["type"] in ("dense", "conv"):
            factors.add(layer.get("l2", 0.0))
            initializer(layer.get("init", {"kind": "glorot_uniform"}), where)
            initializer(layer.get("bias_init", {"kind": "zeros"}), where, bias=True)
    if len(factors) > 1:
        raise refusal(
            f"l2 that differs between layers ({', '.join(f'{f:g}' for f in sorted(factors))})",
            "model.layers",
            "give every layer with weights the same",
        )
    return float(factors.pop()) if factors else 0.0


def _known_activations() -> list[str]:
    return [kind for kind in ACTIVATIONS if kind != "identity"]


def _final_activation(layers: list[dict[str, Any]]) -> str:
    for layer in reversed(layers):
        activation: str = layer.get("activation", "linear")
        if activation != "linear" or layer["type"] != "activation":
            return activation
    return "linear"


def _layers(layers: list[dict[str, Any]], shape: tuple[int, ...], seed: int) -> Iterator[Layer]:
    for position, layer in enumerate(layers):
        kind, name = layer["type"], layer.get("name")
        _check_shape(kind, shape, f"model.layers[{position}]")
        if kind == "dense":
            yield Dense(shape[0], layer["units"], **_weights(layer), name=name)
            shape = (layer["units"],)
        elif kind in ("conv", "pool"):
            made = _windowed(layer, shape, name)
            try:
                rows, columns = made.axes((1, *shape))
            except ShapeError as error:
                raise ExperimentError(f"model.layers[{position}]: {error}", help=error.help) from None
            yield made
            shape = (layer.get("filters", shape[0]), rows.outputs, columns.outputs)
        elif kind == "batchnorm":
            yield BatchNorm(shape[0], name=name)
        elif kind == "dropout":
            # Of its own stream: two dropout layers must not drop the same units.
            stream = int(np.random.SeedSequence([seed, position]).generate_state(1)[0])
            yield Dropout(layer["rate"], seed=stream, name=name)
        elif kind == "flatten":
            yield Flatten(name)
            shape = (math.prod(shape),)
        if (activation := layer.get("activation", "linear")) != "linear":
            yield _activation(
                activation, layer.get("slope", KERAS_SLOPE), name if kind == "activation" else None
            )


def _check_shape(kind: str, shape: tuple[int, ...], where: str) -> None:
    if kind == "dense" and len(shape) != 1:
        raise ExperimentError(
            f"{where}: dense expects rows of numbers, got samples of shape {shape}",
            help="put a layer of type 'flatten' before it",
        )
    if kind in ("conv", "pool") and len(shape) != 3:
        raise ExperimentError(
            f"{where}: {kind} expects images (channels, height, width), got samples of shape {shape}",
            help="image = true beside the kind of data gives digits as images",
        )


def _weights(layer: Mapping[str, Any]) -> dict[str, Any]:
    """How a layer's parameters begin."""
    return {
        "init": initializer(layer.get("init", {"kind": "glorot_uniform"})),
        "bias_init": initializer(layer.get("bias_init", {"kind": "zeros"}), bias=True),
        "bias": layer.get("bias", True),
    }


def _windowed(layer: Mapping[str, Any], shape: tuple[int, ...], name: str | None) -> Conv2D | MaxPool2D:
    if layer["type"] == "pool":
        return MaxPool2D(layer["size"], name=name)
    padding = layer.get("padding", "valid")
    return Conv2D(shape[0], layer["filters"], layer["kernel"], padding=padding, **_weights(layer), name=name)


def _activation(kind: str, slope: float, name: str | None) -> Activation:
    return LeakyReLU(slope, name) if kind == "leaky_relu" else ACTIVATIONS[kind](name)


def initializer(init: Mapping[str, Any], where: str = "", bias: bool = False) -> Initializer:
    """The function that draws initial values as `init` says.

    Raises:
        ExperimentError: the kind needs a fan-in, and biases have none.
    """
    kind = init["kind"]
    if bias and kind in ("he", "xavier", "lecun", "glorot_uniform", "he_uniform", "he_normal"):
        raise refusal(f"bias_init {kind}", where, "biases take zeros, constant, trunc_normal or uniform")
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


STD_WITHIN_TWO = 0.87962566103423978
"""Standard deviation of a standard normal variable that is kept within ±2."""


def _truncated(rng: np.random.Generator, shape: Shape, std: float) -> Array:
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return values * std


# --- optimiser and training -------------------------------------------------------------------------------------


def _check_optimizer(spec: Mapping[str, Any]) -> None:
    name = spec["name"]
    if name not in ("sgd", "adam"):
        raise refusal(name, "optimizer.name", "the core has sgd, with or without momentum, and adam")
    for field, what in (
        ("nesterov", "nesterov"),
        ("decay", "decay of the learning rate"),
        ("clipnorm", "clipnorm"),
    ):
        if spec.get(field):
            raise refusal(what, f"optimizer.{field}", "leave it out")


def _optimizer(spec: Mapping[str, Any], layer_l2: float, samples: int) -> Optimizer:
    # A layer's penalty is l2 Σ w², the core's is λ/(2n) Σ w².
    l2 = spec.get("l2", 0.0)
    if l2 and layer_l2:
        raise refusal("l2 of the optimizer beside l2 of the layers", "optimizer.l2", "give one of the two")
    l2 = l2 or 2 * samples * layer_l2
    optimizer: Optimizer
    if spec["name"] == "adam":
        optimizer = Adam(
            spec["lr"], spec.get("beta1", 0.9), spec.get("beta2", 0.999), spec.get("eps", 1e-7), l2
        )
    elif spec.get("momentum"):
        optimizer = Momentum(spec["lr"], spec["momentum"], l2)
    else:
        optimizer = SGD(spec["lr"], l2)
    optimizer.samples = samples
    return optimizer


def _check_training(spec: Mapping[str, Any]) -> None:
    for field, harmless, what in (
        ("zero_grad", True, "gradients that are never set to zero"),
        ("frozen", [], "frozen layers"),
        ("gradient_sign", 1, "updates uphill"),
        ("shuffle_inputs_only", False, "shuffling inputs without their targets"),
    ):
        if spec.get(field, harmless) != harmless:
            raise refusal(what, f"train.{field}", "leave it out")


def _check_steps(spec: Mapping[str, Any], samples: int) -> None:
    batch = samples if spec["batch_size"] == "full" else spec["batch_size"]
    if spec.get("max_steps", math.inf) < spec["epochs"] * math.ceil(samples / batch):
        raise refusal("stopping within an epoch", "train.max_steps", "give whole epochs")


def _check_inputs(model: Mapping[str, Any], dataset: Dataset) -> None:
    if model.get("inputs", dataset.features) != dataset.features:
        raise ExperimentError(
            f"model.inputs: expected {dataset.features}, the features of {dataset.name}, got {model['inputs']}",
            help=f"begin the layers with {dataset.features}",
        )
