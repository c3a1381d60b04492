"""Every chart and heat map of a report as a PNG of its own, and a chart of any recorded quantity."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError, did_you_mean
from .layers import layer_of, site_of
from .model import Chart, HeatMap, Report
from .plots import Curve, chart, tones
from .text import clean
from .vocabulary import quantity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..run import Run

_MOST_CURVES = 12
_STATISTICS = ("mean", "std", "minimum", "maximum", "norm", "zero_share")
"""What is recorded of every array."""


def write(report: Report, folder: Path, dpi: int = 150) -> tuple[Path, ...]:
    """Writes every chart and heat map of a report; returns the files.

    Args:
        report: what `build` made.
        folder: made if it is missing.
        dpi: dots per inch; a figure is 7.6 by 4.4 inches.

    Raises:
        OSError: a file cannot be written.
    """
    from . import single

    names: dict[str, int] = {}
    written = []
    for drawn in _all(report):
        slug = re.sub(r"[^a-z0-9]+", "-", drawn.title.lower()).strip("-")[:60] or "figure"
        names[slug] = names.get(slug, 0) + 1
        name = slug + (f"-{names[slug]}" if names[slug] > 1 else "")
        written.append(single.save(single.figure(drawn), folder / f"{name}.png", dpi))
    return tuple(written)


def _all(report: Report) -> Iterator[Chart | HeatMap]:
    findings = [f for cause in report.causes for f in (*cause.leading, *cause.following)]
    for finding in (*findings, *report.others):
        yield from filter(None, (finding.chart, finding.map))
    yield from report.trials.charts if report.trials else ()
    yield from report.learning
    yield from report.flow
    for layer in report.details:
        yield from layer.maps
        yield from filter(None, (layer.images,))


def _recorded(run: Run, wanted: str) -> str:
    """The nearest name to one that was not recorded, and all names; the statistics of arrays are told once."""
    places = ["run", *(p for s in run.sites for p in (s.name, *(f"{s.name}.{q}" for q in s.parameters)))]
    known = list(dict.fromkeys(name for place in places for name in run.names(place)))
    if not known:
        return "the run holds no figures"
    parts = {name.rpartition(".")[0] for name in known}
    full = sorted(part for part in parts if {f"{part}.{kind}" for kind in _STATISTICS} <= set(known))
    single = [clean(name, 60) for name in known if name.rpartition(".")[0] not in full]
    near = did_you_mean(wanted, known)
    words = f"{near} Recorded: " if near.startswith("did") else "recorded: "
    words += ", ".join(single)
    return words + (f"; {', '.join(_STATISTICS)} of {', '.join(full)}" if full else "")


def plot(run: Run, name: str, site: str | None = None) -> Figure:
    """A figure of a recorded quantity over steps.

    Args:
        run: the run.
        name: as in `run.series`: "update_ratio", "probe.loss", "activation.std".
        site: one layer or parameter; all that recorded it if None.

    Raises:
        UserError: it was not recorded, there or anywhere.
    """
    from . import single

    places = [place for place in run.where(name) if site in (None, place, site_of(place))]
    if not places and run.where(name):
        raise UserError(
            f"{clean(name, 60)} was not recorded at {clean(site, 60)}",
            help=did_you_mean(str(site), dict.fromkeys(p for q in run.where(name) for p in (site_of(q), q))),
        )
    if not places:
        raise UserError(f"{clean(name, 60)} was not recorded", help=_recorded(run, name))
    if site is None and all(place.endswith((".bias", ".weight")) for place in places):
        places = [place for place in places if place.endswith(".weight")] or places
    curves = []
    for place, tone in zip(places[:_MOST_CURVES], tones(min(len(places), _MOST_CURVES))):
        series = run.series(name, place)
        curves.append(Curve(clean(place, 30), series.steps, series.values, tone, layer=layer_of(run, place)))
    kind = quantity(name)
    title = kind.title + (f" of {clean(places[0], 40)}" if len(places) == 1 and places[0] != "run" else "")
    drawn = chart("plot", title, kind, curves)
    if drawn is None:
        raise UserError(f"{clean(name, 60)} has no values", help="plot another quantity")
    return single.figure(drawn)
