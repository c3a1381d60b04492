"""NND3: gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from ..signals import Array
from ..wording import short
from .outcome import Outcome, outcome, severity

_COLLAPSE = 1e-3


class Collapse(NamedTuple):
    """A gradient that has all but vanished since `since`: its median norm at first and now."""

    since: int
    first: float
    last: float


def collapse(run: Run, parameter: str, share: float = _COLLAPSE, points: int = 100) -> Collapse | None:
    """Whether a parameter's gradient has collapsed while the loss is still far from low."""
    norms = run.series("gradient.norm", parameter)
    chance, loss = run.manifest.get("loss_at_chance"), run.series("probe.loss")
    if len(norms) < 40 or not chance or not loss or not loss.last > chance / 2:
        return None
    first = float(np.median(norms.values[:20]))
    window = min(points, len(norms) // 2)
    last = norms.median_last(window)
    if not first > 0 or not last < share * first:
        return None
    # Back through windows side by side as long as their medians are small, then to the first small record.
    values, limit, start = norms.values, share * first, len(norms) - window
    while start >= window and np.median(values[start - window : start]) < limit:
        start -= window
    while start > 0 and values[start - 1] < limit:
        start -= 1
    while values[start] >= limit:
        start += 1
    return Collapse(int(norms.steps[start]), first, last)


@rule("NND302", "gradient-zero", needs=("gradient.norm", "probe.loss"))
def gradient_zero(run: Run, *, times: int = 5) -> Iterator[Symptom]:
    """A parameter's gradient is exactly zero.

    What it measures: the norm of a weight's gradient, exactly 0 at the last five records, while the loss is above half of
    chance.

    Why it matters: the parameter gets no word from the loss: nothing it does matters, or something cuts the chain.

    What to try: look at the layers above: dead or saturated units, weights that are all zero, a gradient that is not
    passed on.

    False alarms: a layer that is frozen on purpose in a run that learns; a loss that has reached zero does not count.

    References: M. Nielsen, "Neural Networks and Deep Learning", chapter 2, on BP2.
    """
    chance, loss = run.manifest.get("loss_at_chance"), run.series("probe.loss")
    if not chance or not loss or not loss.last > chance / 2:
        return
    found = {}
    for site in run.sites:
        norms = run.series("gradient.norm", f"{site.name}.weight")
        if len(norms) >= times and not norms.values[-times:].any():
            moving = np.flatnonzero(norms.values)
            found[site.name] = int(norms.steps[moving[-1] + 1 if moving.size else 0])
    if not found:
        return
    first = min(found, key=lambda name: found[name])
    others = [name for name in found if name != first]
    yield Symptom(
        first,
        "the gradient of its weights is exactly zero"
        + (f"; so is that of {', '.join(others)}" if others else ""),
        severity(run),
        first_step=found[first],
        last_step=run.steps,
        evidence={"layers": list(found), "series": [{"name": "gradient.norm", "site": f"{first}.weight"}]},
        help="find what cuts the gradient in the layers above",
    )


@rule("NND303", "vanishing", needs=("gradient.norm",))
def vanishing(run: Run, *, most: float = 1e-3, steps: int = 50) -> Iterator[Symptom]:
    """The first layer's gradient is a tiny part of the last layer's from the start.

    What it measures: gradient norm per root of the number of entries, first weights against last, median over the
    first 50 steps.

    Why it matters: the layers near the input hardly learn; the last ones learn from random features.

    What to try: ReLU instead of sigmoid, He or Xavier initial weights, fewer layers, normalisation between layers.

    False alarms: healthy networks lie at 0.54 to 3.8, a deep sigmoid stack at 5.7e-5.

    References: X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward networks", 2010.
    """
    weights = [site for site in run.sites if "weight" in site.parameters and site.inputs and site.units]
    if len(weights) < 2:
        return
    sizes = [
        _early_size(run, site.name, site.inputs * site.units, steps) for site in (weights[0], weights[-1])
    ]
    if not sizes[1] > 0 or not sizes[0] < most * sizes[1]:
        return
    first = weights[0].name
    zero = (
        "zero" if sizes[0] == 0 else f"{sizes[1] / sizes[0]:,.0f} × smaller than that of {weights[-1].name}"
    )
    yield Symptom(
        first,
        f"its gradient is {zero} over the first {steps} steps",
        severity(run, learned=Severity.INFO),
        first_step=0,
        last_step=steps - 1,
        evidence={
            "ratio": sizes[0] / sizes[1],
            "series": [
                {"name": "gradient.norm", "site": f"{s.name}.weight"} for s in (weights[0], weights[-1])
            ],
        },
        help="use ReLU with He initial weights, or fewer layers",
    )


@rule("NND304", "exploding", needs=("gradient.norm",))
def exploding(run: Run, *, factor: float = 100.0, window: int = 50) -> Iterator[Symptom]:
    """A gradient jumps to more than 100 × its running median, and the loss rises with it.

    What it measures: the norm against the median of the 50 records before it, and the loss after against before.

    Why it matters: one such step can undo all learning before it.

    What to try: clip gradients by norm; lower the learning rate; look at the samples of that step.

    False alarms: jumps without a rise of the loss do not count; healthy runs reach 9 ×.

    References: R. Pascanu et al., "On the difficulty of training recurrent neural networks", 2013, arXiv:1211.5063.
    """
    loss = run.series("loss")
    for site in run.sites:
        parameter = f"{site.name}.weight"
        norms = run.series("gradient.norm", parameter)
        if len(norms) <= window:
            continue
        # A median is never below the minimum, which is cheaper to find.
        lowest = _sliding_minimum(norms.values[:-1], window)
        candidates = np.flatnonzero(norms.values[window:] > factor * lowest)
        before_each = np.lib.stride_tricks.sliding_window_view(norms.values, window)[candidates]
        for place, median in zip(candidates + window, np.median(before_each, axis=1)):
            if not 0 < factor * median < norms.values[place]:
                continue
            step = int(norms.steps[place])
            before, after = loss.before(step).median_last(20), loss.since(step + 1).values[:20]
            risen = len(after) > 0 and not float(np.median(after)) <= 1.5 * before
            if not risen:
                continue
            size = norms.values[place] / median
            yield Symptom(
                site.name,
                f"step {step:,}: the gradient of its weights jumped to {size:,.0f} × its running median and the loss rose",
                severity(run, learned=Severity.INFO),
                first_step=step,
                last_step=step,
                evidence={
                    "factor": float(size),
                    "series": [{"name": "gradient.norm", "site": parameter}],
                    "threshold": factor * float(median),
                    "threshold_label": f"{factor:g} × the median",
                    "steps": [step, step],
                },
                help="clip gradients by norm, or lower the learning rate",
            )
            break


@rule("NND305", "gradient-collapse", needs=("gradient.norm", "probe.loss"))
def gradient_collapse(run: Run, *, share: float = _COLLAPSE, points: int = 100) -> Iterator[Symptom]:
    """The gradient has all but vanished although the loss is still far from low.

    What it measures: the median of a weight gradient's last 100 records against that of its first 20, below a
    thousandth, while the probe loss is above half of chance.

    Why it matters: nothing will change any more: training is over without having succeeded.

    What to try: find what cut the gradient: dead units, outputs saturated on the wrong side, saturated hidden units.

    False alarms: a small gradient at a low loss is success and does not count. Sick runs reach 1e-9.

    References: M. Nielsen, "Neural Networks and Deep Learning", chapters 3 and 5.
    """
    found = {site.name: c for site in run.sites if (c := collapse(run, f"{site.name}.weight", share, points))}
    if not found:
        return
    site, fallen = min(found.items(), key=lambda item: (item[1].since, item[1].last / item[1].first))
    others = [name for name in found if name != site]
    yield Symptom(
        site,
        f"the gradient of its weights fell to {_small(fallen.last / fallen.first)}"
        + (f"; so did that of {', '.join(others)}" if others else ""),
        Severity.ERROR if outcome(run) is Outcome.FAILED else Severity.WARNING,
        first_step=fallen.since,
        last_step=run.steps,
        evidence={
            "ratio": fallen.last / fallen.first,
            "series": [{"name": "gradient.norm", "site": f"{site}.weight"}],
            "threshold": share * fallen.first,
            "threshold_label": "a thousandth of its start",
            "steps": [fallen.since, run.steps],
        },
        help="find what cut the gradient: dead or saturated units",
    )


def _sliding_minimum(values: Array, window: int) -> Array:
    """The minimum of every `window` values in a row (values - window + 1,), by windows that double in width."""
    lowest, width = values, 1
    while width < window:
        step = min(width, window - width)
        lowest, width = np.minimum(lowest[:-step], lowest[step:]), width + step
    return lowest


def _small(share: float) -> str:
    return "exactly zero" if share == 0 else f"{short(share, 1)} of its start"


def _early_size(run: Run, site: str, entries: int, steps: int) -> float:
    norms = run.series("gradient.norm", f"{site}.weight").before(steps)
    return float(np.median(norms.values)) / math.sqrt(entries) if norms else math.nan
