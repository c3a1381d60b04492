"""NND5: what the curves say when they are looked at from their end."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from ..wording import percent
from .outcome import LEARNED, Outcome, far_from_done, outcome, severity, still_falling


@rule("NND504", "oscillating", needs=("probe.loss",))
def oscillating(run: Run, *, changes: float = 0.6, size: float = 0.1, least: int = 10) -> Iterator[Symptom]:
    """The loss jumps up and down and gets nowhere.

    What it measures: the probe loss at the states that were judged one after the other: more than 60 % of the changes
    that are larger than a tenth of the loss at chance go the other way than the one before, and the loss does not end
    below 90 % of its start.

    Why it matters: the steps are longer than the valley is wide: each jumps to the other side.

    What to try: a tenth of the rate.

    False alarms: the noise of single batches is no oscillation and is not looked at. Of the planted faults' healthy
    twins none has more than three such changes in a row (`python -m benchmarks.planted`).

    References: I. Goodfellow et al., "Deep Learning", section 4.3, on steps that overshoot.
    """
    loss, chance = run.series("probe.loss").finite, run.manifest.get("loss_at_chance")
    if not chance or len(loss) <= least or not loss.last > 0.9 * loss.first:
        return
    steps = np.diff(loss.values)
    large = steps[np.abs(steps) > size * chance]
    if len(large) < least:
        return
    share = float(np.mean(np.sign(large[1:]) != np.sign(large[:-1])))
    if share <= changes or outcome(run) is Outcome.LEARNED:
        return
    yield Symptom(
        "run",
        f"{percent(share, 0)} of the loss's {len(large)} large changes undo the one before; it ends at {loss.last:.3g}, from {loss.first:.3g}",
        severity(run),
        first_step=int(loss.steps[0]),
        last_step=run.steps,
        evidence={"share": share, "changes": len(large), "series": [{"name": "probe.loss", "site": "run"}]},
        help="lower the learning rate to a tenth",
    )


@rule("NND506", "overfitting", needs=("validation.loss",))
def overfitting(run: Run, *, rise: float = 1.1, times: int = 3) -> Iterator[Symptom]:
    """The validation loss rises while the training loss still falls.

    What it measures: the validation loss of the last three epochs, each above 1.1 × its minimum, with a training loss
    that is lower than it was at that minimum.

    Why it matters: what is learned from there on holds for the training set only.

    What to try: stop at the minimum (`fit(..., patience=5)`), more data, dropout, an L2 penalty.

    False alarms: it is an info, because a network may be used at its best epoch and accuracy may rise all the same; a
    warning only where the validation loss has become worse than that of knowing nothing.

    References: L. Prechelt, "Early Stopping - But When?", 1998.
    """
    held_out, train = run.series("validation.loss").finite, run.series("train.loss").finite
    if len(held_out) <= times or not train:
        return
    best = int(held_out.values.argmin())
    step = int(held_out.steps[best])
    last = held_out.values[-times:]
    if best > len(held_out) - 1 - times or not (last > rise * held_out.minimum).all():
        return
    if not train.last < train.at(step):
        return
    chance = run.manifest.get("loss_at_chance")
    yield Symptom(
        "run",
        f"validation loss {held_out.last:.3g}, its minimum {held_out.minimum:.3g} was after step {step:,}; the training loss "
        f"went on falling ({train.at(step):.3g} to {train.last:.3g})",
        Severity.WARNING if chance and held_out.last > chance else Severity.INFO,
        first_step=step,
        last_step=run.steps,
        evidence={
            "minimum": held_out.minimum,
            "best_step": step,
            "series": [{"name": "validation.loss", "site": "run"}, {"name": "train.loss", "site": "run"}],
            "steps": [step, run.steps],
        },
        help="stop at the minimum (patience), or regularise",
    )


@rule("NND509", "stopped-too-early", needs=("probe.loss", "update_ratio"))
def stopped_too_early(
    run: Run, *, pace: float = 0.4, moved: float = 0.05, ratio: float = 1e-4
) -> Iterator[Symptom]:
    """The training ended while the loss was still falling at its early pace.

    What it measures: how far below chance the probe loss fell in the second half of the steps, against the first half; 40 %
    or more, with a loss still above half of chance, and at least 5 % of chance in all.

    Why it matters: the network is not bad, it is not finished.

    What to try: more epochs; smaller batches, which are more steps an epoch.

    False alarms: a rate that is far too low looks alike; where updates are below 1e-4 of the weights that is named
    instead. Finished runs lie at 0.0 to 0.2; it is an info where the loss is below chance by half, or where nine tenths of
    the mistakes of knowing nothing are gone.

    References: J. Kaplan et al., "Scaling Laws for Neural Language Models", 2020, arXiv:2001.08361, on loss against steps.
    """
    falling = still_falling(run, pace, moved)
    if falling is None:
        return
    early, late = falling
    loss, chance = run.series("probe.loss").finite, run.manifest["loss_at_chance"]
    ratios = [run.series("update_ratio", f"{site.name}.weight") for site in run.sites]
    typical = max((s.median_last(20) for s in ratios if s), default=0.0)
    if typical < ratio:
        return
    unfinished = far_from_done(run)
    more = int(loss.steps[-1]) / 2 * (loss.last - LEARNED / 2 * chance) / late if unfinished else 0
    forecast = f"; at this pace a good loss is about {max(more, 1):,.0f} steps away" if unfinished else ""
    yield Symptom(
        "run",
        f"the loss was still falling when the training ended: by {early:.2g} in the first half of the steps, by {late:.2g} in "
        f"the second{forecast}",
        Severity.WARNING if unfinished else Severity.INFO,
        first_step=int(loss.steps[-1]) // 2,
        last_step=run.steps,
        evidence={
            "early": early,
            "late": late,
            "steps": [int(loss.steps[-1]) // 2, run.steps],
            "series": [{"name": "probe.loss", "site": "run"}],
        },
        help="train for more epochs, or with smaller batches",
    )


@rule("NND510", "loss-metric-disagree", needs=("validation.loss", "validation.accuracy"))
def loss_metric_disagree(
    run: Run, *, times: int = 5, falls: float = 0.1, still: float = 0.005
) -> Iterator[Symptom]:
    """The validation loss falls and the accuracy does not move, or the reverse.

    What it measures: over the last five epochs, or over the whole run, a loss that falls by a tenth while the accuracy
    gains less than half a percent; or an accuracy that gains while the loss rises by a tenth.

    Why it matters: loss and accuracy are two views of the same outputs. Where one does not see what the other sees, the
    evaluation looks at something else; or the network grows confident, right or wrong.

    What to try: `nndebug.check_accuracy(value, outputs, labels)`; for a rising loss, see overfitting.

    False alarms: near the top an accuracy hardly moves while the loss still falls, so that is an info; a
    warning is an accuracy within two standard errors of the commonest class's share while the loss is below half of chance.

    References: C. Guo et al., "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599.
    """
    loss, accuracy = run.series("validation.loss").finite, run.series("validation.accuracy").finite
    chance, counts = run.manifest.get("loss_at_chance"), run.manifest.get("validation_counts") or []
    if len(loss) < times or len(accuracy) < times or not counts or not chance:
        return
    share = max(counts) / sum(counts)
    # Guesses of the commonest class alone differ from its share by no more than this.
    luck = 2 * (share * (1 - share) / sum(counts)) ** 0.5
    window = loss.values[-times:], accuracy.values[-times:]
    blind = loss.last < LEARNED * chance and accuracy.last <= share + luck
    if not blind and not (
        (window[0][-1] < (1 - falls) * window[0][0]) and window[1][-1] < window[1][0] + still
    ):
        rising = window[0][-1] > (1 + falls) * window[0][0] and window[1][-1] > window[1][0] + still
        if not rising:
            return
    gained = window[1][-1] - window[1][0]
    yield Symptom(
        "run",
        f"validation loss {loss.last:.3g} is well below chance ({chance:.3g}), accuracy {percent(accuracy.last)} is not above it"
        if blind
        else f"over the last {times} epochs the validation loss went from {window[0][0]:.3g} to {window[0][-1]:.3g}, the accuracy "
        f"by {100 * gained:+.1f} points",
        Severity.WARNING if blind else Severity.INFO,
        first_step=int(loss.steps[-times]),
        last_step=run.steps,
        evidence={
            "blind": blind,
            "series": [
                {"name": "validation.loss", "site": "run"},
                {"name": "validation.accuracy", "site": "run"},
            ],
        },
        help="recount the accuracy: nndebug.check_accuracy(value, outputs, labels)",
    )
