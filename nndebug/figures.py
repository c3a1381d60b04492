"""A run in some forty numbers without a unit: how it learned, how far it moved, of what size everything is.

They are what certainties are measured over (see `facts.py`). A figure that a run does not have is left out; none of them is a
judgement. Sizes are relative (to chance, to the weight, to what keeps a signal's scale), so that runs can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .run import Run

Figures = dict[str, float]

EARLY = 20
"""Updates that count as the start."""
OF_THE_PREFLIGHT = {
    *("by heart: loss left", "by heart: best rate / rate", "by heart: blind / seeing"),
    *("by heart: loss left at its own rate", "labels' signal", "sweep: lowest rate that learns / rate"),
    *("sweep: best rate / rate", "sweep: best loss / start", "gradient's growth with the batch"),
    *("scales of the features", "target's deviation", "lowest target"),
}
"""Figures that need one."""


def figures(run: Run) -> Figures:
    """All figures of a run that can be had, by name; infinite where something overflowed."""
    found: Figures = {}
    with np.errstate(all="ignore"):
        for part in PARTS:
            try:
                found |= {name: float(value) for name, value in part(run).items() if value is not None}
            except (KeyError, TypeError, ValueError, AttributeError):
                continue  # a folder of another hand: what it does not tell is not known
    return {name: value for name, value in found.items() if not math.isnan(value)}


def _learning(run: Run) -> Mapping[str, float | None]:
    """Losses by the one of knowing nothing, and how they went."""
    loss, chance = run.series("probe.loss"), _number(run.manifest, "loss_at_chance")
    found: dict[str, float | None] = {}
    if loss and chance and chance > 0:
        last = loss.last if math.isfinite(loss.last) else math.inf
        found |= {
            "first loss / chance": loss.first / chance,
            "last loss / chance": last / chance,
            "best loss / chance": loss.minimum / chance,
            "last loss / first": _ratio(last, loss.first),
            "last loss / best": _ratio(last, loss.minimum),
            "last loss / loss at 3/4": _ratio(last, loss.at(int(0.75 * run.steps))),
            "learned in the first tenth": _learned(loss.first, loss.at(run.steps // 10), loss.minimum),
        }
        unseen = run.series("validation.loss")
        if unseen and unseen.last >= 0:
            found["validation loss / chance"] = unseen.last / chance
            found["validation loss / loss"] = _ratio(unseen.last, last)
            found["validation loss / its best"] = _ratio(unseen.last, unseen.minimum)
    majority = max(_numbers(run.manifest.get("class_shares")), default=1.0)
    for name, key in (("accuracy", "probe.accuracy"), ("validation accuracy", "validation.accuracy")):
        series = run.series(key)
        if series and majority < 1:
            found[f"{name} above chance"] = (series.last - majority) / (1 - majority)
    found["share of one class"] = run.series("probe.top_class_share").last
    return found


def _learned(first: float, then: float, best: float) -> float | None:
    return (first - then) / (first - best) if first > best else None


def _moving(run: Run) -> Mapping[str, float | None]:
    """How far updates go, at both ends of the network and of the training."""
    found: dict[str, float | None] = {"updates": run.steps, "epochs": _number(run.manifest, "epochs")}
    weights = _weights(run)
    for place, name in _ends(weights):
        ratio = run.series("update_ratio", name)
        early = ratio.before(EARLY)
        found[f"{place} update / weight, early"] = float(np.median(early.values)) if early else None
        found[f"{place} update / weight, late"] = ratio.median_last(5)
        found[f"{place} largest update / weight"] = ratio.maximum
        norm = run.series("gradient.norm", name)
        found[f"{place} gradient, late / early"] = _ratio(norm.median_last(10), norm.first)
        found[f"{place} gradient's zeros"] = run.series("gradient.zero_share", name).last
        size = run.series("weight.norm", name)
        found[f"{place} weight, last / first"] = _ratio(size.last, size.first)
    if len(weights) > 1:
        first, last = (run.series("gradient.std", weights[end]).before(EARLY) for end in (0, -1))
        if first and last and np.median(last.values) > 0:
            found["gradient, first / last layer"] = float(np.median(first.values) / np.median(last.values))
    shifts = [s.maximum for site in run.sites if (s := run.series("probe.shift", site.name))]
    found["largest shift"] = max(shifts, default=math.nan)
    loss = run.series("loss").finite
    if len(loss) > 20:
        tail = loss.values[len(loss) // 2 :]
        steps = np.diff(tail)
        found["noise of the loss"] = float(np.std(steps) / np.mean(np.abs(tail))) if tail.any() else None
    return found


def _sizes(run: Run) -> Mapping[str, float | None]:
    """Signals and weights, at the start and at the end."""
    found: dict[str, float | None] = {}
    sites = [site.name for site in run.sites if run.has("probe.preactivation.std", site.name)]
    for place, name in _ends(sites):
        z, variation = run.series("probe.preactivation.std", name), run.series("probe.variation", name)
        found[f"{place} pre-activations, first"] = z.first
        found[f"{place} pre-activations, last"] = z.last
        found[f"{place} variation, first"] = variation.first
        found[f"{place} variation, last"] = variation.last
    fans = {f"{site.name}.weight": site.inputs for site in run.sites}
    for place, name in _ends(_weights(run)):
        if fans.get(name):
            found[f"{place} weight × √inputs"] = run.series("weight.std", name).first * fans[name] ** 0.5
    hidden = run.sites[:-1]
    for what, key in (("saturated", "probe.saturated_share"), ("silent", "probe.silent_units")):
        series = [(site, s) for site in hidden if (s := run.series(key, site.name))]
        units = {site.name: site.units if what == "silent" else 1 for site, _ in series}
        for time, at in (("first", 0), ("last", -1)):
            shares = [float(s.values[at]) / max(1, units[site.name]) for site, s in series]
            found[f"hidden {what}, {time}"] = max(shares, default=math.nan)
    if run.sites:
        out = run.sites[-1].name
        found["outputs saturated, first"] = run.series("probe.saturated_share", out).first
        found["outputs saturated, last"] = run.series("probe.saturated_share", out).last
        found["outputs' zeros, last"] = run.series("probe.zero_share", out).last
    return found


def _setting(run: Run) -> Mapping[str, float | None]:
    """Rate, batch and data."""
    extent, optimizer = entry(run.manifest, "input"), entry(run.manifest, "optimizer")
    std, rate = _number(extent, "std"), _number(optimizer, "rate")
    bounds = [abs(b) for name in ("minimum", "maximum") if (b := _number(extent, name)) is not None]
    found: dict[str, float | None] = {
        "largest input": max(bounds, default=math.nan),
        "input's deviation": std,
        "rate": rate,
        "loss at chance": _number(run.manifest, "loss_at_chance"),
        "penalty": max([_number(optimizer, "l2") or 0.0, *_of_layers(run, "l1"), *_of_layers(run, "l2")]),
        "dropout": max(_of_layers(run, "dropout"), default=0.0),
        "epsilon": _number(optimizer, "epsilon"),
        "layers": len(_weights(run)),
    }
    rates = run.series("learning_rate")
    found["rate, last / first"] = _ratio(rates.last, rates.first)
    samples, batch = _number(run.manifest, "samples"), _number(run.manifest, "batch")
    if samples and batch:
        found["batch / samples"] = batch / samples
    if rate is not None and std:
        found["rate × input²"] = rate * std * std
    spread = _numbers(entry(run.manifest, "inputs").get("std"))
    if len(spread) == 2 and spread[0] > 0:
        found["held-out input / training input"] = spread[1] / spread[0]
    return found


def _of_layers(run: Run, name: str) -> list[float]:
    layers = entry(entry(run.manifest, "network"), "regularisation").values()
    return [value for layer in layers if isinstance(layer, Mapping) and (value := _number(layer, name))]


def _before(run: Run) -> Mapping[str, float | None]:
    """What the preflight tried."""
    measured = run.preflight.measurements if run.preflight else {}
    found: dict[str, float | None] = {}
    rate = _number(entry(run.manifest, "optimizer"), "rate")
    if tried := measured.get("overfit"):
        own = next(iter(tried["rates"].values()), math.nan)
        found["by heart: loss left"] = tried["share"]
        found["by heart: best rate / rate"] = _ratio(tried["rate"], rate)
        found["by heart: blind / seeing"] = _ratio(tried["blind"], tried["reached"])
        found["by heart: loss left at its own rate"] = _ratio(own, tried["start"])
    if labels := measured.get("labels"):
        found["labels' signal"] = labels["score"] - labels["baseline"]
    if sweep := measured.get("sweep"):
        points = [point for point in sweep["points"] if math.isfinite(point["last"])]
        falls = [point["rate"] for point in points if point["last"] < 0.9 * sweep["start"]]
        best = min(points, key=lambda point: point["last"], default={"rate": math.nan, "last": math.nan})
        found["sweep: lowest rate that learns / rate"] = _ratio(min(falls, default=math.nan), rate)
        found["sweep: best rate / rate"] = _ratio(best["rate"], rate)
        found["sweep: best loss / start"] = _ratio(best["last"], sweep["start"])
    if growth := _numbers(measured.get("reduction", {}).get("gradient_growth")):
        found["gradient's growth with the batch"] = growth[-1]
    data = measured.get("data", {})
    found["scales of the features"] = _number(data, "scale_ratio")
    found["target's deviation"] = _number(data, "target_std_maximum")
    found["lowest target"] = _number(entry(measured.get("fit", {}), "target"), "minimum")
    return found


PARTS: tuple[Callable[[Run], Mapping[str, float | None]], ...] = (
    _learning,
    _moving,
    _sizes,
    _setting,
    _before,
)


def _weights(run: Run) -> list[str]:
    return [f"{site.name}.weight" for site in run.sites if "weight" in site.parameters]


def _ends(names: list[str]) -> list[tuple[str, str]]:
    return [("first", names[0]), ("last", names[-1])] if names else []


def _ratio(above: float, below: float | None) -> float | None:
    return above / below if below is not None and below > 0 else None


def entry(manifest: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a manifest that is a table; an empty one if it is none."""
    value = manifest.get(name)
    return value if isinstance(value, Mapping) else {}


def _numbers(values: Any) -> list[float]:
    if not isinstance(values, list | tuple):
        return []
    return [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]


def _number(table: Mapping[str, Any], name: str) -> float | None:
    value = table.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
