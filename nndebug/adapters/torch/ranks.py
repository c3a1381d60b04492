"""One of several processes that train together: which it is, and what it notes so that all can be merged and compared.

Nothing here talks to the other processes: a collective that one rank alone enters would hang all of them.
"""

from __future__ import annotations

import base64
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...rows import row_keys

KEYS = 32
"""Samples of a batch whose keys are noted: enough to see that two ranks train on the same ones."""
COLUMNS = 256
"""Columns of a sample that its key is made of."""
SAMPLE = 4096
"""Entries of a parameter that its check is made of."""


@dataclass(frozen=True)
class Rank:
    """Attributes: number: from 0. world: how many there are."""

    number: int
    world: int

    @property
    def folder(self) -> str:
        return f"rank-{self.number:04d}"


def rank_of(torch: Any) -> Rank | None:
    """Which rank this process is, by its process group or as its launcher says; None where it trains alone."""
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        rank = Rank(distributed.get_rank(), distributed.get_world_size())
    else:
        try:
            rank = Rank(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
        except (KeyError, ValueError):
            return None
    return rank if rank.world > 1 and 0 <= rank.number < rank.world else None


def local(tensor: Any) -> Any:
    """What this process holds of a tensor that may be sharded over several; without asking the others."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def is_sharded(model: Any) -> bool:
    """Whether every rank holds a part of the parameters only."""
    names = {kind.__name__ for module in model.modules() for kind in type(module).__mro__}
    return bool(names & {"FullyShardedDataParallel", "FSDPModule"})


class RankNotes:
    """What one rank notes of a step beside its statistics.

    Args:
        torch: the module.
    """

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._signs: dict[tuple[int, str], Any] = {}
        self._ended = time.perf_counter()
        self._ahead = math.nan
        self._keys = ""

    def begin(self) -> None:
        """A step that is recorded comes now."""
        self._ahead, self._keys = math.nan, ""

    def saw(self, batch: Any) -> None:
        """Takes the keys of the first samples of a step's first batch."""
        if not self._keys and batch.ndim and len(batch):
            rows = batch.detach()[:KEYS].reshape(min(len(batch), KEYS), -1)
            # The same columns on every rank: which ones tell most depends on the samples.
            columns = np.unique(np.linspace(0, rows.shape[1] - 1, COLUMNS).astype(int))
            keys = row_keys(rows.double().cpu().numpy(), columns)
            self._keys = base64.b64encode(keys.astype("<u8").tobytes()).decode("ascii")

    def backward(self) -> None:
        """The first backward pass begins: until here no rank has waited for another."""
        if math.isnan(self._ahead):
            self._ahead = time.perf_counter() - self._ended

    def lasted(self) -> float:
        """Seconds of the step so far."""
        return time.perf_counter() - self._ended

    def end(self) -> None:
        """The next step begins: what was recorded of the last one does not count."""
        self._ended = time.perf_counter()

    def figures(self, seconds: float) -> dict[str, float]:
        """`seconds.step`, and `seconds.ahead`: those of them before the backward pass, which meets the other ranks."""
        known = {"seconds.step": seconds, "seconds.ahead": self._ahead}
        return {name: value for name, value in known.items() if not math.isnan(value)}

    @property
    def keys(self) -> str:
        """The keys, (samples,) little-endian uint64 in base 64."""
        return self._keys

    def checks(self, values: Mapping[str, Any]) -> dict[str, float]:
        """For every tensor a sum of its entries with random signs, divided by the root of their number.

        Where two tensors differ by a share of their norm, so do their checks, about; a mean or a norm may hide it.
        """
        torch, sums = self._torch, []
        for value in values.values():
            flat = value.detach().reshape(-1)
            some = flat[:: max(1, flat.numel() // SAMPLE)][:SAMPLE].double()
            key = len(some), str(some.device)
            if key not in self._signs:
                signs = np.random.default_rng(0).choice([-1.0, 1.0], len(some))
                self._signs[key] = torch.from_numpy(signs).to(some.device)
            sums.append(torch.dot(some, self._signs[key]) / math.sqrt(max(len(some), 1)))
        return dict(zip(values, torch.stack(sums).tolist())) if sums else {}
