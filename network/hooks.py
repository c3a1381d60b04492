"""Observers of what happens inside a network, and the handle that undoes one."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

from .arrays import Array
from .errors import NetworkError

Observer = Callable[..., Any]


def read_only(value: Any) -> Any:
    """A view of an array that cannot be written through; anything else as it is."""
    if not hasattr(value, "setflags"):
        return value
    view: Array = value.view()
    view.setflags(write=False)
    return view


class Handle:
    """Undoes one `hook`. A context manager; `remove` may be called any number of times."""

    def __init__(self, hooks: Hooks, kind: str, observer: Observer) -> None:
        self._hooks, self._kind, self._observer = hooks, kind, observer
        self._attached = True

    def remove(self) -> None:
        if self._attached:
            self._attached = False
            self._hooks._detach(self._kind, self._observer)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class Hooks:
    """Ordered observers of one object, by kind of event.

    Observers are called after the value exists, get read-only views that are valid during the call only, and
    their return value is ignored. One that raises is detached and warned about once; training goes on.

    Args:
        owner: name for messages, as a function, since a layer is named only when it joins a network.
        kinds: the events that can be observed.

    Attributes:
        counts: number of observers by kind. A network and its layers share one such table, so that a pass looks
            up one number to know whether anybody watches anything.
    """

    def __init__(self, owner: Callable[[], str], kinds: tuple[str, ...]):
        self._owner = owner
        self._observers: dict[str, tuple[Observer, ...]] = dict.fromkeys(kinds, ())
        self.counts = Counter(dict.fromkeys(kinds, 0))

    def share_counts(self, counts: Counter[str]) -> None:
        """Counts in a common table from now on, which takes over what was counted here."""
        for kind, observers in self._observers.items():
            counts[kind] += len(observers)
        self.counts = counts

    def attach(self, kind: str, observer: Observer) -> Handle:
        """Adds an observer.

        Raises:
            NetworkError: there is no such kind of event.
        """
        if kind not in self._observers:
            raise NetworkError(
                f"{self._owner()} has no event {kind!r}", help="events: " + ", ".join(self._observers)
            )
        self._observers[kind] = (*self._observers[kind], observer)
        self.counts[kind] += 1
        return Handle(self, kind, observer)

    def emit(self, kind: str, *values: Any) -> None:
        """Calls the observers of `kind` in the order in which they were attached."""
        for observer in self._observers[kind]:
            try:
                observer(*(read_only(value) for value in values))
            except Exception as error:
                self._detach(kind, observer)
                warnings.warn(
                    f"the {kind} observer of {self._owner()} raised {type(error).__name__}: {error}; "
                    "it is detached and training goes on",
                    RuntimeWarning,
                    stacklevel=2,
                )

    def _detach(self, kind: str, observer: Observer) -> None:
        # By identity and once: the same function may be attached twice on purpose.
        kept = list(self._observers[kind])
        for position, candidate in enumerate(kept):
            if candidate is observer or candidate == observer:
                del kept[position]
                self.counts[kind] -= 1
                break
        self._observers[kind] = tuple(kept)
