"""A network in float64 whose own copy stays in float32: its arrays are replaced, and it is tried whether it follows.

Derivatives in float32 are known to three digits at best. Most code of arrays computes in whatever its arrays are of; a
layer that does not, or that holds arrays out of sight, shows in its outputs or gradients, and is checked as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..signals import Array
from .probe import dtype_of, in_dtype

NARROW = (np.dtype(np.float32), np.dtype(np.float16))
WIDE = np.dtype(np.float64)

MOVED = 0.1
"""How far parameters are moved (a share of their size) to see that both networks read their own."""

ALIKE = 0.02
"""Share of the largest entry by which outputs and gradients of both precisions may differ."""

CANCELS = 1e-5
"""Gradients below this share of the network's largest may be rounding in float32."""


def in_float64(copied: Callable[[], Any], x: Array, y: Array) -> Any | None:
    """A copy of a network that computes in float64, None if it does not follow.

    Args:
        copied: makes an independent copy of the network.
        x: inputs (batch, …).
        y: targets.
    """
    try:
        if not _follows(widen(copied()), copied(), x, y):
            return None
        return widen(copied())
    except Exception:  # code of the user's own, given what it does not expect
        return None


def widen(network: Any) -> Any:
    """Replaces every array of float32 that the network and its layers hold by one of float64, views of one by views."""
    known: dict[int, tuple[Array, Array]] = {}
    for thing in (network, *network.layers):
        attributes = getattr(thing, "__dict__", {})
        for name, value in list(attributes.items()):
            if name != "layers":
                attributes[name] = _replaced(value, known)
    return network


def widened(values: Any) -> Any:
    """An array in float64 if it is of floats."""
    array = np.asarray(values)
    return in_dtype(array, WIDE) if array.dtype in NARROW else values


# --- inside ---------------------------------------------------------------------------------------------------------


def _replaced(value: Any, known: dict[int, tuple[Array, Array]]) -> Any:
    if isinstance(value, np.ndarray):
        return _wide(value, known) if value.dtype in NARROW else value
    if isinstance(value, dict):
        for key in list(value):
            value[key] = _replaced(value[key], known)
    elif isinstance(value, list):
        value[:] = [_replaced(item, known) for item in value]
    elif type(value) is tuple:
        return tuple(_replaced(item, known) for item in value)
    elif isinstance(value, np.dtype | type | str) and value in (*NARROW, np.float32, "float32"):
        return WIDE
    return value


def _wide(array: Array, known: dict[int, tuple[Array, Array]]) -> Array:
    if id(array) in known:
        return known[id(array)][1]
    base, size = array, array.itemsize
    while isinstance(base.base, np.ndarray):
        base = base.base
    if base is array or base.dtype != array.dtype or not base.flags.c_contiguous:
        twin: Array = array.astype(WIDE)
    else:
        start = (array.ctypes.data - base.ctypes.data) // size * WIDE.itemsize
        strides = tuple(stride // size * WIDE.itemsize for stride in array.strides)
        twin = np.ndarray(array.shape, WIDE, _wide(base, known), start, strides)
    known[id(array)] = array, twin
    return twin


def _follows(wide: Any, narrow: Any, x: Array, y: Array) -> bool:
    """Whether both compute the same, each in its own precision, with parameters that were moved for the purpose."""
    if dtype_of(wide) != WIDE:
        return False
    rng = np.random.default_rng(0)
    for mine, theirs in zip(wide.layers, narrow.layers, strict=True):
        for name, value in getattr(theirs, "parameters", {}).items():
            if value.dtype.kind == "f":
                value *= (1 + MOVED * rng.normal(size=value.shape)).astype(value.dtype)
                mine.parameters[name][...] = value
    passes = [_pass(network, x, y) for network, x, y in ((wide, widened(x), widened(y)), (narrow, x, y))]
    (outputs, gradients), (expected, others) = passes
    if len(gradients) != len(others) or any(output.dtype != WIDE for output in outputs):
        return False
    # What cancels, as the gradient of a bias before a norm, is rounding in float32.
    nothing = CANCELS * max((float(np.abs(value).max(initial=0.0)) for value in others), default=0.0)
    return all(map(_alike, outputs, expected)) and all(
        _alike(mine, theirs, nothing) for mine, theirs in zip(gradients, others, strict=True)
    )


def _pass(network: Any, x: Array, y: Array) -> tuple[list[Array], list[Array]]:
    """Outputs of every layer, and the gradients of all parameters as far as backward goes."""
    outputs, gradients = [], []
    for layer in network.layers:
        x = np.array(layer.forward(x))
        outputs.append(x)
    try:
        back = network.loss.gradient(np.array(x), y)
        for layer in reversed(network.layers):
            back = layer.backward(back)
            gradients += [
                np.array(value) for value in getattr(layer, "gradients", {}).values() if value is not None
            ]
    except Exception:  # whoever checks it will say so
        pass
    return outputs, gradients


def _alike(mine: Array, theirs: Array, nothing: float = 0.0) -> bool:
    if mine.shape != theirs.shape or not (np.isfinite(mine).all() and np.isfinite(theirs).all()):
        return False
    apart = float(np.abs(mine - theirs).max(initial=0.0))
    return apart <= ALIKE * float(np.abs(theirs).max(initial=0.0)) + nothing
