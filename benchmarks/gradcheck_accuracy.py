"""How often is the gradient check wrong? `python -m benchmarks.gradcheck_accuracy [--count 10000] [--per-kind 100]`

Correct random networks in float64, in float32, in float32 of a class whose copy takes no dtype (`single`), and of layers that
compute in float32 whatever they are given (`stubborn`): each alarm is a false one.
Mistakes of every kind planted into random networks: are they found, in the right layer and equation, and named?
Beside it the same cases of at most 500 parameters with PyTorch's gradcheck and with the textbook's rule.

Every case is made from its number alone: `--parts float64 --first 117 --count 1` runs number 117 again, and
`--parts mistakes --kind "bias: mean" --first 1000007 --per-kind 1` a mistake. Cases that went wrong are printed.
With `--record FILE` every result is a line of that file, and what it has already is not run again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from benchmarks.accuracy import mistakes_of_backward, mistakes_of_images, mistakes_of_updates
from benchmarks.accuracy.done import Done
from benchmarks.accuracy.judging import Judgement, judge
from benchmarks.accuracy.networks import Case, case
from benchmarks.accuracy.planting import FIRST, Kind, all_planted, give
from benchmarks.setting import versions
from network import BatchNorm, Sequential

import nndebug  # isort: skip  (after the setting, which fixes the number of threads)

KINDS: tuple[Kind, ...] = (*mistakes_of_backward.KINDS, *mistakes_of_images.KINDS, *mistakes_of_updates.KINDS)
FIELDS = tuple(field.name for field in fields(Judgement))
MOST_PLACES = 400
"""Places of all rows that a batch norm is given: the check of 2,000 takes a minute."""

PARTS = ("float64", "float32", "single", "stubborn", "mistakes", "peers")


class Single(Sequential):
    """A network whose copy does not take a dtype."""

    def copy(self, dtype: object = None) -> Sequential:  # type: ignore[override]
        return super().copy()


def stubborn(network: Sequential) -> None:
    """Makes a network of a class without dtype, whose layers compute in float32 whatever they are given."""

    def forward(self, x):  # type: ignore[no-untyped-def]
        return self.base.forward(self, x.astype(np.float32)).astype(np.float32)

    def backward(self, output_gradient, *arguments):  # type: ignore[no-untyped-def]
        found = self.base.backward(self, output_gradient.astype(np.float32), *arguments)
        return None if found is None else found.astype(np.float32)

    network.__class__ = Single
    for layer in network.layers:
        give(layer, forward=forward, backward=backward)


def checked(made: Case, optimizer: bool = True, **options: int) -> nndebug.gradcheck.GradCheck:
    given = made.optimizer if optimizer else None
    return nndebug.gradcheck(made.network, made.x, made.y, optimizer=given, seed=made.number, **options)


def rows(made: Case) -> int:
    """On how many rows a case is checked: all, unless a batch norm mixes so many places that each is shifted by itself."""
    network, x, places = made.network.copy(), made.x[:2], 1
    for layer in network.layers:
        if isinstance(layer, BatchNorm):
            places = max(places, int(np.prod(x.shape[2:])))
        x = layer.forward(x)
    return min(len(made.x), max(2, MOST_PLACES // places))


def correct(part: str, numbers: Iterable[int], done: Done) -> Counter[str]:
    """Correct networks: how many agree, are called wrong, are left unresolved."""
    verdicts = Counter[str]()
    for number in numbers:
        row = done.get(part, number)
        if row is None:
            start = time.process_time()
            made = case(number, "float64" if part == "float64" else "float32")
            if part == "single":
                made.network.__class__ = Single
            if part == "stubborn":
                stubborn(made.network)
            # What float32 leaves of a penalty of 1e-8 is nothing, in training too.
            check = checked(made, optimizer="float" in part, samples=rows(made))
            seconds = round(time.process_time() - start, 3)
            row = done.add(part, number, verdict=check.verdict.value, seconds=seconds)
            if not check:
                print(f"    {part} {number}: {check.verdict.value}: {made.network.describe()}", flush=True)
        verdicts[row["verdict"]] += 1
        verdicts["seconds"] += row["seconds"]
    count = verdicts.total() - verdicts["seconds"]
    shares = ", ".join(f"{name} {n:,}" for name, n in verdicts.items() if name != "seconds")
    print(f"{part}: {count:,.0f} correct networks: {shares} ({verdicts['seconds']:.0f} s)", flush=True)
    return verdicts


def mistakes(kinds: tuple[Kind, ...], first: int, per_kind: int, done: Done) -> None:
    """Planted mistakes: one of every kind, then the next of every kind, so that wherever it ends all have had their turn."""
    for count in range(1, per_kind + 1):
        for kind in kinds:
            before = list(done.of(kind.name))
            if len(before) >= count:
                continue
            start = time.process_time()
            at = before[-1]["number"] + 1 if before else first
            for number, planted in all_planted(kind, at, 1):
                check = checked(planted.case, kind.group in ("penalty", "update"))
                judgement = judge(kind, planted, check)
                seconds = round(time.process_time() - start, 3)
                done.add(kind.name, number, **vars(judgement), seconds=seconds)
                if judgement != Judgement(True, True, True):
                    said = [(f.layer, f.equation, [m.name for m in f.mistakes]) for f in check.faults]
                    print(f"    {kind.name} {number}: {planted.places} {said}", file=sys.stderr, flush=True)
    total = Counter[str]()
    head = ("kind", "networks", "found", "right place", "named", "unknown", "wrong name")
    print("| " + " | ".join(head) + " |\n|---|" + "--:|" * (len(head) - 1))
    for kind in kinds:
        counts = Counter[str]()
        for row in done.of(kind.name):
            counts["networks"] += 1
            counts.update({name: row[name] for name in FIELDS})
        total.update(counts)
        print(_row(kind.name, counts), flush=True)
    print(_row(f"all {len(kinds)} kinds", total), flush=True)


def _row(name: str, counts: Counter[str]) -> str:
    cells = [f"{counts[key]:,}" for key in ("networks", "found", "placed", "named", "unknown", "wrong")]
    return "| " + " | ".join([name, *cells]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="comma-separated (default: all)")
    parser.add_argument("--first", type=int, help="number of the first network")
    parser.add_argument("--count", type=int, default=10_000, help="correct networks in float64")
    parser.add_argument("--singles", type=int, default=2_000, help="correct networks in float32")
    parser.add_argument("--per-kind", type=int, default=100, help="networks for each kind of mistake")
    parser.add_argument("--peers", type=int, default=300, help="cases for PyTorch and the textbook's rule")
    parser.add_argument("--kind", default="", help="only kinds whose name contains this")
    parser.add_argument("--record", type=Path, help="file of results: goes on where it ends")
    given = parser.parse_args()
    np.seterr(all="ignore")
    print(versions())
    parts, done = given.parts.split(","), Done(given.record)
    for part in (p for p in ("float64", "float32", "single", "stubborn") if p in parts):
        first, count = given.first or 0, given.count if part == "float64" else given.singles
        correct(part, range(first, first + count), done)
    kinds = tuple(kind for kind in KINDS if given.kind in kind.name)
    if "mistakes" in parts:
        mistakes(kinds, given.first or FIRST, given.per_kind, done)
    if "peers" in parts:
        from benchmarks.accuracy.peers import compare

        compare(kinds, given.first or FIRST, given.peers, done)


if __name__ == "__main__":
    main()
