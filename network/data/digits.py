"""The embedded digits: 1,797 images of 8x8 pixels, no download (see digits-licence.md)."""

from __future__ import annotations

from importlib import resources

import numpy as np

from ..arrays import Array
from ..errors import DataError
from .dataset import Dataset

NOTE = "UCI optical digits (Alpaydin & Kaynak, CC BY 4.0, DOI 10.24432/C50P49), pixels / 16"
LARGEST_PIXEL = 16


def read_digits() -> tuple[Array, Array]:
    """The raw arrays: images (1797, 8, 8) uint8 of 0..16 and labels (1797,) uint8 of 0..9."""
    with (
        resources.files(__package__).joinpath("digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        return arrays["images"], arrays["labels"]


def load_digits(test_share: float = 0.2, seed: int = 0) -> Dataset:
    """The digits with a stratified held-out part: every class has the same share of its rows in it.

    Args:
        test_share: share of each class that is held out, between 0 and 1.
        seed: of the draw of the held-out rows. Rows keep the published order within a part.

    Raises:
        DataError: the share leaves a part without rows of some class.
    """
    images, labels = read_digits()
    held_out = stratified(labels, test_share, seed)
    x = images.reshape(len(images), -1).astype(np.float32) / np.float32(LARGEST_PIXEL)
    y = labels.astype(np.int64)
    return Dataset(
        "digits",
        (x[~held_out], y[~held_out]),
        (x[held_out], y[held_out]),
        classes=10,
        image_shape=(8, 8),
        note=NOTE,
    )


def stratified(labels: Array, share: float, seed: int) -> Array:
    """A Boolean mask (samples,) that is True for `share` of the rows of each class, rounded.

    Raises:
        DataError: the share is not between 0 and 1, or takes none or all rows of some class.
    """
    if not 0 < share < 1:
        raise DataError(
            f"test_share is {share}, expected a number between 0 and 1", help="0.2 holds out a fifth"
        )
    rng = np.random.default_rng(seed)
    mask = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = round(share * len(rows))
        if not 0 < count < len(rows):
            raise DataError(
                f"test_share {share} takes {count} of the {len(rows)} rows of class {label}",
                help="both parts need rows of every class: take a share nearer to 0.2",
            )
        mask[rng.permutation(rows)[:count]] = True
    return mask
