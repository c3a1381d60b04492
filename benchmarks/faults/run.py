"""What does nndebug say of faulty programs that others published, and of their fixed variants?

`python -m benchmarks.faults.run --cases DIR --mnist DIR --json OUT [--seeds 0 1 2] [--only NAME …] [--jobs 2] [--trials SECONDS]`

Every case is trained on the core, faulty and fixed, watched; what was found is written to OUT after every run. A
second start goes on where the first one stopped. `python -m benchmarks.faults.score OUT` reads it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # before NumPy is imported

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it also runs as a file

import numpy as np

import nndebug
from benchmarks.faults.cases import Case, Generator, generators, jobs, read
from network import NetworkError, fit
from network.data import Dataset
from network.experiment import Experiment
from network.experiment.metric import measure
from network.model import Sequential
from network.training import class_numbers
from nndebug.errors import UserError
from nndebug.trials.deciding import in_words, outcome

SCHEMA = 1
Result = dict[str, Any]


def trained(
    case: Case, variant: str, seed: int, generate: Generator, preflight: bool = True, trials: float = 0.0
) -> Result:
    """One watched training: its metric, and what was found in it, with trials of so many seconds."""
    spec, start = case.spec(variant, seed), time.process_time()
    raw = generate(spec["data"])
    experiment = Experiment.from_dict(spec)
    with np.errstate(all="ignore"):
        try:
            network, optimizer, dataset = experiment.build(data=raw)
            watching = nndebug.watch(network, preflight=preflight)
            with watching:
                fit(
                    network,
                    dataset.train,
                    optimizer,
                    validation=dataset.test,
                    **experiment.fit_options(dataset),
                )
                reached = {
                    key: _measured(spec[key], network, dataset, raw)
                    for key in ("metric", "reported_metric")
                    if key in spec
                }
                if reached.get("reported_metric") is not None:
                    # The number that the program itself prints.
                    part = _part(spec["reported_metric"], dataset)
                    watching.evaluated(reached["reported_metric"], *part)
        except NetworkError as error:
            return {"error": f"{type(error).__name__}: {error}"}
        result, passive = watching.result, {}
        if trials and result is not None:
            passive = {"passive": _found(result)["causes"]}
            found = _tried(watching.run, experiment, raw, trials)
            passive |= {"trials": found}
            result = nndebug.check(watching.run)
    seconds = round(time.process_time() - start, 2)
    return {**reached, **_found(result), **passive, "steps": watching.run.steps, "seconds": seconds}


def _tried(run: nndebug.Run, experiment: Experiment, raw: Dataset, seconds: float) -> Result | None:
    """What was tried, in words; None where there was nothing to decide."""
    try:
        found = nndebug.trials(run, experiment, data=raw, seconds=seconds)
    except UserError as error:
        return {"error": str(error)}
    if found is None:
        return None
    told = {
        trial.change: f"{in_words(found, trial)}: {outcome(found, trial).value}" for trial in found.trials
    }
    return {"seconds": found.seconds, "steps": found.steps, "tried": told, "not_tried": dict(found.not_tried)}


def _part(metric: Result, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    return dataset.test if metric.get("split", "test") == "test" else dataset.train


def _measured(metric: Result, network: Sequential, dataset: Dataset, raw: Dataset) -> float | None:
    """The metric; labels of the test part are those before preprocessing, which may spoil them."""
    x, y = _part(metric, dataset)
    outputs = network.twin().forward(x[:1]).shape[1]
    labels = raw.test[1] if metric.get("split", "test") == "test" else y
    if metric["name"] == "argmax_accuracy":
        labels = (
            np.zeros(len(y)) if y.ndim == 2 or outputs == 1 else y
        )  # the largest of one column is the first
    elif metric["name"] == "accuracy" and labels is y:
        found = class_numbers(y, outputs)
        labels = found if found is not None else y.reshape(len(y), -1).argmax(axis=1) if y.ndim > 1 else y
    return measure(metric, network, x, y, labels)


def _found(result: nndebug.CheckResult | None) -> Result:
    if result is None:
        return {"error": "the run could not be judged"}
    return {
        "verdict": result.verdict,
        "severity": result.severity.value if result.severity else None,
        "causes": [
            {
                "kind": str(cause.kind),
                "layer": cause.layer,
                "certainty": cause.certainty,
                "first_step": cause.first_step,
                "sentence": cause.sentence,
            }
            for cause in result.causes
        ],
        "findings": [
            {
                "code": f.code,
                "name": f.name,
                "severity": f.severity.value,
                "site": f.site,
                "message": f.message,
            }
            for f in result.findings
        ],
        "crashed": [f"{skipped.code}: {skipped.reason}" for skipped in result.crashed],
    }


# --- many runs ------------------------------------------------------------------------------------------------------

_WORKER: dict[str, Any] = {}


def _prepare(folder: str, mnist: str | None, preflight: bool, trials: float) -> None:
    _WORKER.update(generate=generators(Path(folder), mnist), preflight=preflight, trials=trials)


def _job(case: Case, variant: str, seed: int) -> Result:
    return trained(case, variant, seed, _WORKER["generate"], _WORKER["preflight"], _WORKER["trials"])


def results_of(path: Path) -> Result:
    """What was written so far.

    Raises:
        ValueError: the file is of another form.
    """
    if not path.exists():
        return {
            "schema": SCHEMA,
            "versions": {"nndebug": nndebug.__version__, "numpy": np.__version__},
            "cases": {},
        }
    content: Result = json.loads(path.read_text("utf-8"))
    if content.get("schema") != SCHEMA:
        raise ValueError(f"{path} holds something else: give another file to --json")
    return content


def save(path: Path, content: Result) -> None:
    """Writes all at once, so that a kill leaves the last state."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(json.dumps(_finite(content), indent=1, allow_nan=False) + "\n", "utf-8")
    beside.replace(path)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _run_all(arguments: argparse.Namespace, content: Result) -> Iterator[tuple[int, str]]:
    """Makes the runs that are missing; yields how many are left, and what was done."""
    cases = [c for c in read(arguments.cases) if not arguments.only or c.name in arguments.only]
    done = content["cases"]
    for case in cases:
        entry = done.setdefault(case.name, {"runs": {}})
        entry.update(case.facts())
    todo = [
        (case, variant, seed)
        for case, variant, seed in jobs(cases, arguments.seeds)
        if str(seed) not in done[case.name]["runs"].get(variant, {})
    ]
    shared = (str(arguments.cases), arguments.mnist, not arguments.no_preflight, arguments.trials)
    with ProcessPoolExecutor(arguments.jobs, initializer=_prepare, initargs=shared) as pool:
        futures = {pool.submit(_job, *job): job for job in todo}
        for left, future in zip(range(len(todo) - 1, -1, -1), as_completed(futures), strict=True):
            case, variant, seed = futures[future]
            result = future.result()
            done[case.name]["runs"].setdefault(variant, {})[str(seed)] = result
            save(arguments.json, content)
            yield left, _line(case.name, variant, seed, result)


