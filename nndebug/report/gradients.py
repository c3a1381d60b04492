"""The gradient check of the preflight: its table, and the mistakes that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..gradcheck.result import Fault, GradCheck, Row, Verdict
from ..gradcheck.text import HEADER, UPDATES, orientation, row_cells, sentence, shown_rows
from .model import GradientFault, GradientRow, GradientView, MistakeView
from .text import clean, plural

if TYPE_CHECKING:
    from ..run import Run

SEVERITY = {Verdict.AGREES: "passed", Verdict.DISAGREES: "error", Verdict.UNRESOLVED: "warning"}
MOST_ROWS, MOST_FAULTS = 60, 12


def gradients(run: Run) -> GradientView | None:
    """What the check of gradients and update found before the first step; None if it was not made."""
    checked = run.preflight.gradcheck if run.preflight else None
    return None if checked is None else view(checked)


def view(checked: GradCheck) -> GradientView:
    """A gradient check as the report shows it."""
    rows = shown_rows(checked)
    # What is wrong comes first where not everything can be shown.
    shown = (
        sorted(rows, key=lambda row: row.verdict is Verdict.AGREES)[:MOST_ROWS]
        if len(rows) > MOST_ROWS
        else rows
    )
    notes = [clean(note, 300) for note in checked.notes]
    if len(shown) < len(rows):
        notes.insert(0, f"{len(shown)} of {plural(len(rows), 'row')}: those that disagree first.")
    return GradientView(
        severity=SEVERITY[checked.verdict],
        summary=_summary(checked),
        header=HEADER,
        rows=tuple(
            GradientRow(tuple(clean(cell, 120) for cell in row_cells(row)), SEVERITY[row.verdict])
            for row in shown
        ),
        faults=tuple(_fault(fault) for fault in checked.faults[:MOST_FAULTS]),
        notes=tuple(notes),
    )


def _summary(checked: GradCheck) -> str:
    """What can be said of all gradients, then of the update, where that was checked."""
    of_gradients = [row for row in checked.rows if row.equation not in UPDATES]
    of_updates = [row for row in checked.rows if row.equation in UPDATES]
    parts = [_count(of_gradients, "gradients")] if of_gradients else []
    parts += [_count(of_updates, "update")] if of_updates else []
    return " ".join(parts) or "Nothing could be compared."


def _count(rows: list[Row], what: str) -> str:
    entries, wrong = sum(row.entries for row in rows), [r for r in rows if r.verdict is Verdict.DISAGREES]
    undecided = [row for row in rows if row.verdict is Verdict.UNRESOLVED]
    against = "with numerical derivatives" if what == "gradients" else "with rate and gradient"
    if wrong:
        count = sum(row.wrong for row in wrong)
        return f"{count:,} of {entries:,} entries of the {what} disagree {against}, in {plural(len(wrong), 'array')}."
    if undecided:
        return f"{plural(len(undecided), 'array')} of the {what} could not be decided."
    return (
        f"All {entries:,} entries of the {what} agree {against}."
        if what == "gradients"
        else "The update agrees."
    )


def _fault(fault: Fault) -> GradientFault:
    mistakes = tuple(
        MistakeView(clean(m.name, 200), f"{m.residual:.0e}" if m.residual else "0", clean(m.yours, 200), clean(m.should, 200))
        for m in fault.mistakes[:MOST_FAULTS]
    )  # fmt: skip
    return GradientFault(clean(fault.layer, 80), clean(sentence(fault), 400), mistakes, orientation(fault))
