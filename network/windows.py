"""Where a kernel lies as it slides over an image: sizes, padding, and one strided view per place of the kernel.

A place (i, j) of the kernel meets the input entries that lie at i, i + stride, … and j, j + stride, …: as many as
there are outputs, so that a loop over the few places replaces one over the many outputs, forward and backward alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import Array
from .errors import ShapeError
from .layers import Layer

Pair = tuple[int, int]
Padding = str | Pair


@dataclass(frozen=True)
class Axis:
    """One axis of the image: entries of padding before and after it, and how many outputs there are."""

    before: int
    after: int
    outputs: int


class Windowed(Layer):
    """Base of the layers that slide a kernel over images (batch, channels, height, width).

    Args:
        kernel: height and width, one number for both.
        stride: step between two outputs, down and across.
        padding: entries on every side, or "valid" for none, or "same" for outputs of ⌈size / stride⌉, with the larger
            half after the image where the sum is odd (as in TensorFlow; PyTorch has it for stride 1).
        name: site name; automatic if None.

    Raises:
        ShapeError: a number is no whole number in its range, or padding has an unknown name.
    """

    channels: int | None = None
    """How many channels the input must have, None for any."""

    def __init__(self, kernel: Any, stride: Any, padding: Any, name: str | None) -> None:
        super().__init__(name)
        label = type(self).__name__
        self.kernel = _pair(kernel, f"{label}: kernel", 1)
        self.stride = _pair(stride, f"{label}: stride", 1)
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ShapeError(
                    f"{label}: padding is {padding!r}", help='give a number of entries, "same" or "valid"'
                )
            self.padding: Padding = padding
        else:
            self.padding = _pair(padding, f"{label}: padding", 0)

    def describe_window(self) -> str:
        """As in `3x3 stride 2 padding same`; what is usual is left out."""
        text = "{}x{}".format(*self.kernel)
        if self.stride != self.usual_stride():
            text += f" stride {_short(self.stride)}"
        if self.padding not in ((0, 0), "valid"):
            text += f" padding {self.padding if isinstance(self.padding, str) else _short(self.padding)}"
        return text

    def usual_stride(self) -> Pair:
        """What the stride is if none is given."""
        return (1, 1)

    def axes(self, shape: tuple[int, ...]) -> tuple[Axis, Axis]:
        """How the kernel lies over an input of this shape.

        Raises:
            ShapeError: these are no images of the right channels, or the kernel does not fit into them.
        """
        if len(shape) != 4 or self.channels not in (None, shape[1]):
            raise self._no_images(shape)
        rows, columns = (self._axis(size, axis) for axis, size in enumerate(shape[2:]))
        if min(rows.outputs, columns.outputs) < 1:
            raise ShapeError(
                f"{self.name or self.kind} ({self.describe()}) expects images of {_short(self.kernel, 'x')} or more "
                f"with their padding, got {shape}",
                help='use a smaller kernel, or padding="same"',
            )
        return rows, columns

    def _axis(self, size: int, axis: int) -> Axis:
        kernel, stride = self.kernel[axis], self.stride[axis]
        if self.padding == "same":
            outputs = -(-size // stride)
            total = max((outputs - 1) * stride + kernel - size, 0)
            return Axis(total // 2, total - total // 2, outputs)
        padding = 0 if isinstance(self.padding, str) else self.padding[axis]
        return Axis(padding, padding, (size + 2 * padding - kernel) // stride + 1)

    def _no_images(self, shape: tuple[int, ...]) -> ShapeError:
        channels = "channels" if self.channels is None else self.channels
        message = f"{self.name or self.kind} ({self.describe()}) expects (batch, {channels}, height, width), got {shape}"
        if len(shape) == 4 and shape[3] == self.channels:
            return ShapeError(f"{message}: channels are last", help="move them: x.transpose(0, 3, 1, 2)")
        if len(shape) == 3 and self.channels in (None, shape[0]):
            return ShapeError(f"{message}: the batch axis is missing", help="pass x[None] for a single image")
        if len(shape) == 3 and self.channels == 1:
            return ShapeError(f"{message}: the channel axis is missing", help="pass x[:, None]")
        if len(shape) == 2:
            side = math.isqrt(shape[1] // (self.channels or 1))
            size = f"{side}, {side}" if side * side * (self.channels or 1) == shape[1] else "height, width"
            return ShapeError(
                f"{message}: rows of numbers",
                help=f"reshape them: x.reshape(-1, {self.channels or 1}, {size})",
            )
        return ShapeError(message, help="images are (batch, channels, height, width)")

    def padded(self, x: Array, axes: tuple[Axis, Axis], fill: float) -> Array:
        """x with its padding (batch, channels, height + …, width + …): x itself where there is none."""
        rows, columns = axes
        if not (rows.before or rows.after or columns.before or columns.after):
            return x
        n, c, h, w = x.shape
        shape = (n, c, h + rows.before + rows.after, w + columns.before + columns.after)
        out = self.buffer("padded", shape, x.dtype)
        out.fill(fill)
        out[:, :, rows.before : rows.before + h, columns.before : columns.before + w] = x
        return out

    def inside(self, padded: Array, axes: tuple[Axis, Axis], shape: tuple[int, ...]) -> Array:
        """The part of a padded array that is the image of this shape: a view."""
        rows, columns = axes
        return padded[:, :, rows.before : rows.before + shape[2], columns.before : columns.before + shape[3]]

    def places(self, padded: Array, axes: tuple[Axis, Axis]) -> Iterator[tuple[int, int, Array]]:
        """Every place (i, j) of the kernel, row by row, with the view (batch, channels, rows, columns) it meets."""
        (sh, sw), (rows, columns) = self.stride, axes
        for i in range(self.kernel[0]):
            down = slice(i, i + sh * (rows.outputs - 1) + 1, sh)
            for j in range(self.kernel[1]):
                yield i, j, padded[:, :, down, j : j + sw * (columns.outputs - 1) + 1 : sw]


def _pair(value: Any, what: str, least: int) -> Pair:
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2 or not all(isinstance(v, (int, np.integer)) and v >= least for v in pair):
        raise ShapeError(
            f"{what} is {value!r}", help=f"give a whole number of {least} or more, or a pair (height, width)"
        )
    return int(pair[0]), int(pair[1])


def _short(pair: Pair, between: str = "") -> str:
    if between:
        return f"{pair[0]}{between}{pair[1]}"
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"
