"""NND4: a penalty or a dropout that is stronger than the data."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from ..signals import Array, Site
from ..wording import percent
from .outcome import LEARNED, NOT_LEARNED, Outcome, outcome, severity

DROPPED = 0.8
"""From this rate on dropout leaves less than a fifth of a layer, whatever the rest."""


class Pull(NamedTuple):
    """Penalties on the weights of one layer: its gradient is `l2` · w + `l1` · sign(w)."""

    l2: float
    l1: float

    def norm(self, size: Array, entries: int) -> Array:
        """The gradient's norm where the weights have these norms (records,)."""
        return self.l2 * size + self.l1 * math.sqrt(entries)


def _pull(run: Run, site: Site) -> Pull:
    """Of the optimiser (λ/n) and of the layer itself (2 · l2, l1)."""
    decay = run.manifest.get("optimizer", {}).get("l2", 0.0) / max(run.manifest.get("samples", 1), 1)
    own = run.manifest.get("network", {}).get("regularisation", {}).get(site.name, {})
    return Pull(decay + 2 * own.get("l2", 0.0), own.get("l1", 0.0))


def _dropout(run: Run) -> dict[str, float]:
    """Layer → rate; "run" stands for the layer where only the description tells."""
    network = run.manifest.get("network", {})
    if "regularisation" in network:
        return {name: own["dropout"] for name, own in network["regularisation"].items() if own.get("dropout")}
    rates = [float(rate) for rate in re.findall(r"dropout (0?\.\d+)", str(network.get("description", "")))]
    return {"run": max(rates)} if rates else {}


@rule("NND412", "regulariser-dominates", needs=("gradient.norm", "weight.norm", "probe.loss"))
def regulariser_dominates(
    run: Run, *, ratio: float = 1.0, at_once: float = 10.0, shrunk: float = 0.5, rate: float = 0.5
) -> Iterator[Symptom]:
    """The penalty pulls the weights to zero harder than the data hold them, or dropout leaves too little of the signal.

    What it measures: the norm of the penalty's gradient (λ/n · w of the optimiser, 2 · l2 · w and l1 · sign(w) of a layer)
    against that of the data's: above it over the first 20 records while the weights lost half of their size, or 10 × above
    it at any record. Dropout of 80 % and more; from 50 % on where the loss with it is still above 90 % of chance, and without
    it lower by a tenth of chance. All in a run whose loss has not come below half of chance.

    Why it matters: the best weights of such a loss are nearly zero, whatever the data say; what dropout leaves of a layer is
    another layer at every step.

    What to try: a penalty a hundred times smaller; dropout of 0.2 to 0.5.

    False alarms: only looked at where the run does not learn. λ = 5 on 50,000 samples, the strongest healthy penalty
    measured, lies at 1e-2.

    References: A. Krogh and J. Hertz, "A Simple Weight Decay Can Improve Generalization", 1991.
    """
    chance, loss = run.manifest.get("loss_at_chance"), run.series("probe.loss")
    if not chance or not loss or not loss.last > LEARNED * chance or outcome(run) is Outcome.LEARNED:
        return
    for site in run.sites:
        pull = _pull(run, site)
        name = f"{site.name}.weight"
        size, gradient = run.series("weight.norm", name), run.series("gradient.norm", name)
        if not any(pull) or len(size) < 3:
            continue
        force = pull.norm(size.values, max(site.inputs * site.units, 1))
        data = np.array([gradient.at(int(step)) for step in size.steps])
        with np.errstate(all="ignore"):
            against = np.where(data > 0, force / data, np.where(force > 0, np.inf, 0.0))
        early, largest = float(np.median(against[:20])), float(against.max())
        lost = size.last < shrunk * size.first
        if not (early > ratio and lost) and not largest > at_once:
            continue
        shown = max(early, largest if largest > at_once else 0.0)
        fell = f", and its weights fell from {size.first:.3g} to {size.last:.3g}" if lost else ""
        yield Symptom(
            site.name,
            f"the penalty's gradient is {shown:.3g} × that of the data{fell}",
            severity(run),
            first_step=int(size.steps[0]),
            last_step=run.steps,
            evidence={
                "ratio": shown,
                "what": "penalty",
                "series": [{"name": "weight.norm", "site": name}, {"name": "gradient.norm", "site": name}],
            },
            help="use a penalty a hundred times smaller",
        )
    rates = _dropout(run)
    strongest = max(rates, key=lambda name: rates[name], default=None)
    if strongest is None or rates[strongest] < rate:
        return
    dropped, trained = rates[strongest], run.series("loss").median_last(20)
    blind = trained > NOT_LEARNED * chance and loss.last < trained - 0.1 * chance
    if dropped < DROPPED and not blind:
        return
    apart = trained - loss.last > 0.05 * chance
    yield Symptom(
        strongest,
        f"dropout of {percent(dropped, 0)} leaves {percent(1 - dropped, 0)} of a layer's units at a step"
        + (f": the loss is {trained:.3g} with it and {loss.last:.3g} without" if apart else ""),
        Severity.WARNING,
        first_step=0,
        last_step=run.steps,
        evidence={
            "what": "dropout",
            "rate": dropped,
            "layers": [name for name, value in rates.items() if value >= rate],
            "with_it": trained,
            "without": loss.last,
            "series": [{"name": "loss", "site": "run"}, {"name": "probe.loss", "site": "run"}],
        },
        help="use dropout of 0.2 to 0.5",
    )
