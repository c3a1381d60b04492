"""Were the gradients cleared before the passes that an update is made of?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .ranks import local

SAMPLE = 4096
"""First entries of a parameter that are compared: whoever forgets to clear forgets all of them."""


class Cleared:
    """Compares what a backward pass found in the gradients with what it added to them.

    What a pass adds is that of this process alone, also where the gradients are averaged over several afterwards; what it
    finds is judged before it adds. So both mean the same whether one process trains or many.

    Args:
        torch: the module.

    Attributes:
        given: a pass gave some parameter a gradient before the last update.
    """

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self.given = False
        self._own: dict[str, Any] = {}
        self._held: dict[str, Any] = {}
        self._last: dict[str, Any] = {}

    def added(self, name: str, parameter: Any, gradient: Any) -> None:
        """Takes what a backward pass is about to add to a parameter's gradient."""
        own = self._some(gradient)
        found = None if parameter.grad is None else self._some(parameter.grad)
        cleared = found is None or not bool(found.any())
        if name in self._own and not cleared:  # several passes before one update: accumulation
            own = own + self._own[name]
        else:  # the first pass, or one after a pass that was for another model, and cleared
            self._held[name] = self._torch.zeros_like(own) if found is None else found
        self._own[name] = own

    def compare(self, parameters: Mapping[str, Any]) -> dict[str, float]:
        """Judges the gradients that the update uses now.

        Returns:
            `replay.own` (norm of what was there before the first pass, relative to that of what the passes added),
            `replay.leftover` (distance of what was there from the last update's gradient, likewise), and
            `replay.cleared` (1 where nothing is left of what the passes added).
        """
        torch, own = self._torch, self._own
        self.given = bool(own)
        names = [n for n in own if n in parameters and parameters[n].grad is not None]
        added = any(bool(own[n].any()) for n in own if n in parameters)
        left = any(bool(self._some(parameters[n].grad).any()) for n in names)
        figures = {"replay.cleared": float(added and not left)}
        if names:
            held = torch.cat([self._held[n] for n in names])
            size = torch.linalg.vector_norm(torch.cat([own[n] for n in names])).clamp_min(1e-30)
            figures["replay.own"] = float(torch.linalg.vector_norm(held) / size)
            if self._last.keys() >= set(names):
                before = torch.cat([self._last[n] for n in names])
                figures["replay.leftover"] = float(torch.linalg.vector_norm(held - before) / size)
        self._last = {n: self._some(parameters[n].grad) for n in names}
        self.forget()
        return figures

    def forget(self) -> None:
        """Drops what the passes have added so far."""
        self._own, self._held = {}, {}

    def _some(self, gradient: Any) -> Any:
        gradient = local(gradient.detach())
        dense = gradient.to_dense() if gradient.is_sparse else gradient
        return dense.reshape(-1)[:SAMPLE].float().clone()
