"""The run folder: `manifest.json`, `preflight.json`, `trials.json`, `steps.jsonl`, `epochs/NNNN.npz` and
`findings.json`.

A process may be killed while any byte is written: whole files are replaced at once, rows are appended and a row
that was cut off is ignored when read. A folder may come from anybody: nothing in it is ever unpickled, and names
of layers are never used as names of files.
"""

from __future__ import annotations

import json
import os
import re
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .atomic import write_atomically
from .epochs import EPOCHS, epoch_files, pack
from .errors import UserError
from .signals import Array
from .strict_json import decode, encode, plain, revive

SCHEMA = 1
"""Version of the layout; a folder with a higher one is refused."""

MANIFEST, STEPS, FINDINGS = "manifest.json", "steps.jsonl", "findings.json"
PREFLIGHT, TRIALS = "preflight.json", "trials.json"
_OURS = re.compile(
    r"manifest\.json|steps\.jsonl|findings\.json|preflight\.json|trials\.json|report\.html|epoch-\d{4,}\.png"
)
_TEMPORARY = re.compile(r"\..+\.\d+\.tmp")  # what a killed process may leave behind
_FLUSH_ROWS, _FLUSH_SECONDS = 200, 1.0


class _Rows:
    """Appends rows to one file, several at a time, and always whole."""

    def __init__(self, path: Path) -> None:
        # Unbuffered: the only buffer is the list of rows below. The process id tells a fork from its parent.
        self._file = path.open("ab", buffering=0)
        self._process = os.getpid()
        self._waiting: list[str] = []
        self._flushed = time.monotonic()
        if self._file.tell() and not _ends_with_newline(path):
            self._file.write(b"\n")

    def append(self, text: str, now: bool) -> None:
        self._waiting.append(text)
        if now or len(self._waiting) >= _FLUSH_ROWS or time.monotonic() - self._flushed >= _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        if self._waiting and os.getpid() == self._process:
            data = memoryview(("\n".join(self._waiting) + "\n").encode("ascii"))
            self._waiting.clear()
            while data:
                data = data[self._file.write(data) :]
        self._flushed = time.monotonic()

    def close(self) -> None:
        if not self._file.closed:
            try:
                self.flush()
            finally:
                self._file.close()


