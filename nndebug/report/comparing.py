"""Two runs side by side: what differed from the start, where they part, and what became of the findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import write_atomically
from ..findings import CheckResult, Finding
from ..run import Run
from .differences import differences
from .html import environment
from .model import Chart
from .plots import Curve, chart
from .text import clean
from .vocabulary import quantity

_CURVES = ("probe.loss", "validation.loss", "probe.accuracy", "validation.accuracy", "loss")
_ALIKE = 1e-9
"""Relative difference up to which two figures count as the same: sums in another order."""


@dataclass(frozen=True)
class Parting:
    """The first step at which the runs recorded different figures, and the first place in the network that did."""

    step: int
    site: str
    name: str
    first: float
    second: float


@dataclass(frozen=True)
class Comparison:
    """What `compare` found; texts are clean."""

    names: tuple[str, str]
    verdicts: tuple[str, str]
    severities: tuple[str, str]
    settings: tuple[tuple[str, str, str], ...]
    gone: tuple[str, ...]
    new: tuple[str, ...]
    stayed: tuple[str, ...]
    parting: Parting | None
    shared_steps: int
    charts: tuple[Chart, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data, without the charts."""
        return {"schema": 1, **{k: v for k, v in asdict(self).items() if k != "charts"}}


def compare(first: tuple[Run, CheckResult], second: tuple[Run, CheckResult]) -> Comparison:
    """Compares two runs.

    Args:
        first: a run and what was found in it.
        second: the other one.
    """
    (a, found_a), (b, found_b) = first, second
    known_a, known_b = ({f.fingerprint: f for f in r.findings} for r in (found_a, found_b))
    parting, shared = _parting(a, b)
    names = (_name(a), _name(b))
    if names[0] == names[1]:
        names = (f"{names[0]} (1)", f"{names[1]} (2)")
    return Comparison(
        names,
        (clean(found_a.verdict, 200), clean(found_b.verdict, 200)),
        (_severity(found_a), _severity(found_b)),
        tuple(differences(a.manifest, b.manifest)),
        tuple(_words(f) for key, f in known_a.items() if key not in known_b),
        tuple(_words(f) for key, f in known_b.items() if key not in known_a),
        tuple(_words(f) for key, f in known_b.items() if key in known_a),
        parting,
        shared,
        tuple(_charts(a, b, names)),
    )


def write(comparison: Comparison, path: Path) -> Path:
    """Writes the comparison as a page of its own.

    Raises:
        OSError: it cannot be written.
    """
    page = environment().get_template("compare.html.j2").render(c=comparison)
    write_atomically(path, page.encode("utf-8", "replace"))
    return path


def _name(run: Run) -> str:
    return clean(run.folder.name if run.folder else run.manifest.get("name") or "run", 60)


def _severity(found: CheckResult) -> str:
    return found.severity.value if found.severity else "passed"


def _words(finding: Finding) -> str:
    return f"{finding.severity.mark} {clean(finding.code, 20)} {clean(finding.name, 60)}, {clean(finding.site, 60)}"


def _parting(a: Run, b: Run) -> tuple[Parting | None, int]:
    """Where the figures that both recorded first differ, and how many steps both recorded."""
    order = ["run", *(place for s in a.sites for place in (s.name, *(f"{s.name}.{p}" for p in s.parameters)))]
    best: Parting | None = None
    steps: set[int] = set()
    for site in order:
        for name in a.names(site):
            if name == "seconds" or not b.has(name, site):
                continue
            mine, theirs = a.series(name, site), b.series(name, site)
            both, i, j = np.intersect1d(mine.steps, theirs.steps, return_indices=True)
            steps.update(both.tolist())
            x, y = mine.values[i], theirs.values[j]
            with np.errstate(all="ignore"):
                near = np.abs(x - y) <= _ALIKE * np.maximum(np.abs(x), np.abs(y))
            apart = ~(near | (x == y) | (np.isnan(x) & np.isnan(y)))
            if apart.any():
                at = int(np.argmax(apart))
                # At the same step the place that comes first in the network; the run's own figures follow from it.
                if best is None or both[at] < best.step or (both[at] == best.step and best.site == "run"):
                    best = Parting(
                        int(both[at]), clean(site, 60), clean(name, 60), float(x[at]), float(y[at])
                    )
    return best, len(steps)


def _charts(a: Run, b: Run, names: tuple[str, str]) -> Iterator[Chart]:
    for name in _CURVES:
        pair = [(run.series(name), label) for run, label in zip((a, b), names)]
        if name == "loss" and any(run.has("probe.loss") for run in (a, b)):
            continue
        curves = [
            Curve(label, s.steps, s.values, float(i), points=name.startswith("validation"))
            for i, (s, label) in enumerate(pair)
            if s
        ]
        kind = quantity(name)
        drawn = chart(f"both-{name.replace('.', '-')}", kind.title, kind, curves)
        if drawn:
            yield drawn
