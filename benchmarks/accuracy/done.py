"""Cases that have been run, one JSON object a line, so that a count which takes hours can be cut off and go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Key = tuple[str, int]
"""Part of the benchmark or kind of mistake, and number of the network."""


class Done:
    """Results by case; each is on disk before the next one is begun.

    Args:
        path: a file of lines, made if it is not there; None keeps everything in memory. A line that was cut off is left out.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._found = path, dict[Key, dict[str, Any]]()
        if path is not None and path.exists():
            text = path.read_text()
            if text and not text.endswith("\n"):
                path.write_text(text + "\n")  # or the next line would be part of the one that was cut off
            for line in text.splitlines():
                try:
                    row = json.loads(line)
                    self._found[row["part"], row["number"]] = row
                except (ValueError, KeyError, TypeError):
                    continue

    def get(self, part: str, number: int) -> dict[str, Any] | None:
        """What came of a case, None if it has not been run."""
        return self._found.get((part, number))

    def add(self, part: str, number: int, **result: Any) -> dict[str, Any]:
        """Keeps what came of a case, and gives it back."""
        row = {"part": part, "number": number, **result}
        self._found[part, number] = row
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(row) + "\n")
        return row

    def of(self, part: str) -> Iterator[dict[str, Any]]:
        """All results of a part, by number."""
        return (self._found[key] for key in sorted(self._found) if key[0] == part)
