"""A user's method, what its arguments are for, and calls of it by role."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import UserError, did_you_mean
from .names import Name, role_of

SELF = ("self", "model", "network", "net")
"""First arguments of a function given as an override, for the object itself."""


@dataclass(frozen=True)
class Method:
    """Something to call.

    Attributes:
        name: as in the user's code.
        function: bound.
        arguments: (name, role, required) of each argument; the role is empty where nothing tells.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[tuple[str, str, bool], ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(name for name, _, required in self.arguments if required)})"

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(role or name for name, role, required in self.arguments if required)

    def takes(self, role: str) -> bool:
        return any(found == role for _, found, _ in self.arguments)

    def roles(self, *roles: str) -> Method:
        """The same with roles for the required arguments that have none, from left to right."""
        free = [role for role in roles if not self.takes(role)]
        filled = []
        for name, role, required in self.arguments:
            if required and not role and free:
                role = free.pop(0)
            filled.append((name, role, required))
        return Method(self.name, self.function, tuple(filled))

    def renamed(self, old: str, new: str) -> Method:
        """The same with one role for another."""
        arguments = tuple((name, new if role == old else role, need) for name, role, need in self.arguments)
        return Method(self.name, self.function, arguments)

    def call(self, values: Mapping[str, Any]) -> Any:
        """Calls it with what it needs of the values by role.

        Raises:
            UserError: it needs something that is not among them, or it raises.
        """
        given = {}
        for name, role, required in self.arguments:
            if role in values:
                given[name] = values[role]
            elif required:
                raise UserError(
                    f"{self} takes {name!r}, and nothing says what that is",
                    help=f"give a function that calls it: {self.name}=lambda model, x, y: model.{self.name}(...)",
                )
        try:
            if any(kind in _kinds(self.function) for kind in (inspect.Parameter.POSITIONAL_ONLY,)):
                return self.function(*given.values())
            return self.function(**given)
        except UserError:
            raise
        except Exception as error:
            raise RaisedError(self, error) from error


class RaisedError(UserError):
    """The user's method raised."""

    def __init__(self, method: Method, error: Exception) -> None:
        super().__init__(
            f"{method} raises {type(error).__name__}: {error}",
            help="call it by itself with the x and y of your factory first",
        )
        self.error = error


def find(model: Any, names: Sequence[Name]) -> Iterator[Method]:
    """The methods of an object that have one of these names or are called like them, in the order of the names."""
    found: list[str] = []
    for name in names:
        if isinstance(name, str):
            like = [name]
        else:
            like = (
                [] if any(map(name.search, found)) else [n for n in _names(model) if name.search(n.lower())]
            )
        for called in like:
            function = None if called in found else member(model, called)
            if function is None:
                continue
            method = method_of(called, function)
            roles = [role for _, role, required in method.arguments if required]
            if isinstance(name, str) or (roles and all(roles)):
                found.append(called)
                yield method


def override(model: Any, what: str, given: Any) -> Method:
    """The method that the user means by a name or a function.

    Raises:
        UserError: the object has none of that name.
    """
    if callable(given):
        method = method_of(getattr(given, "__name__", what).replace("<lambda>", what), given)
        needed = [argument for argument in method.arguments if argument[2]]
        # As `lambda m, x, y`: what is no input, output or target, and comes before them.
        before = (
            len(needed) > (1 if what == "forward" else 2)
            and needed[0] == method.arguments[0]
            and not needed[0][1]
        )
        if method.arguments and (method.arguments[0][0].lower() in SELF or before):
            first, *rest = method.arguments
            return Method(method.name, _with_model(given, model, first[0]), tuple(rest))
        return method
    function = member(model, str(given))
    if function is None:
        raise UserError(
            f"{what}: your object has no method {given!r}", help=did_you_mean(str(given), methods(model))
        )
    return method_of(str(given), function)


def methods(model: Any) -> list[str]:
    """Names of everything callable that an object has and that is no part of Python."""
    return [name for name in _names(model) if member(model, name) is not None]


def _names(model: Any) -> list[str]:
    if isinstance(model, Mapping):
        return list(map(str, model))
    return [name for name in dir(model) if not (name.startswith("__") and name != "__call__")]


def member(model: Any, name: str) -> Callable[..., Any] | None:
    """A callable attribute or item; classes are none, and a type's `__call__` counts only if the user wrote it."""
    if isinstance(model, Mapping):
        value = model.get(name)
    elif name == "__call__":
        value = model if callable(model) and not inspect.isroutine(model) else None
    else:
        value = getattr(model, name, None)
    return value if callable(value) and not inspect.isclass(value) else None


def method_of(name: str, function: Callable[..., Any]) -> Method:
    """A method with the roles that its arguments' names tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return Method(name, function, ())
    arguments = [
        (p.name, role_of(p.name), p.default is p.empty)
        for p in parameters
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    return Method(name, function, tuple(arguments))


def _with_model(function: Callable[..., Any], model: Any, name: str) -> Callable[..., Any]:
    return lambda **given: function(**{name: model}, **given)


def _kinds(function: Callable[..., Any]) -> set[Any]:
    try:
        return {p.kind for p in inspect.signature(function).parameters.values()}
    except (TypeError, ValueError):
        return {inspect.Parameter.POSITIONAL_ONLY}
