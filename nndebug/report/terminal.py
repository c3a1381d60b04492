"""A check's result for people in a terminal: cause, consequences, what speaks against it, what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from ..findings import PASSED_MARK, Cause, CheckResult, Finding, Severity
from ..wording import percent
from .evidence import explained, table_of
from .text import clean, listing, plural

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "blue"}
_SAYS_WHEN = re.compile(r"\b(steps?|epochs?|birth|born)\b")
_LABEL = 9  # width of "against  ", "help     ", "docs     "
_NARROWEST_FACT = 44  # columns; with less room a fact begins on a line of its own


def render(result: CheckResult, console: Console) -> None:
    """Prints the result.

    Colour is the console's business (rich honours NO_COLOR and knows whether it is a terminal); severity is always
    a mark and a word as well.

    Args:
        result: what `check` found.
        console: where to.
    """
    left = list(result.findings)
    for cause in result.causes:
        own = [f for f in explained(cause, result.findings) if f in left]
        left = [f for f in left if f not in own]
        _cause(
            cause, own, max((f.severity for f in own), key=lambda s: s.rank, default=result.severity), console
        )
        console.print()
    if not result.causes:
        _headline(result.verdict, result.severity, "", console)
    if left:
        if result.causes:
            console.print(Text("Also seen, not explained by the cause:"))
        _findings(left, None if result.causes else result.severity, console)
        if not result.causes:
            _labelled("docs", f"nndebug rule {clean(left[0].code, 20)}", console)
        console.print()
    _hang(Text(), _coverage(result), console)


def fact(finding: Finding) -> str:
    """The finding's message, led by its step where the message itself says no time."""
    message = clean(finding.message, 600)
    if finding.first_step is None or _SAYS_WHEN.search(message):
        return message
    return f"step {finding.first_step:,}: {message}"


def _cause(cause: Cause, findings: Sequence[Finding], severity: Severity | None, console: Console) -> None:
    certainty = f", certainty {percent(cause.certainty, 0)}" if cause.certainty > 0 else ""
    if certainty and not cause.against:
        certainty += ", nothing speaks against it"
    _headline(cause.sentence, severity, clean(cause.kind, 60) + certainty, console)
    _findings(findings, severity, console)
    if cause.supports:
        reasons = "; ".join(clean(s, 300) for s in cause.supports)
        _labelled("for", f"{reasons}; × = how much surer", console)
    if cause.certainty > 0 and cause.against:
        reasons = "; ".join(clean(a, 300) for a in cause.against)
        _labelled("against", reasons + ("; ÷ = how much less sure" if "(÷" in reasons else ""), console)
    for text in cause.tried:
        _labelled("tried", clean(text, 300), console)
    for other in cause.ruled_out:
        _labelled("not", clean(other, 300), console)
    if cause.help:
        _labelled("help", clean(cause.help, 600), console)
    if findings:
        _labelled("docs", f"nndebug rule {clean(findings[0].code, 20)}", console)


def _headline(sentence: str, severity: Severity | None, remark: str, console: Console) -> None:
    """The sentence behind its mark; the word for the mark, and the remark, at its end or on the next line."""
    mark, style = (severity.mark, STYLES[severity]) if severity else (PASSED_MARK, "green")
    remark = ", ".join(filter(None, [severity.value if severity else "", remark]))
    text = clean(sentence, 400)
    beside = remark and cell_len(text) + cell_len(remark) + 5 <= console.width
    line = Text(text, "bold" if severity else "")
    if beside:
        line.append(f"   {remark}", "not bold dim")
    _hang(Text(f"{mark} ", style), line, console)
    if remark and not beside:
        _hang(Text("  "), Text(remark, "dim"), console)


def _findings(findings: Sequence[Finding], usual: Severity | None, console: Console) -> None:
    """Mark, code and name, place, fact; below a finding the small table of its evidence.

    The word for the mark stands where the severity is not the usual one, which the headline has named.
    """
    words = [f.severity.mark + ("" if f.severity is usual else f" {f.severity.value}") for f in findings]
    columns = [
        (word, clean(f.code, 20), clean(f.name, 26), clean(f.site, 24)) for word, f in zip(words, findings)
    ]
    widths = [max(map(cell_len, column)) for column in zip(*columns)]
    for finding, cells in zip(findings, columns):
        gaps = (1, 1, 2, 2)
        padded = [
            cell + " " * (width - cell_len(cell) + gap) for cell, width, gap in zip(cells, widths, gaps)
        ]
        styles = (STYLES[finding.severity], "dim", "", "bold")
        _hang(Text("  ") + Text.assemble(*zip(padded, styles)), Text(fact(finding)), console)
        table = table_of(finding.evidence)
        if table:
            rows = (table.header, *table.rows)
            sizes = [max(cell_len(row[i]) for row in rows) for i in range(len(table.header))]
            for row in rows:
                figures = (
                    "  " + " " * (size - cell_len(cell)) + cell for size, cell in zip(sizes[1:], row[1:])
                )
                head = row[0] + " " * (sizes[0] - cell_len(row[0]))
                _hang(Text("       "), Text(head + "".join(figures), "dim", no_wrap=True), console)


def _labelled(label: str, text: str, console: Console) -> None:
    _hang(Text(f"  {label:<{_LABEL}}", "dim"), Text(text, "green" if label == "help" else ""), console)


def _hang(prefix: Text, text: Text, console: Console) -> None:
    """Prints text behind a prefix, its further lines indented as far; without trailing blanks."""
    indent = prefix.cell_len
    if indent > 4 and console.width - indent < (_NARROWEST_FACT if indent > 12 else 12):
        prefix.truncate(console.width, overflow="ellipsis")
        prefix.rstrip()
        console.print(prefix, soft_wrap=True)
        prefix, indent = Text("    "), 4
    lines = [
        line
        for line in text.wrap(console, max(8, console.width - indent), overflow="fold")
        if line.plain.strip()
    ]
    for number, line in enumerate(lines or [Text()]):
        whole = (prefix if number == 0 else Text(" " * indent)) + line
        whole.rstrip()
        console.print(whole, overflow="fold", soft_wrap=True)


def _coverage(result: CheckResult) -> Text:
    """What was looked at and what was not: silence must not read as health."""
    text = Text.assemble((f"{PASSED_MARK} ", "green"), f"{plural(len(result.passed), 'rule')} passed")
    for skipped, word in ((result.not_applicable, "not applicable"), (result.suppressed, "suppressed")):
        if skipped:
            text.append(f", {len(skipped)} {word}")
    if result.crashed:
        names = listing([clean(s.code or s.name, 20) for s in result.crashed])
        text.append(f", {len(result.crashed)} crashed ({names})", STYLES[Severity.ERROR])
    return text
