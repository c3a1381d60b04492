"""What an object holds: every array in its attributes, lists, dicts and objects, by the path that leads there.

Nothing is known about the class but that it keeps its numbers somewhere. `kept` puts everything back as it was.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping, MutableSequence
from contextlib import contextmanager
from types import FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from ...signals import Array

Path = tuple[tuple[str, Any], ...]
"""Steps from the object down, each (kind, key): kind `.` an attribute, `[` an item, `(` a variable that a function closes over."""

DEEPEST = 6
MOST_ITEMS = 1000
"""A list longer than this holds data and no layers: it is not searched."""
FLOATS = "f"


def walk(root: Any) -> Iterator[tuple[Path, Any]]:
    """Every NumPy array below an object, once, in the order in which the code made them."""
    for path, value in _reach(root):
        if isinstance(value, np.ndarray) and value.dtype != object:
            yield path, value


def arrays(root: Any) -> dict[Path, Array]:
    """The arrays of floating-point numbers by path; the arrays themselves."""
    return {path: value for path, value in walk(root) if value.dtype.kind == FLOATS}


def numbers(root: Any) -> dict[Path, float]:
    """The floating-point numbers that are no arrays, by path."""
    found: dict[Path, float] = {}
    for path, holder in _reach(root):
        for step, value in _children(holder):
            if isinstance(value, float | np.floating) and not isinstance(holder, np.ndarray):
                found[*path, step] = float(value)
    return found


def fetch(root: Any, path: Path) -> Any:
    """What lies at a path now.

    Raises:
        KeyError: nothing does.
    """
    value = root
    for kind, key in path:
        try:
            value = dict(_children(value))[kind, key]
        except (KeyError, TypeError):
            raise KeyError(name_of(path)) from None
    return value


def store(root: Any, path: Path, value: Any) -> None:
    """Puts a value at a path, where the container can be changed; else into the array that lies there."""
    *before, (kind, key) = path
    owner = fetch(root, tuple(before))
    if kind == ".":
        setattr(owner, key, value)
    elif kind == "(":
        _cells(owner)[key].cell_contents = value
    elif isinstance(owner, MutableMapping | MutableSequence) or (
        isinstance(owner, np.ndarray) and owner.dtype == object
    ):
        owner[key] = value
    else:
        fetch(root, path)[...] = value


def name_of(path: Path) -> str:
    """A path as in code.

    >>> name_of(((".", "weights"), ("[", 0))), name_of(((".", "params"), ("[", "W1")))
    ('weights[0]', "params['W1']")
    """
    name = ""
    for kind, key in path:
        if kind == "[":
            name += f"[{key!r}]"
        else:
            name += f".{key}" if name else str(key)
    return name


def words_of(path: Path) -> str:
    """The last name on a path that is a word, in lower case: `w1` of `params['W1']`, `weights` of `weights[0]`."""
    for _, key in reversed(path):
        if isinstance(key, str):
            return key.lower()
    return ""


def number_of(path: Path) -> int | None:
    """The last number on a path, of an item or at the end of a name: 2 of `W2`, 0 of `weights[0]`."""
    for _, key in reversed(path):
        if isinstance(key, int):
            return key
        found = re.search(r"(\d+)\D*$", str(key))
        if found:
            return int(found[1])
    return None


@contextmanager
def kept(root: Any) -> Iterator[None]:
    """After the block the object is what it was, to the bit, whatever the block did or raised.

    The same arrays lie in the same containers with the same numbers; attributes that the block made are gone. The
    global random states of NumPy and Python are put back too, and those of generators in the module of its class.
    """
    containers, values, generators = [], [], _of_modules(root)
    for _, value in _reach(root):
        if isinstance(value, np.ndarray) and value.dtype != object:
            values.append((value, value.copy()))
        elif isinstance(value, np.random.Generator | np.random.RandomState):
            generators.append(value)
        else:
            containers.append((value, _contents(value)))
    with _rewound(generators):
        try:
            yield
        finally:
            for value, contents in containers:
                _refill(value, contents)
            for value, before in values:
                if value.flags.writeable:
                    value[...] = before


@contextmanager
def redrawn(root: Any) -> Iterator[None]:
    """After the block the object and the global states draw the random numbers once more that they drew in it."""
    own = [v for _, v in _reach(root) if isinstance(v, np.random.Generator | np.random.RandomState)]
    with _rewound([*_of_modules(root), *own]):
        yield


@contextmanager
def _rewound(generators: list[Any]) -> Iterator[None]:
    """After the block these generators and the global ones of NumPy and Python are in the state in which they were."""
    drawn = [(generator, _state(generator)) for generator in generators]
    states = np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        np.random.set_state(states[0])
        random.setstate(states[1])
        for generator, state in drawn:
            if isinstance(generator, np.random.Generator):
                generator.bit_generator.state = state
            else:
                generator.set_state(state)


def _state(generator: Any) -> Any:
    is_new = isinstance(generator, np.random.Generator)
    return generator.bit_generator.state if is_new else generator.get_state()


def _of_modules(root: Any) -> list[Any]:
    """Random generators that are global where the object's class or functions are written."""
    held = [root, *(root.values() if isinstance(root, Mapping) else getattr(root, "__dict__", {}).values())]
    names = {getattr(item, "__module__", None) for item in (*held, type(root))}
    modules = [sys.modules.get(name) for name in names if isinstance(name, str)]
    found = [value for module in modules for value in vars(module or sys).values()]
    kinds = np.random.Generator | np.random.RandomState
    return list({id(value): value for value in found if isinstance(value, kinds)}.values())


