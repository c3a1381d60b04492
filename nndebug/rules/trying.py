"""What the preflight tried on copies: a few samples by heart (NND5), a sweep of rates and one update (NND4)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from ..wording import percent
from .before import if_it_fails, measured, unless_it_learns
from .outcome import Outcome, outcome, unfinished


@rule("NND408", "not-in-optimizer", needs=("preflight.optimizer",))
def not_in_optimizer(run: Run) -> Iterator[Symptom]:
    """A parameter that the optimiser does not move, though it has a gradient.

    What it measures: one step of a copy of the optimiser on a copy of the network, with a gradient of 1 or -1 for every
    entry: which parameters keep every bit.

    Why it matters: what the optimiser does not know stays as it was initialised, and no error says so.

    What to try: pass all parameters to the optimiser; change arrays in place (`w -= ...`), not names (`w = w - ...`).

    False alarms: layers frozen on purpose; a run that learns well with them gets an info.

    References: PyTorch documentation of `torch.optim`, "Constructing it".
    """
    found = measured(run, "optimizer")
    unmoved = found["unmoved"]
    if not unmoved:
        return
    frozen = set(found.get("frozen", ()))
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in unmoved))
    everything = not found["moved"]
    on_purpose = set(layers) <= frozen
    yield Symptom(
        layers[0],
        "a step of the optimiser moves no parameter at all"
        if everything
        else f"a step of the optimiser does not move {', '.join(unmoved[:4])}{' and others' if len(unmoved) > 4 else ''}"
        + (" (frozen)" if on_purpose else ""),
        if_it_fails(run) if on_purpose else unless_it_learns(run),
        first_step=0,
        evidence={"unmoved": unmoved, "moved": len(found["moved"]), "frozen": on_purpose},
        help="pass all parameters to the optimiser, and change them in place",
    )


class Interval(NamedTuple):
    """Rates at which the loss of one batch falls: from the lowest that does something to the highest that holds."""

    low: float
    high: float
    best: float


def stable_interval(sweep: Mapping[str, Any], falls: float = 0.02, rises: float = 1.0) -> Interval | None:
    """The interval of rates around the best one at which twenty steps lower the loss of one batch.

    Args:
        sweep: the part of the preflight.
        falls: share of what the best rate gains that a rate must gain to count as doing something.
        rises: share of the start above which the loss at the end counts as thrown off.
    """
    start = sweep["start"]
    gains = [start - p["last"] if math.isfinite(p["last"]) else -math.inf for p in sweep["points"]]
    best = max(range(len(gains)), key=gains.__getitem__, default=-1)
    if best < 0 or not gains[best] > 0:
        return None
    rates = [p["rate"] for p in sweep["points"]]
    low = high = best
    while low > 0 and gains[low - 1] >= falls * gains[best]:
        low -= 1
    while high + 1 < len(rates) and gains[high + 1] > 0 and sweep["points"][high + 1]["last"] < rises * start:
        high += 1
    return Interval(rates[low], rates[high], rates[best])


@rule("NND410", "rate-out-of-range", needs=("preflight.sweep",))
def rate_out_of_range(run: Run, *, falls: float = 0.02) -> Iterator[Symptom]:
    """The learning rate lies outside the interval in which one batch can be learned from this start.

    What it measures: twenty steps on one batch at thirteen rates, a thousandth to a thousand times the user's, from the
    initial state with the user's optimiser: where the loss falls. Below the interval: less than 2 % of what the best
    rate gains; above it: the loss ends above its start, or is not finite.

    Why it matters: no number is a good rate by itself; healthy runs used 0.001 to 3.0. The interval says what this
    network, with this data, can take.

    What to try: a rate near the one that gained most, or a third of it.

    False alarms: a batch is not the data set: it is an info unless learning fails, or the rate is too low and the training
    ended on its way down. Rates of healthy runs gain 3.8 % or more of what the best gains.

    References: L. Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, arXiv:1506.01186, on range tests.
    """
    sweep = measured(run, "sweep")
    found = stable_interval(sweep, falls)
    rate = sweep["rate"]
    if found is None or found.low * 0.99 <= rate <= found.high * 1.01:
        return
    above = rate > found.high
    level = if_it_fails(run)
    if level is Severity.INFO and not above and unfinished(run):
        level = Severity.WARNING
    yield Symptom(
        "run",
        f"rate {rate:g} is too {'high' if above else 'low'} for one batch: its loss falls at {found.low:.2g} to "
        f"{found.high:.2g}, fastest at {found.best:.2g}",
        level,
        first_step=0,
        evidence={"rate": rate, "low": found.low, "high": found.high, "best": found.best, "above": above},
        help=f"try {found.best / (3 if above else 1):.2g}",
    )


@rule("NND505", "cannot-overfit-batch", needs=("preflight.overfit",))
def cannot_overfit_batch(run: Run, *, most: float = 0.1, nothing: float = 0.9) -> Iterator[Symptom]:
    """Twenty samples cannot be learned by heart.

    What it measures: 200 steps on twenty samples of all classes, on a copy, without penalty and dropout, at the user's
    rate and a tenth, ten, a hundredth and a hundred times it: the lowest loss against the start (or chance, if that is
    more). Above 10 % it is an info, above 90 % a warning; an error where the run fails to learn.

    Why it matters: a network that cannot learn twenty samples has a fault that more data and more epochs do not mend:
    a wrong gradient, an output that cannot reach the targets, units that are all alike or all dead.

    What to try: `nndebug gradcheck`; then the last activation and the loss; then the initial weights.

    False alarms: linear models of few inputs keep a part of their loss (an info). Healthy networks reach 10 % within the
    200 steps: the measured margins are in the table of `benchmarks/preflight_margins.py`.

    References: A. Karpathy, "A Recipe for Training Neural Networks", 2019, "overfit one batch".
    """
    found = measured(run, "overfit")
    share = found["share"]
    if share <= most:
        return
    low = share > nothing
    yield Symptom(
        "run",
        f"{found['samples']} samples cannot be learned by heart: at the best of {len(found['rates'])} rates "
        f"{percent(share, 0)} of the loss is left",
        unless_it_learns(run) if low else if_it_fails(run),
        first_step=0,
        evidence={k: found[k] for k in ("share", "start", "reached", "chance", "rates")},
        help="nndebug gradcheck; then look at the last activation and the loss",
    )


@rule("NND508", "input-ignored", needs=("preflight.overfit", "preflight.start"))
def input_ignored(run: Run, *, alike: float = 0.99) -> Iterator[Symptom]:
    """The network learns no more with its inputs than without them.

    What it measures: twenty samples learned on a copy, and the same with every input 0: the loss reached with the inputs
    is not even 1 % below the one without. Or outputs that are equal to the last bit for all probe samples although the
    inputs differ.

    Why it matters: whatever is learned then is the mean of the targets.

    What to try: look for the first layer that loses the difference: dead or saturated units, zero weights, an axis that
    is summed over.

    False alarms: zero initial weights of a single layer give equal outputs and learn well: the first step mends that,
    and only what twenty samples show counts.

    References: "input-independent baseline" in A. Karpathy, "A Recipe for Training Neural Networks", 2019.
    """
    found, start = measured(run, "overfit"), measured(run, "start")
    reached, blind = found["reached"], found["blind"]
    if not math.isfinite(blind) or reached < alike * blind or found["share"] <= 0.1:
        return
    equal = start["outputs_equal"]
    yield Symptom(
        "run",
        f"{found['samples']} samples are learned no better with their inputs than with zeros "
        f"(loss {reached:.3g} and {blind:.3g})"
        + ("; all outputs are equal to the last bit" if equal else ""),
        Severity.ERROR if outcome(run) is Outcome.FAILED else unless_it_learns(run),
        first_step=0,
        evidence={"reached": reached, "blind": blind, "outputs_equal": equal},
        help="look for the first layer that gives the same for every sample",
    )
