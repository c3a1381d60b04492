"""The layers of a run: one row each at a glance, and each in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..findings import Cause, Finding
from ..signals import Site
from .maps import distribution_map, epochs_with, unit_map, weight_images
from .model import Chart, LayerRow, LayerView, Reference, Table
from .plots import Curve, chart, tones
from .text import clean, number, plural
from .vocabulary import Quantity, quantity

if TYPE_CHECKING:
    from ..run import Run

SPARKS = (
    ("spread", "activation.std", ""),
    ("update : weight", "update_ratio", ".weight"),
    ("gradient norm", "gradient.norm", ".weight"),
)
"""Heading, series and suffix of the site of the small curves of a layer."""

USUAL_UPDATE = Reference(1e-3, "usual: about 1e-3")

SEEN_AT_ONCE = 5
"""Rows of the layers that the picture has room for."""

BEFORE_SCROLLING = 3
"""Rows that the page shows before its table scrolls: the loss curve below it has to fit the first screen."""

_SHOWN_IN_FULL = 12
_MOST_LINES = 8
WORDS = {
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
    "gelu": "GELU",
    "conv2d": "Conv2D",
    "batch_norm": "BatchNorm",
    "layer_norm": "LayerNorm",
}
_ACTIVATED = ("relu", "leaky_relu", "gelu")


def describe(site: Site) -> str:
    """`Dense 784 → 30, ReLU`."""
    kind = WORDS.get(site.kind, clean(site.kind, 30).capitalize())
    width = f" {site.inputs} → {site.units}" if site.inputs and site.units else ""
    return f"{kind}{width}" + (f", {word(site.activation)}" if site.activation else "")


def word(activation: str) -> str:
    """`ReLU`, `sigmoid`."""
    return WORDS.get(activation, clean(activation, 30))


def glance(run: Run, findings: Sequence[Finding], causes: Sequence[Cause] = ()) -> tuple[LayerRow, ...]:
    """A row a site that has parameters, in the order of the network.

    Where there are more rows than are seen at once, the site of the first cause leads, and the others with findings
    follow, the worst first: the layer that the verdict names must not be below the fold.
    """
    sites = [s for s in run.sites if s.parameters] or list(run.sites)
    full = {s.name for s in interesting(run, findings)}
    rows: list[tuple[tuple[bool, int], LayerRow]] = []
    for index, (site, tone) in enumerate(zip(sites, tones(len(sites)))):
        own = [f for f in findings if site_of(f.site) == site.name]
        worst = max(own, key=lambda f: f.severity.rank, default=None)
        names = list(
            dict.fromkeys(f.name.replace("-", " ") for f in own if worst and f.severity == worst.severity)
        )
        sparks = tuple(
            _spark(run, name, site.name + suffix, tone, f"spark-{index}-{i}", title)
            for i, (title, name, suffix) in enumerate(SPARKS)
        )
        row = LayerRow(
            clean(site.name, 40),
            describe(site),
            clean(names[0] + (f", +{len(names) - 1}" if names[1:] else "") if names else "no finding", 60),
            worst.severity.value if worst else "passed",
            _never_fire(run, site),
            sparks,
            anchor(run, site) if site.name in full else "",
            run.sites.index(site),
        )
        guilty = any(site_of(cause.layer or "") == site.name for cause in causes[:1])
        rows.append(((not guilty, -worst.severity.rank if worst else 0), row))
    if len(rows) > BEFORE_SCROLLING:
        rows.sort(key=lambda ranked: ranked[0])
    return tuple(row for _, row in rows)


def flow(run: Run) -> tuple[Chart, ...]:
    """Gradient norms, update ratios and spread of activations of all layers."""
    sites = [s for s in run.sites if s.parameters]
    wanted = (
        ("flow-gradient", "gradient.norm", ".weight", "Gradient norm of every layer's weights", ()),
        ("flow-update", "update_ratio", ".weight", "Update : weight of every layer", (USUAL_UPDATE,)),
        ("flow-spread", "activation.std", "", "Spread of every layer's activations", ()),
    )
    charts = []
    for key, name, suffix, title, references in wanted:
        curves = [
            Curve(clean(s.name, 24), series.steps, series.values, tone, layer=run.sites.index(s))
            for s, tone in zip(sites, tones(len(sites)))
            if (series := run.series(name, s.name + suffix))
        ]
        note = ""
        if len(curves) > _MOST_LINES:
            note = f" {_MOST_LINES} of {len(curves)} layers, evenly chosen."
            curves = [curves[i] for i in np.linspace(0, len(curves) - 1, _MOST_LINES).round().astype(int)]
        kind = quantity(name)
        drawn = chart(
            key, title, kind, curves, references=references, how=kind.how + note, most=240, trends=True
        )
        charts += [drawn] if drawn else []
    return tuple(charts)


def details(
    run: Run, findings: Sequence[Finding], mapped: frozenset[str]
) -> tuple[tuple[LayerView, ...], str]:
    """The layers in full, the most interesting ones if there are many, and a note on what is left out.

    Args:
        run: the run.
        findings: what was found.
        mapped: sites whose unit map is shown with a finding already.
    """
    chosen = interesting(run, findings)
    views = tuple(view for site in chosen if (view := _view(run, site, site.name not in mapped)))
    left = sum(1 for s in run.sites if s.parameters) - len(chosen)
    note = f"{plural(left, 'layer')} without findings not shown in full." if left > 0 else ""
    return views, note


def interesting(run: Run, findings: Sequence[Finding]) -> list[Site]:
    """At most a dozen sites with parameters: those with findings, the first and the last; in network order."""
    sites = [s for s in run.sites if s.parameters]
    if len(sites) <= _SHOWN_IN_FULL:
        return sites
    found = {site_of(f.site) for f in findings}
    ranked = sorted(
        range(len(sites)), key=lambda i: (sites[i].name not in found, i not in (0, len(sites) - 1), i)
    )
    return [sites[i] for i in sorted(ranked[:_SHOWN_IN_FULL])]


def anchor(run: Run, site: Site) -> str:
    """Identifier of a layer on the page; its own name may be anything."""
    return f"layer-{run.sites.index(site)}"


def site_of(name: str) -> str:
    """The layer that a parameter belongs to."""
    return name.rpartition(".")[0] if name.endswith((".weight", ".bias")) else name


def layer_of(run: Run, name: str) -> int:
    """Number of the layer that a finding's site names, -1 if it names none."""
    wanted = site_of(name)
    return next((i for i, site in enumerate(run.sites) if site.name == wanted), -1)


