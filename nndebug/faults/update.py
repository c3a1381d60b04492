"""Faults of the update: the gradient is right, what is made of it is not."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..signals import Array
from .fault import FIRST, PLAIN, Fault, Parts, Patch, override


def _update(wrong: Any) -> Patch:
    """A patch of the optimiser: `wrong(optimizer, right update, parameters, gradient, parts)`."""

    def patch(parts: Parts) -> None:
        override(
            parts.optimizer,
            "update",
            lambda self, right, parameters, gradient: wrong(self, right, parameters, gradient, parts),
        )

    return patch


def _copy(optimizer: Any, right: Any, parameters: Array, gradient: Array, parts: Parts) -> None:
    """`w = w - rate * g` on a loop variable: the name is bound anew, the parameter is left as it was."""
    parameters = parameters - optimizer.rate * gradient


def _biases_only(optimizer: Any, right: Any, parameters: Array, gradient: Array, parts: Parts) -> None:
    right(parameters, gradient * (1 - parts.network.weight_mask))


def _last_layer_only(optimizer: Any, right: Any, parameters: Array, gradient: Array, parts: Parts) -> None:
    last = sum(value.size for value in parts.network.layers[-1].parameters.values()) or sum(
        value.size for name, value in parts.network.parameters.items() if name.startswith("output.")
    )
    kept = parameters[:-last].copy()
    right(parameters, gradient)
    parameters[:-last] = kept


def _biases_uphill(optimizer: Any, right: Any, parameters: Array, gradient: Array, parts: Parts) -> None:
    right(parameters, gradient * (2 * parts.network.weight_mask - 1))


def _piling(optimizer: Any, right: Any, parameters: Array, gradient: Array, parts: Parts) -> None:
    total = optimizer._scratch("total", parameters)
    total += gradient
    right(parameters, total)


def _batch_left_in(optimizer: Any, right: Any, parameters: Array, gradient: Array, parts: Parts) -> None:
    right(parameters, gradient * parts.options["batch"])


def _by_data_set(optimizer: Any, right: Any, parameters: Array, gradient: Array, parts: Parts) -> None:
    right(parameters, gradient * (parts.options["batch"] / optimizer.samples))


def _rate_missing(optimizer: Any, right: Any, parameters: Array, gradient: Array, parts: Parts) -> None:
    parameters -= gradient


def _uphill(optimizer: Any, right: Any, parameters: Array, gradient: Array, parts: Parts) -> None:
    parameters += optimizer.rate * gradient


def _no_bias_correction(optimizer: Any, right: Any, parameters: Array, gradient: Array, parts: Parts) -> None:
    first, second = (optimizer._scratch(name, parameters) for name in ("first", "second"))
    first += (1 - optimizer.beta1) * (gradient - first)
    second += (1 - optimizer.beta2) * (gradient * gradient - second)
    parameters -= optimizer.rate * first / (np.sqrt(second) + optimizer.epsilon)


def _momentum_never_fades(
    optimizer: Any, right: Any, parameters: Array, gradient: Array, parts: Parts
) -> None:
    velocity = optimizer._scratch("velocity", parameters)
    velocity += gradient
    parameters -= optimizer.rate * velocity


def _gradients_pile_up(parts: Parts) -> None:
    """`gradient += ...` in every layer's backward pass, and nothing that clears it."""

    def backward(self: Any, right: Any, u: Array) -> None:
        before = {name: value.copy() for name, value in self.gradients.items()}
        right(u)
        for name, value in self.gradients.items():
            value += before.get(name, 0)

    for layer in parts.network.layers:
        if layer.parameters:
            override(layer, "backward_parameters", backward)


def _penalty_uphill(parts: Parts) -> None:
    def penalised(self: Any, right: Any, network: Any) -> Array:
        decay = self.l2 / self.samples * network.flat_parameters * network.weight_mask
        return np.asarray(network.flat_gradients - decay)

    override(parts.optimizer, "_with_penalties", penalised)


FAULTS = (
    Fault("update-of-a-copy", "the update changes a copy: `w = w - rate * g` on a loop variable", "frozen_parameters",
          "hidden1", FIRST, patch=_update(_copy)),
    Fault("only-biases-updated", "the weights' update changes a copy, the biases' works", "frozen_parameters", "hidden1",
          FIRST, patch=_update(_biases_only)),
    Fault("only-last-layer-updated", "the loop over the layers updates the last one only", "frozen_parameters", "hidden1",
          FIRST, patch=_update(_last_layer_only)),
    Fault("uphill", "w + rate * gradient: ascent", "wrong_update_sign", None, FIRST, patch=_update(_uphill)),
    Fault("biases-uphill", "the biases' update has the wrong sign, the weights' is right", "wrong_update_sign", None, FIRST,
          patch=_update(_biases_uphill)),
    Fault("batch-left-in", "gradients summed over the batch and not divided by it", "wrong_update", None, FIRST,
          patch=_update(_batch_left_in)),
    Fault("divided-by-data-set", "gradients divided by the data set's size instead of the batch's", "wrong_update", None,
          FIRST, patch=_update(_by_data_set)),
    Fault("rate-missing", "w - gradient: the rate is never used", "wrong_update", None, {**PLAIN, "lr": 0.01, "epochs": 30},
          patch=_update(_rate_missing)),
    Fault("gradients-never-cleared", "every backward pass adds to the gradients of the one before", "missing_zero_grad",
          None, {**PLAIN, "lr": 0.01, "epochs": 30}, patch=_gradients_pile_up),
    Fault("optimiser-piles-up", "the optimiser adds up all gradients so far", "missing_zero_grad", None, FIRST,
          patch=_update(_piling)),
    Fault("adam-without-correction", "Adam without bias correction: its first steps are too large", "wrong_update", None,
          {**PLAIN, "optimizer": "adam", "lr": 0.01}, patch=_update(_no_bias_correction)),
    Fault("momentum-never-fades", "the velocity is added to and never multiplied by the momentum", "wrong_update", None,
          {**PLAIN, "optimizer": "momentum", "lr": 0.02}, patch=_update(_momentum_never_fades)),
    Fault("penalty-uphill", "the L2 penalty subtracted from the gradient: weights grow", "wrong_penalty", None,
          {**PLAIN, "l2": 1.0}, patch=_penalty_uphill),
)  # fmt: skip
