"""Where ranks part that should go together: gradients, parameters, samples, losses, speed.

What is found becomes series of the merged run, `ranks.…`: how far the rank that is farthest off is off, and which it is.
"""

from __future__ import annotations

import base64
import math
import statistics
from dataclasses import dataclass, field

import numpy as np

from ..signals import RUN, Array
from .figures import Row

WINDOW = 8
"""Records over which losses and times are averaged: those of single batches jump."""

_BITS = 1e-12
_MORE_THAN_AGAIN, _AGAIN = 4.0, 0.7


@dataclass
class Replica:
    """One figure of one tensor at one step on all ranks: they should be equal.

    Attributes:
        first: that of the lowest rank.
        lowest: that rank.
        scale: what a difference is relative to.
        others: ranks whose figure is another one.
        seen: ranks that have told theirs.
        mixed: whether those others differ among themselves, too.
        rank, value, farthest: the rank farthest off, its figure, and how far it is off.
    """

    first: float
    lowest: int
    scale: float
    others: int = 0
    seen: int = 1
    mixed: bool = False
    rank: int = -1
    value: float = math.nan
    farthest: float = 0.0

    def add(self, rank: int, value: float) -> None:
        self.seen += 1
        difference = abs(value - self.first)
        if not difference <= _BITS * self.scale:
            self.others += 1
            self.mixed |= self.rank >= 0 and not abs(value - self.value) <= _BITS * self.scale
            if self.rank < 0 or difference > self.farthest:
                self.rank, self.value, self.farthest = rank, value, difference

    def odd(self, longer: bool) -> tuple[float, int]:
        """The difference relative to the scale, and the rank that is off: the one that most others do not agree with,
        -1 where hardly two agree.

        Args:
            longer: of two ranks that differ, name the one with the larger figure.
        """
        off = self.rank
        if self.mixed and self.others == self.seen - 1:
            off = -1
        elif (self.seen > 2 and self.others == self.seen - 1) or (
            self.seen == 2 and longer and self.first > self.value
        ):
            off = self.lowest
        share = self.farthest / self.scale if self.scale > 0 else math.inf
        return min(share, 1e9) if not math.isnan(share) else 1e9, off


@dataclass
class Apart:
    """Collects what the ranks noted, a rank at a time."""

    gradients: dict[tuple[int, str], Replica] = field(default_factory=dict)
    parameters: dict[tuple[int, str], Replica] = field(default_factory=dict)
    losses: dict[int, list[tuple[int, float]]] = field(default_factory=dict)
    ahead: dict[int, list[tuple[int, float]]] = field(default_factory=dict)
    whole: dict[int, float] = field(default_factory=dict)
    keys: dict[int, list[tuple[int, int, Array]]] = field(default_factory=dict)

    def step(self, rank: int, step: int, data: Row, replicated: bool) -> None:
        """Takes a row of a rank."""
        for site, figures in data.items() if replicated else ():
            if "gradient.norm" in figures:
                norm = figures["gradient.norm"]
                _replica(self.gradients, (step, site), rank, norm, abs(norm))
            if "weight.check" in figures and "weight.norm" in figures:
                size = figures["weight.norm"] / math.sqrt(max(figures.get("weight.count", 1.0), 1.0))
                _replica(self.parameters, (step, site), rank, figures["weight.check"], size)
        run = data.get(RUN, {})
        if math.isfinite(run.get("loss", math.nan)):
            self.losses.setdefault(rank, []).append((step, run["loss"]))
        if "seconds.ahead" in run:
            self.ahead.setdefault(rank, []).append((step, run["seconds.ahead"]))
            self.whole[step] = max(self.whole.get(step, 0.0), run.get("seconds.step", 0.0))

    def batch(self, rank: int, step: int, epoch: int, keys: str) -> None:
        """Takes the keys of the samples that a rank saw.

        Raises:
            ValueError: they are no keys.
        """
        if keys:
            self.keys.setdefault(rank, []).append((epoch, step, np.frombuffer(base64.b64decode(keys), "<u8")))

    def figures(self) -> dict[int, Row]:
        """Step → figures."""
        rows: dict[int, Row] = {}

        def put(step: int, site: str, **values: float) -> None:
            row = rows.setdefault(step, {}).setdefault(site, {})
            row.update({f"ranks.{name}": value for name, value in values.items()})

        for (step, site), one in self.gradients.items():
            difference, off = one.odd(longer=True)
            put(step, site, gradient_difference=difference, gradient_rank=off)
        for (step, site), one in self.parameters.items():
            difference, off = one.odd(longer=False)
            put(step, site, parameter_difference=difference, parameter_rank=off)
        for step, ratio, z, off in _odd_losses(self.losses):
            put(step, RUN, loss_ratio=ratio, loss_distance=z, loss_rank=off)
        for step, ratio, seconds, share, off in _slow(self.ahead, self.whole):
            put(step, RUN, slower=ratio, slower_seconds=seconds, slower_share=share, slower_rank=off)
        for step, share, off in _same_samples(self.keys):
            put(step, RUN, same_samples=share, same_samples_rank=off)
        return rows


