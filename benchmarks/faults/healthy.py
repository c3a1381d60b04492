"""Random healthy experiments, as data: experiment n is the same everywhere and for ever.

They are drawn before anything is trained: whether one is healthy is decided by its held-out result alone (`goal`), never by
what a rule says of it. Data sets: the embedded digits, MNIST, two tables of scikit-learn, its diabetes regression, and small
synthetic sets that need a hidden layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.faults.sources import SOURCES, Source

Spec = dict[str, Any]

SEED = 20261125
"""Of the stream of experiments."""


STEPS = (250, 1200)
"""Updates of a run: enough for a small network to learn, few enough for some seconds."""
EPOCHS = (3, 40)


def healthy(number: int, sources: tuple[str, ...] = tuple(SOURCES)) -> tuple[str, Spec]:
    """The name of the data set and the specification of experiment `number`."""
    rng = np.random.default_rng([SEED, number])
    name = str(rng.choice(sources))
    source = SOURCES[name]
    hidden = _hidden(source, name, rng)
    output, loss = _head(source, rng)
    optimizer = _optimizer(loss, hidden, rng)
    batch = int(rng.choice([4, 8, 10, 16, 25, 32, 50, 64, 100, 128, 256], p=_BATCHES))
    batch = min(batch, source.rows // 12)
    wanted = rng.uniform(*STEPS) * (1.5 if not source.flat else 1)
    epochs = int(np.clip(round(wanted * batch / source.rows), *EPOCHS))
    if optimizer["name"] == "sgd" and batch < 10:
        optimizer["lr"] = float(f"{optimizer['lr'] * (batch / 10) ** 0.5:.3g}")
    spec: Spec = {
        "data": {"kind": "digits", "seed": int(rng.integers(1000))},  # a name: the data is handed over
        "preprocess": {"x": [list(step) for step in source.x], "y": [list(step) for step in source.y]},
        "model": {"layers": [*hidden, output]},
        "loss": loss,
        "optimizer": optimizer,
        "train": {"epochs": epochs, "batch_size": batch},
        "metric": {
            "name": "r2" if source.task == "regression" else "accuracy",
            "split": "test",
            "goal": "max",
        },
    }
    if loss["name"] in ("cce", "mse") and source.task == "multiclass":
        spec["preprocess"]["y"].append(["one_hot", source.classes])
    if source.task == "binary":
        spec["preprocess"]["y"].append(["column"])
    return name, spec


_BATCHES = np.array([1, 2, 3, 4, 3, 5, 3, 4, 2, 2, 1]) / 30


def _hidden(source: Source, name: str, rng: np.random.Generator) -> list[Spec]:
    activation = str(rng.choice(["relu", "relu", "relu", "leaky_relu", "gelu", "tanh", "sigmoid"]))
    depth = int(rng.integers(1, 3 if activation == "sigmoid" else 6))
    layers: list[Spec] = []
    if name == "digit-images":
        filters = int(rng.choice([4, 8]))
        layers = [
            {"name": "conv1", "type": "conv", "filters": filters, "kernel": 3, "padding": "same",
             "activation": activation, "init": _init(activation, rng)},
            {"name": "pool1", "type": "pool", "size": 2},
            {"name": "flat", "type": "flatten"},
        ]  # fmt: skip
        depth = min(depth, 2)
    norm = activation != "sigmoid" and rng.random() < 0.15
    drop = float(rng.choice([0.1, 0.2, 0.3])) if rng.random() < 0.2 and source.flat else 0.0
    width = int(rng.choice([16, 30, 50, 64, 100]))
    for number in range(1, depth + 1):
        dense: Spec = {"name": f"h{number}", "type": "dense", "units": width, "init": _init(activation, rng)}
        if norm:
            layers += [dense, {"name": f"bn{number}", "type": "batchnorm", "activation": activation}]
        else:
            layers.append({**dense, "activation": activation})
        if drop:
            layers.append({"name": f"drop{number}", "type": "dropout", "rate": drop})
        if rng.random() < 0.3:
            width = max(12, width // 2)
    return layers


def _init(activation: str, rng: np.random.Generator) -> Spec:
    kinds = ("he_normal", "he_uniform", "he") if activation in ("relu", "leaky_relu", "gelu") else ("xavier",)
    return {"kind": str(rng.choice([*kinds, "glorot_uniform"]))}


def _head(source: Source, rng: np.random.Generator) -> tuple[Spec, Spec]:
    """The output layer and the loss that belong together."""
    init = {"kind": "glorot_uniform"}
    out = {"name": "out", "type": "dense", "init": init}
    if source.task == "regression":
        return {**out, "units": 1}, {"name": "mse"}
    if source.task == "binary":
        if rng.random() < 0.5:
            return {**out, "units": 1, "activation": "sigmoid"}, {"name": "bce"}
        return {**out, "units": 1}, {"name": "bce_logits"}
    choice = rng.random()
    if choice < 0.45:
        return {**out, "units": source.classes, "activation": "softmax"}, {"name": "cce"}
    if choice < 0.9:
        return {**out, "units": source.classes}, {"name": "cce_logits"}
    return {**out, "units": source.classes, "activation": "sigmoid"}, {"name": "quadratic"}


def _optimizer(loss: Spec, hidden: list[Spec], rng: np.random.Generator) -> Spec:
    """A rate in the middle of what works, for each kind of optimiser."""
    name = str(rng.choice(["sgd", "sgd", "momentum", "nesterov", "adam", "adam", "rmsprop"]))
    scale = 3.0 if loss["name"] == "quadratic" else 0.5 if loss["name"] == "mse" else 1.0
    if any(layer.get("activation") == "sigmoid" for layer in hidden):
        scale *= 3.0
    if name == "sgd":
        return {"name": "sgd", "lr": log_uniform(rng, 0.05 * scale, 0.2 * scale)}
    if name in ("momentum", "nesterov"):
        return {
            "name": "sgd",
            "lr": log_uniform(rng, 0.005 * scale, 0.03 * scale),
            "momentum": 0.9,
            "nesterov": name == "nesterov",
        }
    if name == "adam":
        return {"name": "adam", "lr": log_uniform(rng, 1e-3, 5e-3)}
    return {"name": "rmsprop", "lr": log_uniform(rng, 5e-4, 2e-3)}


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between two, evenly on a logarithmic scale, with three digits."""
    return float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.3g}")
