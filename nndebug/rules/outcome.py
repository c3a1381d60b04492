"""Did the run learn? The question that decides how bad every other finding is."""

from __future__ import annotations

import math
from enum import Enum
from typing import NamedTuple

import numpy as np

from ..findings import Severity
from ..run import Run
from ..series import Series

DENSE_STATES = 20
"""States 0 to 20 are probed one by one; checks that "hold twice in a row" are those after them."""

NOT_LEARNED = 0.9
"""A best loss above this share of the loss at chance is no learning (healthy runs end at 0.3 or below)."""

LEARNED = 0.5
WELL = 0.1
"""Of the loss at chance, or of the mistakes of knowing nothing: a run below it learned well."""
DIVERGED = 1.5
MIN_STEPS = 300


class Outcome(Enum):
    """How a run ended, as far as it was recorded."""

    FAILED = "failed"
    LEARNED = "learned"
    UNDECIDED = "undecided"


def outcome(run: Run) -> Outcome:
    """Failed, learned, or neither clearly (too few steps included)."""
    if not_learning(run) is not None or diverging_since(run) is not None:
        return Outcome.FAILED
    chance, loss = run.manifest.get("loss_at_chance"), run.series("probe.loss")
    if chance and loss and loss.last < LEARNED * chance:
        return Outcome.LEARNED
    return Outcome.UNDECIDED


def severity(run: Run, *, learned: Severity = Severity.WARNING) -> Severity:
    """Error if the run failed to learn too, else a warning; `learned` if it learned well in spite of it."""
    return {
        Outcome.FAILED: Severity.ERROR,
        Outcome.UNDECIDED: Severity.WARNING,
        Outcome.LEARNED: learned,
    }[outcome(run)]


def checks(series: Series) -> Series:
    """The points that count as separate checks: after the densely probed start, or all of a very short run."""
    late = series.since(DENSE_STATES + 1)
    return late if len(late) >= 2 else series


def holds_now(series: Series, least: float, times: int = 2) -> int | None:
    """The step since which the last checks are all at or above `least`; None unless the last `times` are."""
    points = checks(series)
    above = points.values >= least
    if len(points) < times or not above[-times:].all():
        return None
    below = np.flatnonzero(~above)
    return int(points.steps[below[-1] + 1 if below.size else 0])


def not_learning(run: Run, most: float = NOT_LEARNED, steps: int = MIN_STEPS) -> float | None:
    """Best probe loss as a share of the loss at chance, if that is too high after enough steps and an epoch."""
    chance, loss = run.manifest.get("loss_at_chance"), run.series("probe.loss")
    finished_epoch = any(epoch.number > 0 for epoch in run.epochs)
    if not chance or not loss or run.steps < steps or not finished_epoch or loss.steps[-1] == 0:
        return None  # of a state before any update nothing follows
    best = loss.minimum / chance
    return best if math.isnan(best) or best > most else None


def diverging_since(run: Run, factor: float = DIVERGED, times: int = 3) -> int | None:
    """The step since which the probe loss is far above its best and above chance, on the last checks."""
    chance, loss = run.manifest.get("loss_at_chance"), run.series("probe.loss")
    points = checks(loss)
    if not chance or len(points) < times:
        return None
    limit = max(factor * loss.minimum, chance)
    with np.errstate(invalid="ignore"):
        above = ~(points.values <= limit)  # NaN counts as above
    if not above[-times:].all():
        return None
    below = np.flatnonzero(~above)
    return int(points.steps[below[-1] + 1 if below.size else 0])


class Falling(NamedTuple):
    """How far below chance the probe loss fell in the first half of the steps, and in the second."""

    early: float
    late: float


def still_falling(run: Run, pace: float = 0.4, moved: float = 0.05) -> Falling | None:
    """The two halves, if the training ended while the loss fell at `pace` times its early pace or more, and by at least
    `moved` of chance in all."""
    loss, chance = run.series("probe.loss").finite, run.manifest.get("loss_at_chance")
    if not chance or len(loss) < 5 or loss.steps[-1] < 4 or run.manifest.get("status") == "running":
        return None
    # What falls from above chance undoes the initial values, and is no pace of learning.
    start = min(loss.first, chance)
    middle, last = loss.at(int(loss.steps[-1]) // 2), loss.last
    if batches := _of_batches(run):
        middle, last = min(batches[0], start), batches[1]
    early, late = start - middle, middle - last
    if not late > max(pace * early, moved * chance / 2) or not start - last > moved * chance:
        return None
    return Falling(early, late)


def _of_batches(run: Run, around: float = 0.1, least: int = 4) -> tuple[float, float] | None:
    """The loss half-way and at the end, where states are judged by windows of training samples.

    Such a window is of the time before its step, by much where steps are recorded rarely: to it a loss that has settled has
    just begun to. So the batches themselves are asked, those within a tenth of all steps, and four at least.
    """
    losses = run.series("loss").finite
    if "looked_at" not in run.manifest or len(losses) < 4 * least:
        return None
    end = int(losses.steps[-1])

    def near(step: float) -> float:
        distance = np.abs(losses.steps - step)
        return float(losses.values[distance <= max(around * end, np.sort(distance)[least - 1])].mean())

    return near(end / 2), near(end * (1 - around))


def learned_well(run: Run, share: float = WELL) -> bool:
    """Whether the loss ended below a tenth of chance, on the probe and (where there was one) on held-out data."""
    chance = run.manifest.get("loss_at_chance")
    losses = [loss.last for loss in (run.series("probe.loss"), run.series("validation.loss")) if loss]
    if not chance or not losses:
        return False
    return all(loss < share * chance for loss in losses)


def far_from_done(run: Run) -> bool:
    """Whether the loss is above half of chance, and not nearly all answers are right.

    A loss goes on falling long after the last answer is right: outputs a little above one half are enough for that.
    """
    chance, loss = run.manifest.get("loss_at_chance"), run.series("probe.loss").finite
    if not chance or not loss or not loss.last > LEARNED * chance:
        return False
    right, shares = run.series("probe.accuracy"), run.manifest.get("class_shares")
    return not (right and shares and 1 - right.last < WELL * (1 - max(shares)))


def unfinished(run: Run) -> bool:
    """Whether the loss was still falling at the end, far from done."""
    return far_from_done(run) and still_falling(run) is not None
