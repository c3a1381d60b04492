"""From a specification to a network, an optimiser and data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..data import Dataset
from ..data.download import Progress
from ..errors import ExperimentError
from ..model import Sequential
from ..optimizers import SGD, Adadelta, Adam, Momentum, Optimizer, RMSprop
from .data import are_distributions, load_data, with_targets
from .faults import Broadcast, InputsShuffledAlone, faulty_updates
from .layers import final_activation, make_layers
from .losses import make_loss


def build(
    spec: Mapping[str, Any],
    folder: str | os.PathLike[str] | None = None,
    download: bool = True,
    progress: Progress | None = None,
    data: Dataset | None = None,
) -> tuple[Sequential, Optimizer, Dataset]:
    """What `Experiment.build` returns, from the full form of a specification.

    Raises:
        ExperimentError: parts do not fit together.
        DataError: the data cannot be loaded or does not fit the loss.
    """
    layers: list[dict[str, Any]] = spec["model"]["layers"]
    outputs = next((layer["units"] for layer in reversed(layers) if layer["type"] == "dense"), 0)
    if not outputs:
        raise ExperimentError(
            "model.layers: no dense layer, so there is nothing to train", help="add one of type 'dense'"
        )
    activation = final_activation(layers)
    make_loss(spec["loss"], activation)  # nobody should wait for data to hear that a word does not fit
    dataset = load_data(spec, folder, download, progress, data)
    _check_inputs(spec["model"], dataset)
    loss, inside = make_loss(spec["loss"], activation, are_distributions(dataset, outputs))
    dataset, broadcast = with_targets(dataset, spec["loss"]["name"], loss, outputs)
    seed, train = spec["train"].get("seed", 0), spec["train"]
    made = list(make_layers(layers, dataset.train[0].shape[1:], seed))
    if inside:
        made.pop()
    network = Sequential(
        *made,
        loss=Broadcast(loss) if broadcast else loss,
        dtype=spec["model"].get("dtype", "float32"),
        seed=seed,
    )
    network.freeze(*train.get("frozen", ()))
    optimizer = _optimizer(spec["optimizer"], train)
    optimizer.samples = len(dataset.train[0])
    return network, optimizer, dataset


def fit_options(train: Mapping[str, Any], samples: int) -> dict[str, Any]:
    """The keyword arguments that `fit` needs to train as the specification of the training says."""
    batch = samples if train["batch_size"] == "full" else min(train["batch_size"], samples)
    options = {
        "epochs": train["epochs"],
        "batch": batch,
        "seed": train.get("seed", 0),
        "shuffle": train.get("shuffle", True),
        "max_steps": train.get("max_steps"),
    }
    if train.get("shuffle_inputs_only"):
        options["batches"] = InputsShuffledAlone
    return options


def _optimizer(spec: Mapping[str, Any], train: Mapping[str, Any]) -> Optimizer:
    make: type[Optimizer]
    if spec["name"] == "sgd" and spec.get("momentum"):
        make, settings = Momentum, {"momentum": spec["momentum"], "nesterov": spec.get("nesterov", False)}
    elif spec["name"] == "sgd":
        make, settings = SGD, {}
    else:
        make = {"adam": Adam, "rmsprop": RMSprop, "adadelta": Adadelta}[spec["name"]]
        settings = {name: spec[name] for name in ("beta1", "beta2", "rho", "momentum") if name in spec}
        settings["epsilon"] = spec.get("eps", 1e-7)
    return faulty_updates(make, train)(
        spec["lr"],
        l2=spec.get("l2", 0.0),
        decay=spec.get("decay", 0.0),
        clip_norm=spec.get("clipnorm"),
        **settings,
    )


def _check_inputs(model: Mapping[str, Any], dataset: Dataset) -> None:
    if model.get("inputs", dataset.features) != dataset.features:
        raise ExperimentError(
            f"model.inputs: expected {dataset.features}, the features of {dataset.name}, got {model['inputs']}",
            help=f"begin the layers with {dataset.features}",
        )
