"""Parameters and gradients as users keep them: an array, or dicts, lists and tuples of arrays, nested or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import UserError
from ..signals import Array

Path = tuple[Any, ...]

ALONE = "params"
"""The name of a single array."""


def leaves(container: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Everything in a container that is no container itself, with the keys that lead there.

    >>> [path for path, _ in leaves({"W": [1.0, 2.0], "b": 3.0})]
    [('W', 0), ('W', 1), ('b',)]
    """
    if isinstance(container, Mapping):
        for key, value in container.items():
            yield from leaves(value, (*path, key))
    elif isinstance(container, list | tuple) or _is_ragged(container):
        for position, value in enumerate(container):
            yield from leaves(value, (*path, position))
    else:
        yield path, container


def rebuilt(container: Any, make: Callable[[Path], Any], path: Path = ()) -> Any:
    """A container of the same kind with `make(path)` in the place of every leaf."""
    if isinstance(container, Mapping):
        return {key: rebuilt(value, make, (*path, key)) for key, value in container.items()}
    if isinstance(container, list | tuple) or _is_ragged(container):
        values = [rebuilt(value, make, (*path, position)) for position, value in enumerate(container)]
        if hasattr(container, "_fields"):  # a named tuple
            return type(container)(*values)
        if isinstance(container, list | tuple):
            return tuple(values) if isinstance(container, tuple) else values
        result = np.empty(len(values), object)
        result[:] = values
        return result
    return make(path)


def name_of(path: Path) -> str:
    """A leaf's name as in code.

    >>> name_of(("hidden1", "weight")), name_of(("weights", 0)), name_of(())
    ('hidden1.weight', 'weights[0]', 'params')
    """
    name = ""
    for key in path:
        name += f"[{key}]" if not isinstance(key, str) else f".{key}" if name else key
    return name or ALONE


def numbers(params: Any) -> dict[Path, Array]:
    """Every array of a container of parameters, as it is and not copied.

    Raises:
        UserError: there is none, or something in it is no array of numbers.
    """
    found = {}
    for path, value in leaves(params):
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            what = "complex" if array.dtype.kind == "c" else type(value).__name__
            raise UserError(
                f"{name_of(path)} is {what}, not an array of real numbers",
                help="params is an array, or a dict, list or tuple of arrays",
            )
        found[path] = array
    if not found:
        raise UserError("params is empty", help="gradcheck(loss, params, grads)")
    return found


def gradients_of(given: Any, params: Mapping[Path, Array]) -> tuple[dict[Path, Array | None], list[str]]:
    """The gradient of every parameter, copied, None where there is none; and names without a parameter.

    Keys are matched, then positions: the gradients of a dict may come as a list in the same order.

    Raises:
        UserError: something in it is no array of numbers.
    """
    found: dict[Path, Any] = dict(leaves(given))
    if len(params) == 1 and len(found) == 1:
        found = {next(iter(params)): next(iter(found.values()))}
    elif not set(found) & set(params) and len(found) == len(params):
        found = dict(zip(params, found.values()))
    result: dict[Path, Array | None] = {}
    for path in params:
        value = found.get(path)
        if value is None:
            result[path] = None
            continue
        array = np.array(value)
        if array.dtype.kind not in "fiub":
            raise UserError(
                f"the gradient of {name_of(path)} is {type(value).__name__}, not an array of real numbers",
                help="grads is a container like params, or a function that returns one",
            )
        result[path] = array
    return result, [name_of(path) for path in found if path not in params]


def sharing(arrays: Mapping[Path, Array]) -> list[tuple[str, str]]:
    """Pairs of names whose arrays lie in the same memory."""
    named = [(name_of(path), array) for path, array in arrays.items() if array.size]
    return [
        (first, second)
        for at, (first, a) in enumerate(named)
        for second, b in named[at + 1 :]
        if np.may_share_memory(a, b)
    ]


def _is_ragged(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 1
