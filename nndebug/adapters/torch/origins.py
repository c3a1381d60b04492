"""Which call made a tensor: asked while a pass runs, where one module is given what another one gave."""

from __future__ import annotations

import weakref
from typing import Any


class Origins:
    """Remembers tensors by themselves; one that is gone is forgotten.

    Attributes:
        sources: name of a call → that of the one that gave what it was first given.
    """

    def __init__(self) -> None:
        self._made: dict[int, tuple[str, Any, int]] = {}
        self.sources: dict[str, str] = {}

    def begin(self) -> None:
        """The next step comes."""
        self._made = {}

    def ran(self, name: str, given: Any, output: Any) -> str | None:
        """Takes a call, and says which one gave what it was given; None if none is known.

        Args:
            name: of the call.
            given: a tensor, or None.
            output: a tensor.
        """
        maker = None if given is None else self.maker(given, written=given is output)
        if maker:
            self.sources.setdefault(name, maker)
        if self.maker(output) is None:  # else a part of this module gave it
            self.made(name, output)
        return maker

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
