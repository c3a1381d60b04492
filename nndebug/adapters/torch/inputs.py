"""What the first batches say of the inputs: their scale as the first layer gets them, and whether the targets belong to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...look import ROWS
from ...preflight.data import NORMALISING, input_facts
from ...preflight.labels import signal
from ...signals import Array
from ...stats import Moments

ENTRIES = 2**22
"""So many entries are kept at most, 16 MB: rows of large images are few."""


class Inputs:
    """Keeps rows of the first batches with their targets; more than `ROWS` would not change their scales."""

    def __init__(self) -> None:
        self._kept: list[Array] = []
        self._rows = self._entries = 0
        self._open: list[tuple[Array, int]] = []
        self._pairs: list[tuple[Array, Array]] = []

    def saw(self, x: Any) -> None:
        """Takes a batch: what the first layer is given (samples, …), of floating point numbers."""
        if not x.ndim or self._rows >= ROWS or (self._kept and x.shape[1:] != self._kept[0].shape[1:]):
            return
        each = max(1, x[0].numel() if len(x) else 1)
        wanted = min(len(x), ROWS - self._rows, (ENTRIES - self._entries) // each)
        if wanted > 0:
            # A copy: what the program does to its batch afterwards is nothing that the layer was given.
            self._kept.append(np.array(x[:wanted].detach().float().cpu().numpy()))
            self._rows, self._entries = self._rows + wanted, self._entries + wanted * each
            self._open.append((self._kept[-1], len(x)))

    def answered(self, target: Any) -> None:
        """Takes the targets of a loss: those of the one batch that was seen since the last loss, or of none.

        Args:
            target: (samples, …), or None where it is not known.
        """
        waiting, self._open = self._open, []
        if len(waiting) != 1 or target is None or target.ndim not in (1, 2) or len(target) != waiting[0][1]:
            return
        x, y = waiting[0][0], np.array(target[: len(waiting[0][0])].detach().float().cpu().numpy())
        if not self._pairs or y.shape[1:] == self._pairs[0][1].shape[1:]:
            self._pairs.append((x, y))

    def labels(self, classes: int, linear: bool) -> dict[str, Any]:
        """As the preflight's part `labels`: do the targets belong to their inputs?

        Args:
            classes: their number; 0 where the targets are values.
            linear: whether it matters if there is more than a linear signal.
        """
        if not self._pairs:
            return {}
        x, y = (np.concatenate(rows) for rows in zip(*self._pairs, strict=True))
        # A sample that comes again in the next epoch would be known to the probe, whatever its target.
        new = sorted({row.tobytes(): at for at, row in reversed([*enumerate(x)])}.values())
        x, y = x[new], y[new]
        if not classes or (y.ndim == 2 and y.shape[1] > 1):
            return signal(x, y.reshape(len(y), -1), None, linear)
        numbers = y.reshape(-1).astype(np.int64)
        meant = (numbers >= 0) & (numbers < classes)  # others are those that the loss is told to ignore
        x, numbers = x[meant], numbers[meant]
        targets = (
            np.eye(classes, dtype=np.float32)[numbers] if classes > 2 else numbers[:, None].astype(np.float32)
        )
        return signal(x, targets, numbers, linear)

    def facts(self, first: str) -> dict[str, Any]:
        """As the preflight's part `data`; empty where none were seen.

        Args:
            first: kind of the first layer with parameters.
        """
        if not self._kept:
            return {}
        # Batches are drawn in an order of their own: a row's number here is none of the data set.
        return input_facts(np.concatenate(self._kept), first in NORMALISING) | {"first_bad_row": None}

    def extent(self) -> dict[str, float]:
        """As the manifest says it."""
        one = Moments.of(np.concatenate(self._kept))
        return {"mean": one.mean, "std": one.std, "minimum": one.minimum, "maximum": one.maximum}
