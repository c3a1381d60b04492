"""The run folders of the ranks, and what is in one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..epochs import epoch_files
from ..errors import UserError
from ..storage import MANIFEST, read_manifest, read_rows

_NAME = re.compile(r"rank-(\d{4,})")


def is_parent(folder: Path) -> bool:
    """Whether a folder holds the runs of ranks and is no run itself."""
    try:
        if (folder / MANIFEST).exists() or not folder.is_dir():
            return False
        return any(_NAME.fullmatch(place.name) and (place / MANIFEST).exists() for place in folder.iterdir())
    except OSError:
        return False


@dataclass
class RankFolder:
    """One rank's run.

    Attributes:
        number: of the rank.
        path: its folder.
        manifest: of its run.
        steps: updates recorded, as far as its rows were read.
    """

    number: int
    path: Path
    manifest: dict[str, Any]
    steps: int = 0
    lost: int = field(default=0)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Its rows in order; what is broken is counted in `lost`."""
        for row, _ in read_rows(self.path):
            if row is None or not isinstance(row.get("step"), int):
                self.lost += 1
                continue
            self.steps = max(self.steps, row["step"] + (row.get("kind") == "step"))
            yield row

    @property
    def epochs(self) -> dict[int, Path]:
        return epoch_files(self.path)


def rank_folders(folder: Path) -> list[RankFolder]:
    """The ranks of the training that was begun last here, by number; what a larger one has left before is passed over.

    Raises:
        UserError: none of them can be read.
    """
    found, reason = [], ""
    for place in sorted(folder.iterdir()):
        if match := _NAME.fullmatch(place.name):
            try:
                found.append(RankFolder(int(match[1]), place, read_manifest(place)))
            except UserError as error:
                reason = str(error)
    if not found:
        raise UserError(f"no rank in {folder} can be read: {reason}", help="record the training again")
    latest = max(found, key=lambda rank: str(rank.manifest.get("created", "")))
    world = latest.manifest.get("world")
    world = world if isinstance(world, int) else len(found)
    return [rank for rank in found if rank.number < world and rank.manifest.get("world", world) == world]
