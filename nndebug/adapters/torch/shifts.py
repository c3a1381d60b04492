"""How far an update moved the pre-activations of its own batch, by layers that can be run again without a trace.

The model itself is never run: its modules may count, draw or average. Layers of PyTorch's own that do nothing of the kind are
run again after the update, as far as their inputs are known to come from the batch through nothing but such layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .modules import own_parameters
from .origins import Origins

ROWS = 32
"""Samples of a batch that are run again."""

CALLS = 256
"""Calls that are run again: a cell that loops over a sequence is called thousands of times."""

TRACELESS = {
    *("Linear", "Conv1d", "Conv2d", "Conv3d", "LayerNorm", "Flatten", "Identity"),
    *("ReLU", "LeakyReLU", "ELU", "SELU", "GELU", "SiLU", "Sigmoid", "Tanh"),
    *("MaxPool1d", "MaxPool2d", "AvgPool1d", "AvgPool2d", "AdaptiveAvgPool2d"),
}
"""Classes of `torch.nn` that give the same for the same sample whatever came before, and leave nothing behind."""


@dataclass(frozen=True)
class _Call:
    """Attributes: before: the call whose output it was given; None where it was given `rows` of the batch. output: what it gave;
    None where it has no parameters."""

    name: str
    module: Any
    before: str | None
    rows: Any
    output: Any


class Shifts:
    """Keeps what the layers of one step gave, and runs them again after it.

    Args:
        torch: the module.
        ranks: processes whose samples are one batch.

    Attributes:
        ours: ids of hooks before a module that are nndebug's own.
    """

    def __init__(self, torch: Any, ranks: int = 1) -> None:
        self._torch, self._rows = torch, max(1, ROWS // ranks)
        self.ours: set[int] = set()
        self._calls: dict[str, _Call] = {}
        self._origins, self._open = Origins(), True

    def traceless(self, module: Any) -> bool:
        """Whether a module can be run again."""
        kind = type(module)
        own = kind.__name__ in TRACELESS and kind.__module__.startswith("torch.nn.modules.")
        # Weight normalisation, for one, works by a hook before each pass.
        return own and not module._forward_pre_hooks.keys() - self.ours

    def begin(self) -> None:
        """The next step comes."""
        self._calls, self._open = {}, True
        self._origins.begin()

    def stop(self) -> None:
        """Leaves out what comes until the next step: the first pass is enough."""
        self._open = False

    def saw(self, name: str, module: Any, given: Any, output: Any) -> None:
        """Takes a call of a module: what it was given and gave (samples, …)."""
        if not self._open or len(self._calls) == CALLS or given.ndim < 2 or not self.traceless(module):
            return
        if type(module).__name__.startswith("Conv") and given.ndim != len(module.kernel_size) + 2:
            return  # a single sample: its first axis is no batch
        before = self._origins.maker(given, written=given is output)
        rows = None
        if before is None:
            own = own_parameters(module).values()
            if given.requires_grad or any(one.dtype != given.dtype for one in own):
                return  # from something that cannot be run again, or only with autocast
            rows = given.detach()[: self._rows].clone()
        call = str(len(self._calls))
        # A copy: an activation may be written over it.
        kept = output.detach()[: self._rows].clone() if own_parameters(module) else None
        self._calls[call] = _Call(name, module, before, rows, kept)
        self._origins.made(call, output)

    def moved(self) -> dict[str, Any]:
        """Layer with parameters → difference that the update made to its first output (rows, …)."""
        now, found = dict[str, Any](), dict[str, Any]()
        with self._torch.no_grad():
            for key, call in self._calls.items():
                now[key] = call.module.forward(call.rows if call.before is None else now[call.before])
                if call.name not in found and call.output is not None:
                    found[call.name] = now[key] - call.output
        self.begin()
        return found
