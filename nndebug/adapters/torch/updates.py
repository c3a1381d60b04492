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
        if self._record.tier == 1:
            for name, gradient in held.items():
                self._record.ask(name, "gradient.", gradient)
        else:
            self._record.norms("gradient.", held)

    def after(self) -> None:
        """Compares the parameters with what they were."""
        for name, before in self.before.items():
            value = self.parameters[name]
            self._record.ask(name, "weight.", before)
            if self._others.has(value):
                change = self._others.update(value)  # None: no optimiser that has it made a step yet
            else:
                change = before.neg_().add_(local(value.detach()))
            if change is not None:
                self._record.ask(name, "update.", change)
        # Of the many full records at the start every one needs such copies; of the later ones nobody waits for the next.
        self._buffers, self.before = self.before, {}
