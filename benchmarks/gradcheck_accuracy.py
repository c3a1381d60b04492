"""How often is the gradient check wrong? `python -m benchmarks.gradcheck_accuracy [--count 10000] [--per-kind 100]`

Correct random networks in float64, in float32, and in float32 that cannot be copied to float64: each alarm is a false one.
Mistakes of every kind planted into random networks: are they found, in the right layer and equation, and named?
Beside it the same cases of at most 500 parameters with PyTorch's gradcheck and with the textbook's rule.

Every case is made from its number alone: `--parts float64 --first 117 --count 1` runs number 117 again, and
`--parts mistakes --kind "bias: mean" --first 1000007 --per-kind 1` a mistake. Cases that went wrong are printed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from benchmarks.accuracy import mistakes_of_backward, mistakes_of_images, mistakes_of_updates
from benchmarks.accuracy.judging import Judgement, judge
from benchmarks.accuracy.networks import Case, case
from benchmarks.accuracy.planting import FIRST, Kind, all_planted
from benchmarks.setting import versions
from network import Sequential

import nndebug  # isort: skip  (after the setting, which fixes the number of threads)

KINDS: tuple[Kind, ...] = (*mistakes_of_backward.KINDS, *mistakes_of_images.KINDS, *mistakes_of_updates.KINDS)
PARTS = ("float64", "float32", "single", "mistakes", "peers")


class Single(Sequential):
    """A network that stays in float32: its copy does not take a dtype."""

    def copy(self, dtype: object = None) -> Sequential:  # type: ignore[override]
        return super().copy()


def checked(made: Case, optimizer: bool = True, **options: int) -> nndebug.gradcheck.GradCheck:
    given = made.optimizer if optimizer else None
    return nndebug.gradcheck(made.network, made.x, made.y, optimizer=given, seed=made.number, **options)


def correct(part: str, first: int, count: int) -> None:
    """Correct networks: how many agree, are called wrong, are left unresolved."""
    start, verdicts = time.process_time(), Counter[str]()
    for number in range(first, first + count):
        made = case(number, "float64" if part == "float64" else "float32")
        if part == "single":
            made.network.__class__ = Single
        # What float32 leaves of a penalty of 1e-8 is nothing, in training too.
        check = checked(made, optimizer=part != "single", samples=len(made.x))
        verdicts[check.verdict.value] += 1
        verdicts["layer by layer"] += any("layer by layer" in row.reason for row in check.rows)
        if not check:
            print(f"    {part} {number}: {check.verdict.value}: {made.network.describe()}", flush=True)
    shares = ", ".join(f"{name} {n:,}" for name, n in verdicts.items())
    print(f"{part}: {count:,} correct networks: {shares} ({time.process_time() - start:.0f} s)", flush=True)


def mistakes(kinds: tuple[Kind, ...], first: int, per_kind: int) -> None:
    """Planted mistakes, kind by kind."""
    start, total = time.process_time(), Counter[str]()
    head = ("kind", "networks", "found", "right place", "named", "unknown", "wrong name")
    print("| " + " | ".join(head) + " |\n|---|" + "--:|" * (len(head) - 1))
    for kind in kinds:
        counts = Counter[str]()
        for number, planted in all_planted(kind, first, per_kind):
            check = checked(planted.case, kind.group in ("penalty", "update"))
            judgement = judge(kind, planted, check)
            counts["networks"] += 1
            counts.update(name for name, value in vars(judgement).items() if value)
            if judgement != Judgement(True, True, True):
                said = [(f.layer, f.equation, [m.name for m in f.mistakes]) for f in check.faults]
                print(f"    {kind.name} {number}: {planted.places} {said}", file=sys.stderr, flush=True)
        total.update(counts)
        print(_row(kind.name, counts), flush=True)
    print(_row(f"all {len(kinds)} kinds", total))
    print(f"({time.process_time() - start:.0f} s)", flush=True)


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
    given = parser.parse_args()
    np.seterr(all="ignore")
    print(versions())
    parts = given.parts.split(",")
    for part in (p for p in ("float64", "float32", "single") if p in parts):
        correct(part, given.first or 0, given.count if part == "float64" else given.singles)
    kinds = tuple(kind for kind in KINDS if given.kind in kind.name)
    if "mistakes" in parts:
        mistakes(kinds, given.first or FIRST, given.per_kind)
    if "peers" in parts:
        from benchmarks.accuracy.peers import compare

        compare(kinds, given.first or FIRST, given.peers)


if __name__ == "__main__":
    main()
