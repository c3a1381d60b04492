"""The files of epochs in a run folder, `epochs/NNNN.npz`: named arrays, never pickled.

Names of layers may be "../../x" or hold NUL: the members of a file are numbered, and a table in it holds the names.
"""

from __future__ import annotations

import io
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import lru_cache
from operator import index
from pathlib import Path

import numpy as np

from .signals import Array
from .strict_json import decode, encode

EPOCHS = "epochs"

_EPOCH = re.compile(r"(\d{4,})\.npz")
_MAX_EPOCH_BYTES = 1 << 28  # of all arrays of an epoch; a small file can claim to unpack to terabytes
_MAX_TABLE_BYTES = 1 << 24
# Headers of the zip format, PKWARE APPNOTE 4.3.7 (what stands before a member) and 4.3.16 (the end of the file).
_MEMBER, _END = struct.Struct("<4s5H3I2H"), struct.Struct("<4s4H2IH")


class Epoch:
    """The state at the end of one epoch; number 0 is birth, the state before step 0.

    Attributes:
        number: of the epoch, from 1.
        step: updates done so far.
        names: of the arrays; known without reading them.
    """

    def __init__(
        self, number: int, step: int, names: Set[str], read: Callable[[], Mapping[str, Array]]
    ) -> None:
        self.number = number
        self.step = step
        self.names = names
        self._read = read

    @property
    def arrays(self) -> Mapping[str, Array]:
        """The arrays by name, as in "hidden1/activity"; read from the folder when asked for."""
        return self._read()

    def __repr__(self) -> str:
        return f"Epoch({self.number}, step={self.step})"


def pack(arrays: Mapping[str, Array], step: int) -> bytes:
    """The file of an epoch.

    Args:
        arrays: by name, as in "hidden1/activity"; any text is allowed as a name.
        step: updates done so far.

    Raises:
        TypeError: an array holds Python objects.
    """
    members = {}
    for position, (name, array) in enumerate(arrays.items()):
        members[f"a{position}"] = np.asarray(array)
        if members[f"a{position}"].dtype.hasobject:
            raise TypeError(f"the array {name!r} holds Python objects")
    table = encode({"step": step, "names": list(arrays)}).encode("ascii")
    data = io.BytesIO()
    np.savez_compressed(data, table=np.frombuffer(table, np.uint8), **members)  # type: ignore[arg-type]
    return data.getvalue()


def epoch_files(folder: Path) -> dict[int, Path]:
    """The files of the epochs by number, in order."""
    try:
        found = [
            (int(match[1]), file)
            for file in (folder / EPOCHS).iterdir()
            if (match := _EPOCH.fullmatch(file.name))
        ]
    except OSError:
        return {}
    return dict(sorted(found))


def read_head(path: Path) -> tuple[int, tuple[str, ...]] | None:
    """The updates done when an epoch's file was written, and the names of its arrays; None if the file is broken.

    Only the table, which comes first, is unpacked: a zip reader goes through the list of all members, and a report of
    300 layers over 1,000 epochs would wait seconds for that alone.
    """
    try:
        with path.open("rb") as file:
            signature, *_, name, extra = _MEMBER.unpack(file.read(_MEMBER.size))
            file.seek(name + extra, os.SEEK_CUR)
            packed = zlib.decompressobj(-zlib.MAX_WBITS)
            unpacked = packed.decompress(file.read(_MAX_TABLE_BYTES), _MAX_TABLE_BYTES)
            table = decode(np.lib.format.read_array(io.BytesIO(unpacked), allow_pickle=False).tobytes())
            step, names = index(table["step"]), tuple(str(name) for name in table["names"])
            # A file that was cut has no end, and one that is not ours another number of members.
            file.seek(-_END.size, os.SEEK_END)
            end, *_, members = _END.unpack(file.read(_END.size))[:5]
            whole = signature == b"PK\3\4" and end == b"PK\5\6" and members == min(len(names) + 1, 0xFFFF)
            return (step, names) if whole else None
    except Exception:  # A file made by hand can break the unpackers in more ways than they document.
        return None


@lru_cache(maxsize=256)
def read_arrays(path: Path, written: int) -> Mapping[str, Array]:
    """The arrays of an epoch's file by name, read-only, each unpacked when asked for; a broken one is missing then.

    Args:
        path: of the file.
        written: when it was written (`st_mtime_ns`); part of the key under which the arrays are remembered.
    """
    head = read_head(path)
    try:
        return _Arrays(path.read_bytes(), head[1]) if head else {}
    except Exception:  # as in `read_head`
        return {}


class _Arrays(Mapping[str, Array]):
    """The arrays of one file, held packed: a report looks at a few of the hundreds that a deep network has."""

    def __init__(self, data: bytes, names: Iterable[str]) -> None:
        self._file = np.load(io.BytesIO(data), allow_pickle=False)
        if sum(member.file_size for member in self._file.zip.infolist()) > _MAX_EPOCH_BYTES:
            raise ValueError("an epoch's arrays are not as large as this")
        self._place = {name: f"a{position}" for position, name in enumerate(names)}
        self._read: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._read:
            place = self._place[name]
            try:
                self._read[name] = self._file[place]
            except Exception as error:  # as in `read_head`
                raise KeyError(name) from error
            self._read[name].setflags(write=False)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._place)
