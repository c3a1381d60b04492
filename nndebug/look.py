"""One look at the state of a network, through the last few hundred samples: sums that merge, and the figures made of them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .signals import RUN, Array

ROWS = 512
"""Fewer samples are too few to call a unit silent: at batch 10 a fifth of the units of a healthy network is."""

Shares = dict[str, tuple[int, int]]


@dataclass
class Look:
    """Sums over samples. The looks of several processes at the same steps add up to that of all their samples.

    Attributes:
        rows: samples seen.
        loss: sum of the samples' losses.
        losses: samples that the loss is of.
        fired: site → (units,) bool: the unit was above 0 for some sample.
        zeros, saturated: site → such entries of its activation, and all entries.
        predicted: class → how often it was predicted.
        right: predictions that were right.
    """

    rows: int = 0
    loss: float = 0.0
    losses: int = 0
    fired: dict[str, Array] = field(default_factory=dict)
    zeros: Shares = field(default_factory=dict)
    saturated: Shares = field(default_factory=dict)
    predicted: dict[int, int] = field(default_factory=dict)
    right: int = 0

    def merge(self, other: Look) -> None:
        """Takes the samples that another one has seen into account."""
        self.rows += other.rows
        self.loss += other.loss
        self.losses += other.losses
        self.right += other.right
        for site, fired in other.fired.items():
            self.fired[site] = self.fired[site] | fired if site in self.fired else fired
        for mine, theirs in ((self.zeros, other.zeros), (self.saturated, other.saturated)):
            for site, (some, count) in theirs.items():
                known = mine.get(site, (0, 0))
                mine[site] = known[0] + some, known[1] + count
        for label, count in other.predicted.items():
            self.predicted[label] = self.predicted.get(label, 0) + count

    def figures(self) -> dict[str, dict[str, float]]:
        """Site → figures of the state, as a row stores them; silent units only where enough samples were seen."""
        row: dict[str, float] = {}
        if self.losses:
            row["probe.loss"] = self.loss / self.losses
        if total := sum(self.predicted.values()):
            top = max(sorted(self.predicted), key=lambda label: self.predicted[label])
            row["probe.accuracy"] = self.right / total
            row["probe.top_class"] = top
            row["probe.top_class_share"] = self.predicted[top] / total
        rows: dict[str, dict[str, float]] = {RUN: row}
        for name, shares in (("zero", self.zeros), ("saturated", self.saturated)):
            for site, (some, count) in shares.items():
                rows.setdefault(site, {})[f"probe.{name}_share"] = some / count
        if self.rows >= ROWS:
            for site, fired in self.fired.items():
                rows.setdefault(site, {})["probe.silent_units"] = int((~fired).sum())
        return rows

    def dead(self, before: Look | None = None) -> dict[str, dict[str, float]]:
        """Site → how many units fired for none of the samples, nor for those of the look before.

        Of the first look of all: those that are dead since birth.
        """
        silent = {site: ~fired for site, fired in self.fired.items()}
        if before is not None:
            silent = {site: units & ~before.fired.get(site, ~units) for site, units in silent.items()}
        return {site: {"probe.dead_units": int(units.sum())} for site, units in silent.items()}

    def to_json(self) -> dict[str, Any]:
        """Plain data; units are packed, eight to a byte."""
        packed = {
            site: [len(fired), base64.b64encode(np.packbits(fired).tobytes()).decode("ascii")]
            for site, fired in self.fired.items()
        }
        return {
            **{name: getattr(self, name) for name in ("rows", "loss", "losses", "right")},
            **{name: {k: list(v) for k, v in getattr(self, name).items()} for name in ("zeros", "saturated")},
            "fired": packed,
            "predicted": {str(label): count for label, count in self.predicted.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Look:
        """The look again.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        fired = {
            site: np.unpackbits(np.frombuffer(base64.b64decode(bits), np.uint8), count=int(units)).astype(
                bool
            )
            for site, (units, bits) in data["fired"].items()
        }
        shares = {
            name: {site: (int(some), int(count)) for site, (some, count) in data[name].items()}
            for name in ("zeros", "saturated")
        }
        return cls(
            rows=int(data["rows"]),
            loss=float(data["loss"]),
            losses=int(data["losses"]),
            right=int(data["right"]),
            fired=fired,
            predicted={int(label): int(count) for label, count in data["predicted"].items()},
            **shares,
        )
