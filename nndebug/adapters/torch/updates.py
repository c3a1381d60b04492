"""What a step does to the parameters: looked at before it, and compared after it."""

from __future__ import annotations

from typing import Any

from .others import OtherOptimizers
from .ranks import local
from .record import Record


class Updates:
    """Takes weights, gradients and updates of one step into its record.

    Args:
        record: of the step.
        others: optimisers beside the first.

    Attributes:
        parameters: those of the step by plain name.
        before: what they were; empty but for full records. Gone after `after`.
    """

    def __init__(self, record: Record, others: OtherOptimizers) -> None:
        self._record, self._others = record, others
        self.parameters: dict[str, Any] = {}
        self.before: dict[str, Any] = {}
        self._buffers: dict[str, Any] = {}

    def begin(self, parameters: dict[str, Any]) -> None:
        """The optimiser is about to change them."""
        self.parameters = parameters
        if self._record.tier != 1:
            self._buffers = {}
            return
        for name, value in parameters.items():
            now, kept = local(value.detach()), self._buffers.get(name)
            if kept is not None and (kept.shape, kept.dtype, kept.device) == (
                now.shape,
                now.dtype,
                now.device,
            ):
                self.before[name] = kept.copy_(now)  # fresh memory costs more than the copy
            else:
                self.before[name] = now.clone()

    def gradients(self) -> None:
        """Takes those that the update uses."""
        held = {n: p.grad for n, p in self.parameters.items() if p.grad is not None and not p.grad.is_sparse}
        self._record.parameters("gradient.", held)

    def after(self) -> None:
        """Compares the parameters with what they were."""
        self._record.parameters("weight.", self.before)
        changes: dict[str, Any] = {}
        for name, before in self.before.items():
            value = self.parameters[name]
            if self._others.has(value):
                change = self._others.update(value)  # None: no optimiser that has it made a step yet
            else:
                change = before.neg_().add_(local(value.detach()))
            if change is not None:
                changes[name] = change
        self._record.parameters("update.", changes)
        # Of the many full records at the start every one needs such copies; of the later ones nobody waits for the next.
        self._buffers, self.before = self.before, {}
