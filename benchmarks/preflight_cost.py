"""What a preflight costs, and which parts fit in its budget of a second.

    NNDEBUG_DATA=DIR python -m benchmarks.preflight_cost [--rounds 5]

CPU seconds on one thread, the median of the rounds after a first one, on the 50,000 training images of MNIST.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Sequence

sys.path.insert(
    0, os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
)  # so that it also runs as a file

import nndebug
from benchmarks.setting import SETTINGS, data, versions  # first: it sets the number of threads
from network import SGD


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of each network (default: 5)")
    count = parser.parse_args(arguments).rounds
    x, y = data()
    print(versions())
    for setting in SETTINGS:
        found = [
            nndebug.preflight(setting.network(), x, y, optimizer=SGD(setting.rate), batch=setting.batch)
            for _ in range(count + 1)
        ][1:]
        parts = {
            name: statistics.median(f.part_seconds[name] for f in found) for name in found[0].part_seconds
        }
        print(f"{setting.name}: {statistics.median(f.seconds for f in found):.2f} s")
        print("  " + ", ".join(f"{name} {1e3 * seconds:.0f} ms" for name, seconds in parts.items()))
        for name, reason in found[-1].not_checked.items():
            print(f"  not checked: {name}: {reason}")


if __name__ == "__main__":
    main()
