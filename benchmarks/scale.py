"""What would watching 100 billion parameters on 1,000 processes cost? `python -m benchmarks.scale [--rounds 5]`

Measures the pieces here, on one CPU thread: bytes of a row per layer, bytes of an epoch's file per layer, seconds of a
reduction per million entries and per tensor, seconds and memory of merging per rank; and calculates from them. A rank is a
process that is told that it is one of many (`RANK`, `WORLD_SIZE`): what it writes does not depend on the others.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # so that it also runs as a file

from benchmarks.setting import versions

import nndebug  # isort: skip  (after the setting, which fixes the number of threads)
import torch
from torch import nn

from nndebug.adapters.torch import DENSE
from nndebug.adapters.torch.measuring import Measuring
from nndebug.ranks import merged
from nndebug.schedule import Schedule

STEPS, BATCH, WIDTH = 120, 64, 32
"""Of the trainings that are measured."""


@dataclass(frozen=True)
class Large:
    """A Transformer as GPT-3's authors lay theirs out, each block of 4 dense layers and 2 normalisations."""

    ranks: int = 1000
    width: int = 9216
    blocks: int = 96
    vocabulary: int = 50_000
    tokens: int = 4096
    """Of one rank's batch."""
    steps: int = 100_000
    epochs: int = 10

    @property
    def parameters(self) -> int:
        return 12 * self.blocks * self.width**2 + self.vocabulary * self.width

    @property
    def layers(self) -> int:
        """Modules with parameters of their own; a weight and a bias each."""
        return 6 * self.blocks + 2

    @property
    def activations(self) -> int:
        """Entries that come out of the layers on one rank: 3 + 1 + 4 + 1 widths of the dense ones, 2 of the normalisations."""
        return self.tokens * self.width * 11 * self.blocks


def line(x: tuple[float, float], y: tuple[float, float]) -> tuple[float, float]:
    """Start and slope of the line through two points."""
    slope = (y[1] - y[0]) / (x[1] - x[0])
    return y[0] - slope * x[0], slope


def cpu(run: Callable[[], object], rounds: int) -> float:
    """Median CPU seconds; a first round is dropped."""
    taken = []
    for _ in range(rounds + 1):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return statistics.median(taken[1:])


