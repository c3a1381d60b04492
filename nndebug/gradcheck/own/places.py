"""What the checks of an update share: the samples that it gets, and the place of every parameter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...adapters.attributes.model import OwnModel
from ...signals import Array

RATE = 0.125
"""A power of two, so that dividing by it costs no digits."""

SAMPLES = 7
PLURAL = {"weight": "weights", "bias": "biases"}


@dataclass(frozen=True)
class Place:
    """One parameter.

    Attributes:
        layer: its layer, empty if that is not known.
        part: `weight` or `bias`.
        name: what the table calls it: the part, or the user's own name where the layer is not known.
    """

    layer: str
    part: str
    name: str


def batch_size(own: OwnModel) -> int:
    """How many samples an update gets: one where the code takes no more, else a number that no layer is wide."""
    assert own.update is not None
    if own.inputs.axis is None and not own.update.takes("batch"):
        return 1
    widths = {n for value in own.parameters.values() for n in value.shape}
    return next(n for n in range(SAMPLES, SAMPLES + len(widths) + 1) if n not in widths)


def batch(own: OwnModel, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Samples like the user's, none twice unless they are indices."""
    chosen = rng.choice(len(own.x), count, replace=len(own.x) < count)
    x = own.x[chosen]
    if x.dtype.kind != "f":
        return x, own.y[chosen]
    size = float(own.x.std()) or 1.0
    return x + 0.1 * size * rng.normal(size=x.shape), own.y[chosen]
