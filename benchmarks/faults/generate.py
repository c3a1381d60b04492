"""Plants every kind of fault into random healthy experiments: `python -m benchmarks.faults.generate OUT --count 500`

Experiment n is drawn by its number (`healthy.py`) and made brief. It is trained; if it reaches the goal of its data set, six
kinds of faults are planted into it (`planting.py`), each trained under watch into `OUT/NNNNN/KIND`; to be healthy is one of the
kinds. They are those that have been seen least so far. `truth.json` beside a run says what was planted, where, and whether
it shows: whether the metric fell well short of the goal.

Experiments are split before anything is trained: one data set is left out, every third of the others is for the test.
Stopping and starting again goes on where it was. `gather.py` reads the folders, `fit.py` what it gathers. At the end, and at once
with `--count 0`, the share of runs that were left out is printed by kind.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import benchmarks.setting  # noqa: F401  (fixes the number of threads; before NumPy)
import nndebug
from benchmarks.faults.healthy import Spec, healthy
from benchmarks.faults.planting import PLANTS
from benchmarks.faults.sources import SOURCES
from network import NetworkError, fit
from network.experiment import Experiment
from network.experiment.metric import measure
from nndebug.preflight.running import PARTS
from nndebug.weighing import HEALTHY

SMALLEST = 0.05
"""Below the goal by so much is more than seeds differ by: those of healthy experiments reach it nearly always."""
FIRST = 10_000
"""The experiments before it belong to the benchmark of false alarms."""
LEFT_OUT = "mnist"
"""The data set that nothing is fitted to."""
TOO_LONG = {"digit-images"}
"""Data sets that are not used: a convolutional network takes three times as long as another."""
KINDS_EACH = 6
STEPS = {True: 300, False: 600}
"""Most updates of an experiment, by whether a linear model does its task."""
SHORTEST = 4
"""Epochs; with fewer, one epoch would be no fault."""
NOT_SHOWN = 0.6
"""What a run whose fault did not show counts towards the turns of its kind."""
PROVEN = {
    *("wrong_update_sign", "missing_zero_grad", "frozen_parameters"),
    *("constant_init", "target_shape_broadcast", "wrong_axis"),
}
"""Kinds that are proven nearly always: there is little to fit, so that in training each counts four times."""


def split(number: int, source: str) -> str:
    """What an experiment is for."""
    return "left out" if source == LEFT_OUT else "test" if number % 3 == 2 else "train"


def brief(source: str, spec: Spec) -> Spec:
    """The experiment with fewer updates, and with ReLU for GELU, which takes five times as long."""
    short, rows = copy.deepcopy(spec), SOURCES[source].rows
    most, train = STEPS[SOURCES[source].flat], short["train"]
    train["batch_size"] = max(train["batch_size"], math.ceil(rows * SHORTEST / most))
    steps = math.ceil(rows / train["batch_size"])
    train["epochs"] = max(SHORTEST, min(train["epochs"], most // steps))
    for layer in short["model"]["layers"]:
        if layer.get("activation") == "gelu":
            layer["activation"] = "relu"
    return short


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


@contextmanager
def without_gradient_check(spec: Spec) -> Iterator[None]:
    """Leaves the check of gradients out of the preflight, where they are the core's own: it takes half of the time."""
    kept = dict(PARTS)
    if not spec["train"].keys() & {"gradient_sign", "zero_grad"}:
        PARTS.pop("gradcheck", None)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        PARTS.update(kept)  # type: ignore[attr-defined]


def plant(kind: str, number: int, spec: Spec) -> tuple[Spec, list[str]] | None:
    """The experiment with a fault of this kind, and the faulty layers; None where it cannot have it."""
    faulty = copy.deepcopy(spec)
    if kind == HEALTHY:
        return faulty, []
    layers = PLANTS[kind](faulty, np.random.default_rng([number, list(PLANTS).index(kind)]))
    return None if layers is None else (faulty, layers)


