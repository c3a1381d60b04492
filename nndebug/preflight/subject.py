"""What every part of the preflight works on: copies of the network and the optimiser, and rows of the data."""

from __future__ import annotations

import copy
import time
from functools import cached_property
from typing import Any

import numpy as np

from ..chance import class_labels
from ..signals import Array

ROWS = 512
"""Rows on which states are looked at."""


LINEAR = ("dropout", "flatten", "identity", "batch_norm", "avg_pool")
"""Kinds of layers that change nothing about two affine layers being one."""


class OutOfTime(Exception):
    """The budget is spent."""


class NotApplicable(Exception):
    """There is nothing to measure; the text says why."""


class Clock:
    """The budget.

    Args:
        seconds: from now on, of wall time or of processor time, whichever is less: what other programs do at the same
            time does not count, nor do several threads count several times.
    """

    def __init__(self, seconds: float) -> None:
        self.budget = seconds
        self._wall, self._processor = time.perf_counter(), time.process_time()

    @property
    def spent(self) -> float:
        return min(time.perf_counter() - self._wall, time.process_time() - self._processor)

    @property
    def left(self) -> float:
        return self.budget - self.spent

    def check(self) -> None:
        """Raises:
        OutOfTime: nothing is left.
        """
        if self.left <= 0:
            raise OutOfTime


class Subject:
    """A network with its data before training.

    Args:
        network: the user's; only copies of it are ever run.
        x: inputs (samples, …).
        y: targets as the user gives them.
        optimizer: the user's, or None; only copies of it are run.
        batch: samples per update, or None.
        validation: x and y of the held-out data, or None.
        clock: the budget.

    Attributes:
        targets: y as the loss takes it, (samples, outputs); None if it refuses y.
        refusal: what it said then.
        labels: class numbers (samples,), None if the targets are no classes.
        rows: numbers of the rows that are looked at, in order.
    """

    def __init__(
        self,
        network: Any,
        x: Array,
        y: Array,
        optimizer: Any,
        batch: int | None,
        validation: tuple[Array, Array] | None,
        clock: Clock,
    ) -> None:
        self.original, self.x, self.y, self.clock = network, x, y, clock
        self.optimizer, self.validation = optimizer, validation
        self.batch = min(batch or 32, len(x))
        self.loss, self.dtype = network.loss, network.dtype
        count = min(ROWS, len(x))
        self.rows = np.sort(np.random.default_rng(0).choice(len(x), count, replace=False))
        self.targets: Array | None = None
        self.refusal = ""
        self.labels: Array | None = None
        try:
            self.targets = np.asarray(self.loss.encode(y, self.outputs, self.dtype))
            if self.targets.ndim in (1, 2):
                self.labels = class_labels(y, self.targets)
        except Exception as error:  # what a loss of the user's own may raise is not known
            self.refusal = f"{type(error).__name__}: {error}"

    def network(self, training: bool = False) -> Any:
        """A fresh copy of the network in its initial state.

        Args:
            training: let normalisation work as in training; dropout stays off.
        """
        fresh = self.original.copy()
        fresh.training = training
        for layer in fresh.layers if training else ():
            if layer.kind == "dropout":
                layer.training = False
        return fresh

    def make_optimizer(self, factor: float = 1.0, l2: bool = True) -> Any:
        """A copy of the optimiser without memory of earlier steps, at `factor` times its rate."""
        fresh = copy.copy(self.optimizer)
        fresh.__dict__.update(
            {name: copy.deepcopy(v) for name, v in vars(fresh).items() if name not in _OF_A_NETWORK}
        )
        for name, empty in _OF_A_NETWORK.items():
            if hasattr(fresh, name):
                setattr(fresh, name, copy.copy(empty))
        fresh.rate = self.optimizer.rate * factor
        if not l2 and hasattr(fresh, "l2"):
            fresh.l2 = 0.0
        return fresh

    @property
    def needs_targets(self) -> Array:
        """The targets.

        Raises:
            NotApplicable: there are none.
        """
        if self.targets is None:
            raise NotApplicable(f"the loss does not take the targets: {self.refusal}")
        return self.targets

    @cached_property
    def output(self) -> Array:
        """What the network gives before training (rows, outputs), in evaluation mode."""
        return np.asarray(self.network().forward(self.x[self.rows]))

    @cached_property
    def outputs(self) -> int:
        shape = np.shape(self.network().forward(self.x[:1]))
        return int(shape[1]) if len(shape) > 1 else 1

    @cached_property
    def widths(self) -> set[int]:
        """Every length of a parameter's axis, of the outputs and of a batch: a batch of another size hides nothing."""
        found = {n for value in self.original.parameters.values() for n in value.shape}
        return found | {self.outputs, self.batch}

    @cached_property
    def awkward(self) -> int:
        """The smallest batch size from 5 on that equals no other dimension."""
        return next(n for n in range(5, 10_000) if n not in self.widths)

    @cached_property
    def activation(self) -> str:
        """What the network ends in: the kind of its last activation, `linear` if the last layer has none."""
        for layer in reversed(self.original.layers):
            if layer.kind in ("dropout", "flatten", "identity"):
                continue
            return str(layer.kind) if hasattr(layer, "derivative") or layer.kind == "softmax" else "linear"
        return "linear"

    @cached_property
    def takes(self) -> str:
        """What the loss reads the outputs as: `values`, `logits` or `probabilities`."""
        known = "logits" if self.loss.kind in ("cross_entropy", "binary_cross_entropy") else "values"
        return str(getattr(self.loss, "takes", known))

    @cached_property
    def linear(self) -> tuple[str, ...]:
        """Names of layers with weights that follow one another with nothing between them that is not linear."""
        chain: list[str] = []
        found: list[str] = []
        for layer in self.original.layers:
            if layer.kind in ("dense", "conv"):
                chain.append(str(layer.name))
            elif layer.kind not in LINEAR:
                found += chain if len(chain) > 1 else []
                chain = []
        return tuple(found + (chain if len(chain) > 1 else []))

    @cached_property
    def last(self) -> str:
        """Name of the last site."""
        return str(self.original.layers[-1].name)


_OF_A_NETWORK: dict[str, Any] = {"_network": None, "_state": {}}
"""What an optimiser remembers of the network that it stepped: a copy would drag that network along."""
