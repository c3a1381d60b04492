"""Faults of the evaluation: the network is right, the number that is printed is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..signals import Array
from .fault import PLAIN, Fault, Parts, Patch


def _counted(wrong: Callable[[Array, Array], Any]) -> Patch:
    """An evaluation `wrong(outputs, labels)` in place of the core's."""

    def patch(parts: Parts) -> None:
        def metric(network: Any, data: tuple[Array, Array]) -> float:
            return float(wrong(network.twin().forward(np.asarray(data[0], network.dtype)), data[1]))

        parts.options["metric"] = metric

    return patch


def _one_hot(labels: Array) -> Array:
    return np.eye(10)[labels]


def _stale(parts: Parts) -> None:
    """A copy of the weights, taken before training, is evaluated."""
    copy = parts.network.copy()

    def metric(network: Any, data: tuple[Array, Array]) -> float:
        outputs = copy.twin().forward(np.asarray(data[0], network.dtype))
        return float(np.mean(outputs.argmax(axis=1) == data[1]))

    parts.options["metric"] = metric


def _over_training_set(parts: Parts) -> None:
    samples = len(parts.dataset.train[0])
    _counted(lambda out, y: np.sum(out.argmax(axis=1) == y) / samples)(parts)


def _fault(mistake: str, summary: str, wrong: Callable[[Array, Array], Any]) -> Fault:
    return Fault(
        mistake.replace("_", "-"),
        summary,
        "wrong_metric",
        None,
        PLAIN,
        patch=_counted(wrong),
        mistake=mistake,
    )


FAULTS = (
    _fault("argmax_of_label", "np.argmax(output) == np.argmax(label) of a label that is a class number already",
           lambda out, y: np.mean(out.argmax(axis=1) == 0)),
    _fault("argmax_wrong_axis", "np.argmax(output, axis=1) of a column: every prediction is 0",
           lambda out, y: np.mean([np.argmax(o[:, None], axis=1)[0] == t for o, t in zip(out, y)])),
    _fault("argmin", "argmin where argmax belongs",
           lambda out, y: np.mean(out.argmin(axis=1) == y)),
    _fault("index_against_one_hot_any", "np.any(prediction == one_hot_row)",
           lambda out, y: np.mean((out.argmax(axis=1)[:, None] == _one_hot(y)).any(axis=1))),
    _fault("index_against_one_hot_all", "np.mean(predictions[:, None] == one_hot)",
           lambda out, y: np.mean(out.argmax(axis=1)[:, None] == _one_hot(y))),
    _fault("column_against_row", "predictions (n, 1) against labels (n,): the mean of an (n, n) matrix",
           lambda out, y: np.mean(out.argmax(axis=1)[:, None] == y)),
    _fault("labels_off_by_one", "predictions counted from 0, labels from 1",
           lambda out, y: np.mean(out.argmax(axis=1) == y + 1)),
    _fault("labels_shifted", "labels that are one row ahead of the predictions",
           lambda out, y: np.mean(out.argmax(axis=1) == np.roll(y, 1))),
    _fault("per_bit_accuracy", "the share of right outputs, not of right samples",
           lambda out, y: np.mean((out > 0) == _one_hot(y))),
    Fault("wrong-denominator", "right answers divided by the size of the training set", "wrong_metric", None, PLAIN,
          patch=_over_training_set, mistake="wrong_denominator"),
    Fault("stale-weights", "the evaluation looks at a copy that was made before training", "wrong_metric", None, PLAIN,
          patch=_stale, mistake="stale_weights"),
)  # fmt: skip
