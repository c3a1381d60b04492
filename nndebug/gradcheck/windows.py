"""Convolutions and poolings recognised by what they compute, whatever class they are of, with their derivatives.

Images are (batch, channels, height, width), kernels (out channels, in channels, height, width).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..signals import Array

MOST_STRIDE = 4
LARGEST_POOL = 4
NEAR = 1e-9

Pair = tuple[int, int]


@dataclass(frozen=True)
class Windows:
    """How a kernel lies over an image.

    Attributes:
        kernel, stride: height and width.
        before: entries of padding above and on the left.
        outputs: how many windows there are, down and across.
        size: height and width of the image.
    """

    kernel: Pair
    stride: Pair
    before: Pair
    outputs: Pair
    size: Pair

    @property
    def extent(self) -> Pair:
        """Height and width of an image with padding that all windows fit into."""
        rows, columns = (
            max(b + n, (o - 1) * s + k)
            for b, n, o, s, k in zip(self.before, self.size, self.outputs, self.stride, self.kernel)
        )
        return rows, columns

    def padded(self, x: Array, fill: float = 0.0, at: Pair | None = None) -> Array:
        """x in a larger image that all windows fit into; `at` puts it elsewhere than behind its padding."""
        top, left = self.before if at is None else at
        whole = np.full((*x.shape[:2], *self.extent), fill)
        whole[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x
        return whole

    def inside(self, padded: Array, at: Pair | None = None) -> Array:
        """The image in a padded one."""
        top, left = self.before if at is None else at
        return padded[:, :, top : top + self.size[0], left : left + self.size[1]]

    def places(self, padded: Array) -> Iterator[tuple[int, int, Array]]:
        """Every place (i, j) of the kernel with the view (batch, channels, *outputs) that it meets."""
        (sh, sw), (oh, ow) = self.stride, self.outputs
        for i, j in itertools.product(*map(range, self.kernel)):
            down, across = slice(i, i + sh * (oh - 1) + 1, sh), slice(j, j + sw * (ow - 1) + 1, sw)
            yield i, j, padded[:, :, down, across]

    # --- convolution ------------------------------------------------------------------------------------------

    def convolved(self, x: Array, weight: Array) -> Array:
        """x ⋆ weight (batch, out channels, *outputs)."""
        return np.asarray(
            sum(
                np.einsum("nchw,oc->nohw", view, weight[:, :, i, j])
                for i, j, view in self.places(self.padded(x))
            )
        )

    def to_input(self, u: Array, weight: Array, at: Pair | None = None, add: bool = True) -> Array:
        """What a convolution passes back of u (batch, out channels, *outputs).

        Args:
            u: output gradient.
            weight: the kernel.
            at: where the image is cut out of the padded gradient; behind the padding if None.
            add: False lets overlapping windows overwrite each other.
        """
        whole = self.padded(np.zeros((len(u), weight.shape[1], *self.size)))
        for i, j, view in self.places(whole):
            part = np.einsum("nohw,oc->nchw", u, weight[:, :, i, j])
            view[...] = view + part if add else part
        return self.inside(whole, at)

    def to_weight(self, x: Array, u: Array, at: Pair | None = None) -> Array:
        """The kernel's gradient; `at` as in `padded`."""
        found = np.zeros((u.shape[1], x.shape[1], *self.kernel))
        for i, j, view in self.places(self.padded(x, at=at)):
            found[:, :, i, j] = np.einsum("nchw,nohw->oc", view, u)
        return found

    # --- pooling ----------------------------------------------------------------------------------------------

    def counts(self) -> Array:
        """How many entries of the image every window has (outputs)."""
        whole = self.padded(np.ones((1, 1, *self.size)))
        total: Array = np.asarray(sum(view for _, _, view in self.places(whole)))
        return np.asarray(total[0, 0])

    def seen(self, x: Array, fill: float) -> Array:
        """What every window sees (kernel entries, batch, channels, *outputs)."""
        return np.array([view for _, _, view in self.places(self.padded(x, fill))])

    def spread(self, shares: Array, add: bool = True) -> Array:
        """Gives shares (kernel entries, batch, channels, *outputs) back to the image."""
        whole = self.padded(np.zeros((*shares.shape[1:3], *self.size)))
        for (_, _, view), share in zip(self.places(whole), shares, strict=True):
            view[...] = view + share if add else np.where(share != 0, share, view)
        return self.inside(whole)

    def unstrided(self) -> Windows:
        """The same with windows side by side, as who forgets the stride puts them."""
        return replace(self, stride=(1, 1))


