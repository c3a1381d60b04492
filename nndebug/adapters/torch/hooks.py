"""Hooks that are the watch's alone: a copy of a model, or one read back from a file, has empty ones in their place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any


class Hook:
    """Calls an observer, and gives nothing back.

    A model keeps its hooks when it is copied, and `torch.save(model)` writes them with it. What is written is an empty function of
    the standard library, so that whoever reads the file needs nothing else.
    """

    def __init__(self, observe: Callable[..., None]) -> None:
        self._observe = observe

    def __call__(self, *values: Any) -> None:
        self._observe(*values)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (contextlib.nullcontext(), "__exit__")  # takes anything, does nothing


def is_traced(torch: Any) -> bool:
    """Whether a model runs to be turned into something else (compiled, traced) or mapped by `torch.func`: its tensors are no numbers."""
    functorch = getattr(torch._C, "_functorch", None)
    within = getattr(functorch, "peek_interpreter_stack", lambda: None)
    return bool(torch.jit.is_tracing() or within() is not None)
