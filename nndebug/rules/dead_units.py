"""NND2: ReLU units that never fire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from ..signals import Array, Site
from .outcome import Outcome, checks, learned_well, outcome, severity
from .updates import overshooting_updates


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

    What it measures: units silent on the probe at two checks in a row, then counted on the whole training set (of a
    PyTorch model: on the batches that were recorded since the last but one check). Told
    apart are units dead since birth (see dead-at-birth) and units that died, with their step. A warning from 40 % of
    a layer on (those dead since birth left out: see dead-at-birth), or when one update that moved the layer too far (update-overshoots) killed 3 units and 10 % of it; an
    error from 80 % on, or from 20 % on in a run that fails to learn. Fewer that died at such an update are an info.

    Why it matters: a dead unit never comes back by itself; each takes a part of the layer's capacity with it.

    What to try: a lower learning rate, clipping, He initial weights with zero biases; LeakyReLU keeps a gradient.

    False alarms: the share of zero activations is not looked at: healthy ReLU layers are up to 69 % zeros. Measured
    on 784-30-10 with N(0, 1) biases on MNIST: healthy runs have 0 to 4 dead units of 30 after an epoch and 1 to 6
    after thirty; learning rate 3.0 has 6 to 12 after one. A wide or deep network can do without half of its units: where
    the loss ends below a tenth of chance, held-out data included, those that died one by one are an info.

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
        born = int(np.count_nonzero(died_at == 0))
        died = Counter(int(step) for step in died_at[died_at > 0])
        # A layer killed units if it overshot itself; where another one did, they are worth a note.
        by_overshoot = sum(died[step + 1] for step in {o.step for o in overshoots if o.site == site.name})
        beside = sum(died[step + 1] for step in {o.step for o in overshoots})
        failing = outcome(run) is Outcome.FAILED
        if steady >= nearly_all * units or (failing and sum(died.values()) >= max(failed * units, least)):
            level = Severity.ERROR
        elif by_overshoot >= max(killed * units, least):
            level = Severity.WARNING
        elif steady - born >= most * units:
            level = Severity.INFO if learned_well(run) else Severity.WARNING
        elif beside:
            level = Severity.INFO
        else:
            continue
        step = min((s for s, n in died.items() if n == max(died.values())), default=0)
        yield Symptom(
            site.name,
            f"{dead} of {units} units {_never_fire(run)}: {_since(died_at)}",
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

    What it measures: units dead at state 0, counted on the whole training set; of a PyTorch model, units that fired for none
    of the first 512 samples.

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
        # A unit that fires for no sample has no gradient: after a few steps it is what it was.
        none = "none of the first samples" if run.manifest.get("looked_at") else "no training sample"
        if bias < -0.5:
            why = f"its biases start at {bias:.2g} on average"
        elif run.series("weight.norm", f"{site.name}.weight").first == 0:
            why = "its weights start at 0"
        else:
            why = "the signs of its inputs and weights"
        yield Symptom(
            site.name,
            f"{int(born.first)} of {site.units} units fire for {none} before the first step: {why}",
            severity(run, learned=Severity.INFO),
            first_step=0,
            evidence={"dead": int(born.first), "units": site.units, "unit_map": site.name},
            help="start the biases at 0 and use He initial weights",
        )


def _relu_sites(run: Run) -> list[Site]:
    return [site for site in run.sites if site.activation == "relu"]


def _never_fire(run: Run) -> str:
    """On all of the training set, where it is at hand."""
    looked_at = run.manifest.get("looked_at")
    return (
        f"fired for none of the last {looked_at:,} samples looked at"
        if looked_at
        else "never fire on the training set"
    )


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
