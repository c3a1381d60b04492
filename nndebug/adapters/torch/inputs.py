"""What the first batches say of the inputs: their scale as the first layer gets them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...look import ROWS
from ...preflight.data import NORMALISING, input_facts
from ...signals import Array
from ...stats import Moments

ENTRIES = 2**22
"""So many entries are kept at most, 16 MB: rows of large images are few."""


class Inputs:
    """Keeps rows of the first batches; more than `ROWS` would not change their scales."""

    def __init__(self) -> None:
        self._kept: list[Array] = []
        self._rows = self._entries = 0

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
