"""Epochs and evaluations of an object of one's own: when each is over, and whether its number is the accuracy."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from .adapters.own import Follower, Understood, Wrapped
from .adapters.own.data import is_set, rows_of
from .adapters.own.reading import Reader
from .adapters.own.reported import number_of
from .errors import UserError
from .evaluation.check import EvaluationCheck
from .evaluation.inputs import compare_inputs
from .signals import Array
from .watching import Watch

LOSS_ROWS = 1000
"""First rows of the training set on which its loss is measured after an epoch, as `network.fit` does."""
CHUNK = 4096


class OwnEpochs(Watch):
    """The part of an `OwnWatch` that knows nothing of single steps."""

    _understood: Understood | None
    _follower: Follower | None
    _reader: Reader
    _training: SimpleNamespace | None
    _of_training: dict[str, Any]
    _guard: Callable[[Callable[[], None]], None]
    _begin_waiting: Callable[[], None]
    _wrapped: Wrapped
    _failed: bool
    _since: int
    _ended_at: int
    _began: float
    _reported: float | None
    _last_reported: float | None

    # --- epochs -----------------------------------------------------------------------------------------------

    def epoch(self, **facts: float) -> None:
        """Ends an epoch, where your loop is the only one to know when that is; `facts` as of `TorchWatch.epoch`."""
        self._of_training["facts"] = facts
        self._guard(self._end_epoch)

    def _epoch_if_over(self) -> None:
        """The next update comes: was the one before it the last of an epoch?"""
        if (
            self._follower is not None
            and self._understood is not None
            and self._understood.own.update is None
        ):
            self._follower.settle()
        if self._training is not None and self._since >= len(self._training.x) and self._knows_all:
            self._end_epoch()

    @property
    def _knows_all(self) -> bool:
        """Whether the training set is the user's and not the rows that stand for it."""
        return not self._of_training.get("stand in")

    def _end_epoch(self, last: bool = False) -> None:
        if self._follower is not None:
            self._follower.settle()
        if self._training is None:
            self._begin_waiting()
        training = self._training
        if training is None or self._adapter.step == self._ended_at:
            return
        number = len(training.results) + 1
        self.network.flat_parameters[...] = self._reader.parameters()
        facts = self._measured(training)
        result = SimpleNamespace(
            epoch=number, steps=self._adapter.step, seconds=time.perf_counter() - self._began,
            validation_accuracy=self._reported, **facts,
        )  # fmt: skip
        training.results.append(result)
        self._epochs = number if last or number == training.epochs else max(training.epochs, number + 1)
        self._last_reported = self._reported
        self._ended_at, self._since, self._reported = self._adapter.step, 0, None
        self._epoch(result)
        self._began = time.perf_counter()

    def _measured(self, training: SimpleNamespace) -> dict[str, float | None]:
        """Losses and accuracies as `network.fit` measures them after an epoch."""
        found: dict[str, float | None] = {}
        sets = {"train": (training.x[:LOSS_ROWS], training.y[:LOSS_ROWS]), "validation": training.validation}
        network = self.network.twin()
        for name, pair in sets.items():
            found[f"{name}_loss"] = None
            if name == "train":
                found["train_accuracy"] = None
            if pair is None:
                continue
            x, y = pair
            with np.errstate(all="ignore"):
                output = np.concatenate([network.forward(x[i : i + CHUNK]) for i in range(0, len(x), CHUNK)])
                targets = network.loss.encode(y, network.outputs, network.dtype)
                found[f"{name}_loss"] = float(
                    np.mean(network.loss.per_sample(output, targets), dtype=np.float64)
                )
            if name == "train" and self.run.manifest.get("classes"):
                labels = (
                    y
                    if np.ndim(y) == 1
                    else targets.argmax(axis=1)
                    if targets.shape[1] > 1
                    else targets[:, 0]
                )
                found["train_accuracy"] = float(np.mean(network.loss.predictions(output) == labels))
        return found

    # --- evaluation -------------------------------------------------------------------------------------------

    def _evaluation_set(self, x: Any, y: Any) -> tuple[Array, Array] | None:
        assert self._understood is not None
        try:
            rows, answers = rows_of(self._understood.own, x, y)
        except (ValueError, TypeError):
            return None
        if answers is None or len(rows) != len(answers) or not len(rows):
            return None
        return np.ascontiguousarray(rows, self.network.dtype), answers

    def _of_validation(self, training: SimpleNamespace, pair: tuple[Array, Array]) -> dict[str, Any]:
        classes = int(self.run.manifest.get("classes") or 0)
        return {
            "validation_counts": self._validation_counts(pair, classes),
            "inputs": compare_inputs(training.x, pair[0]),
        }

    def _evaluated(self, given: dict[str, Any], returned: Any) -> None:
        """The object's own evaluation has given a number."""
        if self._follower is not None:
            self._follower.settle()
        if self._training is None:
            self._begin_waiting()
        x, y = given.get("x", given.get("batch", given.get("held_out"))), given.get("y")
        training = self._training
        if training is None or not is_set(x):
            return
        pair = self._evaluation_set(x, y)
        if pair is None:
            return
        self.network.flat_parameters[...] = self._reader.parameters()
        try:
            value = number_of(returned, self.network, *pair)
        except UserError as error:
            if self.run.manifest.get("classes"):
                self._trial.no_accuracy(error)
            return
        if value is None:
            return
        held_out = training.validation
        if held_out is None and not (len(pair[0]) == len(training.x) and np.array_equal(pair[0], training.x)):
            training.validation = held_out = pair
            self._trial.begin(training)
            self._recorder.update_manifest(self._of_validation(training, pair))
        if (
            held_out is not None
            and len(held_out[0]) == len(pair[0])
            and np.array_equal(held_out[0][:1], pair[0][:1])
        ):
            self._reported = value
            if not self._knows_all or self._since >= len(training.x) - training.batch:
                self._end_epoch()
            return
        try:
            self._trial.judge(value, *pair, self._adapter.step, self._adapter.epoch)
        except UserError as error:
            self._trial.no_accuracy(error)

    def evaluated(self, value: float, x: Any, y: Any) -> EvaluationCheck | None:
        """As of `Watch`, with x and y as your object's methods take them."""
        if self._understood is None or self._training is None:
            raise UserError(
                "no training step has been seen yet",
                help="evaluate after the first epoch, or give data=(x, y)",
            )
        self.network.flat_parameters[...] = self._reader.parameters()
        pair = self._evaluation_set(x, y)
        if pair is None:
            raise UserError(
                "x and y do not belong together", help="as your own methods take them, a target per sample"
            )
        return super().evaluated(value, *pair)

    # --- the end ----------------------------------------------------------------------------------------------

    def _detach(self) -> None:
        if self._understood is not None and not self._failed:
            self._guard(self._end_training)
        self._wrapped.take_off()
        if self._understood is not None:
            super()._detach()

    def _end_training(self) -> None:
        """Ends the last epoch; where nobody knew that it was the last one, judges what is judged of last epochs only."""
        self._end_epoch(last=True)
        training = self._training
        if training is None or not training.results or self._epochs == len(training.results):
            return
        number, step = len(training.results), self._adapter.step
        self.network.flat_parameters[...] = self._reader.parameters()
        self._adapter.end_epoch(number, self._last_facts, last=True)
        if number > 1:
            self._trial.epoch(self._last_reported, step, number, last=True)

    def _place(self) -> tuple[int, int]:
        return super()._place() if self._understood is not None else (0, 0)

    def _recording_seconds(self) -> float:
        return super()._recording_seconds() if self._understood is not None else 0.0
