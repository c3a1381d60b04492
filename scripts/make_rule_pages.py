"""Writes docs/rules/: a page for every rule and an index, from the docstrings, which are the one place to change.

    python scripts/make_rule_pages.py

A test compares the pages with the docstrings.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.rates import stated  # noqa: E402
from nndebug.cli.rule import FAMILIES  # noqa: E402  (the script also runs where nndebug is not installed)
from nndebug.registry import Rule, all_rules  # noqa: E402

FOLDER = ROOT / "docs" / "rules"
COUNTS = ROOT / "docs" / "false-alarms.json"
HEADING = re.compile(r"(What it measures|Why it matters|What to try|False alarms|References):\s*")
MADE = "<!-- Made by scripts/make_rule_pages.py from the rule's docstring. -->"


def page(rule: Rule) -> str:
    """One rule in Markdown."""
    summary, *sections = re.split(r"\n\s*\n", rule.page)
    lines = [MADE, "", f"# {rule.code} {rule.name}", "", _text(summary)]
    for section in sections:
        heading = HEADING.match(section)
        if heading:
            lines += ["", f"## {heading[1]}", "", _sentence(_text(section[heading.end() :]))]
        else:
            lines += ["", _text(section)]
    if rule.thresholds:
        lines += ["", "## Parameters", "", "| parameter | default |", "|---|---|"]
        lines += [f"| `{name}` | {value} |" for name, value in rule.thresholds.items()]
        first = next(iter(rule.thresholds.items()))
        example = f"[tool.nndebug.rules.{rule.code}]\n{first[0]} = {first[1]}"
        lines += ["", "In `pyproject.toml` ([settings](../settings.md)):", "", f"```toml\n{example}\n```"]
    if measured := _measured(rule.code):
        lines += ["", "## On healthy runs", "", measured]
    needs = ", ".join(f"`{need}`".replace(" or ", "` or `") for need in rule.needs)
    lines += ["", "## Needs", "", f"{needs}: without, the rule is not applicable." if needs else "Nothing."]
    return "\n".join(lines) + "\n"


def _measured(code: str) -> str:
    """What the rule said of healthy runs, as `benchmarks.false_alarms --docs` counted."""
    if not COUNTS.exists():
        return ""
    by = json.loads(COUNTS.read_text("utf-8"))["rules"].get(code)
    if not by:
        return ""
    said = stated(by["warning"] + by["error"], by["runs"])
    info = f", an info in {by['info']} more" if by["info"] else ""
    return f"A warning or an error in {said}{info}; see [false alarms](../false-alarms.md)."


def index(rules: tuple[Rule, ...]) -> str:
    """All rules by family."""
    lines = [MADE, "", "# Rules", "", "`nndebug rule CODE` prints a page at the terminal."]
    family = ""
    for rule in rules:
        if rule.code[3] != family:
            family = rule.code[3]
            title = FAMILIES[family]
            lines += ["", f"## NND{family}: {title.removesuffix('?').removeprefix('contract: ')}", ""]
            lines += ["| code | name | fires when |", "|---|---|---|"]
        lines.append(f"| [{rule.code}]({rule.code}.md) | {rule.name} | {_text(rule.summary)} |")
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """File name → content."""
    # Those of this repository: what is installed beside it has pages of its own.
    rules = tuple(rule for rule in all_rules() if rule.function.__module__.startswith("nndebug."))
    return {"README.md": index(rules)} | {f"{rule.code}.md": page(rule) for rule in rules}


def _text(words: str) -> str:
    """One paragraph on one line; outside of code, what Markdown would take for a mark is escaped."""
    parts = " ".join(words.split()).split("`")
    parts[::2] = [re.sub(r"([*_|<])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in FOLDER.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, "utf-8")
    print(f"wrote  {FOLDER}: {len(made)} pages")


if __name__ == "__main__":
    main()
