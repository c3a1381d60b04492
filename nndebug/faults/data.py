"""Faults of the data: what the network is given is not what it should learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..signals import Array
from .fault import PLAIN, SIGMOID, Fault, Parts, Patch


def _train(change: Callable[[Array, Array], tuple[Array, Array]]) -> Patch:
    """A patch of the training set."""

    def patch(parts: Parts) -> None:
        parts.dataset = replace(parts.dataset, train=change(*parts.dataset.train))

    return patch


def _everywhere(change: Callable[[Array], Array]) -> Patch:
    """A patch of all inputs."""

    def patch(parts: Parts) -> None:
        held_out: dict[str, Any] = {
            name: (change(part[0]), part[1])
            for name in ("validation", "test")
            if (part := getattr(parts.dataset, name)) is not None
        }
        x, y = parts.dataset.train
        parts.dataset = replace(parts.dataset, train=(change(x), y), **held_out)

    return patch


def _shuffled(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.random.default_rng(1).permutation(y)


def _rows_behind(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.roll(y, 1, axis=0)


def _next_class(x: Array, y: Array) -> tuple[Array, Array]:
    return x, (y + 1) % 10


def _three_classes(x: Array, y: Array) -> tuple[Array, Array]:
    """Two samples of each class but the first three."""
    few = np.concatenate([np.flatnonzero(y == label)[:2] for label in range(3, 10)])
    rows = np.sort(np.concatenate([np.flatnonzero(y < 3), few]))
    return x[rows], y[rows]


def _test_raw(parts: Parts) -> None:
    """Training inputs 0 to 1, held-out ones 0 to 16, as they came."""
    parts.dataset = replace(
        parts.dataset,
        test=(parts.dataset.test[0] * 16, parts.dataset.test[1]),
        validation=None
        if parts.dataset.validation is None
        else (parts.dataset.validation[0] * 16, parts.dataset.validation[1]),
    )


FAULTS = (
    Fault("raw-pixels", "pixels 0 to 255, not scaled", "unnormalised_input", "hidden1", {**SIGMOID, "lr": 0.1},
          patch=_everywhere(lambda x: x * 255)),
    Fault("scaled-twice", "pixels divided by 255 that were 0 to 1 already", "wrong_preprocessing", None, {**PLAIN, "epochs": 12},
          patch=_everywhere(lambda x: x / 255)),
    Fault("constant-inputs", "integer division: every pixel is 0", "wrong_preprocessing", None, PLAIN,
          patch=_everywhere(lambda x: np.zeros_like(x))),
    Fault("shuffled-labels", "inputs shuffled, labels not", "corrupted_labels", None, PLAIN, patch=_train(_shuffled)),
    Fault("labels-a-row-behind", "labels that belong to the row before", "corrupted_labels", None, PLAIN,
          patch=_train(_rows_behind)),
    Fault("labels-from-one", "training labels that count from 1, test labels from 0", "corrupted_labels", None, PLAIN,
          patch=_train(_next_class)),
    Fault("classes-missing", "two samples each of seven of the ten classes", "class_imbalance", None, PLAIN,
          patch=_train(_three_classes)),
    Fault("test-not-scaled", "training inputs scaled, test inputs left as they came", "train_test_preprocessing_mismatch",
          None, SIGMOID, patch=_test_raw),
)  # fmt: skip
