"""What a program is to learn, read off its data: how well it does is measured the same way whatever its loss is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..signals import Array

MOST_CLASSES = 1000
HELD_OUT = 1000
"""Rows that are measured on."""

_OF_CLASSES = ("cross_entropy", "hinge")
"""What the kind of a loss contains that takes targets for classes."""


@dataclass(frozen=True)
class Task:
    """What is to be learned.

    Attributes:
        kind: `classes` (one of several), `labels` (any number of several) or `values`.
        classes: how many classes; columns of the targets for the other kinds.
        truth: class numbers (rows,) of the held-out rows; None where values are compared.
        chance: what is reached without looking at the inputs.
    """

    kind: str
    classes: int
    truth: Array | None
    chance: float

    @property
    def measure(self) -> str:
        return "explained" if self.truth is None else "accuracy"

    def score(self, network: Any, x: Array, y: Array) -> float | None:
        """Share of right answers, or of the targets' variance, on held-out rows; None where outputs are not finite.

        Args:
            network: trained or not; it is left as it was.
            x: the held-out inputs (rows, …).
            y: their targets, as the network's loss takes them.
        """
        with np.errstate(all="ignore"):
            output = np.asarray(network.twin().forward(x[:HELD_OUT]))
            if not np.isfinite(output).all():
                return None
            if self.truth is not None:
                return float(np.mean(network.loss.predictions(output) == self.truth[:HELD_OUT]))
            said = np.asarray(network.loss.probabilities(output), np.float64)
        return _explained(said, np.asarray(y[:HELD_OUT], np.float64))


def _explained(said: Array, y: Array) -> float:
    """Share of the variance of y (rows, …) that is explained, at least -1."""
    y = y.reshape(len(y), -1)
    total = float(np.square(y - y.mean(axis=0)).sum())
    left = float(np.square(np.broadcast_to(said, y.shape if said.shape[1] == 1 else said.shape) - y).sum())
    return max(1 - left / total, -1.0) if total > 0 else 0.0


def task_of(raw: Any, built: Any, loss: Any) -> Task:
    """Reads a task off data.

    Args:
        raw: the data set before preprocessing, which may spoil the labels.
        built: the same as the program is trained on.
        loss: of the program.
    """
    y, held_out = np.asarray(raw.train[1]), np.asarray(raw.test[1])
    if y.ndim == 2 and y.shape[1] > 1:
        bits = bool(np.isin(y, (0, 1)).all())
        if bits and bool((y.sum(axis=1) == 1).all()):
            return _of_classes(y.argmax(axis=1), held_out.argmax(axis=1))
        return Task("labels" if bits else "values", y.shape[1], None, 0.0)
    y, held_out = y.reshape(len(y), -1)[:, 0], held_out.reshape(len(held_out), -1)[:, 0]
    numbers = bool(np.all(y == np.floor(y))) and y.min() >= 0 and y.max() < MOST_CLASSES
    classes = bool(raw.classes or built.classes) or set(np.unique(y)) <= {0, 1}
    if numbers and (classes or any(word in loss.kind for word in _OF_CLASSES)):
        return _of_classes(y.astype(np.int64), held_out.astype(np.int64))
    return Task("values", 1, None, 0.0)


def _of_classes(train: Array, held_out: Array) -> Task:
    counts = np.bincount(held_out[:HELD_OUT])
    classes = int(max(train.max(), held_out.max())) + 1
    return Task("classes", classes, held_out, float(counts.max() / counts.sum()))
