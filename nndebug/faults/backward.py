"""Faults of the backward pass: each is one line of a layer's `backward` or of the loss's gradient."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..signals import Array
from .fault import FIRST, LAST, Fault, Parts, Patch, override

SQUARE = {**FIRST, "layers": (64, 10, 10)}
"""Ten units, ten classes, ten samples a batch: whatever is transposed still fits."""
NARROW = {**FIRST, "layers": (64, 30, 10), "batch": 10}


def _activation(name: str, wrong: Any) -> Patch:
    """A patch of an activation's backward; `wrong(z, a, u)` is what it passes on of the error u."""

    def patch(parts: Parts) -> None:
        override(parts.activation(name), "backward", lambda self, right, u: wrong(self._z, self._a, u))

    return patch


def _dense(name: str, wrong: Any) -> Patch:
    """A patch of a dense layer's parameter gradients; `wrong(x, u, gradients)` spoils what is right."""

    def patch(parts: Parts) -> None:
        def backward(self: Any, right: Any, u: Array) -> None:
            right(u)
            wrong(self._input, u, self.gradients)

        override(parts.layer(name, "dense"), "backward_parameters", backward)

    return patch


def _passed_back(name: str, wrong: Any) -> Patch:
    """A patch of the error that a dense layer passes back: `wrong(u, weight)`."""

    def patch(parts: Parts) -> None:
        def backward(self: Any, right: Any, u: Array) -> Array:
            self.backward_parameters(u)
            return np.asarray(wrong(u, self.parameters["weight"]))

        override(parts.layer(name, "dense"), "backward", backward)

    return patch


def _loss(wrong: Any) -> Patch:
    """A patch of the loss's gradient: `wrong(loss, output, target, right gradient)`."""

    def patch(parts: Parts) -> None:
        def gradient(self: Any, right: Any, output: Array, target: Array, out: Array) -> Array:
            out[...] = wrong(self, output, target, np.array(right(output, target, out)))
            return out

        override(parts.network.loss, "gradient_encoded", gradient)

    return patch


def _cost(loss: Any, output: Array, target: Array, right: Array) -> Array:
    return np.full_like(output, loss.per_sample_encoded(output, target).mean() / len(output))


def _cost_by_entry(loss: Any, output: Array, target: Array, right: Array) -> Array:
    return np.asarray(0.5 * (output - target) ** 2 / len(output))


def _softmax_over_all(loss: Any, output: Array, target: Array, right: Array) -> Array:
    powers = np.exp(output - output.max())
    return np.asarray((powers / powers.sum() - target) / len(output))


def _sigmoid_slope(z: Array) -> Array:
    a = 1 / (1 + np.exp(-z))
    return np.asarray(a * (1 - a))


def _bias_over_units(parts: Parts) -> None:
    """The sum over axis 1, which fits as long as every batch has as many samples as the layer has units."""
    x, y = parts.dataset.train
    whole = len(x) // 10 * 10
    parts.dataset = replace(parts.dataset, train=(x[:whole], y[:whole]))
    _dense("output", lambda x, u, g: _assign(g["bias"], u.sum(axis=1)))(parts)


def _divide(x: Array, u: Array, gradients: dict[str, Array]) -> None:
    for value in gradients.values():
        value /= len(u)


def _assign(gradient: Array, wrong: Array) -> None:
    gradient[...] = wrong


