"""Moments of tensors, reduced where the tensors are: everything measured in a step crosses to the host at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ...stats import Moments
from .ranks import local

Use = Callable[[Moments], None]

_SMALLEST = 1e-30
"""Sums of squares below it have lost digits in float32."""


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
        self._norms: list[tuple[Any, Callable[[float], None]]] = []

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
        """Asks for the norms of some tensors as they are now; `use` gets each with its name, at the next flush at the latest."""
        torch = self._torch
        for name, tensor in tensors.items():
            held = local(tensor.detach())
            if held.device.type == "cpu" and held.dtype in (torch.float32, torch.float64):
                flat = held.numpy().ravel("K")
                with np.errstate(over="ignore"):
                    square = float(flat.dot(flat))
                # Squares of large or tiny numbers leave the range of their type before the numbers do.
                if not _SMALLEST < square < math.inf and not (one := Moments.of(flat)).nonfinite:
                    use(name, one.norm)
                else:
                    use(name, math.sqrt(square))
            else:
                self._norms.append((torch.linalg.vector_norm(held), partial(use, name)))

    def flush(self) -> None:
        """Hands out what was asked for."""
        figures, uses, norms = self._figures, self._uses, self._norms
        self._figures, self._uses, self._norms = [], [], []
        self._tell()
        for (_, take), norm in zip(norms, self._together([part for part, _ in norms]), strict=True):
            take(norm)
        for (count, use), row in zip(uses, self._together(figures), strict=True):
            mean, spread, low, high, zeros = row
            if math.isfinite(low) and math.isfinite(high):
                use(Moments(count, mean, spread * count, low, high, int(zeros)))
            else:
                # How many entries are finite would cost a pass over every tensor of every step; that some are not is known.
                use(Moments(nonfinite=count))

    def _together(self, parts: list[Any]) -> list[Any]:
        """Numbers of several tensors of one shape, from wherever they are, in one transfer."""
        if not parts:
            return []
        home = parts[0].device
        moved = [part.to(home, self._torch.float64, non_blocking=True) for part in parts]
        return list(self._torch.stack(moved).tolist())

    def _tell(self) -> None:
        sums, told = self._sums, self._told
        self._sums, self._told = [], []
        for use, total in zip(told, self._together(sums), strict=True):
            if not math.isfinite(total):
                use()
