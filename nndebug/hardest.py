"""The rows of the probe that the network gets most wrong: what they are, what it says, and how they look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .signals import Array

COUNT = 12
SIDE = 48
"""Pixels that a kept picture has in either direction at most; of larger ones every second, third, … pixel is kept."""


def hardest(
    x: Array,
    rows: Array,
    losses: Array,
    labels: Array | None,
    predictions: Array | None,
    image_shape: Sequence[int] | None,
) -> dict[str, Array]:
    """Arrays of an epoch's file on the samples with the highest loss; a loss that is not finite is the highest.

    Args:
        x: (rows, inputs) or (rows, channels, height, width).
        rows: (rows,) their numbers in the training set.
        losses: (rows,) loss of each.
        labels: (rows,) class numbers, or None without classes.
        predictions: (rows,) what the network says, likewise.
        image_shape: (height, width), if the inputs are flat grey images.

    Returns:
        `run/hardest` (samples, 4): row, loss, label, prediction (-1 without classes); and `run/hardest.images`
        (samples, height, width) of uint8, from the smallest to the largest value that occurs, where they are images.
    """
    worst = np.argsort(-np.where(np.isfinite(losses), losses, np.inf), kind="stable")[:COUNT]
    none = np.full(len(worst), -1)
    columns = (
        rows[worst],
        losses[worst],
        none if labels is None else labels[worst],
        none if predictions is None else predictions[worst],
    )
    found = {"run/hardest": np.stack([np.asarray(c, np.float64) for c in columns], axis=1)}
    images = _images(x[worst], image_shape)
    if images is not None:
        found["run/hardest.images"] = images
    return found


def _images(x: Array, image_shape: Sequence[int] | None) -> Array | None:
    if x.ndim == 4:
        images = x.mean(axis=1)
    elif x.ndim == 2 and image_shape and x.shape[1] == np.prod(image_shape):
        images = x.reshape(-1, *image_shape)
    else:
        return None
    every = -(-max(images.shape[1:]) // SIDE)
    images = np.nan_to_num(images[:, ::every, ::every].astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(images.min()), float(images.max())
    return np.asarray(np.round((images - low) * (255 / (high - low if high > low else 1.0))), np.uint8)
