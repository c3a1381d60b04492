"""Moments of tensors, reduced where the tensors are: everything measured in a step crosses to the host at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

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
        self._sums: list[Any] = []
        self._told: list[Callable[[], None]] = []

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

    def check(self, tensor: Any, use: Callable[[], None]) -> None:
        """Asks whether all entries of a tensor are finite; `use` is told by the next flush if some are not."""
        flat = local(tensor.detach())
        if flat.is_complex() or flat.numel() == 0 or flat.layout is not self._torch.strided:
            return
        total = flat.sum(dtype=self._torch.float64 if flat.dtype.itemsize > 4 else self._torch.float32)
        if flat.device.type != "cpu":
            self._sums.append(total)
            self._told.append(use)
        elif not math.isfinite(total) and not bool(self._torch.isfinite(flat).all()):  # a sum may overflow
            use()

    def norms(self, tensors: Mapping[str, Any], use: Callable[[str, float], None]) -> None:
        """The norms of some tensors, in one transfer."""
        torch = self._torch
        held = [local(tensor.detach()) for tensor in tensors.values()]
        if all(one.device.type == "cpu" and one.dtype in (torch.float32, torch.float64) for one in held):
            for name, one in zip(tensors, held, strict=True):
                flat = one.numpy().ravel("K")
                square = float(flat.dot(flat))
                # Squares of large numbers overflow before the numbers do.
                use(
                    name,
                    math.sqrt(square)
                    if math.isfinite(square)
                    else float(np.linalg.norm(flat.astype(np.float64))),
                )
            return
        parts = [torch.linalg.vector_norm(one) for one in held]
        if parts:
            home = parts[0].device
            together = torch.stack([part.to(home, torch.float64, non_blocking=True) for part in parts])
            for name, norm in zip(tensors, together.tolist(), strict=True):
                use(name, norm)

    def flush(self) -> None:
        """Hands out what was asked for."""
        figures, uses = self._figures, self._uses
        self._figures, self._uses = [], []
        self._tell()
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

    def _tell(self) -> None:
        sums, told = self._sums, self._told
        self._sums, self._told = [], []
        if sums:
            together = self._torch.stack(
                [one.to(sums[0].device, self._torch.float64, non_blocking=True) for one in sums]
            )
            for use, total in zip(told, together.tolist(), strict=True):
                if not math.isfinite(total):
                    use()
