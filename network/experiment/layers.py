"""From the layers of a specification to those of the core."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..activations import ACTIVATIONS, Activation, LeakyReLU
from ..convolution import Conv2D, MaxPool2D
from ..errors import ExperimentError, ShapeError
from ..layers import Dense, Dropout, Flatten, Layer
from ..normalization import BatchNorm
from .faults import SoftmaxOverBatch
from .initial import initializer

KERAS_SLOPE = 0.3
"""Slope of leaky_relu in the vocabulary, where a layer does not give its own."""


def final_activation(layers: list[dict[str, Any]]) -> str:
    """The activation that the network ends in, `linear` if it has none."""
    for layer in reversed(layers):
        activation: str = layer.get("activation", "linear")
        if activation != "linear" or layer["type"] != "activation":
            return activation
    return "linear"


def make_layers(layers: list[dict[str, Any]], shape: tuple[int, ...], seed: int) -> Iterator[Layer]:
    """The layers of the core, activations as layers of their own.

    Args:
        layers: the full form.
        shape: of one sample.
        seed: dropout layers draw from streams made from it.

    Raises:
        ExperimentError: a layer does not fit what comes.
    """
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
            given = name if kind == "activation" else None
            yield _activation(activation, layer.get("slope", KERAS_SLOPE), given)


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
    """How a layer's parameters begin, and its penalties."""
    return {
        "init": initializer(layer.get("init", {"kind": "glorot_uniform"})),
        "bias_init": initializer(layer.get("bias_init", {"kind": "zeros"})),
        "bias": layer.get("bias", True),
        "l1": layer.get("l1", 0.0),
        "l2": layer.get("l2", 0.0),
    }


def _windowed(layer: Mapping[str, Any], shape: tuple[int, ...], name: str | None) -> Conv2D | MaxPool2D:
    if layer["type"] == "pool":
        return MaxPool2D(layer["size"], name=name)
    padding = layer.get("padding", "valid")
    return Conv2D(shape[0], layer["filters"], layer["kernel"], padding=padding, **_weights(layer), name=name)


def _activation(kind: str, slope: float, name: str | None) -> Activation:
    if kind == "leaky_relu":
        return LeakyReLU(slope, name)
    return SoftmaxOverBatch(name) if kind == "softmax_over_batch" else ACTIVATIONS[kind](name)