def turns(number: int, spec: Spec, seen: Counter[str]) -> list[str]:
    """The kinds that are planted into an experiment: those that it can have and that were seen least."""
    rng = np.random.default_rng([number, len(PLANTS)])
    possible = [kind for kind in rng.permutation([*PLANTS, HEALTHY]) if plant(kind, number, spec)]
    return sorted(possible, key=lambda kind: seen[kind])[:KINDS_EACH]


def make(kind: str, number: int, source: str, spec: Spec, folder: Path) -> dict[str, Any]:
    """An experiment with one fault, or as it is (`healthy`), trained under watch; what is known of it."""
    planted = plant(kind, number, spec)
    if planted is None:
        raise ValueError(f"experiment {number} cannot have {kind}")
    faulty, layers = planted
    goal, started = SOURCES[source].goal, time.process_time()
    truth = {
        "number": number,
        "source": source,
        "split": split(number, source),
        "kind": kind,
        "layers": layers,
    }
    try:
        with without_gradient_check(faulty):
            metric, _ = train(source, faulty, folder=folder, watch=True)
    except (NetworkError, ValueError) as error:
        return {**truth, "refused": str(error), "shows": False, "spec": faulty}
    short = metric >= goal if kind == HEALTHY else metric < goal - SMALLEST
    reached = metric if math.isfinite(metric) else None
    seconds = round(time.process_time() - started, 2)
    return {**truth, "goal": goal, "metric": reached, "shows": short, "seconds": seconds, "spec": faulty}


def write(folder: Path, truth: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(truth, indent=1, allow_nan=False) + "\n"
    (folder / "truth.json").write_text(text, encoding="utf-8")


def count(truth: dict[str, Any], seen: dict[bool, Counter[str]]) -> None:
    """Counts a run towards the turns of its kind, in training (true) or in the test."""
    training, kind = truth["split"] == "train", truth["kind"]
    turns = 1.0 if truth["shows"] else NOT_SHOWN
    seen[training][kind] += 4 * turns if training and kind in PROVEN else turns  # type: ignore[assignment]


def known(out: Path) -> Iterator[dict[str, Any]]:
    """The truths written so far, in order."""
    for path in sorted(out.glob("*/*/truth.json")):
        yield json.loads(path.read_text("utf-8"))


def shares(truths: list[dict[str, Any]]) -> list[str]:
    """What became of every kind: how many were made, refused by the core, and left out since the fault did not show."""
    lines = ["| kind | made | refused | did not show | kept |", "|---|---|---|---|---|"]
    for kind in sorted({truth["kind"] for truth in truths}):
        own = [truth for truth in truths if truth["kind"] == kind]
        refused, shown = sum("refused" in truth for truth in own), sum(truth["shows"] for truth in own)
        left = len(own) - refused - shown
        share = f"{left} ({left / (len(own) - refused):.0%})" if len(own) > refused else "-"
        lines.append(f"| {kind} | {len(own)} | {refused} | {share} | {shown} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--first", type=int, default=FIRST)
    parser.add_argument("--count", type=int, default=500)
    arguments = parser.parse_args()
    seen: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for truth in known(arguments.out):
        count(truth, seen)
    for number in range(arguments.first, arguments.first + arguments.count):
        source, spec = healthy(number)
        spec, place = brief(source, spec), arguments.out / f"{number:05d}"
        if (place / "done").exists() or source in TOO_LONG:
            continue
        well = train(source, spec)[0] >= SOURCES[source].goal
        counts = seen[split(number, source) == "train"]
        for kind in turns(number, spec, counts) if well else ():
            if (place / kind / "truth.json").exists():
                continue
            truth = make(kind, number, source, spec, place / kind)
            count(truth, seen)
            write(place / kind, truth)
            shown = "shows" if truth["shows"] else "refused" if "refused" in truth else "does not show"
            print(f"{number} {source:12} {kind:34} {shown:14} {truth.get('seconds', 0)} s", flush=True)
        place.mkdir(parents=True, exist_ok=True)
        (place / "done").write_text("planted\n" if well else "not healthy\n", "utf-8")
    print("\n".join(shares(list(known(arguments.out)))))


if __name__ == "__main__":
    main()
