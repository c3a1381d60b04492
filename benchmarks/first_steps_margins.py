"""How far apart are right and wrong first steps? `python -m benchmarks.first_steps_margins [--seeds 5]`

The figures that the rules on the replayed first steps (NND307, 404, 405, 406) compare with their thresholds: for the
healthy twins of all planted faults, for dropout, normalisation, momentum, Adam and a penalty, and for the planted faults
that each rule is there for. One epoch each, watched.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from benchmarks import setting  # isort: skip  (fixes the number of threads before NumPy is imported)

import numpy as np

import nndebug
from network import (
    SGD,
    Adam,
    BatchNorm,
    CrossEntropy,
    Dense,
    Dropout,
    LayerNorm,
    Momentum,
    ReLU,
    Sequential,
    Tanh,
    fit,
)
from network.data import load_digits
from nndebug.faults import FAMILIES, FAULTS
from nndebug.run import Run

PLANTED = {
    "off": [f.name for f in FAMILIES["Backward pass"] if f.name != "bias-summed-over-units"],
    "leftover": ["gradients-never-cleared"],
    "uphill": ["uphill", "target-minus-output"],
    "error": ["uphill", "biases-uphill", "batch-left-in", "divided-by-data-set", "rate-missing", "adam-without-correction",
              "momentum-never-fades"],
}  # fmt: skip


def short(fault: Any) -> Any:
    return replace(fault, healthy={**fault.healthy, "epochs": 1})


def watched(experiment: Any) -> Run:
    network, optimizer, dataset = experiment.build()
    with np.errstate(all="ignore"), nndebug.watch(network) as watching:
        fit(network, dataset.train, optimizer, **experiment.fit_options(dataset))
    return watching.run


def others(seed: int) -> Iterator[Run]:
    """What no twin has: layers with a mode, and other optimisers."""
    digits = load_digits()
    middle = (lambda: Dropout(0.5), lambda: BatchNorm(30), lambda: LayerNorm(30), Tanh)
    for make in middle:
        for optimizer in (SGD(0.1, l2=1.0), Momentum(0.05), Adam(1e-2)):
            network = Sequential(Dense(64, 30), make(), ReLU(), Dense(30, 10), loss=CrossEntropy(), seed=seed)
            with nndebug.watch(network) as watching:
                fit(network, digits.train, optimizer, batch=10)
            yield watching.run


def figures(run: Run) -> dict[str, float]:
    """The figures of one run: the largest, but for `leftover` the smallest, as far as each was recorded."""
    slope, claimed = run.series("replay.slope"), run.series("replay.claimed")
    size = np.maximum(np.abs(slope.values), np.abs(claimed.values))
    off = np.abs(slope.values - claimed.values)[size > 0] / size[size > 0]
    errors = [run.series("update.error", name).maximum for name in run.where("update.error")]
    return {
        "off": float(np.sort(off)[-3]) if len(off) >= 3 else np.nan,  # the rule wants three steps
        "leftover": run.series("replay.leftover").maximum,
        "uphill": float(np.count_nonzero(slope.values > 0)),
        "error": max(errors, default=np.nan),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    twins = {repr(sorted(f.healthy.items(), key=str)): short(f) for f in FAULTS.values()}
    healthy = [figures(watched(fault.fixed(seed))) for fault in twins.values() for seed in seeds]
    healthy += [figures(run) for seed in seeds for run in others(seed)]
    print(f"{len(healthy)} healthy runs; {setting.versions(nndebug)}")
    for name, faults in PLANTED.items():
        right = np.array([f[name] for f in healthy])
        edge = np.nanmin(right) if name == "leftover" else np.nanmax(right)
        sick = np.array(
            [figures(watched(short(FAULTS[f]).experiment(s)))[name] for f in faults for s in seeds]
        )
        print(f"{name:9} healthy {'at least' if name == 'leftover' else 'at most'} {edge:.2g};", end=" ")
        print(
            f"{len(faults)} faults: {np.nanmin(sick):.2g} to {np.nanmax(sick):.2g}, median {np.nanmedian(sick):.2g}"
        )


if __name__ == "__main__":
    main()
