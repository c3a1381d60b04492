"""Stands in for methods of one object while it is watched, and puts everything back exactly.

The object's class is exchanged for a subclass of the same name, so that neither its attributes nor its class change, dunder
methods and `__slots__` included. Functions that the object or a mapping holds themselves are exchanged where they lie.
Copies and pickles of the object are of its own class, and nobody watches them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from ...errors import UserError

_CLASS: Any = object.__dict__["__class__"]
"""Sets an object's class, whatever the class says of its attributes."""

Called = Callable[[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
"""Gets name, the method itself, and what it was called with; calls it and returns what it returns."""


class Wrapped:
    """One object some of whose methods are stood in for.

    Args:
        model: the object, or a mapping of functions.
        names: of its methods.
        called: see `Called`.

    Raises:
        UserError: the object lets nobody stand in for its methods.
    """

    def __init__(self, model: Any, names: Iterable[str], called: Called) -> None:
        self._model, self._called = model, called
        self._kind = type(model)
        self._sub: type | None = None
        self._held: dict[str, Any] = {}
        self._on = False
        holder = self._holder
        of_class = []
        for name in dict.fromkeys(names):
            if holder is not None and name in holder:
                self._held[name] = holder[name]
            else:
                of_class.append(name)
        self._stand_ins = {name: self._stand_in(name, function) for name, function in self._held.items()}
        if of_class and not isinstance(model, Mapping):
            self._sub = self._subclass(of_class)
        self.put()

    @property
    def _holder(self) -> MutableMapping[str, Any] | None:
        """Where the object keeps functions that are no methods of its class."""
        if isinstance(self._model, MutableMapping):
            return self._model
        found: MutableMapping[str, Any] | None = getattr(self._model, "__dict__", None)
        return found

    def put(self) -> None:
        """Stands in."""
        if self._on:
            return
        if self._sub is not None:
            try:
                _CLASS.__set__(self._model, self._sub)
            except TypeError as error:
                raise UserError(
                    f"the methods of a {self._kind.__name__} cannot be watched: {error}",
                    help="nndebug.Recorder records a loop that says what happens",
                ) from None
        holder = self._holder
        for name, stand_in in self._stand_ins.items():
            if holder is not None and holder.get(name) is self._held[name]:
                holder[name] = stand_in
        self._on = True

    def take_off(self) -> None:
        """Makes the object what it was; may be called any number of times."""
        if not self._on:
            return
        self._on = False
        if self._sub is not None and type(self._model) is self._sub:
            _CLASS.__set__(self._model, self._kind)
        holder = self._holder
        for name, stand_in in self._stand_ins.items():
            if holder is not None and holder.get(name) is stand_in:
                holder[name] = self._held[name]

    @contextmanager
    def off(self) -> Iterator[None]:
        """Within the block the object is what it is without us."""
        was = self._on
        self.take_off()
        try:
            yield
        finally:
            if was:
                self.put()

    def let_go(self, names: Iterable[str]) -> None:
        """Stands in for these methods no longer."""
        for name in list(names):
            if name in self._stand_ins:
                holder, stand_in = self._holder, self._stand_ins.pop(name)
                if holder is not None and holder.get(name) is stand_in:
                    holder[name] = self._held[name]
            elif self._sub is not None and name in vars(self._sub):
                delattr(self._sub, name)

    def _stand_in(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function, updated=())
        def stand_in(*arguments: Any, **keywords: Any) -> Any:
            return self._called(name, function, arguments, keywords)

        return stand_in

    def _subclass(self, names: list[str]) -> type:
        watched, kind, called = self._model, self._kind, self._called

        def method(name: str) -> Callable[..., Any]:
            @functools.wraps(getattr(kind, name), updated=())
            def stand_in(this: Any, *arguments: Any, **keywords: Any) -> Any:
                function = getattr(super(sub, this), name)
                if this is not watched:
                    return function(*arguments, **keywords)
                return called(name, function, arguments, keywords)

            return stand_in

        def reduce(this: Any, protocol: Any) -> Any:
            """As of the class itself: a pickle finds it by name, and a copy is not watched."""
            _CLASS.__set__(this, kind)
            try:
                return this.__reduce_ex__(protocol)
            finally:
                _CLASS.__set__(this, sub)

        members = {name: method(name) for name in names}
        same = {
            "__module__": kind.__module__,
            "__qualname__": kind.__qualname__,
            "__doc__": kind.__doc__,
            "__class__": property(lambda this: kind),
        }
        try:
            make: Any = type(kind)  # its metaclass
            sub: type = make(
                kind.__name__, (kind,), {"__slots__": (), **same, **members, "__reduce_ex__": reduce}
            )
        except TypeError as error:
            raise UserError(
                f"the methods of a {kind.__name__} cannot be watched: {error}",
                help="nndebug.Recorder records a loop that says what happens",
            ) from None
        return sub
