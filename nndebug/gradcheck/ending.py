"""The end of a recorded pass, from the network's output to its loss: in float64 where the loss follows.

A loss keeps nothing of its own, so that it computes in whatever it is given; its derivative is then known to ten digits
at an output of float32 too.
"""

from __future__ import annotations

import numpy as np

from ..signals import Array
from .tape import Tape

NEAR = 1e-2
"""Share of the largest loss by which losses of both precisions may differ."""

AWAY = (0.1, 1.0, 10.0, 100.0)
"""How far outputs are moved, relative to their size and 1, to see whether the loss reads them."""


class Ending:
    """What a derivative of the loss is taken of.

    Args:
        tape: the recorded pass.
        claimed: the network's dLoss/doutput (batch, …), None if it has none.

    Attributes:
        batch: samples.
        output: of the network (batch, …).
        per_sample: each sample's share of the loss (batch,).
        unit: the share of a sample that costs 1.
        eps: machine epsilon of the loss.
        rounding: by how much the network's own gradient differs from what the same code gives in float64 (batch, …);
            0 where that cannot be told.
    """

    def __init__(self, tape: Tape, claimed: Array | None) -> None:
        self.losses, self.batch, self.eps = tape.losses, tape.batch, tape.eps
        self.output, self.per_sample = tape.output, tape.per_sample
        self.unit = tape.weight * abs(float(getattr(tape.loss, "scale", 1.0)))
        self.rounding = np.zeros(tape.output.shape)
        if self.output.dtype != np.float32:
            return
        try:
            output = self.output.astype(np.float64)
            found = self.losses(output[None])[0]
            if found.dtype != np.float64 or not np.isfinite(found).all():
                return
            if np.abs(found - tape.per_sample).max() > NEAR * np.abs(found).max():
                return
            self.output, self.per_sample, self.eps = output, found, float(np.finfo(float).eps)
            again = np.asarray(tape.loss.gradient(output.copy(), tape.y))
            if claimed is not None and claimed.shape == again.shape and np.isfinite(again).all():
                self.rounding = np.abs(claimed - again) + 4 * tape.eps * np.abs(again)
        except Exception:  # a loss of the user's own that takes nothing else
            return

    def is_constant(self, rng: np.random.Generator) -> bool:
        """Whether the loss stays as it is at outputs that are far away: a hinge that is satisfied does not."""
        away = np.stack([rng.normal(0, size, self.output.shape) for size in AWAY])
        found = self.losses((self.output + away * (1 + np.abs(self.output))).astype(self.output.dtype))
        return bool((found == self.per_sample).all())
