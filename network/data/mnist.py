"""MNIST: 70,000 images of 28x28 pixels, from four IDX files on disk (see download.py for where they come from)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..errors import DataError
from .dataset import Dataset
from .download import FILES, Progress, fetch
from .idx import read_idx

NOTE = "MNIST (LeCun, Cortes & Burges, CC BY-SA 3.0), pixels / 255"
LARGEST_PIXEL = 255
TRAIN_ROWS = 50_000  # the first of the training images train; the last 10,000 validate, as in Nielsen's book
SIDE = 28
ENVIRONMENT = "NNDEBUG_DATA"
HELP = f"put the four files there, or name their folder with --data-dir or {ENVIRONMENT}"
HELP_FOLDER = "name the folder with the four files, or leave out --data-dir to keep them in the cache"


def load_mnist(
    folder: str | os.PathLike[str] | None = None, download: bool = True, progress: Progress | None = None
) -> Dataset:
    """MNIST: the first 50,000 training images train, the last 10,000 validate, the 10,000 test images test.

    Args:
        folder: where the four files are, or where to put them; it has to exist; if None, the folder in the environment variable
            NNDEBUG_DATA, else the user's cache folder. The files may be unpacked, or in a subfolder `mnist`.
        download: whether files that are missing may be fetched (about 11 MB), to `folder` or the cache.
        progress: called as (file name, bytes done, bytes in all) during a download.

    Returns:
        x (samples, 784) float32 of 0..1, y (samples,) int64 of 0..9.

    Raises:
        DataError: there is no such folder, the files are missing and cannot be fetched, or they are damaged or not MNIST.
    """
    images, labels, test_images, test_labels = read_mnist(folder, download, progress)
    x, y = images.reshape(len(images), -1).astype(np.float32), labels.astype(np.int64)
    x /= LARGEST_PIXEL
    test_x, test_y = (
        test_images.reshape(len(test_images), -1).astype(np.float32),
        test_labels.astype(np.int64),
    )
    test_x /= LARGEST_PIXEL
    return Dataset(
        "mnist",
        train=(x[:TRAIN_ROWS], y[:TRAIN_ROWS]),
        validation=(x[TRAIN_ROWS:], y[TRAIN_ROWS:]),
        test=(test_x, test_y),
        classes=10,
        image_shape=(SIDE, SIDE),
        note=NOTE,
    )


def read_mnist(
    folder: str | os.PathLike[str] | None = None, download: bool = True, progress: Progress | None = None
) -> tuple[Array, Array, Array, Array]:
    """The raw arrays: training images (60000, 28, 28) and labels (60000,), test images and labels; all uint8.

    Args and Raises: see `load_mnist`.
    """
    if folder is not None and not Path(folder).is_dir():
        # Not made: a folder that was named is thought to be there, and a mistyped one would be filled with a download.
        what = "is a file, not a folder" if Path(folder).exists() else "there is no such folder"
        raise DataError(f"MNIST: {folder}: {what}", help=HELP_FOLDER)
    paths = find_files(folder)
    missing = [name for name in FILES if name not in paths]
    if missing:
        target = Path(folder) if folder is not None else cache_folder()
        if not download:
            places = " or ".join(str(place) for place in folders(folder))
            raise DataError(f"MNIST: {', '.join(missing)} not found in {places}", help=HELP)
        paths |= {name: fetch(name, target, progress) for name in missing}
    train, test = ("train-images", "train-labels"), ("t10k-images", "t10k-labels")
    by_stem = {name.split("-idx")[0]: path for name, path in paths.items()}
    return (
        *_part(by_stem[train[0]], by_stem[train[1]], 60_000),
        *_part(by_stem[test[0]], by_stem[test[1]], 10_000),
    )


def find_files(folder: str | os.PathLike[str] | None = None) -> dict[str, Path]:
    """File name → path, of those of the four files that one folder has; the first folder with all four wins."""
    best: dict[str, Path] = {}
    for place in (place for root in folders(folder) for place in (root, root / "mnist")):
        found = {name: path for name in FILES if (path := _present(place, name))}
        if len(found) > len(best):
            best = found
    return best


def folders(folder: str | os.PathLike[str] | None = None) -> list[Path]:
    """Where the files are looked for, in order; also in a subfolder `mnist` of each."""
    if folder is not None:
        return [Path(folder)]
    given = os.environ.get(ENVIRONMENT)
    return [*([Path(given)] if given else []), cache_folder()]


def cache_folder() -> Path:
    """The user's cache folder for this data set, by the custom of the platform."""
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    if Path(chosen).is_absolute():  # the XDG specification says to ignore a relative one
        return Path(chosen) / "nndebug" / "mnist"
    try:
        home = Path.home()
    except RuntimeError:
        raise DataError("no home folder to keep MNIST in", help=HELP) from None
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = home / ".cache"
    return base / "nndebug" / "mnist"


def _present(folder: Path, name: str) -> Path | None:
    plain = name.removesuffix(".gz")
    for candidate in (name, plain, plain.replace("-idx", ".idx")):
        if (folder / candidate).is_file():
            return folder / candidate
    return None


def _part(images_path: Path, labels_path: Path, rows: int) -> tuple[Array, Array]:
    images, labels = read_idx(images_path), read_idx(labels_path)
    for path, array, expected in ((images_path, images, (rows, SIDE, SIDE)), (labels_path, labels, (rows,))):
        if array.dtype != np.uint8:
            raise DataError(
                f"{path}: expected unsigned bytes (type 08), got {array.dtype}", help=_other(path)
            )
        if array.shape[1:] != expected[1:]:
            raise DataError(f"{path}: expected shape {expected}, got {array.shape}", help=_other(path))
    if len(images) != len(labels):
        raise DataError(
            f"{images_path}: {len(images)} images, but {labels_path.name} has {len(labels)} labels",
            help="the two files are not of one set: fetch both again",
        )
    if len(images) != rows:
        raise DataError(f"{images_path}: expected {rows} images, got {len(images)}", help=_other(images_path))
    if labels.max() > 9:
        raise DataError(
            f"{labels_path}: expected labels 0 to 9, got {labels.max()}", help=_other(labels_path)
        )
    return images, labels


def _other(path: Path) -> str:
    return f"{path.name} is not the file of this name in MNIST: fetch it again"
