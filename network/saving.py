"""Networks as `.npz` files: the architecture as JSON text beside the parameters; no pickle, so no code in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from .activations import ACTIVATIONS
from .errors import DataError, NetworkError, ShapeError
from .layers import Dense, Dropout, Flatten, Layer
from .losses import LOSSES

if TYPE_CHECKING:
    from .model import Sequential

KINDS: Mapping[str, type[Layer]] = {"dense": Dense, "dropout": Dropout, "flatten": Flatten, **ACTIVATIONS}

ARGUMENTS = ("inputs", "units", "bias", "rate", "seed", "slope")
"""What a layer is made from besides its name, where it has it. Initialisers are left out: the values are there."""


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
        "dtype": network.dtype.name,
        "seed": network.seed,
    }
    arrays: dict[str, Any] = {"network": np.array(json.dumps(spec)), **network.parameters}
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
        network = cls(*layers, loss=LOSSES[spec["loss"]](), dtype=spec["dtype"], seed=spec["seed"])
        for name, value in network.parameters.items():
            saved = file[name]
            if saved.shape != value.shape:
                raise ShapeError(f"{name} has shape {saved.shape}, expected {value.shape}")
            value[...] = saved
    return network


def _layer_spec(layer: Layer) -> dict[str, Any]:
    found = {name: getattr(layer, name) for name in ARGUMENTS if hasattr(layer, name)}
    return {"kind": layer.kind, "name": layer.given_name, **found}
