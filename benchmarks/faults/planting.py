"""Every fault kind of the vocabulary as a change of a healthy experiment: what was changed, and in which layers.

A plant takes a specification (to be changed in place) and a generator, and gives the names of the faulty layers; None where it does
not apply. Sizes are drawn over what people get wrong, not chosen so that a rule sees them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.faults.healthy import Spec, log_uniform

Layers = list[str] | None
Plant = Callable[[Spec, np.random.Generator], Layers]


def _dense(spec: Spec) -> list[Spec]:
    return [layer for layer in spec["model"]["layers"] if layer["type"] == "dense"]


def _hidden(spec: Spec) -> list[Spec]:
    """Hidden layers with an activation."""
    return [layer for layer in spec["model"]["layers"][:-1] if layer.get("activation", "linear") != "linear"]


def _weighted(spec: Spec) -> list[Spec]:
    return [layer for layer in spec["model"]["layers"] if layer["type"] in ("dense", "conv")]


def _output(spec: Spec) -> Spec:
    layer: Spec = spec["model"]["layers"][-1]
    return layer


def _pick(rng: np.random.Generator, choices: list[Any]) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _normalised(spec: Spec) -> bool:
    return any(layer["type"] == "batchnorm" for layer in spec["model"]["layers"])


# --- data ---------------------------------------------------------------------------------------------------------


def unnormalised_input(spec: Spec, rng: np.random.Generator) -> Layers:
    """Pixels 0 to 255, or columns in units of their own."""
    if _normalised(spec):
        return None
    if spec["preprocess"]["x"] and spec["metric"]["name"] != "r2":
        spec["preprocess"]["x"] = []
    else:
        spec["preprocess"]["x"].append(["multiply", log_uniform(rng, 50, 1000)])
    return []


def unnormalised_target(spec: Spec, rng: np.random.Generator) -> Layers:
    if spec["metric"]["name"] != "r2":
        return None
    spec["preprocess"]["y"] = [*spec["preprocess"]["y"], ["multiply", log_uniform(rng, 100, 1e5)]]
    return []


def wrong_preprocessing(spec: Spec, rng: np.random.Generator) -> Layers:
    """Scaled twice: next to nothing is left of the inputs."""
    if _normalised(spec):
        return None
    spec["preprocess"]["x"].append(["divide", _pick(rng, [255, 255, 1000, 255**2])])
    return []


def train_test_preprocessing_mismatch(spec: Spec, rng: np.random.Generator) -> Layers:
    scale = _pick(rng, [255, 1 / 255, 100])
    spec["preprocess"]["x_test"] = [*spec["preprocess"]["x"], ["multiply", scale]]
    return []


def corrupted_labels(spec: Spec, rng: np.random.Generator) -> Layers:
    spec["preprocess"]["y_test"] = list(spec["preprocess"]["y"])
    spec["preprocess"]["y"] = [["shuffle_rows", int(rng.integers(1000))], *spec["preprocess"]["y"]]
    return []


# --- structure ----------------------------------------------------------------------------------------------------


def wrong_output_activation(spec: Spec, rng: np.random.Generator) -> Layers:
    out, loss = _output(spec), spec["loss"]["name"]
    wrong = {
        "cce": ["relu", "sigmoid", "linear", "tanh"],
        "bce": ["softmax", "relu", "tanh", "linear"],
        "cce_logits": ["relu", "sigmoid", "tanh"],
        "bce_logits": ["relu", "softmax", "tanh"],
        "mse": ["sigmoid", "relu", "softmax"],
        "quadratic": ["relu", "tanh"],
    }[loss]
    out["activation"] = _pick(rng, wrong)
    return [out["name"]]


def redundant_output_activation(spec: Spec, rng: np.random.Generator) -> Layers:
    out, loss = _output(spec), spec["loss"]["name"]
    if loss not in ("cce_logits", "bce_logits"):
        return None
    out["activation"] = "softmax" if loss == "cce_logits" else "sigmoid"
    return [out["name"]]


def wrong_hidden_activation(spec: Spec, rng: np.random.Generator) -> Layers:
    hidden = _hidden(spec)
    if not hidden or _normalised(spec):
        return None
    if rng.random() < 0.5:
        chosen = hidden if rng.random() < 0.5 else hidden[-1:]
        for layer in chosen:
            layer["activation"] = "softmax"
        return [layer["name"] for layer in chosen]
    if len(hidden) < 3:
        return None
    for layer in hidden:
        layer["activation"] = "sigmoid"
    return [layer["name"] for layer in hidden]


def missing_hidden_nonlinearity(spec: Spec, rng: np.random.Generator) -> Layers:
    hidden = _hidden(spec)
    for layer in hidden:
        layer["activation"] = "linear"
    return [layer["name"] for layer in hidden] or None


def missing_layer(spec: Spec, rng: np.random.Generator) -> Layers:
    """No hidden layer at all."""
    kept = [layer for layer in spec["model"]["layers"] if layer["type"] == "flatten"]
    if len(spec["model"]["layers"]) == 1 + len(kept):
        return None
    spec["model"]["layers"] = [*kept, _output(spec)]
    return []


def wrong_axis(spec: Spec, rng: np.random.Generator) -> Layers:
    """Softmax over the batch."""
    out = _output(spec)
    if out.get("activation") != "softmax":
        return None
    out["activation"] = "softmax_over_batch"
    return [out["name"]]


def wrong_output_units(spec: Spec, rng: np.random.Generator) -> Layers:
    """One unit for several classes."""
    out = _output(spec)
    if out["units"] < 3:
        return None
    out["units"], out["activation"] = 1, "sigmoid"
    spec["preprocess"]["y"] = [["column"]]
    spec["loss"] = {"name": "bce"}
    spec["metric"]["name"] = "argmax_accuracy"
    return [out["name"]]


# --- loss ---------------------------------------------------------------------------------------------------------


def wrong_loss(spec: Spec, rng: np.random.Generator) -> Layers:
    loss = spec["loss"]["name"]
    swapped = {
        "cce": ["mse", "mae", "hinge"],
        "bce": ["mse", "mae", "hinge"],
        "mse": ["bce", "hinge"],
    }
    if loss not in swapped:
        return None
    spec["loss"] = {"name": _pick(rng, swapped[loss])}
    return []


def wrong_loss_reduction(spec: Spec, rng: np.random.Generator) -> Layers:
    if spec["loss"]["name"] == "quadratic":
        return None
    spec["loss"]["reduction"] = "sum"
    return []


def unstable_loss(spec: Spec, rng: np.random.Generator) -> Layers:
    if spec["loss"]["name"] not in ("cce", "bce"):
        return None
    spec["loss"]["clip"] = 0
    spec["optimizer"]["lr"] *= _pick(rng, [1, 3, 10])
    return []


def target_shape_broadcast(spec: Spec, rng: np.random.Generator) -> Layers:
    if spec["loss"]["name"] not in ("mse", "bce"):
        return None
    spec["preprocess"]["y"] = [*(s for s in spec["preprocess"]["y"] if s[0] != "column"), ["flatten"]]
    return []


# --- initial values -----------------------------------------------------------------------------------------------


def constant_init(spec: Spec, rng: np.random.Generator) -> Layers:
    value = _pick(rng, [0.0, 0.0, 0.01, 0.1, 1.0])
    init = {"kind": "zeros"} if value == 0 else {"kind": "constant", "value": value}
    chosen = _weighted(spec)
    for layer in chosen:
        layer["init"] = init
    return [layer["name"] for layer in chosen]


def init_too_large(spec: Spec, rng: np.random.Generator) -> Layers:
    if _normalised(spec):
        return None
    std = log_uniform(rng, 1, 10)
    chosen = _weighted(spec)
    for layer in chosen:
        layer["init"] = {"kind": "normal", "std": std}
    return [layer["name"] for layer in chosen]


def init_too_small(spec: Spec, rng: np.random.Generator) -> Layers:
    if _normalised(spec):
        return None
    std = log_uniform(rng, 1e-6, 3e-3)
    chosen = _weighted(spec)
    for layer in chosen:
        layer["init"] = {"kind": "normal", "std": std}
    return [layer["name"] for layer in chosen]


# --- updates and loop ---------------------------------------------------------------------------------------------


def lr_too_high(spec: Spec, rng: np.random.Generator) -> Layers:
    spec["optimizer"]["lr"] = float(f"{spec['optimizer']['lr'] * log_uniform(rng, 10, 1000):.3g}")
    return []


def lr_too_low(spec: Spec, rng: np.random.Generator) -> Layers:
    spec["optimizer"]["lr"] = float(f"{spec['optimizer']['lr'] / log_uniform(rng, 100, 1e5):.3g}")
    return []


def wrong_optimizer(spec: Spec, rng: np.random.Generator) -> Layers:
    """Adam's epsilon as large as its gradients; plain Adadelta; a decay that ends the training."""
    lr = spec["optimizer"]["lr"]
    name = spec["optimizer"]["name"]
    if name in ("adam", "rmsprop"):
        spec["optimizer"] = {"name": name, "lr": lr, "eps": _pick(rng, [0.1, 1.0, 10.0])}
    else:
        spec["optimizer"] = _pick(
            rng, [{"name": "adadelta", "lr": 0.001}, {**spec["optimizer"], "decay": _pick(rng, [1.0, 10.0])}]
        )
    return []


