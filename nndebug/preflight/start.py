"""The state before the first step: loss, scales of pre-activations, size of the weights, units that are alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..chance import loss_at_chance
from ..signals import Array
from .subject import Subject


def start(subject: Subject) -> dict[str, Any]:
    """Initial loss, and of every layer with weights: pre-activation scale, weight scale, units that are copies."""
    network = subject.network()
    seen: dict[str, float] = {}

    def keep(layer: Any, values: Array, output: Array) -> None:
        if layer.parameters:
            seen[layer.name] = float(np.std(output, dtype=np.float64))

    with network.hook("forward", keep), np.errstate(all="ignore"):
        output = network.forward(subject.x[subject.rows])
    found: dict[str, Any] = {"layers": _layers(network, seen)}
    with np.errstate(all="ignore"):
        found["output_variation"] = float(np.sqrt(np.mean(np.var(output, axis=0, dtype=np.float64))))
        found["outputs_equal"] = bool(len(output) > 1 and (output[:1] == output).all())
        if subject.targets is not None:
            losses = subject.loss.per_sample(output, subject.targets[subject.rows])
            found["loss"] = float(np.mean(losses, dtype=np.float64))
            found["chance"] = loss_at_chance(subject.loss, subject.targets)
    return found


def _layers(network: Any, scales: dict[str, float]) -> list[dict[str, Any]]:
    rows = []
    for position, layer in enumerate(network.layers):
        weight = layer.parameters.get("weight")
        if weight is None or weight.ndim < 2:
            continue
        # Dense weights are (inputs, units); those of convolutions (filters, channels, height, width).
        by_unit = weight if weight.ndim == 2 else weight.reshape(len(weight), -1).T
        bias = layer.parameters.get("bias")
        following = next(
            (later.kind for later in network.layers[position + 1 :] if later.name == layer.name), "linear"
        )
        alike = bool(by_unit.shape[1] > 1 and (by_unit == by_unit[:, :1]).all())
        after = next(
            (a.parameters["weight"] for a in network.layers[position + 1 :] if a.kind == "dense"), None
        )
        # Copies stay copies only where the next layer treats them alike, too.
        if after is not None and weight.ndim == 2 and len(after) == weight.shape[1]:
            alike = alike and bool((after == after[:1]).all())
        rows.append(
            {
                "name": layer.name,
                "activation": following,
                "inputs": int(by_unit.shape[0]),
                "units": int(by_unit.shape[1]),
                "preactivation_std": scales.get(layer.name),
                "weight_std": float(np.std(weight, dtype=np.float64)),
                "weight_mean": float(np.mean(weight, dtype=np.float64)),
                # 1 keeps the scale of a signal; ReLU needs √2.
                "gain": float(np.sqrt(np.mean(np.square(weight, dtype=np.float64)) * by_unit.shape[0])),
                "units_alike": alike and (bias is None or bool((bias == bias[0]).all())),
                "bias_mean": None if bias is None else float(np.mean(bias, dtype=np.float64)),
            }
        )
    return rows
