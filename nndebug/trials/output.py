"""Changes where the network ends: last activation, width and loss that fit the task, and the loss's settings."""

from __future__ import annotations

from typing import Any

from .task import Task

Spec = dict[str, Any]

_OF_PROBABILITIES = {"cce": "softmax", "bce": "sigmoid"}
_OF_LOGITS = ("cce_logits", "bce_logits", "cross_entropy", "binary_cross_entropy", "hinge")
_PAIRS = {
    ("softmax", "cce"): "classes",
    ("linear", "cce_logits"): "classes",
    ("linear", "cross_entropy"): "classes",
    ("softmax", "cross_entropy"): "classes",
    ("sigmoid", "bce"): "labels",
    ("linear", "bce_logits"): "labels",
    ("linear", "binary_cross_entropy"): "labels",
    ("sigmoid", "binary_cross_entropy"): "labels",
    ("linear", "mse"): "values",
    ("linear", "quadratic"): "values",
}
"""Last activation and loss that go together, and what they are for."""


def last(layers: list[dict[str, Any]]) -> int:
    """Position of the last dense layer."""
    return max((i for i, layer in enumerate(layers) if layer["type"] == "dense"), default=0)


def _ending(layers: list[dict[str, Any]]) -> str:
    """What the network ends in."""
    named = [layer["activation"] for layer in layers[last(layers) :] if "activation" in layer]
    return next((name for name in reversed(named) if name != "linear"), "linear")


def _end_in(layers: list[dict[str, Any]], activation: str) -> None:
    at = last(layers)
    layers[at + 1 :] = [layer for layer in layers[at + 1 :] if layer["type"] != "activation"]
    for layer in layers[at:]:
        layer.pop("activation", None)
        layer.pop("slope", None)
    if activation != "linear":
        layers[at]["activation"] = activation


def activation(spec: Spec, task: Task) -> str | None:
    """The last activation that the loss and the task expect; the loss stays."""
    layers, name = spec["model"]["layers"], spec["loss"]["name"]
    single = layers[last(layers)].get("units") == 1
    if name in _OF_PROBABILITIES:
        right = "sigmoid" if single else _OF_PROBABILITIES[name]
    elif name in _OF_LOGITS or task.kind == "values":
        right = "linear"
    else:
        right = "sigmoid"
    before = _ending(layers)
    if before == right or (before == "softmax" and name == "cross_entropy"):
        return None
    if before == "sigmoid" and name == "binary_cross_entropy":
        return None
    _end_in(layers, right)
    return f"output activation {before} → {right}"


def loss(spec: Spec, task: Task) -> str | None:
    """The loss that the task and the last activation expect; the activation stays."""
    layers, before = spec["model"]["layers"], spec["loss"]["name"]
    ending, single = _ending(layers), layers[last(layers)].get("units") == 1
    if task.kind == "values":
        right = "mse" if before not in ("mse", "quadratic") else before
    elif single or task.kind == "labels":
        right = {"sigmoid": "bce", "linear": "bce_logits"}.get(ending, before)
    else:
        right = {"softmax": "cce", "linear": "cce_logits", "sigmoid": "bce"}.get(ending, before)
    same = {"cross_entropy": ("cce", "cce_logits"), "binary_cross_entropy": ("bce", "bce_logits")}
    if right == before or right in same.get(before, ()):
        return None
    spec["loss"] = {"name": right}
    return f"loss {before} → {right}"


def pair(spec: Spec, task: Task) -> str | None:
    """Width, last activation and loss, all as the task expects them."""
    layers = spec["model"]["layers"]
    output, before = layers[last(layers)], (_ending(layers), spec["loss"]["name"])
    units = output.get("units", 1)
    if task.kind == "values":
        right, wide = ("linear", "mse"), units
    elif task.kind == "labels" or (task.classes <= 2 and units == 1):
        right, wide = ("sigmoid", "binary_cross_entropy"), units
    else:
        right, wide = ("softmax", "cross_entropy"), max(task.classes, 2)
    if _PAIRS.get(before) == _PAIRS[right] and wide == units:
        return None
    if wide != units:
        output["units"] = wide
        steps = spec.get("preprocess", {})
        for part in ("y", "y_test"):
            kept = [step for step in steps.get(part, []) if step[0] not in ("column", "one_hot")]
            if part in steps:
                steps[part] = kept
    _end_in(layers, right[0])
    spec["loss"] = {"name": right[1]}
    width = f"{units} → {wide} outputs, " if wide != units else ""
    return f"{width}output and loss {before[0]}, {before[1]} → {right[0]}, {right[1]}"


def mean(spec: Spec, task: Task) -> str | None:
    """The mean where the loss is a sum, and no factor."""
    odd = {
        name: spec["loss"].pop(name)
        for name in ("reduction", "over_outputs", "scale")
        if name in spec["loss"]
    }
    changed = [f"{name.replace('_', ' ')} {value}" for name, value in odd.items() if value not in ("mean", 1)]
    return f"the loss's mean in place of {', '.join(changed)}" if changed else None


def guard(spec: Spec, task: Task) -> str | None:
    """A guard at the edge of the logarithm."""
    if spec["loss"].get("clip", 1) != 0:
        return None
    spec["loss"].pop("clip")
    spec["loss"].pop("renormalise", None)
    return "the logarithm guarded"
