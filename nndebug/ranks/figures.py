"""The figures of one step on all ranks become those that one process would have recorded of all samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..signals import MOVED, RUN
from ..stats import Moments, shift
from ..strict_json import NONFINITE

OF_SAMPLES = ("input.", "preactivation.", "activation.", MOVED)
"""What every rank measures on its own samples: together they are those of the whole batch."""
OF_THE_LOSS = "output_gradient."
"""Likewise, but of the mean over the rank's own samples: in the whole batch's mean each counts for a share of that."""
OF_PARAMETERS = ("weight.", "update.", "gradient.")
"""The same on every rank; where the parameters are sharded, every rank has a part."""
OF_RANKS = ("weight.check", "loss.count", "seconds.step", "seconds.ahead")
"""What only the comparison of the ranks needs."""

Row = dict[str, dict[str, float]]


def number(value: Any) -> float:
    """A stored figure.

    Raises:
        TypeError, ValueError, KeyError: it is none.
    """
    return NONFINITE[value] if isinstance(value, str) else float(value)


def moments(figures: Mapping[str, float], prefix: str) -> Moments | None:
    """The moments that a summary was made of; None where only a part of it was recorded."""
    keys = ("count", "mean", "std", "minimum", "maximum", "zero_share")
    if any(prefix + key not in figures for key in keys):
        return None
    count, mean, std, low, high, zeros = (figures[prefix + key] for key in keys)
    size = int(count)
    if not size:
        return Moments()
    return Moments(size, mean, std * std * size, low, high, round(zeros * size))


def scaled(one: Moments, factor: float) -> Moments:
    """The moments of the same entries, each times a factor above 0."""
    return Moments(
        one.count, one.mean * factor, one.m2 * factor**2, one.minimum * factor, one.maximum * factor,
        one.zeros, one.nonfinite,
    )  # fmt: skip


class MergedStep:
    """Adds up the rows of one step, a rank at a time.

    Args:
        world: number of ranks that train.
        sharded: every rank holds a part of the parameters.
    """

    def __init__(self, world: int, sharded: bool) -> None:
        self._world, self._sharded = world, sharded
        self._pooled: dict[tuple[str, str], Moments] = {}
        self._squares: dict[tuple[str, str], float] = {}
        self._first: Row = {}
        self._loss, self._samples = 0.0, 0.0
        self.present = 0

    def add(self, data: Row) -> None:
        """Takes the figures of one rank."""
        self.present += 1
        for site, figures in data.items():
            pooled = set()
            for prefix in (*OF_SAMPLES, OF_THE_LOSS, *(OF_PARAMETERS if self._sharded else ())):
                if (part := moments(figures, prefix)) is not None:
                    part = scaled(part, 1 / self._world) if prefix == OF_THE_LOSS else part
                    self._pooled.setdefault((site, prefix), Moments()).merge(part)
                    pooled.add(prefix)
            for prefix in OF_PARAMETERS if self._sharded else ():
                norm = figures.get(f"{prefix}norm", math.nan)
                if prefix not in pooled and not math.isnan(norm):
                    self._squares[site, prefix] = self._squares.get((site, prefix), 0.0) + norm**2
                    pooled.add(prefix)
            kept = self._first.setdefault(site, {})
            for name, value in figures.items():
                prefix = name.rpartition(".")[0] + "."
                if prefix not in pooled and name not in OF_RANKS and not name.endswith(".count"):
                    worse = site == RUN and name.startswith("replay.")
                    kept[name] = max(kept.get(name, value), value) if worse else kept.get(name, value)
        run = data.get(RUN, {})
        if "loss" in run:
            count = run.get("loss.count", 1.0)
            self._loss, self._samples = self._loss + run["loss"] * count, self._samples + count

    def figures(self) -> Row:
        """Those of all ranks together."""
        row = {site: dict(figures) for site, figures in self._first.items()}
        for (site, prefix), pooled in self._pooled.items():
            if prefix != MOVED:
                row.setdefault(site, {}).update(pooled.summary(prefix))
            elif (signal := self._pooled.get((site, "preactivation."))) is not None:
                row.setdefault(site, {})["shift"] = shift(pooled, signal)
        for (site, prefix), square in self._squares.items():
            row.setdefault(site, {})[f"{prefix}norm"] = math.sqrt(square)
        if self._samples:
            row.setdefault(RUN, {})["loss"] = self._loss / self._samples
        for figures in row.values():
            if self._sharded and (norm := figures.get("weight.norm")) and "update_ratio" in figures:
                figures["update_ratio"] = figures["update.norm"] / norm
        return {site: figures for site, figures in row.items() if figures}

    def preactivations(self) -> Row:
        """Those of the sites, under the names that a look at the state gives them."""
        row: Row = {}
        for (site, prefix), pooled in self._pooled.items():
            if prefix == "preactivation.":
                figures = pooled.summary("probe.preactivation.")
                row[site] = {k: v for k, v in figures.items() if not k.endswith((".norm", ".zero_share"))}
        return row
