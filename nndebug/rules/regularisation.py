"""NND4: a penalty or a dropout that is stronger than the data."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from .outcome import LEARNED, Outcome, outcome, severity


@rule("NND412", "regulariser-dominates", needs=("gradient.norm", "weight.norm", "probe.loss"))
def regulariser_dominates(
    run: Run, *, ratio: float = 1.0, at_once: float = 10.0, shrunk: float = 0.5, rate: float = 0.8
) -> Iterator[Symptom]:
    """The penalty pulls the weights to zero harder than the data hold them, or dropout leaves too little of the signal.

    What it measures: λ/n · ‖w‖ against the norm of the data's gradient: above it over the first 20 records while the
    weights lost half of their size, or 10 × above it at any record; and dropout of 80 % and more. In a run whose loss has
    not come below half of chance.

    Why it matters: the best weights of such a loss are nearly zero, whatever the data say.

    What to try: a penalty a hundred times smaller; dropout of 0.2 to 0.5.

    False alarms: only looked at where the run does not learn. λ = 5 on 50,000 samples, the strongest healthy penalty
    measured, lies at 1e-2.

    References: A. Krogh and J. Hertz, "A Simple Weight Decay Can Improve Generalization", 1991.
    """
    chance, loss = run.manifest.get("loss_at_chance"), run.series("probe.loss")
    if not chance or not loss or not loss.last > LEARNED * chance or outcome(run) is Outcome.LEARNED:
        return
    decay = run.manifest.get("optimizer", {}).get("l2", 0.0) / max(run.manifest.get("samples", 1), 1)
    for site in run.sites if decay else ():
        name = f"{site.name}.weight"
        size, gradient = run.series("weight.norm", name), run.series("gradient.norm", name)
        if len(size) < 3:
            continue
        pull = decay * size.values
        data = np.array([gradient.at(int(step)) for step in size.steps])
        with np.errstate(all="ignore"):
            against = np.where(data > 0, pull / data, np.where(pull > 0, np.inf, 0.0))
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
    description = str(run.manifest.get("network", {}).get("description", ""))
    strongest = max((float(found) for found in re.findall(r"dropout (0?\.\d+)", description)), default=0.0)
    if strongest >= rate:
        yield Symptom(
            "run",
            f"dropout of {strongest:.0%} leaves {1 - strongest:.0%} of a layer's units at a step",
            Severity.WARNING,
            first_step=0,
            last_step=run.steps,
            evidence={"what": "dropout", "rate": strongest},
            help="use dropout of 0.2 to 0.5",
        )
