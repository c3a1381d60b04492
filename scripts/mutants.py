"""Plants mistakes in the core, one at a time, and asks the property-test kit alone to find them.

    python scripts/mutants.py [--only TEXT] [--jobs N]

Each is planted in a copy of the core in a folder of its own; there the battery of the member that has it runs, as
tests/kit runs it over every member. The catalogue is beside this file. Prints a table, and the survivors; exits with 1
if fewer than 95 % are found.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutant_catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parent.parent
ENOUGH = 0.95
EXAMPLES = 20

RUNNER = f"""
import sys
sys.path[:0] = [{{folder!r}}, {{folder!r}} + "/kit"]
import warnings; warnings.simplefilter("ignore")
from core_cases import CASES
from nndebug.testing import CheckFailed
from nndebug.testing.driver import run
from nndebug.testing.registry import battery
kind, cases = CASES[{{member!r}}]
for check in sorted(battery(kind), key=lambda c: c.name not in ("reference", "gradients", "gradient", "variance", "save_and_load")):
    try:
        run(check, cases, examples={EXAMPLES})
    except CheckFailed as found:
        print("KILLED", check.name, "|", found.failure.what)
        sys.exit(0)
print("SURVIVED")
"""


def planted(number: int, folder: Path) -> tuple[str, str]:
    """Plants one mistake and runs the battery: the check that found it and what it said; empty if none did."""
    member, file, right, wrong, _ = CATALOGUE[number]
    for package in ("network", "nndebug"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "kit", folder / "kit", ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "network" / file
    source = path.read_text("utf-8")
    if right not in source:
        raise SystemExit(
            f"mutant {number} ({CATALOGUE[number][4]}): its text is not in {file} any more: {right!r}"
        )
    path.write_text(source.replace(right, wrong), "utf-8")
    script = RUNNER.format(folder=str(folder), member=member)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=600,
        env={**os.environ, "PYTHONPATH": "", "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    last = (done.stdout.splitlines() or [""])[-1]
    if last.startswith("KILLED"):
        check, _, what = last.removeprefix("KILLED ").partition(" | ")
        return check, what
    if last == "SURVIVED":
        return "", ""
    # A mistake that stops the core from being imported or a member from being made is no mistake that a kit finds.
    raise SystemExit(f"mutant {number} ({CATALOGUE[number][4]}) breaks the core:\n{done.stderr[-2000:]}")


def one(number: int) -> tuple[int, str, str]:
    """One mistake in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        check, what = planted(number, Path(folder))
    return number, check, what


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default="", help="only those whose member, file or description has this text"
    )
    parser.add_argument("--jobs", type=int, default=1, help="how many at once")
    args = parser.parse_args()
    wanted = [
        n for n, row in enumerate(CATALOGUE) if re.search(re.escape(args.only), f"{row[0]} {row[1]} {row[4]}")
    ]
    start, killed = time.perf_counter(), 0
    print("| member | mistake | found by |\n|---|---|---|")
    survivors = []
    with ThreadPoolExecutor(args.jobs) as pool:
        for number, check, _ in pool.map(one, wanted):
            member, _, _, _, mistake = CATALOGUE[number]
            print(f"| {member} | {mistake} | {f'`{check}`' if check else '**nothing**'} |", flush=True)
            killed += bool(check)
            survivors += [] if check else [f"{member}: {mistake}"]
    print(
        f"\n{killed} of {len(wanted)} found ({killed / max(1, len(wanted)):.1%}) in {time.perf_counter() - start:.0f} s"
    )
    for line in survivors:
        print(f"  survived: {line}")
    return 0 if killed >= ENOUGH * len(wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
