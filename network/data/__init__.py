"""Data to train on: embedded digits, MNIST from its IDX files, and small synthetic sets."""

from __future__ import annotations

import inspect
import os
from typing import Any

from ..errors import DataError
from .dataset import Dataset, Split
from .digits import load_digits
from .download import Progress
from .idx import read_idx
from .mnist import load_mnist
from .synthetic import blobs, circles, line, sine, spiral, table, xor
from .words import nearest

SYNTHETIC = {f.__name__: f for f in (blobs, circles, xor, spiral, line, sine, table)}
NAMES = ("digits", "mnist", *SYNTHETIC)

__all__ = [
    "NAMES",
    "SYNTHETIC",
    "Dataset",
    "Split",
    "blobs",
    "circles",
    "line",
    "load",
    "load_digits",
    "load_mnist",
    "read_idx",
    "sine",
    "spiral",
    "table",
    "xor",
]


def load(
    name: str,
    folder: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    progress: Progress | None = None,
    **params: Any,
) -> Dataset:
    """A data set by name: one of NAMES.

    Args:
        name: as in `digits`.
        folder: where the files are, for data that is read from files (mnist).
        download: whether missing files may be fetched.
        progress: see `load_mnist`.
        params: arguments of the function that makes the set, as in `load("blobs", n=300, seed=1)`.

    Raises:
        DataError: there is no such data set or argument, or it cannot be loaded.
    """
    if name not in NAMES:
        raise DataError(
            f"no data set is called {name!r}{nearest(name, NAMES)}", help="known: " + ", ".join(NAMES)
        )
    if name == "mnist":
        _check(name, params, [])
        return load_mnist(folder, download, progress)
    make = load_digits if name == "digits" else SYNTHETIC[name]
    _check(name, params, list(inspect.signature(make).parameters))
    return make(**params)


def _check(name: str, params: dict[str, Any], known: list[str]) -> None:
    for key in params:
        if key not in known:
            raise DataError(
                f"{name} has no argument {key!r}{nearest(key, known)}",
                help="known: " + (", ".join(known) or "none"),
            )
