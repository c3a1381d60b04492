"""NND4: updates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from ..signals import Site
from ..wording import short
from .before import measured
from .outcome import Outcome, outcome, severity
from .structure import never_ran

_DEVIATIONS = 4.0
_WITH_DEATHS = 2.5
_DEATHS, _DEATH_SHARE = 3, 0.1
_TINY_WEIGHTS = 0.5
"""Times 1 / sqrt(inputs), the size of weights that keeps the scale of a signal (LeCun)."""
_TINY = 0.1
"""Pre-activations of a smaller standard deviation are too small to judge a shift by (see activation-scale)."""


class Overshoot(NamedTuple):
    """One update that moved a site too far: where, which, by how many standard deviations, and units it killed."""

    site: str
    step: int
    deviations: float
    deaths: int


def overshooting_updates(
    run: Run, deviations: float = _DEVIATIONS, with_deaths: float = _WITH_DEATHS
) -> list[Overshoot]:
    """The updates that moved a layer's pre-activations too far, in order of step."""
    found = []
    for site in run.sites:
        deaths: Counter[int] = Counter()
        if (died_at := run.last_array(f"{site.name}/died_at")) is not None:
            deaths = Counter(int(step) - 1 for step in died_at[died_at > 0])
        many = max(_DEATHS, _DEATH_SHARE * site.units)
        for name in ("probe.shift", "shift"):
            series = run.series(name, site.name)
            spread = run.series(
                "probe.preactivation.std" if name == "probe.shift" else "preactivation.std", site.name
            )
            large = (series.values > min(deviations, with_deaths)) & np.isfinite(series.values)
            for step, size in zip(series.steps[large].tolist(), series.values[large].tolist()):
                # Of next to nothing any change is many times its size: a layer that starts tiny must grow.
                if spread.at(step) < _TINY:
                    continue
                if size > deviations or (size > with_deaths and deaths[step] >= many):
                    found.append(Overshoot(site.name, step, size, deaths[step]))
    return sorted(found, key=lambda o: (o.step, -o.deaths, -o.deviations))


@rule("NND401", "update-too-large", needs=("update_ratio",))
def update_too_large(run: Run, *, median: float = 0.1, first: float = 2.0) -> Iterator[Symptom]:
    """Updates are large compared with the weights that they change.

    What it measures: Frobenius norm of a weight's update over that of the weight; its median over the run above 0.1,
    or one of the first ten above 2.

    Why it matters: a step that replaces a weight instead of changing it cannot descend.

    What to try: a lower learning rate; about 1e-3 is usual.

    False alarms: healthy runs have medians up to 0.029 and first steps up to 0.78; sick ones reach 13 and more. Alone
    the ratio does not separate (0.88 may learn, 0.19 may not): on a run that learns it is an info.

    References: A. Karpathy, Stanford CS231n notes, "Ratio of weights:updates".
    """
    for site in run.sites:
        ratios = run.series("update_ratio", f"{site.name}.weight")
        early = ratios.before(10)
        spread = run.series("weight.std", f"{site.name}.weight")
        # Weights that start at next to nothing must become many times as large.
        if len(ratios) < 3 or (spread and spread.first < _TINY_WEIGHTS / max(site.inputs, 1) ** 0.5):
            continue
        typical, largest = float(np.median(ratios.values)), early.maximum
        if not (typical > median or largest > first):
            continue
        step = int(early.steps[early.values.argmax()]) if largest > first else int(ratios.steps[0])
        message = (
            f"update {largest:.3g} × the weight at step {step}"
            if largest > first
            else f"median update {short(typical)} × the weight"
        )
        yield Symptom(
            f"{site.name}.weight",
            f"{message} (usual: about 1e-3)",
            severity(run, learned=Severity.INFO),
            first_step=step,
            last_step=run.steps,
            evidence={
                "median": typical,
                "largest_first": largest,
                "series": [{"name": "update_ratio", "site": f"{site.name}.weight"}],
                "threshold": first if largest > first else median,
                "threshold_label": f"healthy: below {first if largest > first else median:g}",
            },
            help="lower the learning rate",
        )


