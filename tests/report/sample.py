"""Two runs written as a recorder writes them: the blog's network at a rate of 3.0, and the same at 0.1.

The figures follow a measured run (784-30-10, He, batch 10, seed 2, 8 epochs of 50,000 samples): one update moves
hidden1 by 6.2 standard deviations, 8 of its units die at once, 3 were dead at birth, every output goes to 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nndebug.findings import Cause, CheckResult, Finding, Severity, Skipped
from nndebug.histogram import ExponentHistogram
from nndebug.run import Run
from nndebug.signals import Site
from nndebug.storage import RunFolder

EPOCHS, STEPS_PER_EPOCH = 8, 5000
SITES = (
    Site("hidden1", "dense", "relu", 784, 30, ("weight", "bias")),
    Site("output", "dense", "sigmoid", 30, 10, ("weight", "bias")),
)


def manifest(healthy: bool = False, **changes: Any) -> dict[str, Any]:
    rate = 0.1 if healthy else 3.0
    return {
        "name": "blog-relu-fixed" if healthy else "blog-relu",
        "created": "2025-01-18T09:41:00",
        "command": f"nndebug train --data mnist --layers 784,30,10 --activation relu --lr {rate} --seed 2",
        "versions": {"nndebug": "0.1.0", "numpy": "2.4.6", "python": "3.11.7"},
        "network": {"description": "784 → 30 ReLU → 10 sigmoid", "parameters": 23860, "dtype": "float32"},
        "sites": [site.to_json() for site in SITES],
        "loss": "quadratic",
        "loss_at_chance": 0.45,
        "classes": 10,
        "class_shares": [0.099, 0.113, 0.099, 0.102, 0.097, 0.09, 0.099, 0.104, 0.097, 0.1],
        "optimizer": {"kind": "sgd", "rate": rate, "l2": 0.0},
        "batch": 10,
        "epochs": EPOCHS,
        "seed": 2,
        "samples": 50000,
        "probe_rows": 512,
        "image_shape": [28, 28],
        "init": {"weight": "he", "bias": "normal"},
        "status": "finished",
        "recording_seconds": 0.92,
        "training_seconds": 23.1,
        **changes,
    }


def sick(folder: Path, **changes: Any) -> tuple[Run, CheckResult]:
    """The run whose first update kills 8 of 30 units, and what is found in it."""
    return _write(folder, False, changes), sick_result()


def healthy(folder: Path, **changes: Any) -> tuple[Run, CheckResult]:
    """The same network at a rate at which it learns."""
    return _write(folder, True, changes), healthy_result()


def sick_result() -> CheckResult:
    overshoots = Finding(
        "NND411", "update-overshoots", Severity.ERROR, "hidden1",
        "moved by 6.2 standard deviations in one update (healthy: below 4)", 0, 0,
        {"series": [{"name": "shift", "site": "hidden1"}], "threshold": 4.0, "threshold_label": "healthy: below 4", "steps": [0, 0]},
        "lower the learning rate",
    )  # fmt: skip
    dead = Finding(
        "NND201", "dead-relu", Severity.ERROR, "hidden1",
        "11 of 30 units never fire on the training set: 8 since step 1, 3 since birth", 1, 40000,
        {"unit_map": "hidden1", "table": {"epoch": ["birth", *range(1, 9)], "dead": [3] + [11] * 8}},
        "lower the rate, or begin with smaller weights",
    )  # fmt: skip
    wrong_side = Finding(
        "NND204", "output-saturated-wrong", Severity.ERROR, "output",
        "every output 0: 10 % of entries saturated on the wrong side", 1, 40000,
        {"series": [{"name": "probe.wrong_side_share", "site": "output"}], "threshold": 0.02, "threshold_label": "healthy: below 2 %", "steps": [1, 40000]},
        "use cross-entropy, whose gradient does not vanish there",
    )  # fmt: skip
    collapse = Finding(
        "NND305", "gradient-collapse", Severity.ERROR, "hidden1.weight",
        "gradient collapses to 1e-4 of its start and below", 1, 40000,
        {"series": [{"name": "gradient.norm", "site": "hidden1.weight"}, {"name": "gradient.norm", "site": "output.weight"}], "threshold": 1e-3, "threshold_label": "1e-3 of its start", "steps": [1, 40000]},
        "find what saturated first",
    )  # fmt: skip
    learning = Finding(
        "NND501", "not-learning", Severity.ERROR, "run",
        "not learning: probe loss 0.50, no better than the class shares (0.45), epochs 1-8", 5000, 40000,
        {"series": [{"name": "probe.loss", "site": "run"}], "threshold": 0.405, "threshold_label": "0.9 × chance", "steps": [5000, 40000]},
        "see the cause",
    )  # fmt: skip
    findings = (overshoots, dead, wrong_side, collapse, learning)
    cause = Cause(
        "lr_too_high", "hidden1", 0, 0.97,
        "The learning rate is too high: the first step killed 8 of hidden1's 30 ReLU units.",
        tuple(f.fingerprint for f in findings),
        ruled_out=("LeakyReLU: the units die at one update, not by drifting (8 of 11 at step 1)",),
        help="lower the rate to 0.3 or clip gradients at 0.1 (both tried: learns on 3 of 3 seeds)",
    )  # fmt: skip
    return CheckResult(
        cause.sentence, Severity.ERROR, (cause,), findings,
        ("NND101", "NND205", "NND302", "NND303", "NND403", "NND502", "NND701", "NND702"),
        (Skipped("NND601", "metric-wrong", "never recorded: metric"), Skipped("NND506", "overfitting", "never recorded: validation.loss")),
        (Skipped("NND503", "initial-loss", "ignored by the caller"),), (), {"name": "blog-relu", "steps": 40000},
    )  # fmt: skip


def healthy_result() -> CheckResult:
    passed = "101 102 103 201 202 203 204 205 302 303 304 305 401 402 403 411 501 502 503 507 701 702"
    return CheckResult(
        "Nothing is wrong: 22 rules passed, 2 could not be checked.", None, (), (),
        tuple(f"NND{code}" for code in passed.split()),
        (Skipped("NND601", "metric-wrong", "never recorded: metric"), Skipped("NND506", "overfitting", "never recorded: validation.loss")),
        run={"name": "blog-relu-fixed", "steps": 40000},
    )  # fmt: skip


def _write(folder: Path, good: bool, changes: dict[str, Any]) -> Run:
    rng = np.random.default_rng(2)
    out = RunFolder.create(folder, manifest(good, **changes))
    out.append({"kind": "event", "event": "begin", "step": 0, "epoch": 1})
    steps = sorted({*range(50), *range(0, EPOCHS * STEPS_PER_EPOCH, 10)})
    for step in steps:
        epoch = step // STEPS_PER_EPOCH + 1
        decay = 1 / (1 + step / 400) if good else (1.0 if step == 0 else 1e-4 / (1 + step / 40))
        noise = lambda: float(np.exp(rng.normal(0, 0.5 if good else 1.6)))  # noqa: E731
        loss = (
            (0.04 + 0.5 * decay) * noise() ** 0.3
            if good
            else 0.5 + (1.4 if step == 0 else 0.001 * rng.normal())
        )
        data: dict[str, Any] = {"run": {"loss": loss, "learning_rate": 0.1 if good else 3.0}}
        for site, size in (("hidden1", 1.0), ("output", 0.6)):
            data[f"{site}.weight"] = {"gradient.norm": size * (0.2 + decay if good else decay) * noise()}
            data[f"{site}.bias"] = {"gradient.norm": 0.2 * size * decay * noise()}
            if step < 50 or step % 50 == 0:
                data[f"{site}.weight"] |= _tier1(
                    rng, 0.004 * noise() if good else 0.9 * decay * noise(), step, good
                )
                data[site] = {
                    "activation.mean": 0.4,
                    "activation.std": 1.1 + 0.2 * np.log1p(step / 100)
                    if good
                    else 2.4
                    if step == 0
                    else 6.1 + 0.05 * rng.normal(),
                    "preactivation.std": 1.4 if good else 8.8,
                    "shift": (0.3 * size * noise() * decay if good else 6.2 * size)
                    if step == 0 or good
                    else 9e-4 * decay**0.5 * noise(),
                }
        out.append({"kind": "step", "step": step, "epoch": epoch, "data": data})
        if step <= 20 or step % 500 == 0:
            out.append({"kind": "probe", "step": step, "epoch": epoch, "data": _probe(step, good, decay)})
        if step % STEPS_PER_EPOCH == 0 and step:
            _epoch_row(out, step // STEPS_PER_EPOCH, good, rng)
    _epoch_row(out, EPOCHS, good, rng)
    out.append(
        {
            "kind": "probe",
            "step": EPOCHS * STEPS_PER_EPOCH,
            "epoch": EPOCHS,
            "data": _probe(40000, good, 0.01),
        }
    )
    activity = np.clip(rng.beta(0.5, 0.9, 30), 0.01, 1)
    for number in range(EPOCHS + 1):
        out.write_epoch(number, _arrays(rng, number, activity, good), number * STEPS_PER_EPOCH)
    out.close()
    return Run.load(folder)


def _tier1(rng: np.random.Generator, ratio: float, step: int, good: bool) -> dict[str, float]:
    norm = 8.8 + step / 20000 if good else 8.8 if step == 0 else 12.4
    shape = {"mean": -0.001, "std": 0.05, "minimum": -0.21, "maximum": 0.24, "norm": norm}
    figures = {f"weight.{k}": v for k, v in shape.items()}
    figures |= {f"gradient.{k}": v * ratio * 0.1 for k, v in shape.items() if k != "norm"}
    return {**figures, "update_ratio": ratio, "update.norm": ratio * norm}


def _probe(step: int, good: bool, decay: float) -> dict[str, Any]:
    accuracy = 0.098 if not good else 0.12 + 0.84 * (1 - decay) ** 0.5
    loss = 0.03 + 0.5 * decay if good else 1.92 if step == 0 else 0.5
    return {
        "run": {"probe.loss": loss, "probe.accuracy": accuracy if step or not good else 0.11, "probe.top_class_share": 0.12 if good else 1.0},
        "hidden1": {"probe.silent_units": 1 if good else 11, "probe.zero_share": 0.5 if good else 0.8},
        "output": {"probe.wrong_side_share": 0.003 if good else 0.10 if step else 0.16},
    }  # fmt: skip


def _epoch_row(out: RunFolder, epoch: int, good: bool, rng: np.random.Generator) -> None:
    reached = 0.92 + 0.03 * (1 - 0.6**epoch) if good else 0.097
    values = {
        "train.loss": 0.06 if good else 0.5,
        "validation.loss": 0.08 if good else 0.5,
        "train.accuracy": reached + 0.01,
        "validation.accuracy": reached,
        "seconds": 2.9,
    }
    out.append({"kind": "epoch", "step": epoch * STEPS_PER_EPOCH, "epoch": epoch, "data": {"run": values}})


def _arrays(rng: np.random.Generator, epoch: int, activity: np.ndarray, good: bool) -> dict[str, np.ndarray]:
    dead = np.zeros(30, bool)
    dead[[4, 17, 26][: 1 if good else 3]] = True
    died_at = np.where(dead, 0, -1)
    if epoch and not good:
        fallen = [1, 6, 9, 12, 15, 20, 21, 28]
        dead[fallen], died_at[fallen] = True, 1
    share = np.where(
        dead,
        0.0,
        np.clip(activity * np.exp(rng.normal(0, 0.15, 30)), 0, 1) if good or not epoch else activity**3,
    )
    images = rng.normal(0, 0.05, (30, 28, 28))
    if good and epoch:
        y, x = np.mgrid[:28, :28]
        for image, (cy, cx, s) in zip(images, rng.uniform([6, 6, 2], [22, 22, 5], (30, 3))):
            image += 0.35 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / s**2) - 0.25 * np.exp(
                -((y - cx) ** 2 + (x - cy) ** 2) / s**2
            )
    counts = np.zeros((10, 10), int)
    shares = np.array(manifest()["class_shares"]) * 10000
    if good and epoch:
        counts = rng.poisson(6, (10, 10)) + np.diag((shares * 0.94).astype(int))
    else:
        counts[:, 0] = shares
    width = 1.4 * (1 + 0.1 * epoch) if good else 1.4 if not epoch else 8.8
    z = rng.normal(-0.2 if good else -2.0 * bool(epoch), width, (512, 30))
    out = rng.normal(-3 if good else -14 * bool(epoch), 2.0 * width, (512, 10))
    return {
        "hidden1/activity": share.astype(np.float32), "hidden1/dead": dead, "hidden1/died_at": died_at,
        "hidden1/preactivation.histogram": ExponentHistogram.of(z).to_array(),
        "hidden1/activation.histogram": ExponentHistogram.of(np.maximum(z, 0)).to_array(),
        "hidden1.weight/weight.histogram": ExponentHistogram.of(images).to_array(),
        "hidden1.weight/images": images.astype(np.float32),
        "output/preactivation.histogram": ExponentHistogram.of(out).to_array(),
        "output/activation.histogram": ExponentHistogram.of(1 / (1 + np.exp(-out))).to_array(),
        "output.weight/weight.histogram": ExponentHistogram.of(rng.normal(0, 0.26, 300)).to_array(),
        "run/confusion": counts,
        "run/hardest": np.array([[4502, 7.98, 1, 2], [4165, 3.55, 2, 2]] if good else [[i, 0.5, i, 0] for i in range(12)]),
        **({"run/hardest.images": np.stack([np.eye(28, dtype=np.uint8) * 255] * 2)} if good else {}),
    }  # fmt: skip