# --- inside -------------------------------------------------------------------------------------------------------


def _reach(root: Any) -> Iterator[tuple[Path, Any]]:
    """The object and everything below it, each once, nearest first within a branch."""
    seen: set[int] = set()

    def visit(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
        if id(value) in seen or len(path) > DEEPEST or not _holds(value):
            return
        seen.add(id(value))
        yield path, value
        for step, child in _children(value):
            yield from visit(child, (*path, step))

    return visit(root, ())


def _holds(value: Any) -> bool:
    """Whether it is an array or something of the user's that may hold one."""
    if isinstance(
        value,
        np.ndarray | np.random.Generator | np.random.RandomState | Mapping | list | tuple | SimpleNamespace,
    ):
        return True
    if isinstance(value, FunctionType):
        return bool(value.__closure__)
    if isinstance(value, MethodType):
        return _holds(value.__self__)
    if isinstance(value, ModuleType | type) or value is None:
        return False
    home = type(value).__module__.partition(".")[0]
    foreign = home in sys.stdlib_module_names or home in ("numpy", "builtins")
    return not foreign and (hasattr(value, "__dict__") or bool(_slots(value)))


def _children(value: Any) -> list[tuple[tuple[str, Any], Any]]:
    if isinstance(value, np.ndarray):
        return [(("[", i), item) for i, item in enumerate(value)] if _ragged(value) else []
    if isinstance(value, np.random.Generator | np.random.RandomState):
        return []
    if isinstance(value, Mapping):
        return [(("[", key), item) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [(("[", at), item) for at, item in enumerate(value)] if len(value) <= MOST_ITEMS else []
    if isinstance(value, FunctionType):
        return [(("(", name), cell.cell_contents) for name, cell in _cells(value).items()]
    if isinstance(value, MethodType):
        return [((".", "__self__"), value.__self__)]
    named = [((".", name), item) for name, item in getattr(value, "__dict__", {}).items()]
    return named + [((".", name), getattr(value, name)) for name in _slots(value) if hasattr(value, name)]


def _ragged(value: Array) -> bool:
    return value.dtype == object and value.ndim == 1


def _slots(value: Any) -> list[str]:
    found = []
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        found += [slots] if isinstance(slots, str) else list(slots)
    return [name for name in found if not name.startswith("__")]


def _cells(function: Any) -> dict[str, Any]:
    """The variables that a function closes over, those that are filled."""
    names = zip(function.__code__.co_freevars, function.__closure__ or ())
    found = {}
    for name, cell in names:
        try:
            _ = cell.cell_contents
        except ValueError:
            continue
        found[name] = cell
    return found


def _contents(value: Any) -> Any:
    if isinstance(value, MutableMapping):
        return dict(value)
    if isinstance(value, list) or (isinstance(value, np.ndarray) and value.dtype == object):
        return list(value)
    if isinstance(value, FunctionType):
        return {name: cell.cell_contents for name, cell in _cells(value).items()}
    if isinstance(value, tuple | Mapping | MethodType | np.ndarray):
        return None  # cannot be changed
    slots = {name: getattr(value, name) for name in _slots(value) if hasattr(value, name)}
    return dict(getattr(value, "__dict__", {})), slots


def _refill(value: Any, contents: Any) -> None:
    if contents is None:
        return
    if isinstance(value, MutableMapping):
        if not (len(value) == len(contents) and all(value.get(k) is v for k, v in contents.items())):
            value.clear()
            value.update(contents)
    elif isinstance(value, (list, np.ndarray)):
        value[:] = contents
    elif isinstance(value, FunctionType):
        for name, cell in _cells(value).items():
            if name in contents:
                cell.cell_contents = contents[name]
    else:
        attributes, slots = contents
        if hasattr(value, "__dict__"):
            value.__dict__.clear()
            value.__dict__.update(attributes)
        for name, item in slots.items():
            object.__setattr__(value, name, item)
