"""What does watching cost? `python -m benchmarks.overhead [--rounds 5] [--epochs 5]`

The same training with and without `nndebug.watch(net, folder)`, in turn in one process, one thread, float32, CPU time,
median of the ratios. The watched one records, writes its run folder and runs the rules after every epoch; drawing the
report is left out of the ratio and printed beside it.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile

from .setting import SETTINGS, Setting, ratio, rounds, versions

import nndebug  # isort: skip  (after the setting, which fixes the number of threads)


def plain(setting: Setting, data, epochs: int):
    return lambda: setting.train(setting.network(), data, epochs)


class Watched:
    """A watched training; remembers the time that its reports took, to subtract it."""

    def __init__(self, setting: Setting, data, epochs: int) -> None:
        self.setting, self.data, self.epochs = setting, data, epochs
        self.folder = tempfile.mkdtemp()
        self.drawing: list[float] = []

    def __call__(self) -> None:
        network = self.setting.network()
        with nndebug.watch(network, self.folder) as watching:
            self.setting.train(network, self.data, self.epochs)
        self.drawing.append(watching.report_seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    print(versions(nndebug) + f"; {arguments.epochs} epochs of 50,000 samples")
    print(f"{'network':32} {'plain':>9} {'watched':>9} {'overhead':>9} {'drawing reports':>16}")
    for setting in SETTINGS:
        data = setting.data()
        watched = Watched(setting, data, arguments.epochs)
        alone, both = rounds(arguments.rounds, plain(setting, data, arguments.epochs), watched)
        drawing = watched.drawing[1:]
        recorded = [total - drawn for total, drawn in zip(both, drawing, strict=True)]
        medians = f"{statistics.median(alone):7.2f} s {statistics.median(recorded):7.2f} s"
        share = ratio(recorded, alone) - 1
        print(f"{setting.name:32} {medians} {share:8.1%} {statistics.median(drawing):14.2f} s", flush=True)
        shutil.rmtree(watched.folder)


if __name__ == "__main__":
    main()
