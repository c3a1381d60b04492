"""The losses that people write, by their formula: which one is it?"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...signals import Array
from ..functions import sigmoid, softmax

SAME = 1e-6
"""Two formulas that differ by less, relative to the largest value, are the same; `log(a + 1e-9)` is one with `log(a)`."""


@dataclass(frozen=True)
class KnownLoss:
    """A loss by what the network puts out.

    Attributes:
        name: as in `quadratic`.
        formula: of one sample's loss, in a (the output) and y.
        slope: its derivative by a, in the same.
        each: contribution of every output (samples, outputs).
        gradient: dC/da of one sample's loss (samples, outputs).
        partner: activation whose derivative cancels in it, so that delta = a - y; empty if there is none.
    """

    name: str
    formula: str
    slope: str
    each: Callable[[Array, Array], Array]
    gradient: Callable[[Array, Array], Array]
    partner: str = ""

    def slope_in(self, a: str, y: str) -> str:
        """Its derivative by the output in the names of an output and a target.

        >>> KNOWN[0].slope_in("a2", "y")
        'a2 - y'
        >>> KNOWN[0].slope_in("a2", "0")
        'a2'
        """
        text = re.sub(r"\ba\b", a, re.sub(r"\by\b", y, self.slope))
        return text.removesuffix(" - 0").replace(f"({a} - 0)", a)

    def per_sample(self, a: Array, y: Array) -> Array:
        total: Array = self.each(a, y).sum(axis=1)
        return total


def _softmax_each(a: Array, y: Array) -> Array:
    shifted = a - a.max(axis=1, keepdims=True)
    value: Array = -y * (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
    return value


def _logistic_each(a: Array, y: Array) -> Array:
    value: Array = np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a))) - a * y
    return value


def _binary_each(a: Array, y: Array) -> Array:
    value: Array = -(y * np.log(a) + (1 - y) * np.log(1 - a))
    return value


KNOWN = (
    KnownLoss("quadratic", "0.5 * sum((a - y)**2)", "a - y", lambda a, y: 0.5 * (a - y) ** 2, lambda a, y: a - y),
    KnownLoss("squared", "sum((a - y)**2)", "2 * (a - y)", lambda a, y: (a - y) ** 2, lambda a, y: 2 * (a - y)),
    KnownLoss(
        "mean squared", "mean((a - y)**2)", "2 * (a - y) / outputs",
        lambda a, y: (a - y) ** 2 / a.shape[1], lambda a, y: 2 * (a - y) / a.shape[1],
    ),
    KnownLoss(
        "half mean squared", "0.5 * mean((a - y)**2)", "(a - y) / outputs",
        lambda a, y: 0.5 * (a - y) ** 2 / a.shape[1], lambda a, y: (a - y) / a.shape[1],
    ),
    KnownLoss(
        "cross-entropy", "-sum(y * log(a))", "-y / a", lambda a, y: -y * np.log(a), lambda a, y: -y / a, "softmax"
    ),
    KnownLoss(
        "binary cross-entropy", "-sum(y * log(a) + (1 - y) * log(1 - a))", "(a - y) / (a * (1 - a))",
        _binary_each, lambda a, y: (a - y) / (a * (1 - a)), "sigmoid",
    ),
    KnownLoss(
        "mean binary cross-entropy", "-mean(y * log(a) + (1 - y) * log(1 - a))",
        "(a - y) / (a * (1 - a)) / outputs",
        lambda a, y: _binary_each(a, y) / a.shape[1], lambda a, y: (a - y) / (a * (1 - a)) / a.shape[1],
    ),
    KnownLoss(
        "cross-entropy of logits", "-sum(y * log(softmax(a)))", "softmax(a) - y",
        _softmax_each, lambda a, y: softmax(a) - y,
    ),
    KnownLoss(
        "binary cross-entropy of logits", "-sum(y * log(sigmoid(a)) + (1 - y) * log(1 - sigmoid(a)))",
        "sigmoid(a) - y", _logistic_each, lambda a, y: sigmoid(a) - y,
    ),
)  # fmt: skip

USUAL = {"softmax": "cross-entropy", "sigmoid": "quadratic"}
"""The loss that is assumed with an output activation where nothing tells; quadratic with all others."""


def known(name: str) -> KnownLoss:
    return next(loss for loss in KNOWN if loss.name == name)


def encoded(y: Array, outputs: int) -> Array:
    """Targets as (samples, outputs): class numbers, (samples,) or (samples, 1), become one-hot."""
    if is_numbers(y, outputs):
        one_hot: Array = np.eye(outputs)[y.ravel().astype(int)]
        return one_hot
    return np.asarray(y, np.float64).reshape(len(y), -1)


def is_numbers(y: Array, outputs: int) -> bool:
    """Whether targets are numbers of classes, of which there is an output for each."""
    if y.size != len(y) or outputs < 2 or not np.array_equal(y, np.round(y)):
        return False
    return bool(y.min() >= 0 and y.max() < outputs)


def of_values(a: Array, y: Array, value: float) -> list[tuple[KnownLoss, str, float]]:
    """The losses that give this value for a batch, each with `mean` or `sum` and how far it is off."""
    found = []
    for loss in KNOWN:
        each = loss.per_sample(a, y)
        for kind, total in (("mean", each.mean()), ("sum", each.sum())):
            if np.isfinite(total) and abs(total - value) <= SAME * max(abs(value), abs(total)):
                found.append((loss, kind, abs(total - value)))
    return found


def of_gradients(a: Array, y: Array, gradient: Array) -> list[KnownLoss]:
    """The losses whose derivative by the output this is."""
    size = float(np.abs(gradient).max(initial=0.0))
    return [
        loss
        for loss in KNOWN
        if np.allclose(loss.gradient(a, y), gradient, rtol=SAME, atol=SAME * size)
        and gradient.shape == a.shape
    ]
