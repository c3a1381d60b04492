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
from .own_losses import OwnLoss

_FLAT = 0.01
"""A unit is saturated where its derivative is below this share of the activation's largest derivative."""

CHANNELS_FIRST = ("conv1d", "conv2d", "conv3d", "batch_norm")


@dataclass
class Window:
    """Sums over the samples seen since the last row, where the tensors are.

    Attributes:
        first: the step that it begins at.
        rows: samples so far.
        losses: mean losses of the batches, and their sizes.
        fired: site → units (units,) that were above 0 for some sample.
        saturated: site → flat entries, and all entries.
        zeros: site → entries that are 0, and all entries.
        predicted, labels: class numbers of the samples, where the targets are classes.
    """

    first: int = 0
    rows: int = 0
    losses: list[tuple[Any, int]] = field(default_factory=list)
    fired: dict[str, Any] = field(default_factory=dict)
    saturated: dict[str, tuple[Any, int]] = field(default_factory=dict)
    zeros: dict[str, tuple[Any, int]] = field(default_factory=dict)
    predicted: list[Any] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)

    def loss(self, loss: OwnLoss) -> None:
        """Takes a loss that an update is made of."""
        self.losses.append((loss.value, loss.size))
        if loss.predicted is not None:
            self.predicted.append(loss.predicted)
            self.labels.append(loss.labels)

    def activation(self, site: str, kind: str, values: Any, host: str) -> Any:
        """Takes the values of an activation.

        Args:
            site: its name.
            kind: of the activation.
            values: (batch, …) as they came out.
            host: kind of the layer before it, which says where the units are.

        Returns:
            (units,) of bool: which units of a ReLU fired; None for another activation.
        """
        if kind == "relu":
            unit = 1 if host in CHANNELS_FIRST and values.ndim > 2 else values.ndim - 1
            over = tuple(dim for dim in range(values.ndim) if dim != unit)
            # The largest entry tells as much as whether any is above 0, and is found ten times as fast.
            fired = (values.amax(dim=over) if over else values) > 0
            known = self.fired.get(site)
            if known is not None and known.shape != fired.shape:
                return None
            self.fired[site] = fired if known is None else fired | known
            zero, count = self.zeros.get(site, (0, 0))
            self.zeros[site] = zero + zeros(values), count + values.numel()
            return fired
        if kind in ("sigmoid", "tanh"):
            slope = values * (1 - values) * 4 if kind == "sigmoid" else 1 - values * values
            flat, count = self.saturated.get(site, (0, 0))
            self.saturated[site] = flat + (slope < _FLAT).sum(), count + values.numel()
        return None

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
        predicted, labels = (
            np.concatenate([p.cpu().numpy() for p in kept]) for kept in (self.predicted, self.labels)
        )
        return predicted[labels >= 0], labels[labels >= 0]

    def latest(self, rows: int) -> Window:
        """Losses and predictions of the last samples that it has them of: at least so many, or all."""
        taken, count = Window(), 0
        for number in range(len(self.losses) - 1, -1, -1):
            if count >= rows:
                break
            taken.losses.append(self.losses[number])
            count += self.losses[number][1]
            if len(self.predicted) == len(self.losses):
                taken.predicted.append(self.predicted[number])
                taken.labels.append(self.labels[number])
        return taken

    def confusion(self, classes: int) -> Array | None:
        """(classes, classes) counts of label against prediction."""
        if not self.predicted or not classes:
            return None
        predicted, labels = self._classes()
        kept = (labels < classes) & (predicted < classes)
        counts = np.bincount(labels[kept] * classes + predicted[kept], minlength=classes**2)
        return counts.reshape(classes, classes)


def zeros(values: Any) -> Any:
    """How many entries are not above 0, as those of a ReLU that are 0."""
    if values.device.type == "cpu" and values.dtype.itemsize >= 4:  # a tenth of the time
        return values.numel() - int(np.count_nonzero(values.numpy() > 0))
    return values.numel() - (values > 0).sum()
