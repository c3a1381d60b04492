"""`Batches`: which rows make up the batches of an epoch, gathered into arrays that are kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .arrays import Array


class Batches:
    """The batches of a training, epoch by epoch. For another way of sampling, override `rows` and hand the class to `fit`.

    Args:
        x: inputs (samples, …).
        targets: encoded targets (samples, …).
        batch: rows of a batch; the last one of an epoch may have fewer.
        seed: seed of the order.
        shuffle: False keeps the order of the data.
    """

    def __init__(self, x: Array, targets: Array, batch: int, seed: int, shuffle: bool) -> None:
        self.x, self.targets, self.batch, self.shuffle = x, targets, batch, shuffle
        self.rng = np.random.default_rng(seed)
        # Rows are gathered batch by batch into kept arrays: they are still in the processor's cache when the first
        # product reads them, and no second copy of the data set is held.
        rows = min(batch, len(x))
        self._x = np.empty((rows, *x.shape[1:]), x.dtype)
        self._targets = np.empty((rows, *targets.shape[1:]), targets.dtype)

    def rows(self) -> tuple[Array, Array]:
        """Rows of the inputs and rows of the targets for one epoch, of equal length; called once an epoch."""
        samples = len(self.x)
        order = self.rng.permutation(samples) if self.shuffle else np.arange(samples)
        return order, order

    def epoch(self) -> Iterator[tuple[Array, Array]]:
        """Inputs (rows, …) and targets (rows, …) of every batch; the next one overwrites them."""
        of_inputs, of_targets = self.rows()
        for start in range(0, len(of_inputs), self.batch):
            rows, theirs = of_inputs[start : start + self.batch], of_targets[start : start + self.batch]
            # "clip" only spares NumPy a copy: the indices are in range. The last batch may be smaller.
            yield (
                self.x.take(rows, 0, self._x[: len(rows)], "clip"),
                self.targets.take(theirs, 0, self._targets[: len(rows)], "clip"),
            )
