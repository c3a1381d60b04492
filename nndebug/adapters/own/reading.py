"""Reads a user's parameters and gradients where they lie, many times and quickly, as the core's flat vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...signals import Array
from ..attributes.members import Path, fetch
from .understanding import Understood, as_core


class ShapeChanged(Exception):
    """A parameter has not the shape any more that it had.

    Args:
        site: the parameter.
        before, after: its shapes.
    """

    def __init__(self, site: str, before: tuple[int, ...], after: tuple[int, ...]) -> None:
        super().__init__(f"{site} had shape {before} before an update and has {after} after it")
        self.site = site


class Reader:
    """Reads one user's object.

    Args:
        understood: the object; it must be what it is without us while this is made.
        slices: where the entries of each parameter are in the flat vectors.
        dtype: of those.
    """

    def __init__(self, understood: Understood, slices: dict[str, slice], dtype: Any) -> None:
        own, self.dtype = understood.own, dtype
        self.size = max(part.stop for part in slices.values())
        self._parameters, self._sources = [], []
        for name, path, turned in understood.paths:
            shape = own.parameters[path].shape
            self._parameters.append((name, slices[name], accessor(own.model, path), turned, shape))
            source = own.sources.get(path)
            get = None
            if source is not None and source.kind == "attribute":
                get = ignoring(accessor(own.model, source.path))
            elif source is not None and source.kind == "returned":
                get = within(source.path)
            core = shape[::-1] if turned else (int(np.prod(shape)),) if name.endswith(".bias") else shape
            self._sources.append((slices[name], get, turned, core))
        self.moved = any(source.kind == "moved" for source in own.sources.values())
        last = [get for _, get, _, _ in self._sources if get is not None]
        self._last = last[-1] if last else None

    def parameters(self) -> Array:
        """All parameters now (entries,), a copy.

        Raises:
            ShapeChanged: one has another shape now.
        """
        flat = np.empty(self.size, self.dtype)
        for name, part, get, turned, shape in self._parameters:
            value = get()
            if np.shape(value) != shape:
                raise ShapeChanged(name, shape, np.shape(value))
            flat[part] = (value.T if turned else value).ravel()
        return flat

    def same(self, flat: Array) -> bool:
        """Whether the parameters are still these, the last ones, which every update moves, first."""
        for _, part, get, turned, shape in reversed(self._parameters):
            value = get()
            if np.shape(value) != shape:
                return False
            value = (value.T if turned else value).ravel()
            if not np.array_equal(value, flat[part], equal_nan=True):
                return False
        return True

    def gradients(self, returned: Any) -> Array | None:
        """Gradients after a backward that returned this (entries,); None if one does not fit its parameter."""
        flat = np.empty(self.size, np.float64)
        for part, get, turned, shape in self._sources:
            if get is None:
                return None
            value = get(returned)
            try:
                flat[part] = as_core(value, shape, turned).ravel()
            except (ValueError, TypeError):
                return None
        return flat

    def finite(self, returned: Any) -> bool:
        """Whether the last layer's gradient is finite: one product tells. It may overflow for huge values: no harm."""
        value = self._last(returned) if self._last is not None else None
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            return True
        flat = value.ravel()
        with np.errstate(all="ignore"):
            return math.isfinite(float(flat.dot(flat)))


def accessor(root: Any, path: Path) -> Callable[[], Any]:
    """A function that gives what lies at a path now. Functions on the way are taken as they are."""
    base, steps = root, path
    for position, (kind, _) in enumerate(path):
        if kind == "(":
            base, steps = fetch(root, path[:position]), path[position:]
    if steps and steps[0][0] == "(":
        cell = base.__closure__[base.__code__.co_freevars.index(steps[0][1])]
        return lambda: _walk(cell.cell_contents, steps[1:])
    return lambda: _walk(base, steps)


def ignoring(get: Callable[[], Any]) -> Callable[[Any], Any]:
    """The same for one who gets what a backward returned, and has no use for it; None where nothing is there."""

    def found(returned: Any) -> Any:
        try:
            return get()
        except (KeyError, IndexError, AttributeError, TypeError):
            return None

    return found


def within(path: Path) -> Callable[[Any], Any]:
    """A function that finds an array in what a backward returned."""
    return lambda returned: ignoring(lambda: _walk(returned, path))(None)


def _walk(value: Any, steps: Path) -> Any:
    for kind, key in steps:
        value = getattr(value, key) if kind == "." else value[key]
    return value
