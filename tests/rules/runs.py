"""Runs made by hand: a manifest, series and epoch arrays, as a recorder would have left them."""

import numpy as np

from nndebug.registry import find_rule
from nndebug.run import Run

SITES = [
    {
        "name": "hidden1",
        "kind": "dense",
        "activation": "relu",
        "inputs": 784,
        "units": 30,
        "parameters": ["weight", "bias"],
    },
    {
        "name": "output",
        "kind": "dense",
        "activation": "sigmoid",
        "inputs": 30,
        "units": 10,
        "parameters": ["weight", "bias"],
    },
]
MANIFEST = {
    "sites": SITES,
    "network": {"description": "784 → 30 relu → 10 sigmoid", "dtype": "float32"},
    "loss": "quadratic",
    "loss_at_chance": 0.45,
    "classes": 10,
    "class_shares": [0.1] * 10,
    "validation_counts": [98, 102, 100, 100, 100, 100, 100, 100, 100, 100],
    "optimizer": {"kind": "sgd", "rate": 0.1, "l2": 0.0},
}
CHECKS = [0, 5, 10, 50, 100, 200, 400, 800]
"""States at which the probe is measured in these runs."""


def make_run(series=None, *, epochs=None, events=(), steps=1000, learns=None, **manifest):
    """A run.

    Args:
        series: (site, name) → {step: value}, or a list of values at the steps of `CHECKS`.
        epochs: number → (step, arrays); one empty epoch after birth if None.
        events: rows of the kind "event".
        steps: updates done.
        learns: True adds a probe loss that falls to 0.02, False one that stays at chance.
    """
    run = Run({**MANIFEST, **manifest})
    table = dict(series or {})
    if learns is not None:
        table["run", "probe.loss"] = [0.46, 0.45, 0.44, 0.3, 0.2, 0.1, 0.05, 0.02] if learns else [0.5] * 8
    for (site, name), points in table.items():
        items = points.items() if isinstance(points, dict) else zip(CHECKS, points, strict=False)
        for step, value in items:
            run.add({"kind": "probe", "step": step, "data": {site: {name: value}}})
    run.add({"kind": "step", "step": steps - 1, "data": {"run": {"learning_rate": 0.1}}})
    for event in events:
        run.add({"kind": "event", **event})
    for number, (step, arrays) in (epochs or {0: (0, {}), 1: (steps, {})}).items():
        run.add_epoch(number, step, arrays)
    return run


def dead(died_at, site="hidden1", steps=1000):
    """Epochs whose last one holds these steps of death (-1: alive)."""
    return {
        0: (0, {}),
        1: (steps, {f"{site}/died_at": np.array(died_at), f"{site}/dead": np.array(died_at) >= 0}),
    }


def symptoms(code, run):
    """What one rule yields."""
    return list(find_rule(code)(run))


def one(code, run):
    """The single symptom of a rule."""
    found = symptoms(code, run)
    assert len(found) == 1, found
    return found[0]
