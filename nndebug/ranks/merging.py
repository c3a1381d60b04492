"""The runs of all ranks as one: the statistics that one process would have recorded of all samples."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..epochs import read_arrays, read_head
from ..look import ROWS, Look
from ..run import Run
from ..signals import RUN, Array
from ..storage import RunFolder
from .apart import Apart
from .figures import MergedStep, Row, number
from .folders import RankFolder, rank_folders

Epoch = tuple[int, int, dict[str, Array]]


def merged(folder: Path) -> Run:
    """The run of a folder of ranks, in memory.

    Ranks that ended early, as one that was killed, count as far as they came.

    Raises:
        UserError: no rank can be read.
    """
    merging = Merging(folder)
    run = Run(merging.manifest)
    for row in merging.rows:
        run.add(row)
    for epoch, step, arrays in merging.epochs():
        run.add_epoch(epoch, step, arrays)
    run.lost = merging.lost
    return run


def write(folder: Path, target: Path) -> Run:
    """Writes the merged run as a run folder of its own, and reads it.

    Raises:
        UserError: no rank can be read, or the folder cannot be written to.
    """
    merging = Merging(folder)
    made = RunFolder.create(target, merging.manifest)
    for row in merging.rows:
        made.append(row)
    for epoch, step, arrays in merging.epochs():
        made.write_epoch(epoch, arrays, step)
    made.close()
    return Run.load(target)


class Merging:
    """Reads one rank after the other; what is kept does not grow with their number, but for samples, losses and times.

    Args:
        folder: that the ranks' folders are in.

    Attributes:
        manifest: of the merged run.
        rows: of the merged run, in order of step.

    Raises:
        UserError: no rank can be read.
    """

    def __init__(self, folder: Path) -> None:
        self._ranks = rank_folders(folder)
        first = self._ranks[0].manifest
        self._sharded = bool(first.get("sharded"))
        self._world = int(first.get("world") or len(self._ranks))
        self._steps: dict[int, MergedStep] = {}
        self._looks: dict[int, Look] = {}
        self._told: dict[tuple[int, int], dict[str, list[float]]] = {}
        self._events: list[dict[str, Any]] = []
        self._epoch_of: dict[int, int] = {}
        self._apart = Apart()
        for rank in self._ranks:
            for row in rank.rows():
                try:
                    self._take(rank.number, row)
                except (KeyError, TypeError, ValueError, AttributeError):
                    rank.lost += 1
        self.manifest = _manifest(folder, self._ranks)
        self.rows = sorted(self._merged_rows(), key=lambda row: int(row["step"]))

    @property
    def lost(self) -> int:
        """Rows that could not be read."""
        return sum(rank.lost for rank in self._ranks)

    def _take(self, rank: int, row: Mapping[str, Any]) -> None:
        kind, step = row["kind"], row["step"]
        if kind == "event":
            self._events.append({**row, "rank": rank})
            return
        self._epoch_of.setdefault(step, int(row["epoch"]))
        data = {site: {k: number(v) for k, v in part.items()} for site, part in row["data"].items()}
        if kind == "epoch":
            table = self._told.setdefault((int(row["epoch"]), step), {})
            for name, value in data.get(RUN, {}).items():
                table.setdefault(name, []).append(value)
        elif kind == "step":
            self._steps.setdefault(step, MergedStep(self._world, self._sharded)).add(data)
            self._apart.step(rank, step, data, replicated=not self._sharded)
        elif kind == "rank":
            self._apart.batch(rank, step, int(row["epoch"]), row.get("keys", ""))
            if "look" in row:
                self._looks.setdefault(step, Look()).merge(Look.from_json(row["look"]))

    def _merged_rows(self) -> Iterator[dict[str, Any]]:
        for step, one in self._steps.items():
            yield self._row("step", step, one.figures())
            yield self._row("probe", step, {RUN: {"ranks.present": float(one.present)}})
        for step, look in self._looks.items():
            row: Row = self._steps[step].preactivations() if step in self._steps else {}
            for site, figures in look.figures().items():
                row.setdefault(site, {}).update(figures)
            yield self._row("probe", step, row)
        before: Look | None = None
        for step, look in sorted(self._looks.items(), key=lambda item: item[0]):
            if look.rows >= ROWS:
                yield self._row("probe", step if before else 0, look.dead(before))
                before = look
        for step, row in self._apart.figures().items():
            yield self._row("probe", step, row)
        for (epoch, step), table in self._told.items():
            means = {name: statistics.fmean(values) for name, values in table.items()}
            yield {"kind": "epoch", "step": step, "epoch": epoch, "data": {RUN: means}}
        faults = [event for event in self._events if event.get("event") == "nonfinite"]
        first = min(faults, key=lambda event: int(event["step"]), default=None)
        yield from (event for event in self._events if event.get("event") != "nonfinite" or event is first)

    def _row(self, kind: str, step: int, data: Row) -> dict[str, Any]:
        return {"kind": kind, "step": step, "epoch": self._epoch_of.get(step, 1), "data": data}

    def epochs(self) -> Iterator[Epoch]:
        """Number, step and arrays of every epoch: counts of samples add up, those of parameters only where they are sharded."""
        for epoch in sorted(set().union(*(rank.epochs for rank in self._ranks))):
            step, arrays = 0, dict[str, Array]()
            for rank in self._ranks:
                path = rank.epochs.get(epoch)
                head = read_head(path) if path else None
                if path is None or head is None:
                    continue
                step = max(step, head[0])
                for name, value in read_arrays(path, path.stat().st_mtime_ns).items():
                    adds = name == "run/confusion" or (self._sharded and name.endswith("histogram"))
                    if name not in arrays:
                        arrays[name] = np.array(value)
                    elif adds and arrays[name].shape == value.shape:
                        arrays[name] = arrays[name] + value
                    elif name.endswith("/died_at") and arrays[name].shape == value.shape:
                        arrays[name] = died_at(arrays[name], value)
            yield epoch, step, arrays


def died_at(one: Array, other: Array) -> Array:
    """When units died, from what two ranks saw of them: one that fired for a sample of either lives (-1)."""
    return np.where((one < 0) | (other < 0), -1, np.maximum(one, other))


def _manifest(folder: Path, ranks: list[RankFolder]) -> dict[str, Any]:
    """That of the lowest rank, with what is of all of them."""
    first = ranks[0].manifest
    told = [rank.manifest for rank in ranks]
    world = first.get("world", len(ranks))
    facts: dict[str, Any] = {k: v for k, v in first.items() if k not in ("rank", "world", "schema")}
    status = {str(one.get("status")) for one in told}
    facts |= {
        "name": folder.resolve().name,
        "created": min(str(one.get("created", "")) for one in told),
        "status": status.pop()
        if len(status) == 1
        else "interrupted"
        if "interrupted" in status
        else "running",
        "world": world,
        "ranks": [
            {
                "rank": rank.number,
                "steps": rank.steps,
                "status": rank.manifest.get("status"),
                "seed": (rank.manifest.get("network") or {}).get("seed"),
            }
            for rank in ranks
        ],
    }
    batches = [one["batch"] for one in told if isinstance(one.get("batch"), int)]
    if batches:
        facts["batch"] = sum(batches)
    shares = [one["class_shares"] for one in told if one.get("class_shares")]
    if shares and len({len(share) for share in shares}) == 1:
        facts["class_shares"] = np.mean(shares, axis=0).tolist()
    chances = [one["loss_at_chance"] for one in told if isinstance(one.get("loss_at_chance"), float)]
    if chances:
        facts["loss_at_chance"] = statistics.fmean(chances)
        if first.get("loss") == "cross_entropy" and shares:
            known = np.array([share for share in facts["class_shares"] if share > 0])
            facts["loss_at_chance"] = float(-(known * np.log(known)).sum())
    return facts
