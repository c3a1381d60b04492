"""Observers of what happens inside a network, and the handle that undoes one."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from .arrays import Array
from .errors import NetworkError

Observer = Callable[..., Any]


def read_only(value: Array) -> Array:
    """A view of an array that cannot be written through."""
    view: Array = value.view()
    view.setflags(write=False)
    return view


class Handle:
    """Undoes one `hook`. A context manager; `remove` may be called any number of times.

    Attributes:
        attached: whether the observer is still called.
    """

    def __init__(self, hooks: Hooks, kind: str, observer: Observer) -> None:
        self._hooks, self._kind, self.observer = hooks, kind, observer
        self.attached = True

    def remove(self) -> None:
        if self.attached:
            self.attached = False
            self._hooks._detach(self._kind, self)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class Hooks:
    """Ordered observers of one object, by kind of event.

    Observers are called after the value exists, get read-only views that are valid during the call only, and
    their return value is ignored. One that raises is detached and warned about once; training goes on. One that is
    attached during an event is called from the next event on, one that is removed during it is not called any more.

    Args:
        owner: name for messages, as a function, since a layer is named only when it joins a network.
        kinds: the events that can be observed.

    Attributes:
        counts: number of observers by kind. A network and its layers share one such table, so that a pass looks
            up one number to know whether anybody watches anything.
    """

    def __init__(self, owner: Callable[[], str], kinds: tuple[str, ...]):
        self._owner = owner
        self._handles: dict[str, tuple[Handle, ...]] = dict.fromkeys(kinds, ())
        self.counts = Counter(dict.fromkeys(kinds, 0))

    def share_counts(self, counts: Counter[str]) -> None:
        """Counts in a common table from now on, which takes over what was counted here."""
        for kind, handles in self._handles.items():
            counts[kind] += len(handles)
        self.counts = counts

    def attach(self, kind: str, observer: Observer) -> Handle:
        """Adds an observer.

        Raises:
            NetworkError: there is no such kind of event.
        """
        if kind not in self._handles:
            raise NetworkError(
                f"{self._owner()} has no event {kind!r}", help="events: " + ", ".join(self._handles)
            )
        handle = Handle(self, kind, observer)
        self._handles[kind] = (*self._handles[kind], handle)
        self.counts[kind] += 1
        return handle

    def emit(self, kind: str, *values: Any) -> None:
        """Calls the observers of `kind` in the order in which they were attached."""
        for handle in self._handles[kind]:
            if not handle.attached:
                continue
            try:
                handle.observer(*[read_only(v) if isinstance(v, np.ndarray) else v for v in values])
            except Exception as error:
                handle.remove()
                warnings.warn(
                    f"the {kind} observer of {self._owner()} raised {type(error).__name__}: {error}; "
                    "it is detached and training goes on",
                    RuntimeWarning,
                    stacklevel=2,
                )

    def _detach(self, kind: str, handle: Handle) -> None:
        # By handle: the same function may be attached twice on purpose.
        self._handles[kind] = tuple(kept for kept in self._handles[kind] if kept is not handle)
        self.counts[kind] -= 1
