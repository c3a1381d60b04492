"""How long do the commands that must answer at once take? `python -m benchmarks.startup [--rounds 9]`

CPU and wall seconds of whole processes, medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time


def seconds(arguments: list[str]) -> tuple[float, float]:
    """CPU and wall seconds of one process."""
    before, start = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-m", "nndebug", *arguments], check=True, stdout=subprocess.DEVNULL)
    after, wall = os.times(), time.perf_counter() - start
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return cpu, wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    count = parser.parse_args().rounds
    for arguments in (["--help"], ["rule"]):
        cpu, wall = zip(*(seconds(arguments) for _ in range(count)), strict=True)
        name = "nndebug " + " ".join(arguments)
        print(
            f"{name:16} {1e3 * statistics.median(cpu):5.0f} ms CPU {1e3 * statistics.median(wall):5.0f} ms wall"
        )


if __name__ == "__main__":
    main()
