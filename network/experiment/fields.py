"""Checks of plain data: each takes a value and where it stands, and returns the value or raises.

A message names the place, what was expected and what came, as in
`model.layers[1].units: expected a whole number of at least 1, got 'ten'`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..data.words import nearest
from ..errors import ExperimentError

Check = Callable[[Any, str], Any]
Fields = Mapping[str, Check]


def fail(where: str, expected: str, got: Any, help: str = "") -> ExperimentError:
    """The error for a value that is not what was expected."""
    return ExperimentError(f"{where}: expected {expected}, got {shown(got)}", help=help)


def shown(value: Any) -> str:
    """The value as it is written in messages: short, on one line."""
    try:
        written = repr(value)
    except ValueError:  # Python refuses to write out whole numbers of thousands of digits
        return "a number of thousands of digits"
    return written if len(written) <= 60 else written[:57] + "..."


def integer(minimum: int | None = 0) -> Check:
    """A whole number; True and 3.0 are none."""
    expected = "a whole number" + (f" of at least {minimum}" if minimum is not None else "")

    def check(value: Any, where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or (minimum is not None and value < minimum):
            raise fail(where, expected, value)
        return value

    return check


def number(minimum: float = -math.inf, above: float = -math.inf, below: float = math.inf) -> Check:
    """A finite number, `minimum <= value`, `above < value < below`."""
    limits = [
        f"of at least {minimum:g}" if minimum > -math.inf else "",
        f"above {above:g}" if above > -math.inf else "",
        f"below {below:g}" if below < math.inf else "",
    ]
    expected = " ".join(["a finite number", " and ".join(limit for limit in limits if limit)]).strip()

    def check(value: Any, where: str) -> float:
        try:
            good = not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
        except OverflowError:  # a whole number too large for a float
            good = False
        if not good or not (value >= minimum and above < value < below):
            raise fail(where, expected, value)
        result: float = value
        return result

    return check


def boolean(value: Any, where: str) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise fail(where, "true or false", value)
    return value


def text(value: Any, where: str) -> str:
    """A string that is not empty."""
    if not isinstance(value, str) or not value:
        raise fail(where, "a name", value)
    return value


def anything(value: Any, where: str) -> Any:
    """Not checked."""
    return value


def choice(known: Iterable[str], what: str) -> Check:
    """One of the known words."""
    words = tuple(known)

    def check(value: Any, where: str) -> str:
        if not isinstance(value, str) or value not in words:
            raise unknown(value, where, what, words)
        return value

    return check


def unknown(value: Any, where: str, what: str, words: Iterable[str]) -> ExperimentError:
    """The error for a word that is not known, with the nearest known one."""
    words = tuple(words)
    return ExperimentError(
        f"{where}: expected {what}, got {shown(value)}"
        + (nearest(value, words) if isinstance(value, str) else ""),
        help="known: " + ", ".join(words),
    )


def list_of(item: Check, length: int | None = None, minimum: int = 0) -> Check:
    """A list whose items all pass."""
    size = f" of {length}" if length is not None else f" of at least {minimum}" if minimum else ""

    def check(value: Any, where: str) -> list[Any]:
        short = isinstance(value, list | tuple) and len(value) < minimum
        wrong = isinstance(value, list | tuple) and length is not None and len(value) != length
        if not isinstance(value, list | tuple) or short or wrong:
            raise fail(where, "a list" + size, value)
        return [item(entry, f"{where}[{position}]") for position, entry in enumerate(value)]

    return check


def table(fields: Fields, required: Iterable[str] = (), what: str = "a table") -> Check:
    """A table with these fields and no others."""
    needed = tuple(required)

    def check(value: Any, where: str) -> dict[str, Any]:
        given = entries(value, where, what)
        for key in given:
            if key not in fields:
                raise ExperimentError(
                    f"{where + ': ' if where else ''}unknown field {shown(key)}{nearest(str(key), fields)}",
                    help="known: " + ", ".join(fields),
                )
        for key in needed:
            if key not in given:
                raise ExperimentError(
                    f"{where + ': ' if where else ''}the field {key!r} is missing",
                    help="known: " + ", ".join(fields),
                )
        return {key: fields[key](entry, f"{where}.{key}" if where else key) for key, entry in given.items()}

    return check


def tagged(tag: str, kinds: Mapping[str, tuple[Fields, tuple[str, ...]]], what: str) -> Check:
    """A table whose field `tag` says which other fields it has: tag value → (fields, required ones)."""

    def check(value: Any, where: str) -> dict[str, Any]:
        given = entries(value, where, "a table")
        if tag not in given:
            raise ExperimentError(f"{where}: the field {tag!r} is missing", help="known: " + ", ".join(kinds))
        kind = choice(kinds, what)(given[tag], f"{where}.{tag}")
        fields, required = kinds[kind]
        checked: dict[str, Any] = table({tag: text, **fields}, required)(given, where)
        return checked

    return check


def entries(value: Any, where: str, expected: str) -> dict[str, Any]:
    """The entries of a table, as a new dictionary."""
    if not isinstance(value, Mapping):
        raise fail(where or "the experiment", expected, value)
    return dict(value)


def refusal(what: str, where: str, help: str = "") -> ExperimentError:
    """The error for something that the vocabulary has a word for and the core has not."""
    return ExperimentError(f"{what}: not supported yet ({where})", help=help)