def wrong_update_sign(spec: Spec, rng: np.random.Generator) -> Layers:
    spec["train"]["gradient_sign"] = -1
    return []


def missing_zero_grad(spec: Spec, rng: np.random.Generator) -> Layers:
    spec["train"]["zero_grad"] = False
    return []


def frozen_parameters(spec: Spec, rng: np.random.Generator) -> Layers:
    chosen = [layer["name"] for layer in _weighted(spec)]
    if rng.random() < 0.5:
        chosen = chosen[:-1] or chosen
    spec["train"]["frozen"] = chosen
    return chosen


def wrong_batch_size(spec: Spec, rng: np.random.Generator) -> Layers:
    """All rows at once: hardly any updates; or one row at a rate for many."""
    spec["train"]["batch_size"] = "full"
    return []


def too_few_epochs(spec: Spec, rng: np.random.Generator) -> Layers:
    if spec["train"]["epochs"] < 4:
        return None
    spec["train"]["epochs"] = 1
    return []


def excess_regularisation(spec: Spec, rng: np.random.Generator) -> Layers:
    if rng.random() < 0.5:
        chosen = _weighted(spec)
        for layer in chosen:
            layer["l2"] = log_uniform(rng, 0.1, 2)
        return [layer["name"] for layer in chosen]
    rate = float(_pick(rng, [0.9, 0.95, 0.98]))
    kept = [layer for layer in spec["model"]["layers"] if layer["type"] != "dropout"]
    layers: list[Spec] = []
    named = []
    for layer in kept:
        layers.append(layer)
        if (
            layer["type"] == "dense"
            and layer is not kept[-1]
            and layer.get("activation", "linear") != "linear"
        ):
            named.append(f"dropped_{layer['name']}")
            layers.append({"name": named[-1], "type": "dropout", "rate": rate})
    spec["model"]["layers"] = layers
    return named or None


PLANTS: dict[str, Plant] = {
    plant.__name__: plant
    for plant in (
        unnormalised_input,
        unnormalised_target,
        wrong_preprocessing,
        train_test_preprocessing_mismatch,
        corrupted_labels,
        wrong_output_activation,
        redundant_output_activation,
        wrong_hidden_activation,
        missing_hidden_nonlinearity,
        missing_layer,
        wrong_axis,
        wrong_output_units,
        wrong_loss,
        wrong_loss_reduction,
        unstable_loss,
        target_shape_broadcast,
        constant_init,
        init_too_large,
        init_too_small,
        lr_too_high,
        lr_too_low,
        wrong_optimizer,
        wrong_update_sign,
        missing_zero_grad,
        frozen_parameters,
        wrong_batch_size,
        too_few_epochs,
        excess_regularisation,
    )
}
