"""What does the plug-in add to pytest's start? `python -m benchmarks.pytest_start [--rounds 15]`

CPU and wall milliseconds of `pytest --collect-only` in an empty folder, with and without it, one after the other; medians
of the differences.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

PLUGIN = "nndebug.pytest_plugin"


def milliseconds(folder: str, loaded: bool) -> tuple[float, float]:
    """CPU and wall time of one process."""
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--collect-only",
        "-p",
        PLUGIN if loaded else f"no:{PLUGIN}",
    ]
    before, start = os.times(), time.perf_counter()
    subprocess.run(words, cwd=folder, stdout=subprocess.DEVNULL, check=False)
    after, wall = os.times(), time.perf_counter() - start
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return 1e3 * cpu, 1e3 * wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        milliseconds(folder, True)
        pairs = [(milliseconds(folder, False), milliseconds(folder, True)) for _ in range(rounds)]
    for name, at in (("CPU", 0), ("wall", 1)):
        without = statistics.median(pair[0][at] for pair in pairs)
        added = statistics.median(pair[1][at] - pair[0][at] for pair in pairs)
        print(f"{name:4}  {without:6.0f} ms without, {added:+5.1f} ms with the plug-in")


if __name__ == "__main__":
    main()
