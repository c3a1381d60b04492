"""The rules on the page: what passed, what gave no verdict and why, and the texts of those that fired."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..findings import CheckResult, Finding, Skipped
from ..registry import Rule, all_rules
from .model import RuleGroup, RulePage
from .text import clean

FAMILIES = {
    "0": "Do the parts fit",
    "1": "Numerics",
    "2": "Activations",
    "3": "Gradients",
    "4": "Updates and loop",
    "5": "Loss and learning",
    "6": "Evaluation",
    "7": "Data",
    "8": "Structure",
    "9": "The tool itself",
}


def known_rules() -> dict[str, Rule]:
    try:
        return {rule.code: rule for rule in all_rules()}
    except Exception:  # the report of a run must not depend on every rule's module loading
        return {}


def passed(result: CheckResult, rules: Mapping[str, Rule]) -> tuple[RuleGroup, ...]:
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for code in sorted(result.passed):
        known = rules.get(code)
        family = FAMILIES.get(code[3:4], "Other rules")
        groups.setdefault(family, []).append(
            (clean(code, 20), known.name if known else "", clean(known.summary, 200) if known else "")
        )
    return tuple(RuleGroup(title, tuple(members)) for title, members in groups.items())


def unchecked(result: CheckResult) -> tuple[RuleGroup, ...]:
    groups: tuple[tuple[str, tuple[Skipped, ...]], ...] = (
        ("Crashed", result.crashed),
        ("Not applicable", result.not_applicable),
        ("Suppressed", result.suppressed),
    )
    return tuple(
        RuleGroup(title, tuple((clean(s.code, 20), clean(s.name, 60), clean(s.reason, 300)) for s in skipped))
        for title, skipped in groups
        if skipped
    )


def pages(findings: tuple[Finding, ...], rules: Mapping[str, Rule]) -> tuple[RulePage, ...]:
    codes = dict.fromkeys(f.code for f in findings)
    return tuple(
        RulePage(c, rules[c].name, page_blocks(rules[c].page)) for c in codes if c in rules and rules[c].page
    )


_HEADINGS = r"(?:what it measures|why it matters|what to try|false alarms|references)"


def page_blocks(page: str) -> tuple[tuple[str, str], ...]:
    """A rule's docstring as headings, paragraphs and indented code."""
    blocks: list[tuple[str, str]] = []
    for part in re.split(r"\n\s*\n", page):
        heading = re.match(rf"[#*\s]*({_HEADINGS})[*:.\s]*(?:\n[-=~]+\n?)?", part, re.IGNORECASE)
        if heading:
            blocks.append(("heading", heading[1].capitalize()))
            part = part[heading.end() :]
        if not part.strip():
            continue
        is_code = (
            all(line.startswith(("    ", "\t")) for line in part.splitlines() if line.strip()) and not heading
        )
        if is_code or re.search(r"^\s*\|.*\|", part, re.MULTILINE):
            blocks.append(("code", clean(part, 4000, lines=True)))
        else:
            blocks.append(("text", clean(" ".join(part.split()), 4000)))
    return tuple(blocks)
