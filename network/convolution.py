"""Convolution and pooling of images (batch, channels, height, width).

A convolution is one matrix product: `im2col` puts what every output sees into a column (Chellapilla, Puri and Simard
2006), and the weights, one row per output channel, are multiplied with all columns at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .arrays import Array
from .errors import ShapeError
from .initializers import Initializer, zeros
from .layers import factor, initializer, ones
from .windows import Axis, Pair, Windowed

MOST_ENTRIES = 2**22
"""Entries of a matrix of columns: larger batches are done in blocks of rows, or 4,096 images would need gigabytes."""


class Conv2D(Windowed):
    """z[n, o] = bias[o] + Σ_c x[n, c] ⋆ weight[o, c], a cross-correlation as everywhere in this field.

    Parameters: weight (out channels, in channels, kernel height, kernel width), bias (out channels,).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output; a unit of this layer is one of them.
        kernel: height and width of the kernel, one number for both.
        stride: step between two outputs, down and across.
        padding: entries of zero on every side, "same" or "valid"; see `Windowed`.
        init: initialiser of the weights, a name or a function of (generator, shape).
        bias_init: the same for the biases.
        bias: False leaves the biases out.
        l1, l2: factors of the penalty l1 Σ |weight| + l2 Σ weight².
        name: site name; automatic if None.

    Raises:
        ShapeError: a size is no whole number in its range.
        NetworkError: a factor is below 0 or not finite.
    """

    kind = "conv"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair | str = 0,
        init: str | Initializer = "he",
        bias_init: str | Initializer = zeros,
        bias: bool = True,
        l1: float = 0.0,
        l2: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(kernel, stride, padding, name)
        self.l1, self.l2 = factor("l1", l1), factor("l2", l2)
        if not all(isinstance(c, (int, np.integer)) and c > 0 for c in (in_channels, out_channels)):
            raise ShapeError(
                f"Conv2D {in_channels} -> {out_channels} has no room for weights",
                help="give whole numbers of channels of 1 or more",
            )
        self.in_channels, self.out_channels = int(in_channels), int(out_channels)
        self.channels = self.in_channels
        self.init, self.bias_init, self.bias = initializer(init), initializer(bias_init), bias
        self._kept: Array | None = None

    @property
    def inputs(self) -> int:
        """How many numbers an output sees."""
        return self.in_channels * self.kernel[0] * self.kernel[1]

    @property
    def units(self) -> int:
        """Channels of the output."""
        return self.out_channels

    def describe(self) -> str:
        return f"Conv2D {self.in_channels} -> {self.out_channels} {self.describe_window()}"

    def build(self, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        if not self.parameters:
            shape = (self.out_channels, self.in_channels, *self.kernel)
            self.parameters["weight"] = self.draw(self.init, rng, shape, dtype)
            if self.bias:
                self.parameters["bias"] = self.draw(self.bias_init, rng, (self.out_channels,), dtype)

    def forward(self, x: Array) -> Array:
        if not self.parameters:
            self.build(np.random.default_rng(0), np.result_type(x.dtype, np.float32))
        weight = self.parameters["weight"]
        matrix = weight.reshape(self.out_channels, -1)
        self._axes = axes = self.axes(x.shape)
        self._shape = x.shape
        self._padded = self.padded(x.astype(weight.dtype, copy=False), axes, 0.0)
        sizes = (axes[0].outputs, axes[1].outputs)
        z = self.buffer("z", (len(x), self.out_channels, *sizes), weight.dtype)
        for rows in self._blocks():
            columns = self._columns(rows)
            product = self.buffer("product", (self.out_channels, columns.shape[1]), weight.dtype)
            np.dot(matrix, columns, out=product)
            by_sample = product.reshape(self.out_channels, -1, *sizes).swapaxes(0, 1)
            if self.bias:
                np.add(by_sample, self.parameters["bias"][:, None, None], out=z[rows])
            else:
                z[rows] = by_sample
            self._kept = columns if len(by_sample) == len(x) else None
        return z

    def backward(self, output_gradient: Array) -> Array:
        shape = (*self._shape[:2], *self._padded.shape[2:])
        gradient = self.buffer("dx", shape, self._padded.dtype)
        gradient.fill(0)
        self._backward(output_gradient, gradient)
        return self.inside(gradient, self._axes, self._shape)

    def backward_parameters(self, output_gradient: Array) -> None:
        self._backward(output_gradient, None)

    def _backward(self, output_gradient: Array, padded_gradient: Array | None) -> None:
        """Fills `gradients` and adds to padded_gradient (batch, in channels, padded height, padded width)."""
        if not self.gradients:
            self.gradients = {name: np.empty_like(value) for name, value in self.parameters.items()}
        matrix = self.parameters["weight"].reshape(self.out_channels, -1)
        for value in self.gradients.values():
            value.fill(0)
        for rows in self._blocks():
            part = output_gradient[rows].swapaxes(0, 1)
            dz = self.buffer("dz", part.shape, matrix.dtype)
            np.copyto(dz, part)
            dz = dz.reshape(self.out_channels, -1)
            columns = self._columns(rows) if self._kept is None else self._kept
            self.gradients["weight"] += np.dot(dz, columns.T).reshape(self.parameters["weight"].shape)
            if self.bias:
                self.gradients["bias"] += dz @ ones(dz.shape[1], dz.dtype.char)
            if padded_gradient is not None:
                back = self.buffer("dcolumns", columns.shape, matrix.dtype)
                np.dot(matrix.T, dz, out=back)
                self._scatter(back, padded_gradient[rows])

    # --- columns ----------------------------------------------------------------------------------------------

    def _blocks(self) -> Iterator[slice]:
        per_row = self.inputs * self._axes[0].outputs * self._axes[1].outputs
        step = max(1, MOST_ENTRIES // per_row)
        for start in range(0, self._shape[0], step):
            yield slice(start, start + step)

    def _columns(self, rows: slice) -> Array:
        """What every output of these rows sees: (in channels · kernel entries, rows · output entries)."""
        padded = self._padded[rows]
        out = self.buffer("columns", self._column_shape(len(padded), self._axes), padded.dtype)
        for i, j, view in self.places(padded, self._axes):
            np.copyto(out[:, i, j], view.swapaxes(0, 1))
        return out.reshape(self.inputs, -1)

    def _scatter(self, columns: Array, padded_gradient: Array) -> None:
        """The transpose of `_columns`: adds every column to where it came from."""
        parts = columns.reshape(self._column_shape(len(padded_gradient), self._axes))
        for i, j, view in self.places(padded_gradient, self._axes):
            view += parts[:, i, j].swapaxes(0, 1)

    def _column_shape(self, rows: int, axes: tuple[Axis, Axis]) -> tuple[int, ...]:
        return (self.in_channels, *self.kernel, rows, axes[0].outputs, axes[1].outputs)


class Pool2D(Windowed):
    """Base of the pooling layers: every channel by itself.

    Args:
        kernel: height and width of the windows, one number for both.
        stride: step between two windows; None: the kernel, so that they do not overlap.
        padding: entries on every side, fewer than the kernel has; "same" or "valid"; see `Windowed`.
        name: site name; automatic if None.

    Raises:
        ShapeError: a size is no whole number in its range, or padding makes windows without an entry of the image.
    """

    stem = "pool"

    def __init__(
        self,
        kernel: int | Pair = 2,
        stride: int | Pair | None = None,
        padding: int | Pair | str = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(kernel, kernel if stride is None else stride, padding, name)
        if not isinstance(self.padding, str) and any(p >= k for p, k in zip(self.padding, self.kernel)):
            raise ShapeError(
                f"{self.describe()} has windows that lie in the padding only",
                help="give less padding than the kernel is wide",
            )

    def usual_stride(self) -> Pair:
        return self.kernel

    def describe(self) -> str:
        return f"{type(self).__name__} {self.describe_window()}"

    def _output(self, x: Array) -> Array:
        self._shape, self._axes = x.shape, self.axes(x.shape)
        sizes = (self._axes[0].outputs, self._axes[1].outputs)
        return self.buffer("a", (*x.shape[:2], *sizes), x.dtype)

    def _padded_gradient(self, dtype: Any) -> Array:
        rows, columns = self._axes
        height = self._shape[2] + rows.before + rows.after
        width = self._shape[3] + columns.before + columns.after
        gradient = self.buffer("dx", (*self._shape[:2], height, width), dtype)
        gradient.fill(0)
        return gradient


class MaxPool2D(Pool2D):
    """a = the largest entry of every window; its gradient goes to the first of equal ones, row by row."""

    kind = "max_pool"

    def forward(self, x: Array) -> Array:
        self._a = a = self._output(x)
        self._padded = self.padded(x, self._axes, -np.inf)
        for i, j, view in self.places(self._padded, self._axes):
            if i == j == 0:
                np.copyto(a, view)
            else:
                np.maximum(a, view, out=a)
        return a

    def winners(self, x: Array) -> Array:
        """Which place of its window is the largest: (batch, channels, rows, columns) whole numbers, row by row."""
        axes = self.axes(x.shape)
        fresh = self.sharing()  # its buffers are not those of the last forward pass
        views = [view for _, _, view in self.places(fresh.padded(x, axes, -np.inf), axes)]
        return np.asarray(np.argmax(views, axis=0))

    def backward(self, output_gradient: Array) -> Array:
        gradient = self._padded_gradient(output_gradient.dtype)
        shape = self._a.shape
        open_ = self.buffer("open", shape, np.bool_)  # windows whose largest entry was not met yet
        hit, part = self.buffer("hit", shape, np.bool_), self.buffer("part", shape, gradient.dtype)
        open_.fill(True)
        places = zip(self.places(self._padded, self._axes), self.places(gradient, self._axes), strict=True)
        for (_, _, view), (_, _, target) in places:
            np.equal(view, self._a, out=hit)
            hit &= open_
            open_ ^= hit
            np.multiply(output_gradient, hit, out=part)
            target += part
        return self.inside(gradient, self._axes, self._shape)


class AvgPool2D(Pool2D):
    """a = the mean of every window's entries; padding is not counted, so that the mean of ones is one everywhere."""

    kind = "avg_pool"

    def forward(self, x: Array) -> Array:
        a = self._output(x)
        a.fill(0)
        for _, _, view in self.places(self.padded(x, self._axes, 0.0), self._axes):
            a += view
        self._counts = self._entries(x.dtype)
        return np.divide(a, self._counts, out=a)

    def backward(self, output_gradient: Array) -> Array:
        gradient = self._padded_gradient(output_gradient.dtype)
        part = self.buffer("part", output_gradient.shape, gradient.dtype)
        np.divide(output_gradient, self._counts, out=part)
        for _, _, target in self.places(gradient, self._axes):
            target += part
        return self.inside(gradient, self._axes, self._shape)

    def _entries(self, dtype: Any) -> Array:
        """How many entries of the image every window has: (outputs down, outputs across)."""
        counts = []
        for axis, size, kernel, stride in zip(self._axes, self._shape[2:], self.kernel, self.stride):
            start = np.arange(axis.outputs) * stride - axis.before
            counts.append(np.minimum(start + kernel, size) - np.maximum(start, 0))
        entries: Array = np.multiply.outer(counts[0], counts[1]).astype(dtype)
        return entries
