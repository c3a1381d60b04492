"""How far healthy runs stay from the thresholds of the rules that speak before training.

    python -m benchmarks.preflight_margins                    # digits and scikit-learn's bundled tables
    NNDEBUG_DATA=DIR python -m benchmarks.preflight_margins   # and MNIST

Each run is trained for a few epochs too, and counts as healthy if its held-out result says so (`GOOD`). Printed are the
quantiles of what the rules compare with their thresholds, and every error or warning on a healthy run, which would be a
fault of a rule.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import nndebug
from network import (
    GELU,
    SGD,
    Adam,
    BatchNorm,
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    Dropout,
    LayerNorm,
    Momentum,
    Quadratic,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
    evaluate,
    fit,
)
from network.data import load_digits, load_mnist

GOOD = {"digits": 0.85, "mnist": 0.8, "wine": 0.85, "breast_cancer": 0.85, "iris": 0.8, "diabetes": 0.2}
"""Held-out accuracy, or R², from which on a run counts as healthy."""

ACTIVATIONS = {"relu": ReLU, "tanh": Tanh, "sigmoid": Sigmoid, "gelu": GELU}
RATES = {"sgd": (0.05, 0.1, 0.3), "momentum": (0.01, 0.03), "adam": (1e-3, 3e-3, 1e-2)}
OPTIMIZERS = {"sgd": SGD, "momentum": Momentum, "adam": Adam}

Data = tuple[tuple[Any, Any], tuple[Any, Any]]


def data_sets() -> dict[str, Data]:
    """Training and held-out part of every set, as a user would prepare them."""
    from sklearn import datasets

    digits = load_digits()
    found: dict[str, Data] = {"digits": (digits.train, digits.test)}
    for name in ("wine", "breast_cancer", "iris", "diabetes"):
        bunch = getattr(datasets, f"load_{name}")()
        order = np.random.default_rng(0).permutation(len(bunch.data))
        x, y = bunch.data[order], bunch.target[order]
        cut = int(0.8 * len(x))
        x = (x - x[:cut].mean(axis=0)) / x[:cut].std(axis=0)
        if name == "diabetes":
            y = ((y - y[:cut].mean()) / y[:cut].std())[:, None]
        found[name] = (x[:cut], y[:cut]), (x[cut:], y[cut:])
    if folder := os.environ.get("NNDEBUG_DATA"):
        mnist = load_mnist(Path(folder))
        train = tuple(part[:6000] for part in mnist.train)
        found["mnist"] = train, tuple(part[:1000] for part in mnist.test)  # type: ignore[assignment]
    return found


def runs(count: int) -> Iterator[tuple[str, Sequential, Any, dict[str, Any], Data]]:
    """Random experiments of sane choices: name of the data, network, optimiser, options of `fit`, data."""
    sets = data_sets()
    for seed in range(count):
        rng = np.random.default_rng([7, seed])
        name = list(sets)[seed % len(sets)]
        train, _ = sets[name]
        features, classes = train[0].shape[1], 1 if name == "diabetes" else int(train[1].max()) + 1
        hidden, kind = int(rng.integers(1, 5)), str(rng.choice(list(ACTIVATIONS)))
        if kind == "sigmoid":
            hidden = min(hidden, 2)
        init = "he" if kind in ("relu", "gelu") else "xavier"
        layers: list[Any] = []
        width, extra = features, str(rng.choice(["none", "none", "dropout", "batch_norm", "layer_norm"]))
        for _ in range(hidden):
            units = int(rng.choice([16, 30, 64, 100]))
            layers.append(Dense(width, units, init=init))
            layers += {"batch_norm": [BatchNorm(units)], "layer_norm": [LayerNorm(units)]}.get(extra, [])
            layers.append(ACTIVATIONS[kind]())
            layers += [Dropout(0.2)] if extra == "dropout" else []
            width = units
        outputs = 1 if name == "breast_cancer" else classes
        layers.append(Dense(width, outputs, init="xavier"))
        loss = {"diabetes": Quadratic, "breast_cancer": BinaryCrossEntropy}.get(name, CrossEntropy)()
        optimizer = str(rng.choice(list(OPTIMIZERS)))
        rate = float(rng.choice(RATES[optimizer]))
        options = {"batch": int(rng.choice([8, 10, 16, 32, 64])), "seed": seed}
        steps = 3000 if kind == "sigmoid" else 1500
        options["epochs"] = max(3, min(100, steps * options["batch"] // len(train[0])))
        yield (
            name,
            Sequential(*layers, loss=loss, seed=seed),
            OPTIMIZERS[optimizer](rate),
            options,
            sets[name],
        )


def quality(network: Sequential, held: tuple[Any, Any]) -> float:
    found = evaluate(network, held)
    if found.accuracy is not None:
        return found.accuracy
    return 1 - 2 * found.loss / float(np.var(held[1]))


def main(count: int = 60, seconds: float = 20.0) -> None:
    margins: dict[str, list[float]] = defaultdict(list)
    alarms: Counter[str] = Counter()
    infos: Counter[str] = Counter()
    healthy = 0
    for name, network, optimizer, options, (train, held) in runs(count):
        with np.errstate(all="ignore"), nndebug.watch(network, preflight=seconds, strict=True) as watching:
            fit(network, train, optimizer, validation=held, **options)
        if quality(network, held) < GOOD[name]:
            continue
        healthy += 1
        before, result = watching.run.preflight, watching.result
        if before is None or result is None:
            continue
        for finding in result.findings:
            told = f"{finding.code} {finding.name}"
            if finding.severity is nndebug.findings.Severity.INFO:
                infos[told] += 1
            else:
                alarms[
                    f"{told}: {name}, {network.describe()}, {optimizer.kind} {optimizer.rate:g}: {finding.message}"
                ] += 1
        figures = before.measurements
        margins["505 loss left of twenty samples"].append(figures["overfit"]["share"])
        margins["508 loss with inputs over loss with zeros"].append(
            figures["overfit"]["reached"] / figures["overfit"]["blind"]
        )
        labels = figures["labels"]
        margins["705 standard errors above knowing nothing"].append(
            (labels["score"] - labels["baseline"]) / labels["error"]
        )
        batch = figures["batch"]["sizes"].values()
        margins["003 relative difference between batch sizes"].append(max(f["output"] for f in batch))
        margins["008 growth of the gradient on four times the rows"].append(
            figures["reduction"]["gradient_growth"][-1]
        )
        from nndebug.rules.trying import stable_interval

        interval = stable_interval(figures["sweep"])
        if interval:
            margins["410 rate over lowest"].append(figures["sweep"]["rate"] / interval.low)
            margins["410 highest over rate"].append(interval.high / figures["sweep"]["rate"])
    print(f"{healthy} of {count} runs are healthy by their held-out result")
    for what, values in sorted(margins.items()):
        low, middle, high = np.quantile(values, (0, 0.5, 1))
        print(f"{what:52} {low:10.3g} {middle:10.3g} {high:10.3g}   (least, median, most)")
    print("infos on them: " + ", ".join(f"{code} × {n}" for code, n in infos.most_common()) or "none")
    print(f"errors and warnings on them: {sum(alarms.values())}")
    for alarm in alarms:
        print("  ", alarm)


if __name__ == "__main__":
    main()
