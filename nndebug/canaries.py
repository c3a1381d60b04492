"""A recorded run for every rule on which it must fire: canaries.json beside this file, made by scripts/make_canaries.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .preflight.result import Preflight
from .registry import find_rule
from .run import Run
from .strict_json import decode, encode, revive

FILE = Path(__file__).with_suffix(".json")


TOLD: Mapping[str, Mapping[str, Any]] = {
    "NND901": {"unused": ("NND201 of hidden1",)},
    "NND903": {"crashed": ("NND201: ZeroDivisionError",)},
}
"""What rules about the check itself are told by it: no run has it."""


def fires(code: str) -> str:
    """What is wrong with a rule on its canary; empty if it fires."""
    data = {"manifest": {}} if code in TOLD else canaries().get(code)
    if data is None:
        return f"{code} has no canary: python scripts/make_canaries.py makes them of the rules' tests"
    try:
        found = list(find_rule(code).function(replayed(data), **TOLD.get(code, {})))
    except Exception as error:
        return f"{code} crashes on its canary: {type(error).__name__}: {error}"
    return "" if found else f"{code} does not fire on its canary, a run that has what it looks for"


@cache
def canaries() -> Mapping[str, Any]:
    """Rule code → a run as plain data."""
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return found


def plain(run: Run) -> dict[str, Any]:
    """A run as plain data: manifest, preflight, series, events, arrays of epochs."""
    sites = ["run", *(s.name for s in run.sites), *(f"{s.name}.{p}" for s in run.sites for p in s.parameters)]
    series = []
    for site in dict.fromkeys(sites):
        for name in run.names(site):
            column = run.series(name, site)
            points = [[int(step), float(value)] for step, value in zip(column.steps, column.values)]
            series.append([site, name, points])
    epochs = [
        [epoch.number, epoch.step, {name: [a.tolist(), str(a.dtype)] for name, a in epoch.arrays.items()}]
        for epoch in run.epochs
    ]
    data = {
        "manifest": run.manifest,
        "steps": run.steps,
        "series": series,
        "events": list(run.events),
        "epochs": epochs,
    }
    if run.preflight is not None:
        data["preflight"] = run.preflight.to_json()
    found: dict[str, Any] = json.loads(encode(data))
    return found


def replayed(data: Mapping[str, Any]) -> Run:
    """The run again."""
    data = revive(decode(json.dumps(data)))
    run = Run(data["manifest"])
    if "preflight" in data:
        run.preflight = Preflight.from_json(data["preflight"])
    for site, name, points in data.get("series", ()):
        for step, value in points:
            run.add({"kind": "probe", "step": step, "data": {site: {name: value}}})
    if run.steps < data.get("steps", 0):
        run.add({"kind": "step", "step": data["steps"] - 1, "data": {}})
    for event in data.get("events", ()):
        run.add({**event, "kind": "event"})
    for number, step, arrays in data.get("epochs", ()):
        run.add_epoch(
            number, step, {name: np.array(values, dtype) for name, (values, dtype) in arrays.items()}
        )
    return run