def convolution(x: Array, y: Array, weight: Array, bias: Array | None) -> Windows | None:
    """The windows with which y is a convolution of x, None if there are none."""
    if x.ndim != 4 or y.ndim != 4 or weight.ndim != 4 or weight.shape[:2] != (y.shape[1], x.shape[1]):
        return None
    first = y[:1, :1] - (bias[0] if bias is not None else 0.0)
    for windows in possible(x.shape, y.shape, (weight.shape[2], weight.shape[3])):
        if _equal(windows.convolved(x[:1], weight[:1]), first):
            shift = 0.0 if bias is None else bias[:, None, None]
            if _equal(windows.convolved(x, weight) + shift, y):
                return windows
    return None


def pooling(x: Array, y: Array, kernel: Pair | None, averages: bool = False) -> tuple[Windows, str] | None:
    """The windows with which y is a pooling of x, and `max`, `mean` or `mean with padding`; None if it is none.

    Args:
        x, y: input and output.
        kernel: if it is known.
        averages: whether a mean is tried first; in windows of one entry it is the maximum too.
    """
    if x.ndim != 4 or y.ndim != 4 or x.shape[:2] != y.shape[:2]:
        return None
    kinds = sorted(POOLINGS.items(), key=lambda item: (item[0] == "max") == averages)
    sides = range(1, LARGEST_POOL + 1)
    sizes = [kernel] if kernel else [(rows, columns) for rows in sides for columns in sides]
    for size in sizes:
        for windows in possible(x.shape, y.shape, size):
            if size == (1, 1):
                continue
            for kind, pooled in kinds:
                if _equal(pooled(windows, x[:1, :1]), y[:1, :1]) and _equal(pooled(windows, x), y):
                    return windows, kind
    return None


POOLINGS: dict[str, Callable[[Windows, Array], Array]] = {
    "max": lambda windows, x: windows.seen(x, -np.inf).max(axis=0),
    "mean": lambda windows, x: windows.seen(x, 0.0).sum(axis=0) / np.maximum(windows.counts(), 1),
    "mean with padding": lambda windows, x: windows.seen(x, 0.0).mean(axis=0),
}


def possible(x: tuple[int, ...], y: tuple[int, ...], kernel: Pair) -> Iterator[Windows]:
    """Every way in which windows of this size can lie over images of shape x so that they give y."""
    axes = []
    for size, outputs, k in zip(x[2:], y[2:], kernel):
        axes.append(
            [
                (stride, before)
                for stride in range(1, (MOST_STRIDE if outputs > 1 else 1) + 1)
                for before in range(k + 1)
                if before == 0 or (outputs - 1) * stride + k <= size + before + k
                if (outputs - 1) * stride + k <= size + 2 * k
            ]
        )
    for (sh, top), (sw, left) in itertools.product(*axes):
        yield Windows(kernel, (sh, sw), (top, left), (y[2], y[3]), (x[2], x[3]))


def pair_of(kernel: Any) -> Pair | None:
    """Rows and columns of a kernel, however a layer has it; None if it is neither number nor pair."""
    if isinstance(kernel, int):
        return kernel, kernel
    if isinstance(kernel, tuple) and len(kernel) == 2 and all(isinstance(k, int) for k in kernel):
        return kernel[0], kernel[1]
    return None


def _equal(a: Array, b: Array) -> bool:
    with np.errstate(all="ignore"):
        size = float(np.abs(b).max(initial=0.0))
        return a.shape == b.shape and bool(np.abs(a - b).max(initial=0.0) <= NEAR * size)
