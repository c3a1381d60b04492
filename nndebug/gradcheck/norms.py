"""Batch and layer normalisation recognised by what they compute, with their derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..signals import Array

NEAR = 1e-8


@dataclass(frozen=True)
class Norm:
    """y = weight · normalised + bias, normalised = (x − mean) · scale.

    Attributes:
        kind: `batch` or `layer`.
        axes: those that mean and variance are taken over.
        others: axes of x that the parameters do not have.
        centred: x − mean.
        scale: 1 / √(variance + ε), in a shape that broadcasts against x.
        weight: γ in a shape that broadcasts against x.
    """

    kind: str
    axes: tuple[int, ...]
    others: tuple[int, ...]
    centred: Array
    scale: Array
    weight: Array

    @property
    def normalised(self) -> Array:
        return self.centred * self.scale

    @property
    def count(self) -> int:
        """How many numbers each parameter's gradient is a sum of."""
        return int(np.prod([self.centred.shape[axis] for axis in self.others]))

    def to_input(self, g: Array, mean: bool = True, variance: bool = True) -> Array:
        """What is passed back of g = dL/dnormalised, divided by the scale.

        Args:
            g: of the shape of x.
            mean, variance: whether they count as functions of x.
        """
        back: Array = g.copy()
        if mean:
            back -= g.mean(axis=self.axes, keepdims=True)
        if variance:
            along = (g * self.normalised).mean(axis=self.axes, keepdims=True)
            back -= self.normalised * along
        return back

    def to_parameter(self, terms: Array) -> Array:
        """The sum of terms (the shape of x) over what a parameter is shared by."""
        return np.asarray(terms.sum(axis=self.others))


def normalisation(x: Array, y: Array, weight: Array, bias: Array) -> Norm | None:
    """The norm that makes y of x, None if none does."""
    if x.shape != y.shape or weight.shape != bias.shape or not weight.all():
        return None
    everything = tuple(range(x.ndim))
    found = []
    if x.ndim > 1 and weight.shape == x.shape[1:2]:
        found.append(("batch", tuple(axis for axis in everything if axis != 1)))
    if weight.shape == x.shape[1:]:
        found.append(("layer", everything[1:]))
    for kind, axes in found:
        shape = (-1, *(1,) * (x.ndim - 2)) if kind == "batch" else x.shape[1:]
        w, b = weight.reshape(shape), bias.reshape(shape)
        centred = x - x.mean(axis=axes, keepdims=True)
        square = (centred * centred).sum(axis=axes, keepdims=True)
        if not square.all():
            continue
        # y says what the scale was, so that nobody has to know ε.
        scale = ((y - b) / w * centred).sum(axis=axes, keepdims=True) / square
        if np.abs(w * centred * scale + b - y).max() <= NEAR * np.abs(y).max():
            others = axes if kind == "batch" else (0,)
            return Norm(kind, axes, others, centred, scale, np.asarray(w))
    return None
