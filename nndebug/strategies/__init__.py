"""Hypothesis strategies of what networks are made of: shapes, batches, labels, layers, networks, losses, optimisers.

Everything shrinks: fewer rows, fewer entries, entries nearer to zero, plainer layers.
"""

from __future__ import annotations

from .arrays import (
    batches,
    extreme_batches,
    float_dtypes,
    image_shapes,
    labels,
    sample_shapes,
    targets,
    widths,
)
from .members import (
    activations,
    experiments,
    initializers,
    layers,
    losses,
    networks,
    optimizers,
)

__all__ = [
    "activations",
    "batches",
    "experiments",
    "extreme_batches",
    "float_dtypes",
    "image_shapes",
    "initializers",
    "labels",
    "layers",
    "losses",
    "networks",
    "optimizers",
    "sample_shapes",
    "targets",
    "widths",
]