@rule("NND403", "parameter-frozen", needs=("update.norm", "gradient.norm"))
def parameter_frozen(run: Run, *, steps: int = 20) -> Iterator[Symptom]:
    """A parameter has not changed by a single bit in twenty recorded steps.

    What it measures: updates that are exactly zero at the last twenty detailed records, with or without a gradient.

    Why it matters: with a gradient, the update is not applied (to a copy, or not to this parameter); without one, the
    chain above it is cut.

    What to try: with a gradient: look at the line that changes the parameter. Without: look at the layers above.

    False alarms: layers frozen on purpose. A parameter of a constant-zero input, or of a dead layer, has no gradient.
    Layers that never run are told by layer-unused. A bias right before a batch normalisation, which takes it off again, has
    none but rounding, and one on which the loss does not depend (of differences between outputs) none at all: nothing is said
    of them.

    References: in NumPy `w = w - rate * g` binds a name anew, `w -= rate * g` changes the array.
    """
    unused = never_ran(run)
    for site, following in zip(run.sites, (*run.sites[1:], None), strict=True):
        for parameter in site.parameters if site.name not in unused else ():
            name = f"{site.name}.{parameter}"
            if parameter == "bias" and following and following.kind == "batch_norm" and not site.activation:
                continue
            if parameter == "bias" and _cancels(run, site.name, steps):
                continue
            updates, gradients = run.series("update.norm", name), run.series("gradient.norm", name)
            if len(updates) < steps or updates.values[-steps:].any():  # NaN is a change, too
                continue
            moved = np.flatnonzero(updates.values)
            since = int(updates.steps[moved[-1] + 1 if moved.size else 0])
            late = gradients.since(since).finite
            gradient = float(np.median(late.values)) if late else 0.0
            below = gradient > 0 and _below_precision(run, name, gradient)
            if gradient > 0 and not below:
                message = f"never changes since step {since:,} although its gradient is {short(gradient)}: the update is not applied"
                level = Severity.WARNING if outcome(run) is Outcome.LEARNED else Severity.ERROR
                help = "look at the line that updates it: is it applied to a copy?"
            elif below:
                message = f"never changes since step {since:,}: rate times gradient ({short(gradient)}) is below its precision"
                level, help = (
                    severity(run, learned=Severity.INFO),
                    "raise the rate, or find what shrank the gradient",
                )
            else:
                message = f"never changes since step {since:,}: no gradient reaches it"
                level = severity(run, learned=Severity.INFO)
                help = "look for what cuts the gradient in the layers above"
            yield Symptom(
                name,
                message,
                level,
                first_step=since,
                last_step=run.steps,
                evidence={
                    "gradient": gradient,
                    "below_precision": below,
                    "series": [{"name": "update.norm", "site": name}],
                },
                help=help,
            )


def _cancels(run: Run, site: str, steps: int) -> bool:
    """Whether a loss does not depend on a bias, as one of differences between outputs does not: its gradient is exactly 0.

    PyTorch derives a layer's bias and weight together, so that a cut above would stop both. A backward pass of one's own may
    have forgotten the bias.
    """
    if not str(run.manifest.get("framework", "")).startswith("torch"):
        return False
    gradients, moves = (
        run.series("gradient.norm", f"{site}.bias"),
        run.series("update.norm", f"{site}.weight"),
    )
    return (
        len(gradients) > 0 and not gradients.values.any() and bool(moves.values[-steps:].all() and len(moves))
    )


def _below_precision(run: Run, parameter: str, gradient: float) -> bool:
    """Whether a gradient of this norm may be too small to change any entry in the network's precision."""
    weight = run.series("weight.maximum", parameter).last, run.series("weight.minimum", parameter).last
    size = run.series("weight.norm", parameter).last
    spread = max(abs(weight[0]), abs(weight[1]))
    entries = max(1.0, (size / spread) ** 2) if spread > 0 else 1.0  # at least so many: ‖w‖² ≤ n max²
    epsilon = 1e-16 if run.manifest["network"]["dtype"] == "float64" else 1e-7
    change = run.series("learning_rate").last * gradient / float(entries) ** 0.5
    return bool(change < 10 * epsilon * spread)