def _replica(
    table: dict[tuple[int, str], Replica], key: tuple[int, str], rank: int, value: float, scale: float
) -> None:
    if key in table:
        table[key].add(rank, value)
    else:
        table[key] = Replica(value, rank, scale)


def _windows(
    told: dict[int, list[tuple[int, float]]], skip: int = 0
) -> list[tuple[int, dict[int, list[float]]]]:
    """The step at which a window begins → rank → its values; of the steps that all ranks have told of."""
    if len(told) < 2:
        return []
    tables = {rank: dict(points) for rank, points in told.items()}
    steps = sorted(set.intersection(*(set(table) for table in tables.values())))[skip:]
    return [
        (some[0], {rank: [table[step] for step in some] for rank, table in tables.items()})
        for start in range(0, len(steps) - WINDOW + 1, WINDOW)
        if (some := steps[start : start + WINDOW])
    ]


def _odd_losses(told: dict[int, list[tuple[int, float]]]) -> list[tuple[int, float, float, int]]:
    """Step, loss over that of the others, the distance in standard errors, and the rank."""
    found = []
    for step, values in _windows(told):
        means = {rank: statistics.fmean(some) for rank, some in values.items()}
        middle = statistics.median(means.values())
        off = max(means, key=lambda rank: (abs(means[rank] - middle), means[rank]))
        others = [mean for rank, mean in means.items() if rank != off]
        middle = statistics.median(others)
        spread = sum(statistics.variance(some) for some in values.values()) / len(values)
        error = math.sqrt(2 * spread / WINDOW)
        ratio = means[off] / middle if middle > 0 < means[off] else math.inf
        distance = abs(means[off] - middle)
        found.append(
            (step, min(ratio, 1e9), min(distance / error, 1e9) if error > 0 else 1e9 * (distance > 0), off)
        )
    return found


def _slow(
    told: dict[int, list[tuple[int, float]]], whole: dict[int, float]
) -> list[tuple[int, float, float, float, int]]:
    """Step, time before the backward pass over that of the others, its excess in seconds and as a share of the step, and the rank."""
    found = []
    for step, values in _windows(told, skip=WINDOW):
        middles = {rank: statistics.median(some) for rank, some in values.items()}
        off = max(middles, key=lambda rank: middles[rank])
        others = statistics.median(value for rank, value in middles.items() if rank != off)
        lasted = statistics.median([s for at, s in whole.items() if at >= step][:WINDOW])
        more = middles[off] - others
        found.append((step, middles[off] / max(others, 1e-9), more, more / max(lasted, 1e-9), off))
    return found


def _same_samples(told: dict[int, list[tuple[int, int, Array]]]) -> list[tuple[int, float, int]]:
    """Of every epoch: the first step at which a rank had a sample that another one has too, their share, and the rank.

    The rank is -1 where the others share samples among themselves as well: then it is none by itself. Nothing is said of an
    epoch in which ranks see their own samples again about as often: it is several, or the samples are not all different.
    """
    found = []
    for epoch in sorted({epoch for batches in told.values() for epoch, _, _ in batches}):
        batches = [(r, step, keys) for r, some in told.items() for at, step, keys in some if at == epoch]
        end = _seen_again([(step, keys) for _, step, keys in batches])
        parts = [part for part in batches if part[1] < end]
        if len({rank for rank, _, _ in parts}) < 2:
            continue
        keys = np.concatenate([keys for _, _, keys in parts])
        ranks, steps = (np.concatenate([np.full(len(p[2]), p[i]) for p in parts]) for i in (0, 1))
        hits = np.isin(keys, _shared(keys, ranks))
        shares = {int(rank): float(hits[ranks == rank].mean()) for rank in np.unique(ranks)}
        again = 1 - len(np.unique(np.stack([keys, ranks.astype(keys.dtype)], axis=1), axis=0)) / len(keys)
        off = max(shares, key=lambda rank: (shares[rank], rank))
        share = shares[off]
        if share <= _MORE_THAN_AGAIN * (len(shares) - 1) * again:
            share = 0.0
        rest = ranks != off
        if len(shares) > 2 and np.isin(keys[rest], _shared(keys[rest], ranks[rest])).mean() > share / 4:
            off = -1
        at = steps[hits & ((ranks == off) | (off < 0))]
        found.append((int(at.min()) if len(at) else int(steps.min()), share, off))
    return found


def _seen_again(batches: list[tuple[int, Array]]) -> float:
    """The step at which most samples of all ranks have been seen before: another pass through the data begins."""
    now: dict[int, set[int]] = {}
    for step, keys in batches:
        now.setdefault(step, set()).update(keys.tolist())
    seen: set[int] = set()
    for step, some in sorted(now.items()):
        if len(some & seen) > _AGAIN * len(some):
            return step
        seen |= some
    return math.inf


def _shared(keys: Array, ranks: Array) -> Array:
    """The keys that more than one rank has."""
    pairs = np.unique(np.stack([keys, ranks.astype(keys.dtype)], axis=1), axis=0)
    several, counts = np.unique(pairs[:, 0], return_counts=True)
    return np.asarray(several[counts > 1])
