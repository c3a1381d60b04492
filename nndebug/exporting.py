"""A run's figures in the forms of other tools: CSV, Parquet, TensorBoard, MLflow, W&B offline.

Every form holds the same rows: a step, a place in the network, a quantity, its value. Each tool's own library writes it.
"""

from __future__ import annotations

import csv
import importlib
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UserError

if TYPE_CHECKING:
    from .findings import CheckResult
    from .run import Run

COLUMNS = ("step", "site", "name", "value")


def rows(run: Run) -> Iterator[tuple[int, str, str, float]]:
    """All recorded figures: step, site, quantity, value; NaN and infinities included."""
    places = [
        "run",
        *(p for s in run.sites for p in (s.name, *(f"{s.name}.{name}" for name in s.parameters))),
    ]
    for site in places:
        for name in run.names(site):
            for step, value in run.series(name, site):
                yield step, site, name, value


def export(run: Run, result: CheckResult, to: str, folder: Path) -> Path:
    """Writes a run's figures, and what was found in it, for another tool.

    Args:
        run: the run.
        result: its check; the verdict goes along where the tool has a place for it.
        to: one of `FORMS`.
        folder: where to; made if it is missing.

    Returns:
        What was written: a file, or the folder that the tool is to be pointed at.

    Raises:
        UserError: the tool's library is not installed.
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return FORMS[to](run, result, folder)


def _csv(run: Run, result: CheckResult, folder: Path) -> Path:
    path = folder / "figures.csv"
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows((step, site, name, repr(value)) for step, site, name, value in rows(run))
    return path


def _parquet(run: Run, result: CheckResult, folder: Path) -> Path:
    arrow, parquet = _library("pyarrow", "parquet"), _library("pyarrow.parquet", "parquet")
    columns = list(zip(*rows(run))) or [(), (), (), ()]
    types = (arrow.int64(), arrow.dictionary(arrow.int32(), arrow.string()))
    texts = [arrow.array([_text(v) for v in columns[i]], arrow.string()).dictionary_encode() for i in (1, 2)]
    arrays = [arrow.array(columns[0], types[0]), *texts, arrow.array(columns[3], arrow.float64())]
    table = arrow.table(dict(zip(COLUMNS, arrays))).replace_schema_metadata(
        {"verdict": _text(result.verdict)}
    )
    path = folder / "figures.parquet"
    parquet.write_table(table, path)
    return path


def _tensorboard(run: Run, result: CheckResult, folder: Path) -> Path:
    writer = _library("tensorboardX", "tensorboard").SummaryWriter(str(folder))
    try:
        writer.add_text("verdict", _text(result.verdict), run.steps)
        for step, site, name, value in rows(run):
            writer.add_scalar(f"{_text(site)}/{name}", value, step)
    finally:
        writer.close()
    return folder


_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. /")
_BATCH = 1000  # metrics in one call of MLflow, its limit


def _mlflow(run: Run, result: CheckResult, folder: Path) -> Path:
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow, entities = _library("mlflow", "mlflow"), _library("mlflow.entities", "mlflow")
    client = mlflow.MlflowClient(tracking_uri=folder.resolve().as_uri())
    name = _text(run.manifest.get("name") or "run")
    known = client.get_experiment_by_name("nndebug")
    experiment = known.experiment_id if known else client.create_experiment("nndebug")
    made = client.create_run(experiment, run_name=name).info.run_id
    client.set_tag(made, "verdict", _text(result.verdict))
    for key, value in _settings(run).items():
        client.log_param(made, key, value)
    metrics = [
        entities.Metric("".join(c if c in _ALLOWED else "_" for c in f"{site}/{name}")[:250], value, 0, step)
        for step, site, name, value in rows(run)
    ]
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(made, metrics=metrics[start : start + _BATCH])
    client.set_terminated(made)
    return folder


def _wandb(run: Run, result: CheckResult, folder: Path) -> Path:
    wandb = _library("wandb", "wandb")
    made = wandb.init(
        mode="offline",
        dir=str(folder),
        project="nndebug",
        name=_text(run.manifest.get("name") or "run"),
        config=_settings(run),
        settings=wandb.Settings(silent=True, console="off", x_disable_stats=True, disable_git=True),
    )
    steps: dict[int, dict[str, float]] = {}
    for step, site, name, value in rows(run):
        steps.setdefault(step, {})[f"{_text(site)}/{name}"] = value
    for step in sorted(steps):
        made.log(steps[step], step=step)
    made.summary["verdict"] = _text(result.verdict)
    made.finish()
    return folder / "wandb"


FORMS: Mapping[str, Callable[[Run, CheckResult, Path], Path]] = {
    "csv": _csv,
    "parquet": _parquet,
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
}


def _settings(run: Run) -> dict[str, str]:
    found = {}
    for key in ("loss", "batch", "epochs", "seed", "samples", "network", "optimizer"):
        value = run.manifest.get(key)
        for name, item in value.items() if isinstance(value, Mapping) else (("", value),):
            if isinstance(item, str | int | float) and not (
                isinstance(item, float) and not math.isfinite(item)
            ):
                found[f"{key}.{_text(name)}" if name else key] = _text(item)[:500]
    return found


def _text(value: object) -> str:
    """Characters that no encoding has (lone surrogates) become question marks; NUL, which no tool takes, too."""
    return str(value).encode("utf-8", "replace").decode("utf-8").replace("\0", "?")


def _library(name: str, to: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing = name.partition(".")[0]
        raise UserError(
            f"--to {to} needs {missing}, which is not installed", help="pip install 'nndebug[export]'"
        ) from error