@rule("NND409", "symmetric-units", needs=("weight.std", "update.std"))
def symmetric_units(run: Run) -> Iterator[Symptom]:
    """Units of a hidden layer start as copies of one another, and stay alike.

    What it measures: the spread of a hidden layer's weights before the first step, exactly zero; and, in the preflight,
    units whose weights in and out and biases equal those of the first unit to the last bit.

    Why it matters: units with equal weights in and out get equal gradients for ever: the layer acts as one unit.

    What to try: random initial weights: He for ReLU, Xavier for sigmoid and tanh.

    False alarms: zero weights of a layer that is added to others (low-rank adapters, residual branches): in PyTorch nothing is
    said of one without an activation, behind a random layer, unless the run fails. Random biases and dropout break the symmetry: such runs can learn well, and then this is an info. Copies in
    every respect stay copies, whatever else is learned: that is never less than a warning.

    References: I. Goodfellow et al., "Deep Learning", section 8.4, on breaking symmetry.
    """
    # Normalisation, whose scales all start at 1, has no inputs of its own to weigh.
    hidden = [site for site in run.sites if "weight" in site.parameters and site.inputs][:-1]
    copies = {layer["name"] for layer in measured(run, "start").get("layers", ()) if layer["units_alike"]}
    own = run.manifest.get("network", {}).get("regularisation", {})
    dropped = any("dropout" in numbers for numbers in own.values())
    for site in hidden:
        spread = run.series("weight.std", f"{site.name}.weight")
        if site.name in copies and spread and spread.first > 0:
            yield Symptom(
                site.name,
                f"its {site.units} units start as copies of one another: equal weights in and out, equal biases",
                severity(run, learned=Severity.INFO if dropped else Severity.WARNING),
                first_step=0,
                evidence={"value": None, "series": [{"name": "weight.std", "site": f"{site.name}.weight"}]},
                help="draw the initial weights of every unit at random: He for ReLU, Xavier for sigmoid and tanh",
            )
            continue
        if not spread or spread.steps[0] != 0 or spread.first != 0 or site.units < 2:
            continue
        value = run.series("weight.mean", f"{site.name}.weight").first
        biases = run.series("weight.std", f"{site.name}.bias")
        apart = bool(biases and biases.first > 0)
        if _adds_nothing_yet(run, site, value) and outcome(run) is not Outcome.FAILED:
            continue
        if apart and outcome(run) is Outcome.LEARNED:
            continue
        alike = "differ by their biases only" if apart else "are copies of one another"
        level = (
            Severity.INFO
            if apart and outcome(run) is not Outcome.FAILED
            else severity(run, learned=Severity.INFO)
        )
        yield Symptom(
            site.name,
            f"all its weights start at {value:g}: its {site.units} units {alike}",
            level,
            first_step=0,
            evidence={
                "value": value,
                "apart": apart,
                "series": [{"name": "weight.std", "site": f"{site.name}.weight"}],
            },
            help="draw the initial weights at random: He for ReLU, Xavier for sigmoid and tanh",
        )


def _adds_nothing_yet(run: Run, site: Site, value: float) -> bool:
    """Whether a layer begins as nothing beside what it is added to, as low-rank adapters and last layers of residual branches
    do: zero weights, no activation, behind a layer that was drawn at random."""
    place = run.sites.index(site)
    before = run.series("weight.std", f"{run.sites[place - 1].name}.weight") if place else None
    torch = str(run.manifest.get("framework", "")).startswith("torch")
    return bool(torch and value == 0 and not site.activation and before and before.first > 0)


@rule("NND411", "update-overshoots", needs=("probe.shift or shift",))
def update_overshoots(
    run: Run, *, deviations: float = _DEVIATIONS, with_deaths: float = _WITH_DEATHS
) -> Iterator[Symptom]:
    """One update moves a layer's pre-activations by several of their own standard deviations.

    What it measures: std(z after - z before) / std(z before), on the probe for the first 20 updates, afterwards (of a
    PyTorch model: always, in layers that can be run again without a trace) on the batch of recorded steps. Above 4; or above 2.5 where the same update killed 3 ReLU units and 10 % of the layer.

    Why it matters: such a step does not descend, it jumps; ReLU units that land below zero for all samples are dead.

    What to try: a lower learning rate; clipping; warm-up.

    False alarms: alone it is an info, because runs in a border band learn in spite of it. 784-30-10, He, N(0, 1)
    biases, MNIST, 8 seeds each, largest of the first 20 updates: rate 0.1 up to 0.4, 0.5 up to 1.6, 1.0 up to 2.1 (all
    learn), 2.0 from 2.4 to 4.2 (damaged), 3.0 from 3.7 to 6.3.

    References: J. Cohen et al., "Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability", 2021,
    arXiv:2103.00065, on how far a stable step may go.
    """
    found = overshooting_updates(run, deviations, with_deaths)
    for site in {o.site: None for o in found}:
        here = [o for o in found if o.site == site]
        worst = max(here, key=lambda o: (o.deaths >= _DEATHS, o.deviations))
        rose = _loss_rose(run, worst.step)
        level = severity(run) if worst.deaths >= _DEATHS or outcome(run) is Outcome.FAILED else Severity.INFO
        if level is Severity.INFO and rose and outcome(run) is not Outcome.LEARNED:
            level = Severity.WARNING
        limit = with_deaths if worst.deviations <= deviations else deviations
        killed = f"; it killed {worst.deaths} of its units" if worst.deaths else ""
        yield Symptom(
            site,
            f"step {worst.step:,}: moved by {worst.deviations:.3g} standard deviations in one update "
            f"(healthy: below {limit:g}){killed}",
            level,
            first_step=here[0].step,
            last_step=here[-1].step,
            evidence={
                "deviations": worst.deviations,
                "step": worst.step,
                "deaths": worst.deaths,
                "updates": len(here),
                "series": [{"name": "probe.shift", "site": site}, {"name": "shift", "site": site}],
                "threshold": deviations,
                "threshold_label": f"healthy: below {deviations:g}",
                "steps": [worst.step, worst.step],
            },
            help="lower the learning rate, or clip gradients",
        )


def _loss_rose(run: Run, step: int) -> bool:
    loss = run.series("probe.loss")
    return bool(loss.since(step + 1)) and loss.since(step + 1).first > loss.at(step)
