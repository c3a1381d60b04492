"""A watched network's evaluations on trial: each number that is reported is compared with what the network says."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..chance import class_labels
from ..errors import UserError
from ..recorder import Recorder
from ..signals import RUN, Array
from .capture import Capture
from .check import EvaluationCheck, compare
from .number import Unit, readings

_ROWS = 4096
_IMAGES = 512
"""Rows at a time; images are larger."""

_SAME = 1e-6
"""A number this near to the network's own loss, relative to it, is the loss and no accuracy."""


class Trial:
    """Compares what a training reports of its validation set with the accuracy.

    Args:
        network: being watched; what it computes here leaves no trace.
        recorder: where the comparison goes.
    """

    def __init__(self, network: Any, recorder: Recorder) -> None:
        self.network, self._recorder = network, recorder
        self._older: dict[str, Array] = {}
        self._counts: dict[str, int] = {}
        self._validation: tuple[Array, Array] | None = None
        self._judged = self._told = False
        self._unit: Unit | None = None

    def begin(self, training: Any) -> None:
        """Takes over the validation set and the initial weights."""
        self._older = {"the initial weights": self.network.flat_parameters.copy()}
        self._counts = {"training set": len(training.x)}
        self._validation, self._judged = training.validation, False

    def epoch(self, reported: float | None, step: int, epoch: int, last: bool) -> float | None:
        """Reads what an epoch reports; at the first and the last one it is compared with the accuracy.

        Returns:
            The share of right answers that it says; None where it is no accuracy, which is told once. Where the targets
            are no classes, what was reported.
        """
        if self._validation is None or reported is None:
            return reported
        share = self._read(reported, self._validation, step, epoch, last)
        self._older[f"the weights after epoch {epoch}"] = self.network.flat_parameters.copy()
        for old in [name for name in self._older if name != "the initial weights"][:-1]:
            del self._older[old]  # birth and the last epoch are what evaluations are stale by
        return share

    def _read(
        self, reported: float, validation: tuple[Array, Array], step: int, epoch: int, last: bool
    ) -> float | None:
        try:
            if self._judged and not last:
                return readings(reported, len(validation[0]), self._unit)[0].share
            self._judged = True
            judged = self._compare(reported, *validation, step, epoch, self._unit)
        except UserError as error:
            self.no_accuracy(error)
            return None
        if judged is None:
            self._validation = None
            return reported
        self._unit = judged.unit if judged.value else self._unit
        return judged.value

    def no_accuracy(self, error: UserError) -> None:
        """Says once that a number was no accuracy."""
        if not self._told:
            self._told = True
            self._recorder.tell(f"what the evaluation gives is not compared with the accuracy: {error}")

    def judge(self, value: float, x: Array, y: Array, step: int, epoch: int) -> EvaluationCheck | None:
        """Compares one number with the accuracy on (x, y); None where the targets are no classes.

        Raises:
            UserError: see `check_accuracy`; or the value is the loss.
        """
        return self._compare(value, x, y, step, epoch, None)

    def _compare(
        self, value: float, x: Array, y: Array, step: int, epoch: int, unit: Unit | None
    ) -> EvaluationCheck | None:
        x = np.ascontiguousarray(x, self.network.dtype)
        outputs, loss = self._outputs(x), self.network.loss
        targets = loss.encode(np.asarray(y), outputs.shape[1], self.network.dtype)
        labels, threshold = class_labels(np.asarray(y), targets), getattr(loss, "threshold", 0.0)
        if labels is None:
            return None
        judged = compare(value, Capture.of(outputs, labels, None, None, {}, {}, threshold), unit)
        if not judged:
            with np.errstate(all="ignore"):
                mean = float(np.mean(loss.per_sample(outputs, targets), dtype=np.float64))
            if mean > 0 and abs(float(np.asarray(value).item()) - mean) <= _SAME * mean:
                raise UserError(f"the value {mean:.6g} is the mean loss", help="give the accuracy")
            older = {name: self._outputs(x, weights) for name, weights in self._older.items()}
            capture = Capture.of(outputs, labels, x, self.network, older, self._counts, threshold)
            judged = compare(value, capture, unit)
        figures = {"evaluation.reported": judged.value, "evaluation.accuracy": judged.accuracy}
        self._recorder.probe(step, epoch, {RUN: figures})
        table = renamed(outputs.argmax(axis=1), labels) if outputs.shape[1] > 1 else None
        self._recorder.event("evaluation", step, epoch, **judged.to_json(), renamed=table)
        return judged

    def _outputs(self, x: Array, weights: Array | None = None) -> Array:
        twin = self.network.twin() if weights is None else self.network.copy()
        twin.training = False
        if weights is not None:
            twin.flat_parameters[...] = weights
        rows = _ROWS if x.ndim == 2 else _IMAGES
        with np.errstate(all="ignore"):
            return np.concatenate([twin.forward(x[i : i + rows]) for i in range(0, len(x), rows)])


def renamed(predictions: Array, labels: Array) -> dict[str, Any] | None:
    """The label that each predicted class mostly meets, and the accuracy if it were called so.

    Returns:
        None unless every class that occurs is predicted, meets another label than its own, and no label is met twice.
    """
    classes = int(max(predictions.max(), labels.max())) + 1
    table = np.bincount(predictions * classes + labels, minlength=classes**2).reshape(classes, classes)
    meets = table.argmax(axis=1)
    present = np.flatnonzero(table.sum(axis=1))
    if len(present) < classes or len(set(meets)) < classes or (meets == np.arange(classes)).any():
        return None
    return {"accuracy": float(table[present, meets].sum() / len(labels)), "labels": meets.tolist()}
