"""Fetches the four MNIST files: several mirrors, checked by SHA-256, never half a file under the final name."""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from ..errors import DataError

Progress = Callable[[str, int, int], None]
"""Called as (file name, bytes done, bytes in all)."""


class Published(NamedTuple):
    """What a file is known to be."""

    size: int  # bytes
    sha256: str


FILES = {
    "train-images-idx3-ubyte.gz": Published(
        9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte.gz": Published(
        28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "t10k-images-idx3-ubyte.gz": Published(
        1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    "t10k-labels-idx1-ubyte.gz": Published(
        4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
}
MIRRORS = [
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
]
TIMEOUT = 20.0  # seconds without an answer until the next mirror is tried
CHUNK = 1 << 16  # bytes


def fetch(name: str, folder: Path, progress: Progress | None = None) -> Path:
    """Downloads one of FILES into `folder` and returns its path.

    Args:
        name: one of FILES.
        folder: made if it does not exist.
        progress: called after each chunk.

    Raises:
        DataError: no mirror gave the file with the published checksum, or the folder cannot be written.
    """
    reasons = []
    for mirror in MIRRORS:
        try:
            return _save(_download(mirror + name, name, progress), folder, name)
        except _MirrorError as error:
            reasons.append(f"{urlsplit(mirror).netloc}: {error}")
        except OSError as error:
            raise DataError(
                f"{folder}: cannot be written: {error.strerror or error}",
                help="name another folder with --data-dir",
            ) from None
    raise DataError(
        f"{name} could not be downloaded: {'; '.join(reasons)}",
        help=f"without a connection, put {', '.join(FILES)} into a folder and name it with --data-dir or "
        "NNDEBUG_DATA; or train on data that needs no download, as digits",
    )


class _MirrorError(Exception):
    """This mirror does not have the file; another may."""


def _save(chunks: Iterator[bytes], folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    # In the same folder, so that the rename stays on one file system and is atomic.
    handle, temporary = tempfile.mkstemp(prefix=name, suffix=".part", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(chunks)
        os.chmod(temporary, 0o644)  # mkstemp makes it readable by its owner only
        os.replace(temporary, folder / name)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
    return folder / name


def _download(url: str, name: str, progress: Progress | None) -> Iterator[bytes]:
    """The content of `url` in chunks; after the last one it has been checked."""
    published, digest, done = FILES[name], hashlib.sha256(), 0
    request = urllib.request.Request(url, headers={"User-Agent": "nndebug"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            while done <= published.size and (chunk := response.read(CHUNK)):
                done += len(chunk)
                digest.update(chunk)
                yield chunk
                if progress:
                    progress(name, done, published.size)
    except urllib.error.HTTPError as error:
        raise _MirrorError(f"HTTP {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise _MirrorError(str(error.reason)) from None
    except (OSError, http.client.HTTPException) as error:
        raise _MirrorError(str(error) or type(error).__name__) from None
    if digest.hexdigest() != published.sha256:
        got = f"{done:,}" if done <= published.size else "more"
        raise _MirrorError(
            f"expected {published.size:,} bytes with the published SHA-256, got {got} that differ"
        )
