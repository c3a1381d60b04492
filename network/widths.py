"""How wide what flows between layers is, and whether neighbours fit: features of rows, or channels of images."""

from __future__ import annotations

from collections.abc import Sequence

from .activations import Activation
from .convolution import Conv2D, Pool2D
from .errors import NetworkError
from .layers import Dense, Dropout, Flatten, Layer
from .normalization import BatchNorm, LayerNorm, Normalization

KEEP_WIDTH = (Activation, Dropout, Pool2D, Normalization)


def width_in(layer: Layer) -> int | None:
    """Size of the second axis of what a layer takes; None if it takes any."""
    if isinstance(layer, Dense):
        return layer.inputs
    if isinstance(layer, Conv2D):
        return layer.in_channels
    return layer.units if isinstance(layer, (BatchNorm, LayerNorm)) else None


def width_out(layers: Sequence[Layer]) -> int | None:
    """Size of the second axis of what the last of some layers gives; None if no layer says so."""
    for layer in reversed(layers):
        if isinstance(layer, (Dense, Conv2D)):
            return layer.units
        if (width := width_in(layer)) is not None:
            return width
        if isinstance(layer, Flatten) and any(_of_images(before) for before in layers[: layers.index(layer)]):
            return None  # channels times places, and how large an image is no layer says
    return None


def check_widths(layers: Sequence[Layer]) -> None:
    """Refuses neighbours that do not fit.

    Raises:
        NetworkError: the width that a layer takes is not what comes, or it takes rows and images come, or the reverse.
    """
    width: int | None = None
    images: Layer | None = None  # the last layer of images, if images come
    rows: Layer | None = None  # the last layer of rows, if rows come
    for layer in layers:
        what = f"{layer.name} ({layer.describe()})"
        if isinstance(layer, Dense) and images is not None:
            raise NetworkError(
                f"{what} gets images from {images.name}", help="put a Flatten() layer in between"
            )
        if isinstance(layer, (Conv2D, Pool2D)) and rows is not None:
            raise NetworkError(
                f"{what} gets rows of numbers from {rows.name}, not images",
                help="convolution and pooling come before Flatten and Dense layers",
            )
        expected = width_in(layer)
        if None not in (width, expected) and width != expected:
            unit = "inputs" if images is None else "channels"
            raise NetworkError(
                f"{what} gets {width} {unit} from the layer before", help=f"use {_fitting(layer, width)}"
            )
        if isinstance(layer, (Dense, Conv2D)):
            width = layer.units
        elif expected is not None:
            width = expected
        elif not isinstance(layer, KEEP_WIDTH) and not (isinstance(layer, Flatten) and images is None):
            width = None
        if _of_images(layer):
            images, rows = layer, None
        elif isinstance(layer, (Dense, Flatten)):
            images, rows = None, layer
        elif not isinstance(layer, KEEP_WIDTH):
            images, rows = None, None  # a layer of the user's own may make anything of anything


def _of_images(layer: Layer) -> bool:
    return isinstance(layer, (Conv2D, Pool2D)) or (isinstance(layer, LayerNorm) and len(layer.shape) == 3)


def _fitting(layer: Layer, width: int | None) -> str:
    if isinstance(layer, (Dense, Conv2D)):
        return f"{type(layer).__name__}({width}, {layer.units}{', …' if isinstance(layer, Conv2D) else ''})"
    return f"{type(layer).__name__}({width})"
