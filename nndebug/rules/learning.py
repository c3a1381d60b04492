"""NND5: loss and learning."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from ..wording import percent
from .outcome import DIVERGED, MIN_STEPS, NOT_LEARNED, diverging_since, holds_now, not_learning, severity


@rule("NND501", "not-learning", needs=("probe.loss",))
def not_learning_rule(run: Run, *, most: float = NOT_LEARNED, steps: int = MIN_STEPS) -> Iterator[Symptom]:
    """After enough steps the loss is no better than that of a network that knows only the class shares.

    What it measures: the best loss on the probe so far, against the loss of the best constant output (for classes:
    of their shares; for regression: of the mean).

    Why it matters: whatever else is found, this is what the user wants mended; it turns other findings into errors.

    What to try: read the cause that stands above this finding; it is a consequence.

    False alarms: a task that cannot be learned, or needs far more steps. Healthy runs end at or below 0.3 of the loss
    at chance, failed ones stay at or above 0.9.

    References: the probe and the line are the "input-independent baseline" of A. Karpathy, "A Recipe for Training
    Neural Networks", 2019.
    """
    share = not_learning(run, most, steps)
    if share is None:
        return
    chance = run.manifest["loss_at_chance"]
    best, last = run.series("probe.loss").minimum, run.series("probe.loss").last
    yield Symptom(
        "run",
        f"probe loss {last:.3g} after {run.steps:,} steps, at best {best:.3g}: no better than knowing only the "
        f"{'class shares' if run.manifest.get('classes') else 'mean'} ({chance:.3g})",
        Severity.ERROR,
        first_step=0,
        last_step=run.steps,
        evidence={
            "best": best,
            "chance": chance,
            "series": [{"name": "probe.loss", "site": "run"}],
            "threshold": chance,
            "threshold_label": f"at chance: {chance:.3g}",
        },
        help="check the backward pass (nndebug gradcheck), the labels and the rate",
    )


@rule("NND502", "diverging", needs=("probe.loss",))
def diverging(run: Run, *, factor: float = DIVERGED, times: int = 3) -> Iterator[Symptom]:
    """The loss rises far above its best and above chance, and stays there.

    What it measures: the probe loss at the last three checks against 1.5 × its best and the loss at chance.

    Why it matters: the parameters move away from every solution; more epochs make it worse.

    What to try: a lower learning rate; gradient clipping; look for an update with the wrong sign.

    False alarms: none known when judged on the probe. On single training batches this test would have flagged 44 of
    44 healthy runs.

    References: the test on a fixed probe instead of training batches was chosen after a survey of 30 tools.
    """
    since = diverging_since(run, factor, times)
    if since is None:
        return
    loss, chance = run.series("probe.loss"), run.manifest["loss_at_chance"]
    last = "not finite" if math.isnan(loss.last) else f"{loss.last:.3g}"
    yield Symptom(
        "run",
        f"probe loss is {last}, its best was {loss.minimum:.3g} and chance is {chance:.3g}",
        Severity.ERROR,
        first_step=since,
        last_step=run.steps,
        evidence={
            "best": loss.minimum,
            "series": [{"name": "probe.loss", "site": "run"}],
            "threshold": chance,
            "threshold_label": f"at chance: {chance:.3g}",
            "steps": [since, run.steps],
        },
        help="lower the learning rate",
    )


@rule("NND503", "initial-loss", needs=("probe.loss",))
def initial_loss(run: Run, *, most: float = 2.0, most_quadratic: float = 4.0) -> Iterator[Symptom]:
    """Before the first step the loss is far above that of a network that knows nothing.

    What it measures: the probe loss at birth against the loss at chance; 2 × for cross-entropy, 4 × for quadratic.

    Why it matters: the network starts out confidently wrong: its first steps only undo its initial values.

    What to try: smaller initial weights (He for ReLU, Xavier for sigmoid and tanh), scaled inputs.

    False alarms: networks of N(0, 1) weights that learn well start at up to 5.8 × chance; alone this is only unusual
    and therefore no more than an info. Usual starts lie at 0.6 to 1.15.

    References: "verify loss at init" in A. Karpathy, "A Recipe for Training Neural Networks", 2019.
    """
    loss, chance = run.series("probe.loss"), run.manifest.get("loss_at_chance")
    if not chance or not len(loss) or loss.steps[0] != 0:
        return
    limit = most_quadratic if run.manifest.get("loss") == "quadratic" else most
    if not loss.first > limit * chance:
        return
    yield Symptom(
        "run",
        f"probe loss {loss.first:.3g} before the first step, {loss.first / chance:.1f} × that of chance ({chance:.3g})",
        Severity.INFO,
        first_step=0,
        last_step=0,
        evidence={
            "ratio": loss.first / chance,
            "series": [{"name": "probe.loss", "site": "run"}],
            "threshold": limit * chance,
            "threshold_label": f"usual: below {limit * chance:.3g}",
            "steps": [0, 0],
        },
        help="use smaller initial weights",
    )


@rule("NND507", "prediction-collapse", needs=("probe.top_class_share",))
def prediction_collapse(run: Run, *, least: float = 0.9) -> Iterator[Symptom]:
    """Nearly every prediction is the same class although the classes are balanced.

    What it measures: the share of the commonest prediction on the probe, at two checks in a row.

    Why it matters: the output does not depend on the input any more, or not enough to change the decision.

    What to try: see the cause above it: dead or saturated layers, a rate that is too high, labels out of order.

    False alarms: none on balanced data (healthy at most 0.21); on data where one class has most rows it is not
    looked at.

    References: a constant guess is the "input-independent baseline" of A. Karpathy, "A Recipe for Training Neural
    Networks", 2019.
    """
    shares = run.manifest.get("class_shares") or [1.0]
    # With one class in the majority a constant guess may be the honest optimum of an early network.
    if max(shares) > 0.5:
        return
    since = holds_now(run.series("probe.top_class_share"), least)
    if since is None:
        return
    share, label = run.series("probe.top_class_share").last, int(run.series("probe.top_class").last)
    yield Symptom(
        "run",
        f"class {label} is {percent(share, 0)} of the predictions, {percent(shares[label], 0)} of the labels",
        severity(run),
        first_step=since,
        last_step=run.steps,
        evidence={
            "class": label,
            "share": share,
            "series": [{"name": "probe.top_class_share", "site": "run"}],
            "threshold": least,
            "threshold_label": f"collapse: {percent(least, 0)}",
        },
        help="look at what makes the output constant: dead or saturated units, labels out of order",
    )