def _line(name: str, variant: str, seed: int, result: Result) -> str:
    if "error" in result:
        return f"{name} {variant} {seed}: {result['error']}"
    metric = result["metric"]
    reached = "not finite" if metric is None else f"{metric:.3g}"
    first = (
        f"{result['causes'][0]['kind']} {result['causes'][0]['layer'] or ''}"
        if result["causes"]
        else "nothing"
    )
    return f"{name} {variant} {seed}: {reached}; {first} ({result['seconds']:.0f} s)"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=Path, required=True, metavar="DIR", help="folder of cases (*.json)")
    parser.add_argument(
        "--mnist", metavar="DIR", default=os.environ.get("NNDEBUG_DATA"), help="the four MNIST files"
    )
    parser.add_argument(
        "--json", type=Path, required=True, metavar="OUT", help="where results go, and are taken up"
    )
    parser.add_argument("--seeds", type=int, nargs="+", help="instead of each case's own")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these cases only")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--no-preflight", action="store_true", help="judge by what is watched alone")
    parser.add_argument("--trials", type=float, default=0.0, metavar="SECONDS",
                        help="try the causes that are left, within so many seconds a run; `passive` is without")  # fmt: skip
    arguments = parser.parse_args()
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    content = results_of(arguments.json)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("runs", total=None)
        count = 0
        for count, (left, line) in enumerate(_run_all(arguments, content), 1):
            bar.update(task, total=count + left, completed=count)
            print(line, flush=True)
    save(arguments.json, content)
    print(f"{count} runs made; {arguments.json} holds {sum(_counts(content))}")


def _counts(content: Result) -> Iterator[int]:
    for case in content["cases"].values():
        yield from (len(runs) for runs in case["runs"].values())


if __name__ == "__main__":
    main()
