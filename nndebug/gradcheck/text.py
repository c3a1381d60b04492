"""How a gradient check looks: plain text for terminals, a table for notebooks."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .result import Fault, GradCheck, Mistake, Row

HEADER = ("layer", "parameter", "entries", "worst relative error", "verdict")
FAULTS_SHOWN = 5
UPDATES = ("update", "penalty")
"""What stands in the place of an equation where an update is at fault."""

VAGUE = 1e-2
"""A relative error, or its own error, above this is no number to be shown beside "agrees"."""

MISSING = "the λ term is missing"
"""The reason of a row whose penalty does nothing: how many entries that touches says nothing."""

REPLACEMENT = "\ufffd"


def as_text(check: GradCheck) -> str:
    """The table, then each fault with the mistake that explains it, then the notes."""
    cells = [HEADER, *(row_cells(row) for row in shown_rows(check))]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    named = any(row[0] for row in cells[1:]) or len(cells) == 1  # arrays of a function belong to no layer
    lines = [
        (f"{layer:{widths[0]}}  " if named else "")
        + f"{parameter:{widths[1]}}  {entries:>{widths[2]}}   {error:{widths[3]}}   {verdict}"
        for layer, parameter, entries, error, verdict in cells
    ]
    for fault in check.faults[:FAULTS_SHOWN]:
        lines += ["", *fault_lines(fault)]
    if len(check.faults) > FAULTS_SHOWN:
        lines += ["", f"and {len(check.faults) - FAULTS_SHOWN} more, in .faults"]
    if check.notes:
        lines += ["", *map(printable, check.notes)]
    return "\n".join(lines)


def shown_rows(check: GradCheck) -> list[Row]:
    """The table's rows, and those layers by themselves about which nothing could be said."""
    from .result import Verdict

    return [*check.rows, *(row for row in check.parts if row.verdict is Verdict.UNRESOLVED)]


def row_cells(row: Row) -> tuple[str, str, str, str, str]:
    """One row as text."""
    from .result import Verdict

    verdict = f"{row.verdict.mark} {row.verdict.value}"
    details = [row.reason] if row.reason else []
    if row.kinks:
        details.append(f"{row.kinks:,} at a kink")
    if row.verdict is Verdict.DISAGREES:
        verdict += "" if row.reason == MISSING else f" in {row.wrong:,} of {row.entries:,}"
        error = f"{row.worst:.1e} at [{', '.join(map(str, row.index))}]"
        if math.isnan(row.worst):  # a gradient of another shape has no entries to compare
            error = "–"
        elif not row.index and not row.equation:  # no entry is known, or it is a single number
            error = f"{row.worst:.1e}"
    elif row.verdict is Verdict.AGREES and max(row.worst, row.error) <= VAGUE:
        error = f"{row.worst:.1e} ± {row.error:.0e}"
    elif row.verdict is Verdict.AGREES:  # rounding, against which no ratio says anything; or no entries
        error = "–"
        details = details or ["only to within rounding"]
    else:
        error = "–"
    if details:
        verdict += ": " + "; ".join(details)
    return printable(row.layer), printable(row.parameter), f"{row.entries:,}", error, printable(verdict)


def sentence(fault: Fault) -> str:
    """What is wrong, without the layer's name."""
    after = " The layers after it agree." if fault.isolated else ""
    where = f" ({fault.equation})" if fault.equation else ""
    return f"{fault.sentence}{where}.{after}"


def orientation(fault: Fault) -> str:
    """How the arrays in a fault's formulas lie; empty where that says nothing."""
    by_layer = fault.equation and fault.equation not in UPDATES
    return f"({'columns' if fault.columns else 'rows'} are samples, as in your code)" if by_layer else ""


def fault_lines(fault: Fault) -> list[str]:
    """What is wrong, and the mistake that explains it."""
    return [printable(line) for line in _explained(fault)]


def _explained(fault: Fault) -> list[str]:
    lines = [f"▲ {fault.layer}: {sentence(fault)}"]
    updates = fault.equation in UPDATES and fault.part != "gradient"
    what = {"forward": "output"}.get(fault.equation, "update" if updates else "gradient")
    if not fault.mistakes and not fault.equation:
        return lines  # the catalogue is of layers
    if not fault.mistakes:
        return [*lines, f"  No mistake in the catalogue reproduces your {what}."]
    if len(fault.mistakes) > 1:
        lines.append(f"  Your {what} equals each of these {len(fault.mistakes)}, entry by entry:")
        for mistake in fault.mistakes:
            lines += [f"  {mistake.name} ({_residual(mistake)})", *_formulas(mistake, fault)]
        return lines
    mistake = fault.mistakes[0]
    how = "entry by entry" if fault.equation else "along random directions"
    lead = f"  Your {what} equals, {how} ({_residual(mistake)}), the one with"
    return [*lines, f"{lead} {mistake.name}:", *_formulas(mistake, fault)]


def _residual(mistake: Mistake) -> str:
    return f"residual {mistake.residual:.0e}" if mistake.residual else "residual 0"


def printable(text: str) -> str:
    """Names come from the user's code: no control characters, no line breaks."""
    return "".join(c if c.isprintable() else REPLACEMENT for c in text)


def _formulas(mistake: Mistake, fault: Fault) -> list[str]:
    lies = orientation(fault)
    should = f"     should be  {mistake.should}" + (f"      {lies}" if lies else "")
    return [f"     yours      {mistake.yours}", should]


def as_html(check: GradCheck) -> str:
    """The same for a notebook; every name is escaped."""
    colour = {"agrees": "#1a7f37", "disagrees": "#c62828", "unresolved": "#9a6700"}
    head = "".join(f'<th style="text-align:left">{escape(title)}</th>' for title in HEADER)
    body = ""
    for row in shown_rows(check):
        *cells, verdict = row_cells(row)
        body += "<tr>" + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in cells)
        body += f'<td style="text-align:left;color:{colour[row.verdict.value]}">{escape(verdict)}</td></tr>'
    below = [line for fault in check.faults[:FAULTS_SHOWN] for line in (*fault_lines(fault), "")]
    text = escape("\n".join([*below, *map(printable, check.notes)]))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><pre>{text}</pre>"