FAULTS = (
    Fault("cost-for-derivative", "the cost itself stands where its derivative belongs (BP1)", "cost_for_derivative",
          "output", FIRST, patch=_loss(_cost)),
    Fault("cost-by-entry", "each output's cost stands where its derivative belongs (BP1)", "cost_for_derivative",
          "output", FIRST, patch=_loss(_cost_by_entry)),
    Fault("reversed-product", "the error is passed back through W, not its transpose, and W is square (BP2)",
          "transpose_forgotten", "output", SQUARE, patch=_passed_back("output", lambda u, w: u @ w)),
    Fault("weights-reshaped", "W.reshape(10, 30) where W.T was meant (BP2)", "wrong_error_passed_back", "output", FIRST,
          patch=_passed_back("output", lambda u, w: u @ w.reshape(w.shape[::-1]))),
    Fault("no-output-derivative", "sigmoid'(z) left out of the output's error (BP1)", "activation_derivative", "output",
          FIRST, patch=_activation("output", lambda z, a, u: u)),
    Fault("no-hidden-derivative", "sigmoid'(z) left out of the error passed back (BP2)", "activation_derivative",
          "hidden1", FIRST, patch=_activation("hidden1", lambda z, a, u: u)),
    Fault("derivative-at-activation", "sigmoid' taken at the activation, not at z", "activation_derivative", "hidden1",
          FIRST, patch=_activation("hidden1", lambda z, a, u: u * _sigmoid_slope(a))),
    Fault("derivative-of-z", "z * (1 - z) where a * (1 - a) was meant", "activation_derivative", "hidden1", FIRST,
          patch=_activation("hidden1", lambda z, a, u: u * z * (1 - z))),
    Fault("relu-mask-missing", "the error passes a ReLU as if all units fired", "activation_derivative", "hidden1", LAST,
          patch=_activation("hidden1", lambda z, a, u: u)),
    Fault("sigmoid-slope-for-relu", "ReLU in the forward pass, sigmoid' still in the backward pass",
          "activation_derivative", "hidden1", LAST,
          patch=_activation("hidden1", lambda z, a, u: u * _sigmoid_slope(z))),
    Fault("target-minus-output", "y - a where a - y belongs: the error has the wrong sign", "wrong_gradient_sign", "output",
          FIRST, patch=_loss(lambda loss, output, target, right: -right)),
    Fault("hidden-error-negated", "the error passed back to the hidden layer has the wrong sign", "wrong_gradient_sign",
          "hidden1", FIRST, patch=_activation("hidden1", lambda z, a, u: -u * a * (1 - a))),
    Fault("gradient-of-the-sum", "the loss is a mean, its gradient that of the sum over the batch", "wrong_gradient_scale",
          "output", LAST, patch=_loss(lambda loss, output, target, right: right * len(output))),
    Fault("divided-twice", "the weights' gradient divided by the batch, which the loss has done already",
          "wrong_gradient_scale", "hidden1", FIRST,
          patch=_dense("hidden1", _divide)),
    Fault("last-sample-only", "the gradient overwritten sample by sample, not summed", "wrong_weight_gradient", "output",
          FIRST, patch=_dense("output", lambda x, u, g: _assign(g["weight"], np.outer(x[-1], u[-1])))),
    Fault("input-reshaped", "x.reshape(inputs, batch) where x.T was meant (BP4)", "wrong_weight_gradient", "hidden1", FIRST,
          patch=_dense("hidden1", lambda x, u, g: _assign(g["weight"], x.reshape(x.shape[::-1]) @ u))),
    Fault("weight-gradient-transposed", "delta.T @ a where a.T @ delta belongs, on a square layer (BP4)",
          "reversed_product", "output", SQUARE, patch=_dense("output", lambda x, u, g: _assign(g["weight"], u.T @ x))),
    Fault("bias-summed-over-units", "the bias gradient summed over the wrong axis: ten samples, ten units (BP3)",
          "wrong_bias_gradient", "output", NARROW,
          patch=_bias_over_units),
    Fault("bias-a-scalar", "one number for the gradient of all biases: a sum without its axis (BP3)",
          "wrong_bias_gradient", "hidden1", FIRST,
          patch=_dense("hidden1", lambda x, u, g: _assign(g["bias"], u.sum()))),
    Fault("softmax-over-all", "the loss's softmax divides by the sum over the whole batch", "wrong_loss_gradient", "output",
          patch=_loss(_softmax_over_all)),
)  # fmt: skip
