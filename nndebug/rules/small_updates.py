"""NND4: updates that are too small."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from ..wording import short
from .outcome import not_learning, unfinished


@rule("NND402", "update-too-small", needs=("update_ratio", "probe.loss"))
def update_too_small(
    run: Run, *, most: float = 1e-5, points: int = 20, falling: float = 3e-4
) -> Iterator[Symptom]:
    """Updates are so small compared with the weights that nothing changes, or that the training ends on its way down.

    What it measures: the median update:weight ratio of the last records, below 1e-5 in a run that fails to learn; or of
    all records, below 3e-4 for every layer, in a run that ended above half of chance with a loss that was still falling.

    Why it matters: at 1e-5 a weight needs 100,000 steps in one direction to double, at 3e-4 more than 3,000.

    What to try: a higher learning rate, unless a collapsed gradient is the reason: then mend that first.

    False alarms: only looked at when the run does not learn, or is not done. The fastest layer of healthy runs has a median
    of 1.5e-3 or more.

    References: A. Karpathy, Stanford CS231n notes, "Ratio of weights:updates".
    """
    if not_learning(run) is not None:
        yield from _still(run, most, points)
        return
    typical = {
        site.name: float(np.median(ratios.values))
        for site in run.sites
        if len(ratios := run.series("update_ratio", f"{site.name}.weight").finite) >= points
    }
    fastest = max(typical, key=lambda name: typical[name], default=None)
    if fastest is None or not 0 < typical[fastest] < falling or not unfinished(run):
        return
    yield Symptom(
        f"{fastest}.weight",
        f"median update {short(typical[fastest])} × the weight, the largest of all layers, and the loss was still falling when "
        "the training ended",
        Severity.WARNING,
        first_step=0,
        last_step=run.steps,
        evidence={
            "median": typical[fastest],
            "at_start": float(
                np.median(run.series("update_ratio", f"{fastest}.weight").finite.values[:points])
            ),
            "falling": True,
            "series": [{"name": "update_ratio", "site": f"{fastest}.weight"}],
            "threshold": falling,
            "threshold_label": f"too small: below {short(falling)}",
        },
        help="raise the learning rate",
    )


def _still(run: Run, most: float, points: int) -> Iterator[Symptom]:
    """The layers that have come to rest."""
    for site in run.sites:
        ratios = run.series("update_ratio", f"{site.name}.weight")
        if len(ratios) < points or not ratios.median_last(points) < most:
            continue
        small = np.flatnonzero(ratios.values >= most)
        since = int(ratios.steps[small[-1] + 1 if small.size and small[-1] + 1 < len(ratios) else 0])
        yield Symptom(
            f"{site.name}.weight",
            f"median update {short(ratios.median_last(points))} × the weight: it hardly moves"
            if ratios.median_last(points) > 0
            else "its median update is exactly 0: it does not move",
            Severity.ERROR,
            first_step=since,
            last_step=run.steps,
            evidence={
                "median": ratios.median_last(points),
                "at_start": float(np.median(ratios.values[:points])),
                "falling": False,
                "series": [{"name": "update_ratio", "site": f"{site.name}.weight"}],
                "threshold": most,
                "threshold_label": f"too small: below {short(most)}",
            },
            help="raise the learning rate, unless the gradient has collapsed",
        )
