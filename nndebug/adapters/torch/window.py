"""What the last few hundred training samples showed: the stand-in for a probe batch where only training batches are to be seen.

A model is never run for its own sake here, so nothing that it counts, draws or averages is touched. One batch is too few to
judge by; a window holds at least `look.ROWS` samples, those of all processes together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...look import Look
from ...signals import Array

_FLAT = 0.01
"""A unit is saturated where its derivative is below this share of the activation's largest derivative."""

CHANNELS_FIRST = ("conv1d", "conv2d", "conv3d", "batch_norm")


@dataclass
class Window:
    """Sums over the samples seen since the last row, where the tensors are.

    Attributes:
        rows: samples so far.
        losses: mean losses of the batches, and their sizes.
        fired: site → units (units,) that were above 0 for some sample.
        saturated: site → flat entries, and all entries.
        zeros: site → entries that are 0, and all entries.
        predicted, labels: class numbers of the samples, where the targets are classes.
    """

    rows: int = 0
    losses: list[tuple[Any, int]] = field(default_factory=list)
    fired: dict[str, Any] = field(default_factory=dict)
    saturated: dict[str, tuple[Any, int]] = field(default_factory=dict)
    zeros: dict[str, tuple[Any, int]] = field(default_factory=dict)
    predicted: list[Any] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)

    def activation(self, site: str, kind: str, values: Any, host: str) -> None:
        """Takes the values of an activation.

        Args:
            site: its name.
            kind: of the activation.
            values: (batch, …) as they came out.
            host: kind of the layer before it, which says where the units are.
        """
        unit = 1 if host in CHANNELS_FIRST and values.ndim > 2 else values.ndim - 1
        over = tuple(dim for dim in range(values.ndim) if dim != unit)
        if kind == "relu":
            positive = values > 0
            fired = (
                positive.any(dim=over[0])
                if len(over) == 1
                else positive.movedim(unit, 0).flatten(1).any(dim=1)
            )
            self.fired[site] = fired | self.fired[site] if site in self.fired else fired
            zero, count = self.zeros.get(site, (0, 0))
            self.zeros[site] = zero + (values.numel() - positive.sum()), count + values.numel()
        elif kind in ("sigmoid", "tanh"):
            slope = values * (1 - values) * 4 if kind == "sigmoid" else 1 - values * values
            flat, count = self.saturated.get(site, (0, 0))
            self.saturated[site] = flat + (slope < _FLAT).sum(), count + values.numel()

    def look(self) -> Look:
        """The window in plain numbers."""
        predicted, labels = self._classes()
        classes, counts = np.unique(predicted, return_counts=True)
        return Look(
            rows=self.rows,
            loss=sum(float(value) * size for value, size in self.losses),
            losses=sum(size for _, size in self.losses),
            fired={site: fired.cpu().numpy() for site, fired in self.fired.items()},
            zeros={site: (int(zero), count) for site, (zero, count) in self.zeros.items()},
            saturated={site: (int(flat), count) for site, (flat, count) in self.saturated.items()},
            predicted={int(label): int(count) for label, count in zip(classes, counts)},
            right=int(np.count_nonzero(predicted == labels)),
        )

    def _classes(self) -> tuple[Array, Array]:
        if not self.predicted:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return tuple(
            np.concatenate([p.cpu().numpy() for p in kept]) for kept in (self.predicted, self.labels)
        )  # type: ignore[return-value]

    def confusion(self, classes: int) -> Array | None:
        """(classes, classes) counts of label against prediction."""
        if not self.predicted or not classes:
            return None
        predicted, labels = self._classes()
        kept = (labels >= 0) & (labels < classes) & (predicted < classes)
        counts = np.bincount(labels[kept] * classes + predicted[kept], minlength=classes**2)
        return counts.reshape(classes, classes)