def record(folder: Path, layers: int) -> Path:
    """What one rank of a thousand writes of a network of so many dense layers."""
    torch.manual_seed(0)
    parts = [part for _ in range(layers - 1) for part in (nn.Linear(WIDTH, WIDTH), nn.ReLU())]
    model = nn.Sequential(*parts, nn.Linear(WIDTH, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    os.environ |= {"RANK": "0", "WORLD_SIZE": "1000"}
    try:
        with nndebug.watch(model, folder, optimizer=optimizer, report=False):
            for _ in range(STEPS):
                optimizer.zero_grad()
                x, y = torch.randn(BATCH, WIDTH), torch.randint(10, (BATCH,))
                nn.functional.cross_entropy(model(x), y).backward()
                optimizer.step()
    finally:
        del os.environ["RANK"], os.environ["WORLD_SIZE"]
    return folder / "rank-0000"


def row_bytes(rank: Path) -> dict[str, float]:
    """Median bytes of a line, by what it holds: a full record, a cheap one, a rank's notes with and without what it saw."""
    found: dict[str, list[int]] = {}
    for text in (rank / "steps.jsonl").read_bytes().splitlines(keepends=True):
        row = json.loads(text)
        kind = row["kind"]
        if kind == "step":
            kind = "full" if any("weight.mean" in part for part in row["data"].values()) else "cheap"
        elif kind == "rank":
            kind = "look" if "look" in row else "keys"
        found.setdefault(kind, []).append(len(text))
    return {kind: statistics.median(sizes) for kind, sizes in found.items()}


def reductions(rounds: int) -> dict[str, tuple[float, float]]:
    """Seconds a tensor and a million entries: of a full record of a parameter, of its norm alone, of what a layer gives."""
    measuring = Measuring(torch)

    def full(value: torch.Tensor) -> None:
        before = value.clone()
        for tensor in (value, before, value - before):  # gradient, weight, update
            measuring.moments(tensor, lambda moments: None)

    ways: dict[str, Callable[[torch.Tensor], None]] = {
        "full": full,
        "cheap": lambda value: measuring.norms({"": value}, lambda name, norm: None),
        "activation": lambda value: measuring.moments(value, lambda moments: None),
    }
    sizes = 1_000, 4_000_000
    tensors = [torch.randn(size) for size in sizes]

    def seconds(way: Callable[[torch.Tensor], None], tensor: torch.Tensor) -> float:
        often = 200 if len(tensor) < 10_000 else 1
        return cpu(lambda: [way(tensor) for _ in range(often)], rounds) / often

    return {
        name: line((sizes[0] / 1e6, sizes[1] / 1e6), (seconds(way, tensors[0]), seconds(way, tensors[1])))
        for name, way in ways.items()
    }


def merging(
    rank: Path, folder: Path, counts: tuple[int, int]
) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Seconds and peak bytes of merging so many copies of a rank, as lines over the ranks; and seconds of the check."""
    seconds, peaks, checks = [], [], []
    for count in counts:
        place = folder / str(count)
        for number in range(count):
            copy = place / f"rank-{number:04d}"
            shutil.copytree(rank, copy)
            manifest = json.loads((copy / "manifest.json").read_text())
            (copy / "manifest.json").write_text(json.dumps({**manifest, "rank": number, "world": count}))
        seconds.append(cpu(lambda place=place: merged(place), 1))
        tracemalloc.start()
        run = merged(place)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        start = time.process_time()
        nndebug.check(run)
        checks.append(time.process_time() - start)
    return line(counts, (seconds[0], seconds[1])), line(counts, (peaks[0], peaks[1])), checks[1]


def records(steps: int) -> dict[str, int]:
    """How many records of each kind the default schedule of a PyTorch model asks for."""
    schedule = Schedule(dense=DENSE)
    tiers = [schedule.tier(step) for step in range(steps)]
    return {"full": tiers.count(1), "cheap": tiers.count(0)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(f"{versions(nndebug, torch)}\n\nMeasured", flush=True)
    depths = 4, 16
    with tempfile.TemporaryDirectory() as place:
        ranks = [record(Path(place) / str(depth), depth) for depth in depths]
        told = [row_bytes(rank) for rank in ranks]
        rows = {kind: line(depths, (told[0][kind], told[1][kind])) for kind in told[0] if kind in told[1]}
        files = [next((rank / "epochs").glob("0001.npz")).stat().st_size for rank in ranks]
        rows["epoch file"] = line(depths, (files[0], files[1]))
        counts = 4, 12
        seconds, peak, check = merging(ranks[1], Path(place) / "merge", counts)
        size = sum(file.stat().st_size for file in ranks[1].rglob("*") if file.is_file())
    for kind, (start, slope) in rows.items():
        print(f"  bytes, {kind:<12} {start:8,.0f} + {slope:7,.1f} a layer (weight, bias, activation)")
    reduced = reductions(rounds)
    for kind, (start, slope) in reduced.items():
        print(f"  CPU, {kind:<14} {start * 1e6:8.1f} us a tensor + {slope * 1e3:6.3f} ms a million entries")
    per_byte = seconds[1] / size
    print(
        f"  merging: {seconds[1] * 1e3:.1f} ms a rank of {size / 1e3:,.0f} kB ({per_byte * 1e9:.0f} s a GB); memory "
        f"{peak[0] / 1e6:.1f} MB and {peak[1] / 1e3:,.0f} kB a rank"
    )
    print(f"  the check of the merged run of {counts[1]} ranks, {depths[1]} layers: {check:.2f} s")
    calculate(Large(), rows, reduced, per_byte, (peak[0] / depths[1], peak[1]))


def calculate(
    large: Large,
    rows: dict[str, tuple[float, float]],
    reduced: dict[str, tuple[float, float]],
    per_byte: float,
    memory: tuple[float, float],
) -> None:
    """Prints what follows for a training that nobody has run here."""
    size = {kind: start + slope * large.layers for kind, (start, slope) in rows.items()}
    counts = records(large.steps)
    noted = counts["full"] + counts["cheap"]
    written = {
        "full records": counts["full"] * size["full"],
        "cheap records": counts["cheap"] * size["cheap"],
        "looks, keys": noted * (size["look"] + size["probe"]),
        "epoch files": large.epochs * size["epoch file"],
    }
    of_rank = sum(written.values())
    share, tensors = large.parameters / large.ranks / 1e6, 2 * large.layers
    seconds = {kind: reduced[kind][0] * tensors + reduced[kind][1] * share for kind in ("full", "cheap")}
    values = reduced["activation"][0] * large.layers + reduced["activation"][1] * large.activations / 1e6
    total = of_rank * large.ranks
    print(f"\nCalculated: {large.parameters / 1e9:.1f} billion parameters in {large.layers} layers, sharded over {large.ranks:,} ranks; "
          f"{large.steps:,} steps, {large.epochs} epochs, {large.tokens:,} tokens a rank and step")  # fmt: skip
    print(
        f"  a full record:  {size['full'] / 1e3:8,.0f} kB a rank; {counts['full']} of {large.steps:,} steps"
    )
    print(
        f"  a cheap record: {size['cheap'] / 1e3:8,.0f} kB a rank; {counts['cheap']} of {large.steps:,} steps"
    )
    for what, amount in written.items():
        print(f"  {what:<15} {amount / 1e6:8.1f} MB a rank and run")
    print(
        f"  together        {of_rank / 1e6:8.1f} MB a rank, {total / 1e9:.1f} GB of all ranks, {of_rank / large.steps / 1e3:.2f} kB a rank and step"
    )
    print(f"  parameters' reductions, CPU: {seconds['full']:.2f} s a full record, {seconds['cheap']:.2f} s a cheap one; "
          f"{(counts['full'] * seconds['full'] + counts['cheap'] * seconds['cheap']) / large.steps * 1e3:.2f} ms a step on average")  # fmt: skip
    print(
        f"  layers' outputs, CPU: {values:.1f} s a pass over them; a full record makes about 3, a cheap one 1"
    )
    print(f"  a copy of the parameters before a full record: {share * 4 / 1e3:.2f} GB a rank (float32)")
    longer = noted / sum(records(STEPS).values())
    held = longer * (memory[0] * large.layers + memory[1] * large.ranks)
    print(f"  merging: {total * per_byte / 3600:.1f} h of one CPU, {held / 1e9:.1f} GB of memory")


if __name__ == "__main__":
    main()
