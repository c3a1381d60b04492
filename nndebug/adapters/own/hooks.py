"""Observers of a mirror, under the names that the core's networks have for them (see `network/hooks.py`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Handle:
    """Undoes one `hook`; `remove` may be called any number of times."""

    def __init__(self, observers: list[Handle], observer: Callable[..., Any]) -> None:
        self._observers, self.observer = observers, observer
        self.attached = True
        observers.append(self)

    def remove(self) -> None:
        if self.attached:
            self.attached = False
            self._observers.remove(self)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class Hooks:
    """Ordered observers by kind of event."""

    def __init__(self) -> None:
        self._observers: dict[str, list[Handle]] = {}

    def attach(self, kind: str, observer: Callable[..., Any]) -> Handle:
        return Handle(self._observers.setdefault(kind, []), observer)

    def any(self, *kinds: str) -> bool:
        """Whether somebody observes one of these events."""
        return any(self._observers.get(kind) for kind in kinds)

    def emit(self, kind: str, *values: Any) -> None:
        """Calls those who observe the event, in order; who is removed meanwhile is not called any more."""
        for handle in tuple(self._observers.get(kind, ())):
            if handle.attached:
                handle.observer(*values)
