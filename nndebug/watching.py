"""`watch`: the one line that a user adds. It ties adapter, recorder, probe, rules and report to one network."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .adapters.layered import LayeredAdapter
from .adapters.pairing import Pairing
from .adapters.shapes import ShapeWatch
from .adapters.torch import DENSE, TorchWatch, is_module
from .chance import class_labels, class_shares, loss_at_chance
from .errors import UserError
from .evaluation.check import EvaluationCheck
from .evaluation.inputs import compare_inputs
from .evaluation.trial import Trial
from .manifest import extent, of_experiment, of_loss, of_network, of_optimizer, square
from .probe import PROBE_ROWS, Probe
from .schedule import Schedule
from .session import Session
from .signals import Array


def watch(
    network: Any,
    folder: str | Path | None = None,
    *,
    shapes: Mapping[str, str] | None = None,
    interval: int = 10,
    image_shape: tuple[int, int] | None = None,
    name: str | None = None,
    report: bool = True,
    png: bool = True,
    strict: bool = False,
    preflight: bool | float = False,
    optimizer: Any = None,
    loss: Any = None,
    experiment: Any = None,
    data: tuple[Any, Any] | None = None,
    **given: Any,
) -> Any:
    """Watches a network while it trains.

    Use it around the training (`with nndebug.watch(net, "reports/mnist"): fit(...)`), or keep the object and call
    `close` at the end. Training is not changed by a bit.

    Args:
        network: a network with hooks on its layers, such as `network.Sequential`; a `torch.nn.Module`; or an object of your
            own with a forward and a backward, or a mapping of such functions (see docs/own-classes.md).
        folder: run folder; its report is written again after every epoch. None records in memory only.
        shapes: site → shape that its output must have at every step, as in `{"hidden1": "batch 30"}`.
        interval: steps between cheap records up to step 1,000, a 25th as often after that; 1 records every step.
        image_shape: (height, width) of the inputs if they are flat grey images; found by itself where they are
            square and the values say so.
        name: name of the run; the folder's name if None.
        report: write `report.html` into the folder after an epoch, where that costs at most a 20th of the time so far,
            and at the end.
        png: draw pictures of epochs beside it, likewise; of more than ten that are missing at the end, 1, 2, 4, 8 … are drawn.
        strict: raise what fails inside the diagnostics, for tests.
        preflight: measure on copies, before the first step and within about a second, whether the parts fit, the
            labels belong to the inputs and the network can learn at all; a number is another budget in seconds.

        optimizer: of a PyTorch model; one, or several in the order in which they step.
        loss: of a PyTorch model: the loss module or function; of an object of your own its method, or a known loss's name.
        experiment: the core's `Experiment` that the network was built from; the run keeps it, so that it can be tried
            again with one thing changed (`nndebug.trials`).
        data: for an object of your own, x and y of the training set as its methods take them, where no method of it is
            given all of it.
        given: for an object of your own, what is guessed wrong about it: `forward`, `backward`, `update`, `evaluate`, `train`
            (names of methods), `weight`, `bias`, `gradient` (names of arrays), `batch_axis` (0 rows, 1 columns), `rate`.

    Returns:
        A `Watch` of the core's network, a `TorchWatch`, or an `OwnWatch`.

    Raises:
        UserError: the network has no hooks and no backward, the folder cannot be written to or holds something else than a
            run, or `shapes` names a site that the network does not have.
    """
    schedule = Schedule(interval=interval, thin_interval=25 * interval if interval > 1 else 1)
    layered = all(hasattr(network, name) for name in ("layers", "hook", "twin"))
    if is_module(network) or layered:
        for word in (*given, *(["data"] if data is not None else [])):
            raise UserError(f"{word} is for an object of your own", help="leave it out")
    if is_module(network):
        return TorchWatch(
            network,
            folder,
            replace(schedule, dense=DENSE),
            name,
            report,
            png,
            strict,
            optimizer=optimizer,
            loss=loss,
        )
    if optimizer is not None:
        raise UserError(
            f"optimizer is for a PyTorch model, and a {type(network).__name__} is none",
            help="leave it out, or watch the torch.nn.Module that it trains",
        )
    if not layered:
        from .own_watching import OwnWatch  # which is built on this module

        given |= {"loss": loss} if loss is not None else {}
        return OwnWatch(
            network, folder, shapes or {}, schedule, image_shape, name, report, png, strict, float(preflight), data=data,
            **given,
        )  # fmt: skip
    return Watch(
        network,
        folder,
        shapes or {},
        schedule,
        image_shape,
        name,
        report,
        png,
        strict,
        float(preflight),
        experiment,
    )


class Watch(Session):
    """A network of the core, or one with the same hooks, being watched."""

    def __init__(
        self,
        network: Any,
        folder: str | Path | None,
        shapes: Mapping[str, str],
        schedule: Schedule,
        image_shape: tuple[int, int] | None,
        name: str | None,
        report: bool,
        png: bool,
        strict: bool,
        preflight: float = 0.0,
        experiment: Any = None,
    ) -> None:
        known = {**of_network(network), **of_experiment(experiment)}
        super().__init__(known, folder, schedule, name, report, png, strict)
        self._image_shape, self._preflight = image_shape, preflight
        self._follow(network, shapes)

    def _follow(self, network: Any, shapes: Mapping[str, str]) -> None:
        """Attaches everything to a network."""
        self.network = network
        self._adapter = LayeredAdapter(network, self._recorder)
        self._pairing: Pairing | None = None
        self._trial = Trial(network, self._recorder)
        self._shapes = ShapeWatch(network, shapes, self._recorder, lambda: self._adapter.step)
        self._handles = [
            network.hook("begin", self._guarded(self._begin)),
            network.hook("epoch", self._guarded(self._epoch)),
            network.hook("end", self._guarded(self._end)),
        ]
        self._adapter.attach()

    def evaluated(self, value: float, x: Array, y: Array) -> EvaluationCheck | None:
        """Puts an evaluation of your own on trial: is `value` the accuracy of the network on (x, y)?

        What it finds is part of the run (rules metric-wrong and metric-mistake-named). `fit` tells the numbers of its
        own evaluation, and of the `metric` it is given, by itself.

        Args:
            value: what your evaluation gave, unrounded: a share of 1, a percentage, or right answers.
            x: inputs (samples, …).
            y: class numbers (samples,) or one-hot rows (samples, classes).

        Returns:
            The comparison, which prints; None where y are no classes.

        Raises:
            UserError: x and y do not belong together, or value is none of these.
        """
        return self._trial.judge(value, x, y, self._adapter.step, self._adapter.epoch)

    def _guarded(self, observe: Any) -> Any:
        return lambda *values: self._recorder.guard(
            "watching", lambda: observe(*values), self._adapter.detach
        )

    def _detach(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._adapter.detach()
        self._shapes.detach()
        if self._pairing:
            self._pairing.detach()

    def _place(self) -> tuple[int, int]:
        return self._adapter.step, self._adapter.epoch

    def _recording_seconds(self) -> float:
        return self._adapter.seconds

    # --- events of the training -------------------------------------------------------------------------------

    def _begin(self, training: Any) -> None:
        # A second `fit` under the same watch goes on counting.
        self._epochs_before = self._adapter.epoch - 1 if self._adapter.step else 0
        self._epochs, self._last_facts = training.epochs, dict[str, float]()
        if self._adapter.step == 0 and self._preflight and self.run.preflight is None:
            self._recorder.guard("the preflight", lambda: self._fly(training), lambda: None)
        targets = self.network.loss.encode(training.y, self._outputs(training.x), self.network.dtype)
        labels = class_labels(training.y, targets)
        if self._adapter.probe is None:
            self._adapter.probe = Probe(self.network, training.x, targets, labels)
        several = targets.ndim == 2 and targets.shape[1] > 1
        classes = 0 if labels is None else targets.shape[1] if several else 2
        optimizer, loss = training.optimizer, self.network.loss
        self._recorder.update_manifest(
            {
                **of_loss(loss),
                "optimizer": of_optimizer(optimizer),
                "loss_at_chance": loss_at_chance(loss, targets),
                "classes": classes,
                "class_shares": [] if labels is None else class_shares(labels, classes),
                "validation_counts": self._validation_counts(training.validation, classes),
                "batch": training.batch,
                "epochs": training.epochs,
                "seed": training.seed,
                "samples": len(training.x),
                "probe_rows": min(PROBE_ROWS, len(training.x)),
                "input": extent(training.x, self._adapter.probe.x),
                "inputs": compare_inputs(training.x, training.validation and training.validation[0]),
                "image_shape": self._image_shape or square(self._adapter.probe.x),
            }
        )
        self._trial.begin(training)
        if self._adapter.step == 0:
            self._pairing = Pairing(self.network, self._recorder, training.x, targets, labels, training.batch)
        if self._adapter.step == 0:
            self._adapter.end_epoch(0, {})
        self._started = time.perf_counter()

    def _fly(self, training: Any) -> None:
        """Measures before the first step; a part that failed is told once."""
        from .preflight import preflight

        found = preflight(
            self.network,
            training.x,
            training.y,
            optimizer=training.optimizer,
            batch=training.batch,
            validation=training.validation,
            seconds=self._preflight,
            strict=self._recorder.strict,
        )
        self._recorder.preflight(found)
        for part, reason in found.failed.items():
            self._recorder.report(
                f"the preflight's part {part!r} {reason}; training goes on", RuntimeError(reason)
            )

    def _epoch(self, result: Any) -> None:
        self._count_time()
        last = result.epoch == self._epochs
        number = self._epochs_before + result.epoch
        facts = {
            "train.loss": result.train_loss,
            "train.accuracy": result.train_accuracy,
            "validation.loss": result.validation_loss,
            "validation.accuracy": self._share(result.validation_accuracy, number, last),
            "seconds": result.seconds,
        }
        self._last_facts = {name: value for name, value in facts.items() if value is not None}
        self._adapter.end_epoch(number, self._last_facts, last)
        self._conclude("running", draw=not last)  # after the last one, the end of the training draws
        self._started = time.perf_counter()

    def _share(self, reported: float | None, number: int, last: bool) -> float | None:
        """What the evaluation reports, put on trial, as a share; None where it is no accuracy, or the trial failed."""
        shares: list[float | None] = [None]
        self._recorder.guard(
            "the trial of the evaluation",
            lambda: shares.append(self._trial.epoch(reported, self._adapter.step, number, last)),
            lambda: None,
        )
        return shares[-1]

    def _end(self, training: Any) -> None:
        self._count_time()
        stopped_early = 0 < len(training.results) < training.epochs
        if stopped_early and self._adapter.step == training.results[-1].steps:
            # By patience: nobody knew that this epoch was the last.
            number = self._epochs_before + training.results[-1].epoch
            self._adapter.end_epoch(number, self._last_facts, last=True)
        self._conclude("interrupted" if training.interrupted else "finished")

    def _validation_counts(self, validation: tuple[Array, Array] | None, classes: int) -> list[int]:
        """Samples of every class in the validation set; empty without one, or without classes."""
        if validation is None or not classes:
            return []
        targets = self.network.loss.encode(validation[1], self._outputs(validation[0]), self.network.dtype)
        labels = class_labels(validation[1], targets)
        return [] if labels is None else np.bincount(labels, minlength=classes).tolist()

    def _outputs(self, x: Array) -> int:
        return int(self.network.twin().forward(x[:1]).shape[1])