def _view(run: Run, site: Site, with_units: bool) -> LayerView | None:
    key = anchor(run, site)
    name = clean(site.name, 40)
    maps = [
        distribution_map(run, site.name, "preactivation.histogram", f"{key}-z", f"{name}: pre-activations"),
        distribution_map(run, site.name, "activation.histogram", f"{key}-a", f"{name}: activations"),
        distribution_map(run, f"{site.name}.weight", "weight.histogram", f"{key}-w", f"{name}: weights"),
    ]
    if with_units and site.activation in _ACTIVATED:
        maps.append(unit_map(run, site.name, f"{key}-u", f"{name}: which units fire"))
    images = weight_images(run, site.name, f"{key}-i")
    table = _statistics(run, site)
    shown = tuple(m for m in maps if m)
    if not shown and not table and not images:
        return None
    return LayerView(name, describe(site), key, shown, table, images, run.sites.index(site))


def _statistics(run: Run, site: Site) -> Table | None:
    """Weights, gradients and updates of the site's parameters: at first and now."""
    columns = ("mean", "std", "minimum", "maximum", "norm")
    rows = []
    for parameter in site.parameters:
        for signal in ("weight", "gradient", "update"):
            series = [run.series(f"{signal}.{c}", f"{site.name}.{parameter}") for c in columns]
            if not any(len(s) for s in series):
                continue
            label = parameter if signal == "weight" else f"{signal} of {parameter}"
            for moment, index in (("first", 0), ("last", -1)):
                if moment == "last" and all(len(s) < 2 for s in series):
                    continue
                # The norm is recorded oftener than the rest; a row is about one step.
                step = next(int(s.steps[index]) for s in series if len(s))
                figures = (number(s.at(step)) if len(s) else "–" for s in series)
                rows.append((clean(label, 40), f"step {step:,}", *figures))
    return (
        Table(("parameter", "at", "mean", "std", "smallest", "largest", "norm"), tuple(rows))
        if rows
        else None
    )


def _never_fire(run: Run, site: Site) -> str:
    if site.activation not in _ACTIVATED:
        return "–"
    epochs = epochs_with(run, f"{site.name}/dead")
    units = site.units
    if epochs:
        dead = np.asarray(epochs[-1].arrays[f"{site.name}/dead"], dtype=bool)
        return f"{int(dead.sum())} of {len(dead)}"
    confirmed, silent = run.series("probe.dead_units", site.name), run.series("probe.silent_units", site.name)
    if len(confirmed):
        return f"{int(confirmed.values[-1])} of {units}"
    if len(silent):
        return f"at most {int(silent.values[-1])} of {units}"
    return "–"


def _spark(run: Run, name: str, site: str, tone: float, key: str, title: str) -> Chart | None:
    series = run.series(name, site) or run.series(f"pre{name}", site)  # a layer without an activation
    kind = quantity(name)
    # A curve this small has no room for an axis: it keeps its shape on a log scale, and its last value beside it.
    kind = Quantity(kind.title, kind.unit, kind.how, True, kind.share)
    references = (USUAL_UPDATE,) if name == "update_ratio" else ()
    curve = Curve(clean(site, 40), series.steps, series.values, tone, layer=layer_of(run, site))
    return chart(key, f"{clean(site, 40)}: {title}", kind, [curve], references=references, most=70)
