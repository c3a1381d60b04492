"""Which call made a tensor: asked while a pass runs, where one module is given what another one gave."""

from __future__ import annotations

import weakref
from typing import Any


class Origins:
    """Remembers tensors by themselves; one that is gone is forgotten."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[str, Any, int]] = {}

    def begin(self) -> None:
        """The next step comes."""
        self._made = {}

    def made(self, name: str, tensor: Any) -> None:
        """Takes what a call of this name gave."""
        self._made[id(tensor)] = name, weakref.ref(tensor), tensor._version

    def maker(self, tensor: Any, written: bool = False) -> str | None:
        """Name of the call that gave it; None if none is known, or it was written to since.

        Args:
            tensor: what another module was given.
            written: that one may have written its own result over it.
        """
        known = self._made.get(id(tensor))
        if known is None or known[1]() is not tensor:
            return None
        name, _, version = known
        return name if 0 <= tensor._version - version <= written else None