def _ends_with_newline(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


class RunFolder:
    """Writes one run folder.

    `RunFolder(path)` goes on with a folder that exists; `create` begins a new one.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._rows: _Rows | None = None

    @classmethod
    def create(cls, path: str | os.PathLike[str], manifest: Mapping[str, Any]) -> RunFolder:
        """Begins a run folder; a run that was there is replaced, files that are not of a run stay.

        Raises:
            UserError: the place cannot be written to, is a file, or holds other things than a run.
        """
        folder = cls(path)
        try:
            if folder.path.exists() and not folder.path.is_dir():
                raise UserError(
                    f"{_name(path)} is a file, a run needs a folder", help="choose another folder"
                )
            folder.path.mkdir(parents=True, exist_ok=True)
            folder._clear()
            folder.write_manifest(manifest)
            (folder.path / EPOCHS).mkdir(exist_ok=True)
            folder._open()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UserError(
                f"cannot write to {_name(path)}: {reason}", help="choose another folder"
            ) from error
        return folder

    def _clear(self) -> None:
        """Removes what an earlier run wrote here."""
        found = sorted(self.path.iterdir())
        foreign = [file for file in found if not _TEMPORARY.fullmatch(file.name)]
        if foreign and not _is_run(self.path):
            raise UserError(
                f"{_name(self.path)} holds {_name(foreign[0].name)} and is not a run folder: nothing was written",
                help=f"choose a folder of its own, such as {_name(self.path / 'run')}",
            )
        epochs = self.path / EPOCHS
        # A link is not followed: what it points to was not written by a run.
        inside = [] if epochs.is_symlink() else epoch_files(self.path).values()
        # The manifest goes last, by being replaced: until then this stays a run folder.
        ours = [file for file in found if _OURS.fullmatch(file.name) and file.name != MANIFEST]
        left = [
            file
            for folder in (self.path, epochs)
            for file in folder.glob(".*.tmp")
            if _TEMPORARY.fullmatch(file.name)
        ]
        for file in (*ours, *inside, *left):
            file.unlink()

    def _open(self) -> _Rows:
        if self._rows is None:
            self._rows = _Rows(self.path / STEPS)
            # Rows that wait are also written when the program ends without `close`.
            weakref.finalize(self, self._rows.close)
        return self._rows

    def append(self, row: Mapping[str, Any]) -> None:
        """Adds one row to `steps.jsonl`; it is on disk after 1 s, 200 rows, or the next epoch or event.

        Raises:
            OSError: the disk is full or gone.
            TypeError: something in the row has no form in JSON.
        """
        self._open().append(encode(row), now=row.get("kind") in ("epoch", "event"))

    def flush(self) -> None:
        """Writes the rows that wait."""
        if self._rows is not None:
            self._rows.flush()

    def close(self) -> None:
        """Writes the rows that wait and closes the file; a later `append` opens it again."""
        if self._rows is not None:
            self._rows.close()
            self._rows = None

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replaces `manifest.json`; the schema version is added."""
        self._write_json(MANIFEST, {**manifest, "schema": SCHEMA})

    def write_findings(self, findings: Mapping[str, Any]) -> None:
        """Replaces `findings.json`."""
        self._write_json(FINDINGS, findings)

    def write_preflight(self, preflight: Mapping[str, Any]) -> None:
        """Replaces `preflight.json`."""
        self._write_json(PREFLIGHT, preflight)

    def write_trials(self, trials: Mapping[str, Any]) -> None:
        """Replaces `trials.json`."""
        self._write_json(TRIALS, trials)

    def _write_json(self, name: str, value: Any) -> None:
        text = json.dumps(plain(value), indent=1, allow_nan=False) + "\n"
        write_atomically(self.path / name, text.encode("ascii"))

    def write_epoch(self, number: int, arrays: Mapping[str, Array], step: int = 0) -> None:
        """Replaces `epochs/NNNN.npz`.

        Args:
            number: the epoch; 0 is birth.
            arrays: by name, as in "hidden1/activity"; any text is allowed as a name.
            step: updates done so far.

        Raises:
            TypeError: an array holds Python objects.
        """
        write_atomically(self.path / EPOCHS / f"{number:04d}.npz", pack(arrays, step))


def _name(path: str | os.PathLike[str]) -> str:
    return repr(str(path))[1:-1]


def _is_run(folder: Path) -> bool:
    """Whether the manifest in a folder is that of a run; other programs have files of this name too."""
    try:
        manifest = decode((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    if not isinstance(manifest, dict) or not isinstance(manifest.get("schema"), int):
        return False
    return "sites" in manifest or (folder / STEPS).exists()


def _free(folder: Path) -> Path:
    """Where a run can be written: the folder itself if it is missing or empty, else one inside it."""
    place, number = folder, 1
    with suppress(OSError):
        while place.exists() and (not place.is_dir() or any(place.iterdir())):
            place = folder / (f"run-{number}" if number > 1 else "run")
            number += 1
    return place


def read_manifest(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The manifest of a run folder.

    Raises:
        UserError: no such folder, not a run, unreadable, or written by a newer nndebug.
    """
    path = Path(folder)
    train = f"nndebug train -o {_name(_free(path))} writes one"
    try:
        if not path.exists():
            raise UserError(f"there is no folder {_name(folder)}", help=train)
        if not path.is_dir():
            raise UserError(
                f"{_name(folder)} is a file, a run is a folder", help="give the folder that it is in"
            )
        manifest = decode((path / MANIFEST).read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"{_name(folder)} is not a run: it has no {MANIFEST}", help=train) from error
    except OSError as error:
        raise UserError(
            f"cannot read {_name(folder)}: {error.strerror}", help="check its permissions"
        ) from error
    except ValueError as error:
        raise UserError(f"{MANIFEST} in {_name(folder)} is broken: {error}", help=train) from error
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool):
        raise UserError(
            f"{MANIFEST} in {_name(folder)} is not that of a run: it has no schema version", help=train
        )
    if schema > SCHEMA:
        raise UserError(
            f"{_name(folder)} has schema {schema}, this nndebug reads up to {SCHEMA}",
            help="update it: pip install --upgrade nndebug",
        )
    return dict(revive(manifest))


def read_table(folder: Path, name: str) -> dict[str, Any] | None:
    """What is in a file beside the rows, not yet revived; None if there is no such file.

    Raises:
        OSError, ValueError: the file may not be read, or is broken.
    """
    try:
        data = decode((folder / name).read_bytes())
    except FileNotFoundError:
        return None
    if not isinstance(data, dict):
        raise ValueError(f"{name} holds no table")
    return data


def read_rows(folder: Path, start: int = 0) -> Iterator[tuple[dict[str, Any] | None, int]]:
    """The rows of `steps.jsonl` from byte `start` on: each (or None if it is garbage) and the byte after it.

    A last line without its newline is still being written, or was cut off: it is left out.

    Raises:
        OSError: the file may not be read.
    """
    path = folder / STEPS
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            if not line.endswith(b"\n"):
                return
            start += len(line)
            try:
                row = decode(line)
            except ValueError:
                row = None
            if line.strip():
                yield (row if isinstance(row, dict) else None), start
