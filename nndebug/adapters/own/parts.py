"""Layers and loss of a mirror, with what adapters, probe and preflight ask of the core's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import UserError
from ...gradcheck.functions import Function
from ...gradcheck.own.losses import KnownLoss, known
from ...gradcheck.own.rebuilt import through
from ...signals import Array
from .hooks import Handle, Hooks


class Layer:
    """What all layers have.

    Attributes:
        name: of the site; parameters, gradients: views of the mirror's flat vectors.
    """

    kind = ""

    def __init__(self, name: str) -> None:
        self.name, self.hooks = name, Hooks()
        self.parameters: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}
        self.state: dict[str, Array] = {}
        self.training = False

    def hook(self, kind: str, observer: Callable[..., Any]) -> Handle:
        return self.hooks.attach(kind, observer)

    def forward(self, x: Array) -> Array:
        """What comes out for x (batch, …)."""
        raise NotImplementedError

    def backward(self, gradient: Array) -> Array:
        """dLoss/dx from dLoss/doutput."""
        raise NotImplementedError


class Dense(Layer):
    """z = x W + b with W (inputs, units), however the user keeps it."""

    kind = "dense"

    def __init__(self, name: str, inputs: int, units: int) -> None:
        super().__init__(name)
        self.inputs, self.units = inputs, units
        self._input = np.empty((0, 0))

    def forward(self, x: Array) -> Array:
        self._input = x.reshape(len(x), -1)
        z: Array = self._input @ self.parameters["weight"]
        return z + self.parameters["bias"] if "bias" in self.parameters else z

    def backward(self, gradient: Array) -> Array:
        """dLoss/dx (batch, inputs) from dLoss/dz (batch, units)."""
        passed: Array = gradient @ self.parameters["weight"].T
        return passed

    def differentiate(self, gradient: Array) -> None:
        """Fills the gradients from dLoss/dz (batch, units)."""
        self.gradients["weight"][...] = self._input.T @ gradient
        if "bias" in self.gradients:
            self.gradients["bias"][...] = gradient.sum(axis=0)


class Activation(Layer):
    """a = f(z)."""

    def __init__(self, name: str, function: Function) -> None:
        super().__init__(name)
        self.function, self.kind = function, function.name.partition(" ")[0]
        self._z = self._a = np.empty(0)

    def value(self, z: Array) -> Array:
        return np.asarray(self.function.value(z), z.dtype)

    def derivative(self, z: Array, a: Array) -> Array:
        return self.function.derivative(z)

    def forward(self, z: Array) -> Array:
        self._z, self._a = z, self.value(z)
        return self._a

    def backward(self, gradient: Array) -> Array:
        return through(self.function, self._z, self._a, gradient)


@dataclass(frozen=True)
class _Word:
    kind: str
    takes: str = "values"
    settings: tuple[tuple[str, Any], ...] = ()


_WORDS = {
    "quadratic": _Word("quadratic"),
    "squared": _Word("quadratic", settings=(("scale", 2.0),)),
    "mean squared": _Word("quadratic", settings=(("over_outputs", "mean"), ("scale", 2.0))),
    "half mean squared": _Word("quadratic", settings=(("over_outputs", "mean"),)),
    "cross-entropy": _Word("probability_cross_entropy", "probabilities", (("clip", 0.0), ("renormalise", False))),
    "binary cross-entropy": _Word("probability_binary_cross_entropy", "probabilities", (("clip", 0.0), ("over_outputs", "sum"))),
    "mean binary cross-entropy": _Word("probability_binary_cross_entropy", "probabilities", (("clip", 0.0),)),
    "cross-entropy of logits": _Word("cross_entropy", "logits"),
    "binary cross-entropy of logits": _Word("binary_cross_entropy", "logits"),
}  # fmt: skip
"""Losses by their formula → what the core calls them."""

FUSED = {
    ("cross-entropy", "softmax"): "cross-entropy of logits",
    ("binary cross-entropy", "sigmoid"): "binary cross-entropy of logits",
}
"""A loss and the output's activation → the loss of the pre-activations, which is the same number without its overflow."""


class OwnLoss:
    """A user's loss by its formula, with the words of the core.

    Args:
        formula: which one.
        reduction: `mean` or `sum` over the samples of a batch.
    """

    def __init__(self, formula: KnownLoss, reduction: str) -> None:
        word = _WORDS[formula.name]
        self.formula, self.reduction = formula, reduction
        self.kind, self.takes = word.kind, word.takes
        self.settings = dict(word.settings) | ({} if reduction == "mean" else {"reduction": reduction})
        self.threshold = 0.0 if word.takes == "logits" else 0.5

    def __call__(self, output: Array, target: Array) -> float:
        each = self.per_sample(output, target)
        return float(np.sum(each) if self.reduction == "sum" else np.mean(each))

    def per_sample(self, output: Array, target: Array) -> Array:
        """(batch,) from output and target (batch, outputs)."""
        return np.asarray(self.formula.per_sample(output, self._encoded(output, target)))

    def gradient(self, output: Array, target: Array, out: Array | None = None) -> Array:
        """d(loss of the batch)/d(output) (batch, outputs)."""
        slope = self.formula.gradient(output, self._encoded(output, target))
        slope = np.asarray(slope if self.reduction == "sum" else slope / len(output), output.dtype)
        if out is None:
            return slope
        out[...] = slope
        return out

    def predictions(self, output: Array) -> Array:
        """Class numbers (batch,)."""
        if output.shape[1] == 1:
            return np.asarray(output[:, 0] > self.threshold).astype(np.int64)
        return np.asarray(np.argmax(output, axis=1))

    def encode(self, target: Array, outputs: int, dtype: Any) -> Array:
        """Targets as (batch, outputs): one-hot for class numbers.

        Raises:
            UserError: they do not fit the outputs.
        """
        target = np.asarray(target)
        if target.ndim == 2 and target.shape[1] == outputs:
            return target.astype(dtype, copy=False)
        if target.ndim == 2 and target.shape[1] == 1 and outputs > 1:
            target = target[:, 0]
        if target.ndim == 1 and outputs == 1:
            return target.astype(dtype)[:, None]
        numbers = target.astype(np.int64) if target.ndim == 1 else np.empty(0, np.int64)
        if (
            target.ndim != 1
            or not (numbers == target).all()
            or numbers.min(initial=0) < 0
            or numbers.max(initial=0) >= outputs
        ):
            raise UserError(
                f"targets of shape {target.shape} do not fit {outputs} outputs",
                help="class numbers from 0, or a value for every output",
            )  # fmt: skip
        return np.eye(outputs, dtype=dtype)[numbers]

    def _encoded(self, output: Array, target: Array) -> Array:
        target = np.asarray(target)
        return target if target.shape == output.shape else self.encode(target, output.shape[1], output.dtype)


def loss_of(formula: KnownLoss, activation: str, reduction: str) -> tuple[OwnLoss, bool]:
    """The loss as the core has it, and whether the output's activation is part of it."""
    fused = FUSED.get((formula.name, activation))
    return OwnLoss(known(fused) if fused else formula, reduction), fused is not None
