"""A copy of a network that can be shifted, run and differentiated while the original stays as it is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import lru_cache
from types import CellType, FunctionType, MethodType
from typing import Any

import numpy as np

from ..errors import UserError

CHANGEABLE = (np.ndarray, np.random.Generator, list, dict, set, bytearray)
FUNCTIONS = (MethodType, FunctionType)
UNCHANGEABLE = {int, float, bool, str, tuple, type(None)}
"""Most attributes of layers are of these: looked up in a set before anything is asked of them."""


def independent(network: Any) -> tuple[Any, str]:
    """A float64 copy, in training mode, that shares nothing which a pass could change.

    Args:
        network: anything with `layers`, `loss` and, best of all, `copy(dtype=...)`.

    Returns:
        The copy, and one sentence that says what was checked.

    Raises:
        UserError: there are no layers or no loss, or the copy is not of the same layers.
    """
    if not hasattr(network, "layers") or not hasattr(network, "loss"):
        raise UserError(
            f"{type(network).__name__} has no layers or no loss",
            help="gradcheck needs network.layers, each with forward and backward, and network.loss",
        )
    before = _dtype(network)
    other = _copied(network)
    if [type(a) for a in other.layers] != [type(a) for a in network.layers]:
        raise UserError(
            f"{type(network).__name__}.copy() gives other layers than the network has",
            help="a copy must keep the class of every layer, or another backward is checked than the one that trains",
        )
    replaced: dict[int, Any] = {id(network): other}
    replaced.update((id(a), b) for a, b in zip(network.layers, other.layers))
    for original, twin in [(network, other), *zip(network.layers, other.layers)]:
        _separate(original, twin, replaced)
    try:
        other.loss = copy.deepcopy(network.loss)
    except Exception:  # a loss that cannot be copied is shared; the core's losses have no state
        other.loss = network.loss
    _set_training(other)
    where = "a float64 copy" if _dtype(other) == "float64" else "a copy"
    sentence = f"Checked on {where} of your {before} network, which is untouched."
    return other, sentence


def generators(layer: Any) -> list[np.random.Generator]:
    """The random generators that a layer owns."""
    return [value for value in _attributes(layer).values() if isinstance(value, np.random.Generator)]


def _copied(network: Any) -> Any:
    if not hasattr(network, "copy"):
        return copy.deepcopy(network)
    try:
        return network.copy(dtype="float64")
    except TypeError:  # a copy() of the user's own, without dtype
        return network.copy()


def _dtype(network: Any) -> str:
    kinds = {value.dtype for layer in network.layers for value in getattr(layer, "parameters", {}).values()}
    return "/".join(sorted(map(_named, kinds))) or "float64"


@lru_cache(maxsize=16)
def _named(dtype: np.dtype[Any]) -> str:
    return str(dtype)  # in NumPy a function of its own


def _attributes(thing: Any) -> dict[str, Any]:
    return getattr(thing, "__dict__", {})


def _separate(original: Any, twin: Any, replaced: dict[int, Any]) -> None:
    """Gives `twin` its own state: containers and generators are copied, patched methods follow the copy."""
    given = _attributes(original)
    for name, value in list(_attributes(twin).items()):
        if type(value) in UNCHANGEABLE or name in ("layers", "loss") or value is not given.get(name):
            continue
        if isinstance(value, CHANGEABLE):
            try:
                setattr(twin, name, copy.deepcopy(value))
            except Exception:  # what cannot be copied cannot hold plain numbers that a pass would change
                continue
        elif isinstance(value, FUNCTIONS):
            setattr(twin, name, rebound(value, replaced))


def rebound(function: Callable[..., Any], replaced: dict[int, Any]) -> Callable[..., Any]:
    """A method or closure that speaks of the copies where it spoke of the originals.

    `layer.backward = lambda g: -original(g)` is how one patches a layer at a prompt; a plain copy of that
    attribute would go on working on the original layer.

    Args:
        function: the patched method.
        replaced: id of an original object → its copy.
    """

    def follow(value: Any) -> Any:
        if id(value) in replaced:
            return replaced[id(value)]
        if isinstance(value, MethodType) and id(value.__self__) in replaced:
            return MethodType(value.__func__, replaced[id(value.__self__)])
        return value

    moved = follow(function)
    if moved is not function or not isinstance(function, FunctionType):
        return moved  # type: ignore[no-any-return]
    world = function.__globals__
    used = [(n, world[n]) for n in function.__code__.co_names if n in world]
    names = {n: new for n, v in used if (new := follow(v)) is not v}
    old_cells, old_defaults = function.__closure__ or (), function.__defaults__ or ()
    cells = tuple(CellType(follow(c.cell_contents)) if _moves(c, follow) else c for c in old_cells)
    defaults = tuple(follow(v) for v in old_defaults)
    if not names and all(map(_same, cells, old_cells)) and all(map(_same, defaults, old_defaults)):
        return function
    twin = FunctionType(
        function.__code__, {**world, **names}, function.__name__, defaults or None, cells or None
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    return twin


def _same(a: Any, b: Any) -> bool:
    return a is b


def _moves(cell: CellType, follow: Callable[[Any], Any]) -> bool:
    try:
        return follow(cell.cell_contents) is not cell.cell_contents
    except ValueError:  # a cell that is not filled yet
        return False


def _set_training(network: Any) -> None:
    # What is checked is what training runs: Dropout drops, buffers are reused.
    for thing in (network, *network.layers):
        if hasattr(thing, "training"):
            try:
                thing.training = True
            except AttributeError:  # a property without setter: the layers' own flags decide
                continue
