"""What trials changed on a copy of the program, and how it then learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..trials.deciding import Outcome, gains, outcome, yardstick
from ..trials.result import Curve as Training
from ..trials.result import Trial, Trials
from .model import Chart, Reference, Table, TrialsView
from .plots import Curve, chart
from .text import clean, percent, plural
from .vocabulary import Quantity

if TYPE_CHECKING:
    from ..run import Run

MOST_CHARTS = 9


def tried(run: Run) -> TrialsView | None:
    """The trials of a run, the best change first; None if there were none."""
    found = run.trials
    if found is None:
        return None
    ranks = list(Outcome)
    ordered = sorted(
        (trial for trial in found.trials if trial.curves),
        key=lambda trial: (ranks.index(outcome(found, trial)), -max(gains(found, trial))),
    )
    quantity = (
        Quantity("Accuracy", "share right", "", share=True)
        if found.measure == "accuracy"
        else Quantity("Explained variance", "share", "", share=True)
    )
    best = [trial for trial in ordered if outcome(found, trial) is Outcome.CURES]
    return TrialsView(
        severity="passed" if best else "info",
        summary=f"{clean(best[0].what, 160)} cures it." if best else "Nothing that was tried cures it.",
        how=_how(found),
        table=Table(
            ("change", "would cure", "unchanged", "changed", "better from", "result"),
            tuple(_row(found, trial) for trial in ordered),
        ),
        charts=tuple(
            drawn
            for number, trial in enumerate(ordered[:MOST_CHARTS])
            if (drawn := _chart(found, trial, f"trial-{number + 1}", quantity))
        ),
        not_tried=tuple((clean(what, 160), clean(why, 300)) for what, why in found.not_tried.items()),
    )


def _how(found: Trials) -> str:
    starts = len(found.control.curves)
    measure = (
        "the share of right answers" if found.measure == "accuracy" else "the share of the targets' variance"
    )
    spread = ""
    if starts > 1:
        spread = f" A change counts when it adds more than {percent(yardstick(found, starts))} of what is missing, from every start."
    return (
        f"On copies, one thing changed each time, from {plural(starts, 'start')} and on the same batches: {measure} on "
        f"held-out rows, after {found.steps:,} steps{'' if found.whole else ', a part of the training'} "
        f"(mean of the last measurements).{spread}"
    )


def _row(found: Trials, trial: Trial) -> tuple[str, ...]:
    pairs = list(zip(found.control.curves, trial.curves))
    gained = gains(found, trial)
    better = sum(gain > yardstick(found, len(gained)) for gain in gained)
    return (
        clean(trial.what, 160),
        ", ".join(clean(kind, 60).replace("_", " ") for kind in trial.cures[:6]) or "–",
        _reached([before for before, _ in pairs]),
        _reached([after for _, after in pairs]),
        f"{better} of {plural(len(gained), 'start')}",
        outcome(found, trial).value,
    )


def _reached(curves: list[Training]) -> str:
    known = [curve.reached for curve in curves]
    if any(value is None for value in known):
        return "not finite"
    return percent(float(np.mean([max(value or 0.0, 0.0) for value in known])))


def _chart(found: Trials, trial: Trial, key: str, quantity: Quantity) -> Chart | None:
    pairs = list(zip(found.control.curves, trial.curves))
    curves = []
    for number, (before, after) in enumerate(pairs):
        start = f", start {number + 1}" if len(pairs) > 1 else ""
        curves.append(Curve(f"unchanged{start}", *_points(before), 1.0, number > 0))
        curves.append(Curve(f"changed{start}", *_points(after), 0.0, number > 0))
    word = "chance" if found.measure == "accuracy" else "always the mean"
    return chart(
        key,
        clean(trial.what, 90),
        quantity,
        curves,
        references=[Reference(found.chance, "")],  # half of the curves run along it: the words stand below
        how=f"It {outcome(found, trial).value}. Blue with the change, amber without"
        f"{'; with dots: another start' if len(pairs) > 1 else ''}. Dashed: {word}, {percent(found.chance)}.",
    )


def _points(curve: Training) -> tuple[np.ndarray, np.ndarray]:
    values = [np.nan if value is None else value for value in curve.values]
    return np.array(curve.steps), np.array(values, dtype=float)
