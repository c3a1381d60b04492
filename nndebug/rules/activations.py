"""NND2: activations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from ..signals import Array, Site
from .outcome import Outcome, checks, holds_now, outcome, severity
from .updates import overshooting_updates

_BOUNDED = ("sigmoid", "tanh")


@rule("NND201", "dead-relu", needs=("probe.silent_units",))
def dead_relu(
    run: Run,
    *,
    most: float = 0.4,
    nearly_all: float = 0.8,
    failed: float = 0.2,
    killed: float = 0.1,
    least: int = 3,
) -> Iterator[Symptom]:
    """ReLU units that fire for no training sample: zero output, zero gradient, no learning any more.

    What it measures: units silent on the probe at two checks in a row, then counted on the whole training set. Told
    apart are units dead since birth (see dead-at-birth) and units that died, with their step. A warning from 40 % of
    a layer on, or when one update that moved the layer too far (update-overshoots) killed 3 units and 10 % of it; an
    error from 80 % on, or from 20 % on in a run that fails to learn. Fewer that died at such an update are an info.

    Why it matters: a dead unit never comes back by itself; each takes a part of the layer's capacity with it.

    What to try: a lower learning rate, clipping, He initial weights with zero biases; LeakyReLU keeps a gradient.

    False alarms: the share of zero activations is not looked at: healthy ReLU layers are up to 69 % zeros. Measured
    on 784-30-10 with N(0, 1) biases on MNIST: healthy runs have 0 to 4 dead units of 30 after an epoch and 1 to 6
    after thirty; learning rate 3.0 has 6 to 12 after one.

    References: L. Lu et al., "Dying ReLU and Initialization", 2019, arXiv:1903.06733.
    """
    overshoots = overshooting_updates(run)
    for site in _relu_sites(run):
        died_at = run.last_array(f"{site.name}/died_at")
        silent = checks(run.series("probe.silent_units", site.name))
        if died_at is None or len(silent) < 2:
            continue
        units = len(died_at)
        dead = int(np.count_nonzero(died_at >= 0))
        steady = min(dead, int(silent.values[-2:].min()))  # silent at two checks in a row
        died = Counter(int(step) for step in died_at[died_at > 0])
        # A layer killed units if it overshot itself; where another one did, they are worth a note.
        by_overshoot = sum(died[step + 1] for step in {o.step for o in overshoots if o.site == site.name})
        beside = sum(died[step + 1] for step in {o.step for o in overshoots})
        failing = outcome(run) is Outcome.FAILED
        if steady >= nearly_all * units or (failing and sum(died.values()) >= max(failed * units, least)):
            level = Severity.ERROR
        elif steady >= most * units or by_overshoot >= max(killed * units, least):
            level = Severity.WARNING
        elif beside:
            level = Severity.INFO
        else:
            continue
        step = min((s for s, n in died.items() if n == max(died.values())), default=0)
        yield Symptom(
            site.name,
            f"{dead} of {units} units never fire on the training set: {_since(died_at)}",
            level,
            first_step=step,
            last_step=run.steps,
            evidence={
                "dead": dead,
                "units": units,
                "since_birth": int(np.count_nonzero(died_at == 0)),
                "died": {str(s): n for s, n in sorted(died.items())},
                "killed_by_overshoot": by_overshoot,
                "table": _by_epoch(run, died_at),
                "unit_map": site.name,
                "series": [{"name": "probe.dead_units", "site": site.name}],
                "threshold": most * units,
                "threshold_label": f"warning: {most * units:g} of {units}",
            },
            help="lower the learning rate; dead units come back only with new weights",
        )


@rule("NND202", "dead-at-birth", needs=("probe.silent_units",))
def dead_at_birth(run: Run, *, most: float = 0.4) -> Iterator[Symptom]:
    """Many ReLU units fire for no training sample already before the first step.

    What it measures: units dead at state 0, counted on the whole training set.

    Why it matters: they have never had a gradient; the layer is smaller than it was meant to be.

    What to try: biases at 0 instead of negative values; inputs that are not all negative; He initial weights.

    False alarms: networks learn well with 1 to 4 of 30 units dead at birth, which N(0, 1) biases cause.

    References: L. Lu et al., "Dying ReLU and Initialization", 2019, arXiv:1903.06733.
    """
    for site in _relu_sites(run):
        born = run.series("probe.dead_units", site.name)
        if not born or born.steps[0] != 0 or not site.units or born.first < most * site.units:
            continue
        bias = run.series("weight.mean", f"{site.name}.bias").first
        why = (
            f"its biases start at {bias:.2g} on average"
            if bias < -0.5
            else "the signs of its inputs and weights"
        )
        yield Symptom(
            site.name,
            f"{int(born.first)} of {site.units} units fire for no training sample before the first step: {why}",
            severity(run),
            first_step=0,
            evidence={"dead": int(born.first), "units": site.units, "unit_map": site.name},
            help="start the biases at 0 and use He initial weights",
        )


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
            f"{share:.0%} of its {site.activation} activations sit on the flat ends, where no gradient passes",
            severity(run, learned=Severity.INFO),
            first_step=since,
            last_step=run.steps,
            evidence={
                "share": share,
                "series": [{"name": "probe.saturated_share", "site": site.name}],
                "threshold": limit,
                "threshold_label": f"saturated: {limit:.0%}",
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
            f"{share:.1%} of the outputs{when} are saturated on the wrong side, where the gradient is zero"
            + (f" ({series.first:.0%} before the first step)" if since == 0 else ""),
            severity(run) if since is not None else Severity.INFO,
            first_step=since if since is not None else 0,
            last_step=run.steps if since is not None else 0,
            evidence={
                "share": share,
                "at_birth": series.first,
                "series": [{"name": "probe.wrong_side_share", "site": site.name}],
                "threshold": least,
                "threshold_label": f"healthy: below {least:.0%}",
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
    if not sites:
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
        f"more (variation {variation:.1%} of its signal)",
        severity(run),
        first_step=since,
        last_step=run.steps,
        evidence={
            "variation": variation,
            "series": [{"name": "probe.variation", "site": first.name}],
            "threshold": most,
            "threshold_label": f"constant: below {most:.0%}",
        },
        help=f"look at what happened to {first.name}",
    )


def _relu_sites(run: Run) -> list[Site]:
    return [site for site in run.sites if site.activation == "relu"]


def _since(died_at: Array) -> str:
    """`8 since step 1, 2 later, 1 since birth`: the largest groups by step, the rest together."""
    died = Counter(int(step) for step in died_at[died_at > 0])
    groups = died.most_common(2) if len(died) > 2 else sorted(died.items())
    groups = sorted(groups)
    parts = [f"{count} since step {step:,}" for step, count in groups]
    rest = sum(died.values()) - sum(count for _, count in groups)
    if rest:
        parts.append(f"{rest} at other steps")
    born = int(np.count_nonzero(died_at == 0))
    if born:
        parts.append(f"{born} since birth")
    return ", ".join(parts)


def _by_epoch(run: Run, died_at: Array) -> dict[str, list[str | int]]:
    """Dead units at birth and after epochs: the first five and the last."""
    epochs = run.epochs[:6] + run.epochs[6:][-1:]
    counts = [int(np.sum((died_at >= 0) & (died_at <= epoch.step))) for epoch in epochs]
    return {"epoch": [epoch.number or "birth" for epoch in epochs], "dead": list(counts)}


def _holds_below(run: Run, site: str, most: float) -> int | None:
    points = checks(run.series("probe.variation", site))
    if len(points) < 2 or not (points.values[-2:] < most).all():
        return None
    above = np.flatnonzero(points.values >= most)
    return int(points.steps[above[-1] + 1 if above.size else 0])


def _collapsed(run: Run, site: Site) -> bool:
    from .gradients import collapse

    return collapse(run, f"{site.name}.weight") is not None
