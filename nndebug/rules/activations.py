"""NND2: activations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from ..signals import Site
from ..wording import percent
from .outcome import Outcome, checks, holds_now, outcome, severity

_BOUNDED = ("sigmoid", "tanh")


@rule("NND203", "hidden-saturated", needs=("probe.saturated_share",))
def hidden_saturated(run: Run, *, most: float = 0.95, with_collapse: float = 0.8) -> Iterator[Symptom]:
    """Hidden sigmoid or tanh units sit on their flat ends, where the derivative is nearly zero.

    What it measures: entries whose derivative is below 1 % of its maximum, on the probe, at two checks in a row:
    95 % of them, or 80 % when the gradient has collapsed too.

    Why it matters: no gradient passes through a flat end to the layers below.

    What to try: scale the inputs to about 0..1; Xavier initial weights; ReLU.

    False alarms: a healthy 95 % network has 60 to 65 % of such entries at birth and up to 86 % later.

    References: X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward networks", 2010.
    """
    collapsed = any(run.has("gradient.norm") and _collapsed(run, site) for site in run.sites)
    for site in run.sites[:-1]:
        if site.activation not in _BOUNDED:
            continue
        limit = with_collapse if collapsed else most
        since = holds_now(run.series("probe.saturated_share", site.name), limit)
        if since is None:
            continue
        share = run.series("probe.saturated_share", site.name).last
        yield Symptom(
            site.name,
            f"{percent(share, 0)} of its {site.activation} activations sit on the flat ends, where no gradient passes",
            severity(run, learned=Severity.INFO),
            first_step=since,
            last_step=run.steps,
            evidence={
                "share": share,
                "series": [{"name": "probe.saturated_share", "site": site.name}],
                "threshold": limit,
                "threshold_label": f"saturated: {percent(limit, 0)}",
            },
            help="scale the inputs and use Xavier initial weights",
        )


@rule("NND204", "output-saturated-wrong", needs=("probe.wrong_side_share",))
def output_saturated_wrong(run: Run, *, least: float = 0.02) -> Iterator[Symptom]:
    """Outputs are saturated on the wrong side: certain, wrong, and without a gradient to mend it.

    What it measures: entries with |a - y| > 0.99 where the output's derivative is below 1 % of its maximum, on the
    probe, under a loss whose gradient passes through that derivative. 2 % of the entries at two checks in a row; at
    birth only, an info.

    Why it matters: the gradient of a confidently wrong sigmoid is zero under a quadratic loss: it stays wrong.

    What to try: cross-entropy on logits, whose gradient does not vanish there; smaller initial weights; a lower rate.

    False alarms: saturated on the right side is what confident right answers look like (84 to 98 % of a healthy
    network's outputs) and does not count. Healthy runs have 0.2 to 0.5 % on the wrong side, failed ones 7 to 18 %.

    References: M. Nielsen, "Neural Networks and Deep Learning", chapter 3, on the cross-entropy cost.
    """
    for site in run.sites[-1:]:
        series = run.series("probe.wrong_side_share", site.name)
        if not series:
            continue
        since = holds_now(series, least)
        born = series.steps[0] == 0 and series.first >= least
        if since is None and not born:
            continue
        if born and outcome(run) is not Outcome.LEARNED and since is not None:
            since = 0
        share = series.last if since is not None else series.first
        when = "" if since is not None else " before the first step"
        yield Symptom(
            site.name,
            f"{percent(share)} of the outputs{when} are saturated on the wrong side, where the gradient is zero"
            + (f" ({percent(series.first, 0)} before the first step)" if since == 0 else ""),
            severity(run) if since is not None else Severity.INFO,
            first_step=since if since is not None else 0,
            last_step=run.steps if since is not None else 0,
            evidence={
                "share": share,
                "at_birth": series.first,
                "series": [{"name": "probe.wrong_side_share", "site": site.name}],
                "threshold": least,
                "threshold_label": f"healthy: below {percent(least, 0)}",
            },
            help="use cross-entropy on logits, or smaller initial weights",
        )


@rule("NND205", "activation-scale", needs=("probe.preactivation.std",))
def activation_scale(
    run: Run, *, low: float = 0.1, high: float = 10.0, shrink: float = 0.05, grow: float = 20.0
) -> Iterator[Symptom]:
    """Before the first step a layer's pre-activations are far too large or far too small.

    What it measures: their standard deviation on the probe at birth, outside 0.1 to 10, or changing from the first to
    the last layer by a factor outside 0.05 to 20.

    Why it matters: too large saturates sigmoids and explodes ReLUs; too small leaves nothing of the signal.

    What to try: He initial weights for ReLU, Xavier for sigmoid and tanh; inputs of scale 1.

    False alarms: N(0, 1) weights on 784 inputs give 9 to 12 and can learn well. What is only unusual at step 0 is an
    info; it becomes more when the gradient collapses or the run does not learn.

    References: K. He et al., "Delving Deep into Rectifiers", 2015, arXiv:1502.01852.
    """
    measured = [
        (site, s)
        for site in run.sites
        if (s := run.series("probe.preactivation.std", site.name)) and s.steps[0] == 0
    ]
    followed = outcome(run) is Outcome.FAILED or any(_collapsed(run, site) for site in run.sites)
    level = severity(run) if followed else Severity.INFO
    for site, series in measured:
        if low <= series.first <= high:
            continue
        size = "large" if series.first > high else "small"
        yield Symptom(
            site.name,
            f"pre-activations have a standard deviation of {series.first:.3g} before the first step: too {size} "
            f"(usual: {low:g} to {high:g})",
            level,
            first_step=0,
            last_step=0,
            evidence={
                "std": series.first,
                "series": [{"name": "probe.preactivation.std", "site": site.name}],
                "threshold": high if size == "large" else low,
                "threshold_label": f"usual: {low:g} to {high:g}",
                "steps": [0, 0],
            },
            help="use He initial weights for ReLU, Xavier for sigmoid and tanh",
        )
    if len(measured) > 1 and measured[0][1].first > 0:
        ratio = measured[-1][1].first / measured[0][1].first
        if not shrink <= ratio <= grow:
            yield Symptom(
                measured[-1][0].name,
                f"pre-activations {'grow' if ratio > 1 else 'shrink'} by a factor of {max(ratio, 1 / max(ratio, 1e-300)):.3g} "
                "from the first layer to the last before the first step",
                level,
                first_step=0,
                last_step=0,
                evidence={"ratio": ratio},
                help="use He initial weights for ReLU, Xavier for sigmoid and tanh",
            )


@rule("NND207", "constant-output", needs=("probe.variation",))
def constant_output(run: Run, *, most: float = 0.01) -> Iterator[Symptom]:
    """The network gives nearly the same output whatever the input.

    What it measures: how much of the size of each layer's signal tells probe samples apart, at two checks in a row;
    below 1 % at the output. Named is the first layer where the variation is lost.

    Why it matters: such a network is a constant; its best loss is that of knowing only the shares of the classes.

    What to try: look at the named layer: dead units, saturation, zero weights, or an input that is constant.

    False alarms: targets that are nearly constant themselves.

    References: A. Karpathy, "A Recipe for Training Neural Networks", 2019.
    """
    sites = [site for site in run.sites if run.series("probe.variation", site.name)]
    # Outputs far from 0 that vary little may be right: the loss tells.
    if not sites or outcome(run) is Outcome.LEARNED:
        return
    lost = {site.name: _holds_below(run, site.name, most) for site in sites}
    since = lost[sites[-1].name]
    if since is None:
        return
    first = next(site for site in sites if lost[site.name] is not None)
    variation = run.series("probe.variation", first.name).last
    yield Symptom(
        first.name,
        f"the output is nearly the same for every sample; {first.name} is the first layer that tells samples apart no "
        f"more (variation {percent(variation)} of its signal)",
        severity(run),
        first_step=since,
        last_step=run.steps,
        evidence={
            "variation": variation,
            "series": [{"name": "probe.variation", "site": first.name}],
            "threshold": most,
            "threshold_label": f"constant: below {percent(most, 0)}",
        },
        help=f"look at what happened to {first.name}",
    )


def _holds_below(run: Run, site: str, most: float) -> int | None:
    points = checks(run.series("probe.variation", site))
    if len(points) < 2 or not (points.values[-2:] < most).all():
        return None
    above = np.flatnonzero(points.values >= most)
    return int(points.steps[above[-1] + 1 if above.size else 0])


def _collapsed(run: Run, site: Site) -> bool:
    from .gradients import collapse

    return collapse(run, f"{site.name}.weight") is not None
