"""The first batches, held against the training set: does every input come with its own target, and are they mixed?"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..recorder import Recorder
from ..rows import FEW, entropy, row_keys, telling_columns
from ..signals import RUN, Array

BATCHES = 20
"""Batches that are looked at: the first ones."""
PAIRED = 6
"""Of these the first so many are searched for in the training set."""
ROWS = 64
"""Rows of a batch that are looked at."""
_DRAWS = 30


class Pairing:
    """Observes the first batches of a training by the network core and records two shares of each.

    `batch.paired`: of the inputs that are in the training set, those that come with a target that is theirs there.
    Inputs that are not (augmented ones), and targets that no sample has (smoothed ones), do not count. `batch.mixed`: the entropy of its labels over that of batches
    drawn at random.

    Args:
        network: with hooks.
        recorder: where the shares go.
        x: training inputs (samples, …).
        targets: their encoded targets (samples, …).
        labels: class numbers (samples,), or None.
        batch: samples per update.
        epoch: the epoch that the first batch belongs to.
    """

    def __init__(
        self,
        network: Any,
        recorder: Recorder,
        x: Array,
        targets: Array,
        labels: Array | None,
        batch: int,
        epoch: int = 1,
    ) -> None:
        self._network, self._recorder, self._epoch = network, recorder, epoch
        self._x, self._targets, self._step = x, targets, 0
        self._keys: Array | None = None
        self._columns: list[Array] = []
        self._order, self._of_targets = np.empty(0, np.int64), np.empty(0, np.uint64)
        self._classes = 0 if labels is None else int(labels.max(initial=0)) + 1
        self._expected = 0.0
        if labels is not None and batch > 1 and len(labels) > batch:
            rng = np.random.default_rng(0)
            drawn = [labels[rng.integers(0, len(labels), min(batch, ROWS))] for _ in range(_DRAWS)]
            self._expected = float(np.mean([entropy(np.bincount(d)) for d in drawn]))
        self._handle = network.hook("loss", self._guarded)

    def detach(self) -> None:
        """Takes the observer off."""
        self._handle.remove()

    def _guarded(self, output: Array, target: Array, gradient: Array) -> None:
        self._recorder.guard("looking at the first batches", lambda: self._look(target), self.detach)

    def _look(self, target: Array) -> None:
        row: dict[str, float] = {}
        x = np.asarray(self._network.input)[:ROWS]
        target = np.asarray(target)[: len(x)]
        if self._step < PAIRED and (share := self._paired(x, target)) is not None:
            row["batch.paired"] = share
        if self._expected > 0 and target.ndim == 2:
            one = target.shape[1] == 1
            labels = target[:, 0].astype(np.int64) if one else target.argmax(axis=1)
            row["batch.mixed"] = entropy(np.bincount(labels)) / self._expected
        if row:
            self._recorder.step(self._step, self._epoch, {RUN: row})
        self._step += 1
        if self._step >= BATCHES:
            self.detach()
            self._keys = None

    def _paired(self, x: Array, target: Array) -> float | None:
        """The share of inputs that stand in the training set with the target that they have here; None if none does."""
        if self._keys is None:
            self._columns = [telling_columns(values, FEW) for values in (self._x, self._targets)]
            known = row_keys(self._x, self._columns[0])
            self._order = np.argsort(known, kind="stable")
            self._keys = known[self._order]
            self._of_targets = np.unique(row_keys(self._targets, self._columns[1]))
        of_inputs, of_targets = self._columns
        wanted = row_keys(x, of_inputs)
        first = np.searchsorted(self._keys, wanted)
        last = np.searchsorted(self._keys, wanted, side="right")
        found = right = 0
        # Targets that nobody has, as smoothed or mixed ones, are made on purpose.
        own = np.isin(row_keys(target, of_targets), self._of_targets)
        for i in np.flatnonzero((last > first) & own):
            rows = self._order[first[i] : last[i]][:ROWS]
            rows = rows[[np.array_equal(self._x[row], x[i]) for row in rows]]
            if len(rows):
                found += 1
                right += any(np.array_equal(self._targets[row], target[i]) for row in rows)
        return right / found if found else None
