"""Reader of IDX files, the format of MNIST.

Two zero bytes, a type byte, a byte with the number of dimensions, one big-endian uint32 per dimension, then the
values, big-endian, in C order.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from ..arrays import Array
from ..errors import DataError

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 1 << 20  # bytes read at once: memory grows with what the file holds, not with what its header claims
HELP = "the file is damaged or not an IDX file: fetch it again"


def read_idx(path: str | os.PathLike[str]) -> Array:
    """The array in an IDX file, plain or gzip-compressed, whatever its name.

    Args:
        path: file to read.

    Returns:
        An array of the shape and type in the header, in the machine's byte order.

    Raises:
        DataError: the file cannot be read, is no IDX file, is damaged, or is shorter or longer than its header says.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            compressed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            file.seek(0)
            if not compressed:
                return _read(file, path)
            with gzip.GzipFile(fileobj=file) as stream:
                return _read(stream, path)
    except EOFError:
        raise DataError(f"{path}: expected a whole gzip file, it ends too early", help=HELP) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the gzip compression is damaged: {error}", help=HELP) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"{path}: cannot be read: {reason}", help="check the name and the permissions"
        ) from None


def _read(stream: IO[bytes] | gzip.GzipFile, path: Path) -> Array:
    magic = stream.read(4)
    if len(magic) < 4:
        raise DataError(f"{path}: expected a 4-byte IDX header, the file has {len(magic)} bytes", help=HELP)
    if magic[:2] != b"\0\0" or magic[2] not in TYPES:
        raise DataError(
            f"{path}: expected IDX magic 00 00, a type ({', '.join(f'{code:02x}' for code in TYPES)}) "
            f"and a number of dimensions, got {magic.hex(' ')}",
            help=HELP,
        )
    dimensions = magic[3]
    if not dimensions:
        raise DataError(f"{path}: expected at least one dimension, the header says 0", help=HELP)
    sizes = stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise DataError(
            f"{path}: expected {4 * dimensions} bytes for {dimensions} sizes, the file ends after {len(sizes)}",
            help=HELP,
        )
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    dtype = np.dtype(TYPES[magic[2]])
    expected = math.prod(shape) * dtype.itemsize
    content = _at_most(stream, expected + 1)
    if len(content) != expected:
        got = "more" if len(content) > expected else f"{len(content):,}"
        raise DataError(
            f"{path}: expected {expected:,} bytes of data for shape {shape} of {dtype.name}, got {got}",
            help=HELP,
        )
    try:
        return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
    except ValueError:  # more dimensions than NumPy has, or a zero size beside huge ones
        raise DataError(f"{path}: expected a shape that NumPy can hold, got {shape}", help=HELP) from None


def _at_most(stream: IO[bytes] | gzip.GzipFile, size: int) -> bytearray:
    content = bytearray()
    while len(content) < size and (chunk := stream.read(min(CHUNK, size - len(content)))):
        content += chunk
    return content
