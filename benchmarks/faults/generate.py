"""Plants every kind of fault into random healthy experiments: `python -m benchmarks.faults.generate OUT --count 2000`

Experiment n is drawn by its number (`healthy.py`) and gets the fault kind that its turn is (`planting.py`). It is trained twice:
healthy, and faulty under watch into `OUT/NNNNN`. `truth.json` beside the run says what was planted, where, and whether
it shows: whether the healthy one reached its goal and the faulty one fell well short of it. Stopping and starting again goes on where it was; several
processes may share the work (`--part 1/2`). A run takes some seconds, nothing is printed but the progress.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it also runs as a file

import numpy as np

import benchmarks.setting  # noqa: F401  (fixes the number of threads)
import nndebug
from benchmarks.faults.healthy import Spec, healthy
from benchmarks.faults.planting import PLANTS
from benchmarks.faults.sources import SOURCES
from network import NetworkError, fit
from network.experiment import Experiment
from network.experiment.metric import measure

SMALLEST = 0.05
"""Below the goal by so much is more than seeds differ by: those of healthy experiments reach it nearly always."""


def train(
    source: str, spec: Spec, seed: int = 0, folder: Path | None = None, watch: bool = False
) -> tuple[float, nndebug.CheckResult | None]:
    """Trains an experiment.

    Args:
        source: its data set.
        spec: what to train.
        seed: of initial values and order.
        folder: where the run goes, if it is watched.
        watch: whether it is.

    Returns:
        The metric on the held-out part (minus infinity if it is not finite), and what was found.
    """
    raw = SOURCES[source].load(spec["data"]["seed"])
    experiment = Experiment.from_dict({**spec, "train": {**spec["train"], "seed": seed}})
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        network, optimizer, loaded = experiment.build(data=raw)
        options = experiment.fit_options(loaded)
        result = None
        if watch:
            with nndebug.watch(network, folder, preflight=True, report=False) as watching:
                fit(network, loaded.train, optimizer, validation=loaded.test, **options)
            result = watching.result
        else:
            fit(network, loaded.train, optimizer, **options)
        # Labels as the data has them: preprocessing may have spoiled those that the loss takes.
        reached = measure(spec["metric"], network, *loaded.test, raw.test[1])
    return (-math.inf if reached is None or not np.isfinite(reached) else reached), result


def make(number: int, folder: Path, sources: tuple[str, ...] = tuple(SOURCES)) -> dict[str, Any]:
    """One experiment with its fault, trained and written down."""
    source, spec = healthy(number, sources)
    kinds = list(PLANTS)
    rng = np.random.default_rng([number, 1])
    # The kind whose turn it is, or the next that this experiment can have.
    for turn in range(len(kinds)):
        kind = kinds[(number + turn) % len(kinds)]
        faulty = copy.deepcopy(spec)
        layers = PLANTS[kind](faulty, rng)
        if layers is not None:
            break
    truth: dict[str, Any] = {
        "number": number,
        "source": source,
        "kind": kind,
        "layers": layers,
        "goal": SOURCES[source].goal,
    }
    try:
        truth["healthy"], _ = train(source, spec)
        truth["faulty"], _ = train(source, faulty, folder=folder, watch=True)
    except (NetworkError, ValueError) as error:
        return {**truth, "refused": str(error), "shows": False}
    truth["well"] = truth["healthy"] >= truth["goal"]
    truth["shows"] = truth["well"] and truth["faulty"] < truth["goal"] - SMALLEST
    return {**truth, "spec": faulty}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--part", default="1/1", help="K/N: every N-th experiment, from the K-th on")
    parser.add_argument("--sources", nargs="+", default=list(SOURCES), choices=SOURCES)
    arguments = parser.parse_args()
    part, parts = map(int, arguments.part.split("/"))
    numbers = range(arguments.first + part - 1, arguments.first + arguments.count, parts)
    for number in numbers:
        folder = arguments.out / f"{number:05d}"
        if (folder / "truth.json").exists():
            continue
        truth = make(number, folder, tuple(arguments.sources))
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(truth, indent=1, default=str).replace("-Infinity", '"-Infinity"')
        (folder / "truth.json").write_text(text, encoding="utf-8")
        shows = "shows" if truth["shows"] else "refused" if "refused" in truth else "does not show"
        print(f"{number:5d} {truth['source']:14} {truth['kind']:34} {shows}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
