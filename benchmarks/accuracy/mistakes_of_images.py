"""Mistakes of convolutions, poolings and norms (BP2, BP3, BP4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from network import AvgPool2D, BatchNorm, Conv2D, LayerNorm, MaxPool2D
from network.normalization import Normalization

from .networks import Array, Case
from .planting import Kind, Place, Plant, chosen, give, place

Test = Callable[[Any], bool]


def layer(
    kinds: type | tuple[type, ...],
    equation: str,
    test: Test = lambda layer: True,
    **methods: Callable[..., Any],
) -> Plant:
    """A layer of these classes with other methods."""

    def plant(case: Case, rng: np.random.Generator) -> Place | None:
        layers = case.network.layers
        index = chosen([i for i, a in enumerate(layers) if isinstance(a, kinds) and test(a)], rng)
        if index is None or (equation == "BP2" and not any(a.parameters for a in layers[:index])):
            return None
        give(layers[index], **methods)
        return place(case.network, index, "" if equation == "BP2" else equation)

    return plant


# --- convolution ---------------------------------------------------------------------------------------------------


def with_kernel(change: Callable[[Array], Array]) -> Callable[..., Array]:
    """Passes back as if the kernel were another one."""

    def backward(self: Any, u: Array) -> Array:
        weight = self.parameters["weight"]
        kept = weight.copy()
        weight[...] = change(kept)
        try:
            return np.array(self.base.backward(self, u))
        finally:
            weight[...] = kept

    return backward


def from_the_corner(self: Any, u: Array) -> Array:
    """The gradient of the padded image, cut off at its corner."""
    gradient = np.zeros((*self._shape[:2], *self._padded.shape[2:]))
    self._backward(u, gradient)
    return gradient[:, :, : self._shape[2], : self._shape[3]]


def overwritten(self: Any, columns: Array, padded_gradient: Array) -> None:
    parts = columns.reshape(self._column_shape(len(padded_gradient), self._axes))
    for i, j, view in self.places(padded_gradient, self._axes):
        view[...] = parts[:, i, j].swapaxes(0, 1)


def conv_gradient(name: str, change: Callable[[Any, Array, Array], Any]) -> dict[str, Callable[..., Any]]:
    """A convolution whose gradient of a parameter is change(layer, output gradient, right gradient)."""

    def _backward(self: Any, u: Array, padded_gradient: Array | None) -> None:
        self.base._backward(self, u, padded_gradient)
        self.gradients[name][...] = change(self, u, np.array(self.gradients[name]))

    return {"_backward": _backward}


def unpadded(self: Any, u: Array, gradient: Array) -> Array:
    """The image at the corner of its padding."""
    kept, image = self._padded, self.inside(self._padded, self._axes, self._shape)
    moved = np.zeros_like(kept)
    moved[:, :, : self._shape[2], : self._shape[3]] = image
    found = np.empty_like(gradient)
    for i, j, view in self.places(moved, self._axes):
        found[:, :, i, j] = np.einsum("nchw,nohw->oc", view, u)
    return found


def places(self: Any) -> int:
    return int(self._axes[0].outputs * self._axes[1].outputs)


def padded(a: Any) -> bool:
    return a.padding not in ("valid", "same", (0, 0))


def large(a: Any) -> bool:
    return bool(a.kernel[0] * a.kernel[1] > 1)


def square(a: Any) -> bool:
    return bool(a.in_channels == a.out_channels > 1)


def biased(a: Any) -> bool:
    return "bias" in a.parameters


CONV = {
    "conv: kernel not turned": (
        "BP2", "the kernel turned by half a turn", large, {"backward": with_kernel(lambda w: w[:, :, ::-1, ::-1])},
    ),
    "conv: channels mixed up": (
        "BP2", "channels of the kernel mixed up", square, {"backward": with_kernel(lambda w: w.swapaxes(0, 1))},
    ),
    "conv: padding not cut off": ("BP2", "the padding not cut off", padded, {"backward": from_the_corner}),
    "conv: overlaps overwritten": ("BP2", "overwritten, not added", large, {"_scatter": overwritten}),
    "conv: passed back: sign": ("BP2", "the sign flipped", large, {"backward": lambda s, u: -s.base.backward(s, u)}),
    "conv: weight turned": (
        "BP4", "gradient turned by half a turn", large, conv_gradient("weight", lambda s, u, g: g[:, :, ::-1, ::-1]),
    ),
    "conv: weight mean of places": (
        "BP4", "the mean over the places", large, conv_gradient("weight", lambda s, u, g: g / places(s)),
    ),
    "conv: weight last sample": ("BP4", "the last sample only", large, conv_gradient("weight", lambda s, u, g: last(s, u, g))),
    "conv: weight without padding": ("BP4", "the padding forgotten", padded, conv_gradient("weight", unpadded)),
    "conv: bias one place": (
        "BP3", "one place of the image only", biased, conv_gradient("bias", lambda s, u, g: u[:, :, 0, 0].sum(0)),
    ),
    "conv: bias mean of places": (
        "BP3", "the mean over the places", biased, conv_gradient("bias", lambda s, u, g: g / places(s)),
    ),
    "conv: bias mean of all": (
        "BP3", "the mean over batch and places", biased, conv_gradient("bias", lambda s, u, g: u.mean((0, 2, 3))),
    ),
}  # fmt: skip


def last(self: Any, u: Array, gradient: Array) -> Array:
    found = np.empty_like(gradient)
    for i, j, view in self.places(self._padded, self._axes):
        found[:, :, i, j] = np.einsum("chw,ohw->oc", view[-1], u[-1])
    return found


# --- pooling -------------------------------------------------------------------------------------------------------


def sharing(
    share: Callable[[Any, int, int, Array], Array], add: bool = True
) -> dict[str, Callable[..., Any]]:
    """A pooling that gives share(layer, i, j, view) of the gradient to place (i, j) of every window."""

    def backward(self: Any, u: Array) -> Array:
        gradient = np.array(self._padded_gradient(u.dtype))
        fill = self.padded(np.array(self.seen), self._axes, -np.inf)
        places = zip(self.places(gradient, self._axes), self.places(fill, self._axes), strict=True)
        for (i, j, target), (_, _, view) in places:
            part = u * share(self, i, j, view)
            target[...] = target + part if add else np.where(part != 0, part, target)
        return np.array(self.inside(gradient, self._axes, self._shape))

    def forward(self: Any, x: Array) -> Array:
        self.seen = np.array(x)
        return np.asarray(self.base.forward(self, x))

    return {"backward": backward, "forward": forward}


def real(s: Any, i: int, j: int, view: Array) -> Array:
    return np.isfinite(view)


def winner(s: Any, i: int, j: int, view: Array) -> Array:
    """1 at the entry that the layer itself takes for the largest: of equal ones, as padding makes them, the first."""
    return np.asarray(s.winners(s.seen) == i * s.kernel[1] + j, float)


def counted(s: Any) -> Array:
    return np.asarray(AvgPool2D._entries(s, np.float64))


def overlapping(a: Any) -> bool:
    return bool(any(k > s for k, s in zip(a.kernel, a.stride)))


POOL = {
    "max pool: whole window": (MaxPool2D, "given to the whole window", large, sharing(real)),
    "max pool: spread evenly": (
        MaxPool2D, "spread evenly over the window", large, sharing(lambda s, i, j, v: real(s, i, j, v) / counted(s)),
    ),
    "max pool: first entry": (
        MaxPool2D, "given to the first entry of the window", large, sharing(lambda s, i, j, v: np.full(v.shape, float(i == j == 0))),
    ),
    "max pool: smallest entry": (MaxPool2D, "given to the smallest entry", large, None),
    "max pool: overlaps overwritten": (
        MaxPool2D, "overwritten, not added", overlapping, sharing(winner, add=False),
    ),
    "mean pool: undivided": (AvgPool2D, "the division by the window's size missing", large, sharing(real)),
    "mean pool: kernel's size": (
        AvgPool2D, "the division by the kernel's size", lambda a: large(a) and padded(a),
        sharing(lambda s, i, j, v: real(s, i, j, v) / (s.kernel[0] * s.kernel[1])),
    ),
    "mean pool: one entry": (
        AvgPool2D, "given to one entry of the window only", large,
        sharing(lambda s, i, j, v: np.full(v.shape, float(i == j == 0))),
    ),
    "pool: sign": ((MaxPool2D, AvgPool2D), "the sign flipped", large, {"backward": lambda s, u: -s.base.backward(s, u)}),
}  # fmt: skip


def smallest(self: Any, u: Array) -> Array:
    """The gradient goes to the smallest entry of every window."""
    gradient = np.array(self._padded_gradient(u.dtype))
    image = self.padded(self.seen, self._axes, np.inf)
    which = np.argmin([view for _, _, view in self.places(image, self._axes)], axis=0)
    for number, (_, _, target) in enumerate(self.places(gradient, self._axes)):
        target += u * (which == number)
    return np.array(self.inside(gradient, self._axes, self._shape))


POOL["max pool: smallest entry"] = (
    MaxPool2D, "given to the smallest entry", large, {**sharing(real), "backward": smallest},
)  # fmt: skip


# --- norms ---------------------------------------------------------------------------------------------------------


def norm_back(change: Callable[[Any, Array, Array, Array], Array]) -> dict[str, Callable[..., Any]]:
    """A norm that passes back change(layer, output gradient, γ, normalised input)."""

    def backward(self: Any, u: Array) -> Array:
        self.backward_parameters(u)
        gamma = self._broadcast(self.parameters["weight"], u)
        return np.array(change(self, u, gamma, self._normalised))

    return {"backward": backward}


def mean(self: Any, values: Array) -> Array:
    return np.asarray(values.mean(axis=self._axes, keepdims=True))


def norm_gradient(name: str, change: Callable[[Any, Array, Array], Array]) -> dict[str, Callable[..., Any]]:
    """A norm whose gradient of a parameter is the sum of change(layer, output gradient, γ) over what shares it."""

    def backward_parameters(self: Any, u: Array) -> None:
        self.base.backward_parameters(self, u)
        terms = change(self, u, self._broadcast(self.parameters["weight"], u))
        self.gradients[name][...] = np.sum(terms, axis=self._others(u.ndim))

    return {"backward_parameters": backward_parameters}


def count(self: Any, u: Array) -> int:
    return int(np.prod([u.shape[axis] for axis in self._others(u.ndim)]))


NORM = {
    "batch norm: constants": (BatchNorm, "BP2", "mean and variance of the batch treated as constants", norm_back(lambda s, u, w, n: u * w * s._scale)),
    "layer norm: constants": (LayerNorm, "BP2", "mean and variance of the sample treated as constants", norm_back(lambda s, u, w, n: u * w * s._scale)),
    "norm: mean constant": (Normalization, "BP2", "the mean of the", norm_back(lambda s, u, w, n: (u * w - n * mean(s, u * w * n)) * s._scale)),
    "norm: variance constant": (Normalization, "BP2", "the variance of the", norm_back(lambda s, u, w, n: (u * w - mean(s, u * w)) * s._scale)),
    "norm: gamma missing": (
        Normalization, "BP2", "the scale gamma missing", norm_back(lambda s, u, w, n: (u - mean(s, u) - n * mean(s, u * n)) * s._scale),
    ),
    "norm: deviation missing": (
        Normalization, "BP2", "the division by the standard deviation missing",
        norm_back(lambda s, u, w, n: u * w - mean(s, u * w) - n * mean(s, u * w * n)),
    ),
    "gamma: input for normalised": (
        Normalization, "BP4", "the output in place of the normalised input|the input in place of the normalised input",
        norm_gradient("weight", lambda s, u, w: u * (s._normalised * w + s._broadcast(s.parameters["bias"], u))),
    ),
    "gamma: normalised missing": (Normalization, "BP4", "the normalised input missing", norm_gradient("weight", lambda s, u, w: u)),
    "gamma: mean for sum": (Normalization, "BP4", "in place of the sum", norm_gradient("weight", lambda s, u, w: u * s._normalised / count(s, u))),
    "beta: mean for sum": (Normalization, "BP3", "in place of the sum", norm_gradient("bias", lambda s, u, w: u / count(s, u))),
    "beta: gamma applied": (Normalization, "BP3", "the scale gamma applied", norm_gradient("bias", lambda s, u, w: u * w)),
}  # fmt: skip

KINDS = (
    *(
        Kind(n, "images", (said,), layer(Conv2D, eq, test, **methods))
        for n, (eq, said, test, methods) in CONV.items()
    ),
    *(
        Kind(n, "images", (said,), layer(c, "BP2", test, **methods))
        for n, (c, said, test, methods) in POOL.items()
    ),
    *(Kind(n, "norms", (said,), layer(c, eq, **methods)) for n, (c, eq, said, methods) in NORM.items()),
)
