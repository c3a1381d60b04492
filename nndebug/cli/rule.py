"""`nndebug rule`: the page of one rule, or the list of all. No rich here: it must answer at once."""

from __future__ import annotations

import argparse
import re
import shutil
import textwrap
from typing import TYPE_CHECKING, Any

from .common import OK, Subparsers, add_format, paint

if TYPE_CHECKING:
    from ..registry import Rule

FAMILIES = {
    "0": "contract: do the parts fit?",
    "1": "numerics",
    "2": "activations",
    "3": "gradients",
    "4": "updates and loop",
    "5": "loss and learning",
    "6": "evaluation",
    "7": "data",
    "8": "structure",
    "9": "the tool itself",
}
BOLD, DIM, BLUE = 1, 2, 34


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "rule", help="explain one rule, or list all", description="Explains one rule, or lists them all."
    )
    parser.add_argument("code", nargs="?", metavar="CODE", help="code or name, as in NND201 or dead-relu")
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    from ..registry import all_rules, find_rule

    rules = [find_rule(args.code)] if args.code else list(all_rules())
    if args.format == "json":
        import json

        data = [_as_data(rule) for rule in rules]
        print(json.dumps(data[0] if args.code else data, indent=2, ensure_ascii=False))
        return OK
    print(page(rules[0]) if args.code else overview(rules))
    return OK


def overview(rules: list[Rule]) -> str:
    """All rules, a line each, by family."""
    lines, family = [], ""
    name_width = max(len(rule.name) for rule in rules)
    for rule in rules:
        if rule.code[3] != family:
            family = rule.code[3]
            lines += ["", paint(f"NND{family}  {FAMILIES[family]}", BOLD)]
        room = _width() - name_width - 12
        summary = textwrap.shorten(rule.summary, max(room, 30), placeholder=" …")
        lines.append(f"  {paint(rule.code, BLUE)}  {rule.name:{name_width}}  {summary}")
    return "\n".join([*lines[1:], "", "nndebug rule CODE explains one."])


def page(rule: Rule) -> str:
    """One rule: its summary, its sections, its thresholds and what it needs."""
    lines = [f"{paint(rule.code, BOLD, BLUE)}  {paint(rule.name, BOLD)}", ""]
    for paragraph in re.split(r"\n\s*\n", rule.page):
        lines += [_paragraph(paragraph), ""]
    if rule.thresholds:
        lines.append(paint("Thresholds", BOLD))
        lines += [f"  {name} = {value}" for name, value in rule.thresholds.items()] + [""]
    lines += [paint("Needs", BOLD), textwrap.indent(_fill(", ".join(rule.needs) or "nothing"), "  ")]
    return "\n".join(lines)


_HEADING = re.compile(
    r"(What it measures|Why it matters|What to try|False alarms|References)[:.]?\s*\n?\s*", re.IGNORECASE
)


def _paragraph(text: str) -> str:
    """A paragraph filled to the terminal; its heading bold on a line of its own; lists and code left as they are."""
    heading = _HEADING.match(text)
    title = ""
    if heading:
        title = paint(heading[1], BOLD) + "\n"
        text = textwrap.dedent(text[heading.end() :])
        text = text[:1].upper() + text[1:]
    laid_out = any(re.match(r"\s{2,}\S|\s*([-*|]|\d+\.)\s", line) for line in text.splitlines())
    body = text if laid_out else _fill(text)
    return (title + textwrap.indent(body, "  " if title else "")).rstrip()


def _fill(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), _width() - 2, break_long_words=False, break_on_hyphens=False)


def _width() -> int:
    return min(shutil.get_terminal_size((100, 24)).columns, 110)


def _as_data(rule: Rule) -> dict[str, Any]:
    return {
        "code": rule.code,
        "name": rule.name,
        "summary": rule.summary,
        "needs": list(rule.needs),
        "thresholds": dict(rule.thresholds),
        "page": rule.page,
    }
