"""What shapes a layer takes: found by trying, its own numbers first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..errors import UserError
from ..strategies.arrays import Shape, image_shapes, sample_shapes

MOST_WIDTH = 16
ROWS = 2
SIDES = (6, 5)


def accepted(make: Callable[[], Any], label: str) -> st.SearchStrategy[Shape]:
    """Strategy of the sample shapes that a layer takes.

    A width among the layer's own numbers (sizes of its parameters, whole numbers among its attributes) is believed
    first, so that a layer that broadcasts any width is not taken for one without.

    Raises:
        UserError: it takes none of the shapes tried.
    """
    hints = _numbers(make())
    for shape in hints.shapes:
        if takes(make, shape):
            return st.just(shape)
    for width in hints.widths:
        if takes(make, (width,)):
            # Some layers work along their features whatever these are: what has no parameters and took one width
            # because it is a number of its own, as a seed, takes the next as well.
            return sample_shapes() if _takes_any(make, hints, width) else st.just((width,))
    if takes(make, (3,)) and takes(make, (4,)):
        return sample_shapes() if takes(make, (2, *SIDES)) else st.tuples(st.integers(1, 7))
    for channels in (*hints.widths, *range(1, MOST_WIDTH)):
        if takes(make, (channels, *SIDES)):
            fixed = not takes(make, (channels + 1, *SIDES))
            free = takes(make, (channels, 5, 6)) and takes(make, (channels, 4, 4))
            if free:
                return image_shapes(channels if fixed else None, least=4)
            return st.just((channels, *SIDES))
    for width in range(1, MOST_WIDTH + 1):
        if takes(make, (width,)):
            return st.just((width,))
    raise UserError(
        f"{label} takes none of the shapes that were tried",
        help="say what it takes: case(..., takes=(channels, height, width))",
    )


def takes(make: Callable[[], Any], shape: Shape) -> bool:
    """Whether forward of two samples of this shape gives an array of any shape."""
    x = np.full((ROWS, *shape), 0.5)
    try:
        with np.errstate(all="ignore"):
            layer = make()
            if hasattr(layer, "astype"):
                layer.astype(x.dtype)
            return bool(np.shape(layer.forward(x)))
    except Exception:
        return False


class _numbers:  # noqa: N801  (a record that fills itself)
    """Shapes and widths that a layer mentions."""

    def __init__(self, layer: Any) -> None:
        self.parameters = [np.shape(value) for value in dict(getattr(layer, "parameters", {}) or {}).values()]
        self.shapes = [value for value in _values(layer) if isinstance(value, tuple) and len(value) > 1]
        self.shapes = [s for s in self.shapes if all(isinstance(n, int) and n > 0 for n in s) and len(s) == 3]
        found = [n for shape in self.parameters for n in shape]
        found += [n for n in _values(layer) if isinstance(n, (int, np.integer)) and not isinstance(n, bool)]
        self.widths = list(dict.fromkeys(int(n) for n in found if 0 < n <= 4096))


def _values(layer: Any) -> Iterator[Any]:
    yield from getattr(getattr(layer, "module", layer), "__dict__", {}).values()


def _takes_any(make: Callable[[], Any], hints: _numbers, width: int) -> bool:
    layer = make()
    if hasattr(layer, "astype"):
        layer.astype(np.dtype("float64"))
    layer.forward(np.full((ROWS, width), 0.5))
    return not getattr(layer, "parameters", {}) and takes(make, (width + 1,)) and takes(make, (width + 2,))
