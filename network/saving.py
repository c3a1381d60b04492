"""Networks as `.npz` files: the architecture as JSON text beside parameters and state; no pickle, so no code in them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from .activations import ACTIVATIONS
from .convolution import AvgPool2D, Conv2D, MaxPool2D
from .errors import DataError, NetworkError, ShapeError
from .layers import Dense, Dropout, Flatten, Layer
from .losses import LOSSES
from .normalization import BatchNorm, LayerNorm

if TYPE_CHECKING:
    from .model import Sequential

PLAIN: tuple[type[Layer], ...] = (
    Dense, Dropout, Flatten, Conv2D, MaxPool2D, AvgPool2D, BatchNorm, LayerNorm
)  # fmt: skip
KINDS: Mapping[str, type[Layer]] = {**{layer.kind: layer for layer in PLAIN}, **ACTIVATIONS}

LEFT_OUT = ("self", "name", "init", "bias_init")
"""Arguments that are not stored as they are: the initial values that an initialiser drew are there already."""


def save(network: Sequential, path: str | Path) -> None:
    """See `Sequential.save`."""
    for part in (*network.layers, network.loss):
        if type(part) not in (*KINDS.values(), *LOSSES.values()):
            raise NetworkError(
                f"cannot save a {type(part).__name__}, a class of your own",
                help="save net.flat_parameters, and build the network by your own code",
            )
    spec = {
        "layers": [_layer_spec(layer) for layer in network.layers],
        "loss": network.loss.kind,
        "loss_settings": network.loss.settings,
        "dtype": network.dtype.name,
        "seed": network.seed,
        "frozen": list(network.frozen_layers),
    }
    arrays: dict[str, Any] = {"network": np.array(json.dumps(spec)), **network.parameters, **network.state}
    with Path(path).open("wb") as file:
        np.savez(file, **arrays)


def load(cls: type[Sequential], path: str | Path) -> Sequential:
    """See `Sequential.load`."""
    with Path(path).open("rb") as opened:
        try:
            return _read(cls, opened)
        except Exception as error:  # a damaged file makes readers raise almost anything
            raise DataError(
                f"{path} is not a saved network, or damaged: {type(error).__name__}: {error}",
                help="write one with net.save(path)",
            ) from None


def _read(cls: type[Sequential], opened: BinaryIO) -> Sequential:
    with np.load(opened, allow_pickle=False) as file:
        spec = json.loads(str(file["network"]))
        layers = [KINDS[layer.pop("kind")](**layer) for layer in spec["layers"]]
        loss = LOSSES[spec["loss"]](**spec.get("loss_settings", {}))
        network = cls(*layers, loss=loss, dtype=spec["dtype"], seed=spec["seed"])
        for name, value in (*network.parameters.items(), *network.state.items()):
            saved = file[name]
            if saved.shape != value.shape:
                raise ShapeError(f"{name} has shape {saved.shape}, expected {value.shape}")
            value[...] = saved
    network.freeze(*spec.get("frozen", ()))
    return network


def _layer_spec(layer: Layer) -> dict[str, Any]:
    arguments = inspect.signature(type(layer).__init__).parameters
    found = {name: getattr(layer, name) for name in arguments if name not in LEFT_OUT}
    return {"kind": layer.kind, "name": layer.given_name, **found}
