"""Waits for modules that a script may import: who never imports PyTorch never loads it because of us."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Ready = Callable[[ModuleType], None]


class Awaited:
    """Calls a function when a module has been imported, or at once where that has happened already.

    It finds nothing itself: it asks the others, and lets them load. A context manager.

    Args:
        ready: name of a module → what is called with it, before anybody else gets it.
    """

    def __init__(self, ready: Mapping[str, Ready]) -> None:
        self._ready = dict(ready)
        self._asking = threading.local()

    def __enter__(self) -> Awaited:
        sys.meta_path.insert(0, self)
        for name in [name for name in self._ready if name in sys.modules]:
            self._ready.pop(name)(sys.modules[name])
        return self

    def __exit__(self, *_: object) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: Any = None
    ) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        if name not in self._ready or getattr(self._asking, "now", False):
            return None
        self._asking.now = True
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        finally:
            self._asking.now = False
        loader = spec.loader if spec else None
        if loader is None or not hasattr(loader, "__dict__"):
            return spec
        original = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            original(module)
            if ready := self._ready.pop(name, None):
                ready(module)

        loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
