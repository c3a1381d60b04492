"""Shape patterns: `assert_shape(x, "batch 784")`, with names that must mean the same size everywhere.

A pattern is a list of axes separated by spaces: an integer is that size, a name is any size but the same one
wherever it appears, `_` is any size, and one `...` is any number of axes.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from itertools import permutations
from typing import Any, Self

from .errors import UserError

Shape = tuple[int, ...]
_ELLIPSIS = "..."
_ANY = "_"


class ShapeMismatch(AssertionError):
    """An array does not have the shape that was asserted.

    Attributes:
        expected: the pattern.
        got: the shape of the array.
    """

    def __init__(self, message: str, expected: str, got: Shape) -> None:
        super().__init__(message)
        self.expected, self.got = expected, got


class Shapes:
    """Several arrays checked together: remembers what each axis name is bound to, and by which array.

    Args:
        bindings: sizes known beforehand, as in `Shapes(batch=32)`.
    """

    def __init__(self, **bindings: int) -> None:
        self.sizes: dict[str, int] = dict(bindings)
        self.sources: dict[str, str] = {}

    def check(self, x: Any, pattern: str, name: str = "") -> Self:
        """Asserts one shape and binds the names that were free.

        Args:
            x: anything with `.shape`.
            pattern: the axes, as in `"batch 784"`.
            name: what to call `x` in the message; if empty, the caller's variable that holds it.

        Raises:
            ShapeMismatch: the shape is another one; `sizes` is then unchanged.
            UserError: the pattern is none, or `x` has no shape.
        """
        known = set(self.sizes)
        shape = getattr(x, "shape", None)
        if not isinstance(shape, tuple):
            raise UserError(
                f"{name or _variable(x)} is of type {type(x).__name__}, which has no shape",
                help="give an array: numpy.asarray(x)",
            )
        fault = mismatch(shape, pattern, self.sizes, self.sources)
        if fault:
            raise ShapeMismatch(f"{name or _variable(x)} {fault}", pattern, tuple(shape))
        fresh = [axis for axis in self.sizes if axis not in known]
        if fresh:
            label = name or _variable(x)
            self.sources.update(dict.fromkeys(fresh, label))
        return self


def assert_shape(*arguments: Any, **bindings: int) -> Shapes:
    """Asserts the shape of one array or of several; names mean the same size in all of them.

        assert_shape(x, "batch 784")
        assert_shape((x, "batch 784"), (y, "batch 10"), batch=32)

    Args:
        arguments: an array and its pattern, or pairs of the two; a pair may hold a name for the message as third.
        bindings: sizes known beforehand.

    Returns:
        The bindings, to check further arrays against: `.check(z, "batch 10")`.

    Raises:
        ShapeMismatch: one of the shapes is another one.
        UserError: a pattern is none, or an argument has no shape.
    """
    shapes = Shapes(**bindings)
    pairs = [arguments] if len(arguments) > 1 and isinstance(arguments[1], str) else list(arguments)
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) in (2, 3) and isinstance(pair[1], str)):
            raise UserError(
                "assert_shape takes an array and a pattern, or pairs of them",
                help='assert_shape(x, "batch 784") or assert_shape((x, "batch 784"), (y, "batch 10"))',
            )
        shapes.check(*pair)
    return shapes


def mismatch(
    shape: Shape, pattern: str, bindings: MutableMapping[str, int], sources: Mapping[str, str] | None = None
) -> str | None:
    """What is wrong with a shape, as in `expects (batch, 784), got (784, 10): looks transposed`.

    Args:
        shape: sizes of the axes.
        pattern: the axes expected.
        bindings: sizes of the names so far; the names that were free are added when the shape fits.
        sources: for the message, the array that bound each name.

    Returns:
        None if the shape fits.

    Raises:
        UserError: the pattern is none.
    """
    axes = parse(pattern)
    bound = match(shape, axes, bindings)
    if bound is not None:
        bindings.update(bound)
        return None
    sizes = [
        f"{axis} = {bindings[axis]}" + (f" (bound by {sources[axis]})" if sources and axis in sources else "")
        for axis in dict.fromkeys(axes)
        if isinstance(axis, str) and axis in bindings
    ]
    known = f" with {', '.join(sizes)}" if sizes else ""
    return f"expects {_show(axes)}{known}, got {_show(shape)}: {_hint(tuple(shape), axes, bindings)}"


@lru_cache(maxsize=1024)
def parse(pattern: str) -> tuple[int | str, ...]:
    """The axes of a pattern.

    Raises:
        UserError: it is no pattern.
    """
    axes = tuple(int(word) if word.isdecimal() else word for word in pattern.split())
    for axis in axes:
        if isinstance(axis, str) and axis != _ELLIPSIS and not re.fullmatch(r"[^\W\d]\w*", axis):
            raise UserError(f"{axis!r} is no axis in the shape pattern {pattern!r}", help=_GRAMMAR)
    if axes.count(_ELLIPSIS) > 1:
        raise UserError(f"the shape pattern {pattern!r} has more than one ...", help=_GRAMMAR)
    return axes


_GRAMMAR = "axes are integers, names, _ for any size and one ... for any number of axes, separated by spaces"


def match(shape: Shape, axes: tuple[int | str, ...], bindings: Mapping[str, int]) -> dict[str, int] | None:
    """The names that this shape binds anew; None if it does not fit."""
    pairs = _align(shape, axes)
    if pairs is None:
        return None
    fresh: dict[str, int] = {}
    for _, size, axis in pairs:
        expected = axis if isinstance(axis, int) else bindings.get(axis, fresh.get(axis))
        if expected is None:
            fresh[str(axis)] = size
        elif expected != size:
            return None
    return fresh


def _align(shape: Shape, axes: tuple[int | str, ...]) -> list[tuple[int, int, int | str]] | None:
    """Position, size and expected axis of every axis that is constrained; None if their number does not fit."""
    positions = list(range(len(shape)))
    if _ELLIPSIS in axes:
        before = axes.index(_ELLIPSIS)
        after = len(axes) - before - 1
        if len(shape) < before + after:
            return None
        positions = positions[:before] + positions[len(shape) - after :]
        axes = (*axes[:before], *axes[before + 1 :])
    if len(positions) != len(axes):
        return None
    return [(i, shape[i], axis) for i, axis in zip(positions, axes, strict=True) if axis != _ANY]


def _hint(shape: Shape, axes: tuple[int | str, ...], bindings: Mapping[str, int]) -> str:
    """The likeliest mistake behind a shape that does not fit, else the axes that differ."""

    def fits(other: Shape) -> bool:
        return match(other, axes, bindings) is not None

    if len(shape) == 1 and len(axes) == 2 and fits((shape[0], 1)):
        return "(n,) where (n, 1) is expected; together they broadcast to (n, n); use x[:, None]"
    if len(shape) == 2 and shape[1] == 1 and len(axes) == 1 and fits(shape[:1]):
        return "(n, 1) where (n,) is expected; together they broadcast to (n, n); use x[:, 0]"
    if _ELLIPSIS not in axes and fits((1, *shape)):
        return "looks like one sample without the batch axis; use x[None]"
    if len(shape) > 1 and fits(shape[::-1]):
        return "looks transposed"
    if len(shape) > 2 and fits((shape[0], math.prod(shape[1:]))):
        return "looks not flattened; use x.reshape(len(x), -1)"
    if 1 in shape and fits(tuple(size for size in shape if size != 1)):
        return f"has axes of size 1 too many (axis {shape.index(1)}); use x.squeeze()"
    if 2 < len(shape) <= 5:
        orders = permutations(range(len(shape)))
        fitting = next((order for order in orders if fits(tuple(shape[i] for i in order))), None)
        if fitting:
            return f"axes are in another order; x.transpose{fitting} fits"
    return _differences(shape, axes, bindings)


def _differences(shape: Shape, axes: tuple[int | str, ...], bindings: Mapping[str, int]) -> str:
    pairs = _align(shape, axes)
    if pairs is None:
        least = len(axes) - axes.count(_ELLIPSIS)
        more = "at least " if _ELLIPSIS in axes else ""
        return f"{_axes(len(shape))} where {more}{_axes(least)} {'is' if least == 1 else 'are'} expected"
    known = dict(bindings)
    wrong = []
    for position, size, axis in pairs:
        expected = axis if isinstance(axis, int) else known.setdefault(axis, size)
        if expected != size:
            wrong.append(
                f"axis {position} is {size}, not {'' if isinstance(axis, int) else f'{axis} = '}{expected}"
            )
    return "; ".join(wrong)


def _axes(number: int) -> str:
    return f"{number or 'no'} {'axis' if number == 1 else 'axes'}"


def _show(axes: tuple[int | str, ...] | Shape) -> str:
    return f"({', '.join(map(str, axes))}{',' if len(axes) == 1 else ''})"


def _variable(x: Any) -> str:
    """The name of the variable that holds `x` where this module was called, for the message."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    for variables in (frame.f_locals, frame.f_globals):
        for name, value in variables.items():
            if value is x:
                return name
    return "the array"
