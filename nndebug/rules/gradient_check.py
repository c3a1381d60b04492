"""NND301: what the gradient check of the preflight found."""

from __future__ import annotations

from collections.abc import Iterator

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run

OF_THE_UPDATE = ("update", "penalty")
"""Equations of faults that are about the update: update-wrong judges those."""


@rule("NND301", "gradient-wrong", needs=("preflight.gradcheck",))
def gradient_wrong(run: Run, *, most_layers: int = 3) -> Iterator[Symptom]:
    """The gradient that the backward pass computes is not the derivative of the loss.

    What it measures: every entry of every parameter's gradient on a float64 copy before the first step, against
    numerical derivatives with their own error; what disagrees is replayed with a catalogue of coding mistakes. The
    layers nearest to the output are named, at most three: what lies below them follows.

    Why it matters: training goes where the gradient points. With a wrong one it may stall, diverge, or learn less well
    than it could, and no rate or initial value mends it.

    What to try: the finding says which equation of which layer is wrong and, where the catalogue has it, what stands in
    the code and what belongs there. `nndebug gradcheck` shows every entry.

    False alarms: none known: 2,000 random correct float64 networks agreed (`python -m benchmarks.gradcheck_speed`
    measures the time; `tests/gradcheck` the verdicts). A gradient that is changed on purpose, as a straight-through
    estimator is, does disagree.

    References: M. Nielsen, "Neural Networks and Deep Learning", chapter 2, for BP1 to BP4.
    """
    checked = run.preflight.gradcheck if run.preflight else None
    if checked is None:
        return
    faults = [fault for fault in checked.faults if fault.equation not in OF_THE_UPDATE]
    for fault in faults[:most_layers]:
        rows = [row for row in checked.rows if row.layer == fault.layer and row.equation not in OF_THE_UPDATE]
        wrong, entries = sum(row.wrong for row in rows), sum(row.entries for row in rows)
        mistake = fault.mistakes[0] if fault.mistakes else None
        count = f" ({wrong:,} of {entries:,} entries disagree)" if wrong else ""
        named = f": {mistake.name}" if mistake else ""
        yield Symptom(
            fault.layer,
            f"{fault.sentence}{named}{count}",
            Severity.ERROR,
            first_step=0,
            evidence={
                "equation": fault.equation,
                "part": fault.part,
                "wrong": wrong,
                "entries": entries,
                "worst": max((row.worst for row in rows), default=None),
                "mistakes": [mistake.to_json() for mistake in fault.mistakes],
            },
            help=f"write {mistake.should}, where {mistake.yours} stands"
            if mistake
            else "nndebug gradcheck shows every entry",
        )
