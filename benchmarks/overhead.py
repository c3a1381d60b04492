"""What does watching cost? `python -m benchmarks.overhead [--rounds 5] [--epochs N]`

The same training with and without `nndebug.watch(net, folder)`, in turn in one process, one thread, float32, CPU time,
median of the ratios. The watched one records, writes its run folder and runs the rules after every epoch; drawing a
report is left out of the ratio and timed beside it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from benchmarks.setting import SETTINGS, Setting, data, ratio, rounds, versions

import nndebug  # isort: skip  (after the setting, which fixes the number of threads)


def plain(setting: Setting, train, epochs: int):
    return lambda: setting.train(setting.network(), train, epochs)


def watched(setting: Setting, train, epochs: int, folder: str):
    def run() -> None:
        network = setting.network()
        with nndebug.watch(network, folder, report=False):
            setting.train(network, train, epochs)

    return run


def drawing(folder: str) -> float:
    """CPU seconds of one report and its picture; a first one, which imports the plotting library, is not counted."""
    for _ in range(2):
        start = time.process_time()
        nndebug.report(folder, f"{folder}/report.html", png=f"{folder}/epoch.png")
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="instead of each network's own number")
    arguments = parser.parse_args()
    print(versions(nndebug) + "; MNIST, 50,000 training images")
    print(f"{'network':28} {'epochs':>6} {'plain':>9} {'watched':>9} {'overhead':>9} {'one report':>11}")
    train = data()
    for setting in SETTINGS:
        epochs = arguments.epochs or setting.epochs
        with tempfile.TemporaryDirectory() as folder:
            both = plain(setting, train, epochs), watched(setting, train, epochs, folder)
            alone, recorded = rounds(arguments.rounds, *both)
            medians = f"{statistics.median(alone):7.2f} s {statistics.median(recorded):7.2f} s"
            share = ratio(recorded, alone) - 1
            print(f"{setting.name:28} {epochs:6} {medians} {share:8.1%} {drawing(folder):9.2f} s", flush=True)


if __name__ == "__main__":
    main()
