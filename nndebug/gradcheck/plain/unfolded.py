"""Dense layers and convolutions as one thing: `rows(z) = columns(x) @ weight + bias`.

What every output of a convolution sees, put into a row, makes a dense layer of it (im2col: Chellapilla, Puri and Simard
2006). Shapes propose the form, whatever class a layer is of; its forward decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ...signals import Array
from ..linear import ROUNDING
from ..windows import Pair, Windows, possible

MOST_FORMS = 32
"""Strides and paddings that are tried."""


@dataclass(frozen=True)
class Form:
    """How a layer reads its input.

    Attributes:
        weight, bias: names of its parameters.
        windows: how the kernel lies over the image; None for a dense layer.
    """

    weight: str
    bias: str | None
    windows: Windows | None = None

    def columns(self, x: Array) -> Array:
        """What every output sees: (outputs of all samples, entries)."""
        if self.windows is None:
            return x
        whole = self.windows.padded(x) if self._pads(x) else x
        index = places(self.windows, x.shape[1])
        return whole.reshape(len(x), -1)[:, index].reshape(-1, index.shape[1])

    def rows(self, z: Array) -> Array:
        """Outputs or their derivatives as (outputs of all samples, units)."""
        return z if self.windows is None else z.transpose(0, 2, 3, 1).reshape(-1, z.shape[1])

    def matrix(self, weight: Array) -> Array:
        """The weight as (entries, units)."""
        return weight if self.windows is None else weight.reshape(len(weight), -1).T

    def kernel(self, matrix: Array, shape: tuple[int, ...]) -> Array:
        """The opposite of `matrix`."""
        return matrix if self.windows is None else matrix.T.reshape(shape)

    def folded(self, columns: Array, shape: tuple[int, ...]) -> Array:
        """The transpose of `columns`: every entry added to where it came from, (batch, …) of this shape."""
        if self.windows is None:
            return columns
        count, channels = shape[:2]
        index = places(self.windows, channels)
        rows, across = self.windows.extent
        size = channels * rows * across
        at = np.arange(0, count * size, size)[:, None] + index.ravel()
        whole = np.bincount(at.ravel(), columns.ravel(), count * size).reshape(count, channels, rows, across)
        return self.windows.inside(whole)

    def _pads(self, x: Array) -> bool:
        assert self.windows is not None
        return self.windows.extent != x.shape[2:]


@lru_cache(maxsize=32)
def places(windows: Windows, channels: int) -> Array:
    """Flat numbers in a padded image of what every window sees: (windows, channels · kernel entries)."""
    rows, across = windows.extent
    numbers = np.arange(channels * rows * across).reshape(1, channels, rows, across)
    seen = np.array(
        [view[0] for _, _, view in windows.places(numbers)]
    )  # (kernel entries, channels, *outputs)
    found = seen.reshape(len(seen), channels, -1).transpose(2, 1, 0).reshape(-1, channels * len(seen))
    found = np.ascontiguousarray(found)
    found.setflags(write=False)
    return found


@lru_cache(maxsize=32)
def _ways(x: Pair, z: Pair, kernel: Pair) -> list[Windows]:
    """How a kernel may lie over an image of size x to give one of size z: padding that is the same on both sides first."""

    def unusual(windows: Windows) -> int:
        axes = zip(x, windows.before, kernel, windows.stride, z, strict=True)
        return sum((n + 2 * before - k) // stride + 1 != outputs for n, before, k, stride, outputs in axes)

    return sorted(possible((0, 0, *x), (0, 0, *z), kernel), key=unusual)[:MOST_FORMS]


def form_of(layer: Any, x: Array, z: Array, eps: float) -> tuple[Form, Array] | None:
    """The form that makes z of x, and `columns(x)`; None if there is none."""
    parameters = layer.parameters
    if z.ndim == 2 and x.ndim == 2:
        weights = [name for name, value in parameters.items() if value.shape == (x.shape[1], z.shape[1])]
    elif z.ndim == 4 and x.ndim == 4:
        weights = [
            n for n, v in parameters.items() if v.ndim == 4 and v.shape[:2] == (z.shape[1], x.shape[1])
        ]
    else:
        return None
    biases = [name for name, value in parameters.items() if value.shape == (z.shape[1],)]
    if len(weights) != 1 or len(biases) > 1 or len(parameters) != 1 + len(biases):
        return None
    weight, bias = weights[0], biases[0] if biases else None
    forms = [Form(weight, bias)]
    if z.ndim == 4:
        ways = _ways(x.shape[2:], z.shape[2:], parameters[weight].shape[2:])
        forms = [Form(weight, bias, windows) for windows in ways]
    for form in forms:
        columns = form.columns(x)
        if holds(form, layer, columns, z, eps):
            return form, columns
    return None


def holds(form: Form, layer: Any, columns: Array, z: Array, eps: float) -> bool:
    """Whether z is what the form makes of its columns, to within rounding."""
    weight = layer.parameters[form.weight]
    expected = columns @ form.matrix(weight)
    if form.bias:
        expected += layer.parameters[form.bias]
    found = form.rows(z)
    if np.array_equal(found, expected):
        return bool(np.isfinite(expected.sum()))
    size = float(np.abs(expected).max(initial=0.0))
    expected -= found
    return float(np.abs(expected).max(initial=0.0)) <= ROUNDING * eps * size
