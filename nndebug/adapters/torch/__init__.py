"""PyTorch: `watch(model, folder, optimizer=..., loss=...)` around an unchanged training loop.

Nothing here imports PyTorch before the user has: who has no model of its own never loads it.
"""

from __future__ import annotations

import sys
from typing import Any

from .adapter import DENSE
from .watching import TorchWatch

__all__ = ["DENSE", "TorchWatch", "is_module"]


def is_module(thing: Any) -> bool:
    """Whether this is a `torch.nn.Module`."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, torch.nn.Module)
