"""Moments of tensors, reduced where the tensors are: everything measured in a step crosses to the host at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ...stats import Moments
from .ranks import local

Use = Callable[[Moments], None]

_FIGURES = 5


class Measuring:
    """Collects reductions of a step; `flush` brings them over in one transfer and hands each to its use.

    Args:
        torch: the module.
    """

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._figures: list[Any] = []
        self._uses: list[tuple[int, Use]] = []
        self._odd: list[tuple[Any, Use]] = []

    def moments(self, tensor: Any, use: Use) -> None:
        """Asks for the moments of all entries of a tensor as they are now; `use` gets them at the next flush."""
        torch = self._torch
        flat = local(tensor.detach())
        if flat.is_complex() or flat.numel() == 0 or flat.layout is not torch.strided:
            return
        if flat.dtype not in (torch.float32, torch.float64):
            flat = flat.float()
        if flat.device.type == "cpu":  # the same memory, and the same sums as everywhere else
            use(Moments.of(flat.numpy()))
            return
        low, high = torch.aminmax(flat)
        mean = torch.mean(flat, dtype=torch.float64)
        spread = torch.var(flat, correction=0).double() if flat.numel() > 1 else torch.zeros_like(mean)
        zeros = torch.count_nonzero(flat == 0).double()
        self._figures.append(torch.stack([mean, spread, low.double(), high.double(), zeros]))
        self._uses.append((flat.numel(), use))

    def norms(self, tensors: Mapping[str, Any], use: Callable[[str, float], None]) -> None:
        """The norms of some tensors, in one transfer."""
        torch = self._torch
        parts = [torch.linalg.vector_norm(local(tensor.detach())) for tensor in tensors.values()]
        if parts:
            home = parts[0].device
            together = torch.stack([part.to(home, torch.float64, non_blocking=True) for part in parts])
            for name, norm in zip(tensors, together.tolist(), strict=True):
                use(name, norm)

    def flush(self) -> None:
        """Hands out what was asked for."""
        figures, uses = self._figures, self._uses
        self._figures, self._uses = [], []
        if not figures:
            return
        home = figures[0].device
        together = self._torch.stack([figure.to(home, non_blocking=True) for figure in figures])
        for (count, use), row in zip(uses, together.tolist(), strict=True):
            mean, spread, low, high, zeros = row
            if math.isfinite(low) and math.isfinite(high):
                use(Moments(count, mean, spread * count, low, high, int(zeros)))
            else:
                # How many entries are finite would cost a pass over every tensor of every step; that some are not is known.
                use(Moments(nonfinite=count))
