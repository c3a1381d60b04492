"""Writes docs/published-cases.md: `python -m benchmarks.faults.page OUT --cases DIR --summary summary.json`

OUT is what `benchmarks.faults.run` wrote, with trials or without. Beside what nndebug named stands what studies published of
other tools on the same programs, as the cases hold it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it also runs as a file

from benchmarks.faults.cases import Case, read
from benchmarks.faults.score import by_case, passive, score, totals

PAGE = Path(__file__).resolve().parents[2] / "docs" / "published-cases.md"
REASONS = """Why, as far as we know: the looks by hand name at-blob-oscillate and so-51181393 rightly; the measured certainties, which
stem from other trainings, outvote them. Trials say which change helps within their seconds, and often another one than that of
the fault does: Adam in so-39217567, where ReLU alone does nothing in 6,000 steps; standardised inputs as well as larger
batches in at-blob-oscillate; four times the epochs in tdc-cnn-imbalance."""
OTHERS = """## Other tools on the same programs

The best that any of the studies (DeepFD 2022, DeepDiagnosis 2022, DEFault 2025, EMSE 2025) reports: *named*, the fault or its
fix is right by the study's count, families of faults being one answer; *seen*, something was reported; *no*, nothing. nndebug is
*named* where the first cause is right in most runs, by its own kind. No study counts alarms on healthy programs.
"""
TOOLS = ("DeepFD", "DEFault", "DeepDiagnosis", "UMLAUT", "AutoTrainer", "DeepLocalize", "NeuraLint")
INTRODUCTION = """# Published faulty programs

Faulty programs that other people published (Stack Overflow, GitHub, forums, published fault sets), rewritten as data and trained
on the core, faulty and fixed, watched with a preflight. The rules saw these programs while they were written: the figures say
what nndebug knows, not how it fares on programs that nobody here has seen.

    python -m benchmarks.faults.run --cases DIR --mnist DIR --json OUT [--trials SECONDS]
    python -m benchmarks.faults.score OUT --summary summary.json
    python -m benchmarks.faults.page OUT --cases DIR --summary summary.json

"Right" is the kind of one of a program's faults, as far as it has an effect (`right` of the summary); kinds of one family are one
answer where "family" is asked for. A layer is right if a fault names it. Controls are the fixed programs that reach the metric of
a healthy one: any error or warning there is a false alarm. Programs whose fault has no effect, or whose published label does not
hold, are run and not scored.
"""


def credit(tools: Sequence[Mapping[str, Any]], tool: str) -> str:
    """The best that any study says of a tool on a program: `named`, `seen`, `no`, or nothing where none tried it."""
    best = ""
    for entry in tools:
        if entry["tool"] != tool or entry.get("applicable") is False or "repair" in entry:
            continue
        named = entry.get("diagnosed") or entry.get("fix_right") or entry.get("faults_matched")
        seen = entry.get("detected") or entry.get("said")
        best = max(
            best, "named" if named else "seen" if seen else "no", key=("", "no", "seen", "named").index
        )
    return best


def others(cases: Sequence[Case], content: Mapping[str, Any], summary: Mapping[str, Any]) -> list[str]:
    """Our first cause beside other tools, by program: those that any study tried."""
    lines = [f"| program | nndebug | {' | '.join(TOOLS)} |", "|---|---|" + "---|" * len(TOOLS)]
    sums: dict[str, list[int]] = {tool: [0, 0] for tool in ("nndebug", *TOOLS)}
    for case in cases:
        facts, entry = summary.get(case.name, {}), content["cases"].get(case.name)
        cells = [credit(case.content.get("tools", ()), tool) for tool in TOOLS]
        if not any(cells) or not facts.get("right") or entry is None:
            continue
        runs = score(case.name, entry, facts["right"], facts.get("shows") == "sometimes")
        ours = "named" if sum(run.first for run in runs) * 2 > len(runs) else "seen"
        ours = ours if any(run.detected for run in runs) else "no"
        quality = "" if facts.get("scored") else " (not scored)"
        lines.append(f"| {case.name}{quality} | {ours} | {' | '.join(cells)} |")
        for tool, cell in zip(("nndebug", *TOOLS), (ours, *cells)) if facts.get("scored") else ():
            sums[tool][0] += cell == "named"
            sums[tool][1] += cell != ""
    lines.append("| named, of the scored | " + " | ".join(f"{a} of {b}" for a, b in sums.values()) + " |")
    return lines


def missed(content: Mapping[str, Any], summary: Mapping[str, Any]) -> list[str]:
    """The scored programs whose first cause was wrong in some run, and what was named instead."""
    lines = []
    for name, entry in sorted(content["cases"].items()):
        facts = summary.get(name, {})
        if not facts.get("scored") or not facts.get("right"):
            continue
        runs = score(name, entry, facts["right"], facts.get("shows") == "sometimes")
        wrong = [run.seed for run in runs if not run.first]
        if wrong:
            named = [
                ", ".join(c["kind"] for c in entry["runs"]["faulty"][seed].get("causes", ())) or "nothing"
                for seed in wrong
            ]
            said = "; ".join(f"{n} ({named.count(n)} ×)" for n in dict.fromkeys(named))
            lines.append(f"- {name} ({', '.join(facts['right'])}), {len(wrong)} of {len(runs)} runs: {said}.")
    return lines


def page(cases: Sequence[Case], content: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """The whole page."""
    before = passive(content)
    seeds = {seed for entry in content["cases"].values() for seed in entry["runs"].get("faulty", {})}
    controls = sum(len(entry["runs"].get("fixed", {})) for entry in content["cases"].values())
    made = f"Here: {len(content['cases'])} programs, seeds {', '.join(sorted(seeds, key=int))}; {controls} fixed runs."
    lines = [INTRODUCTION, made, "", "## Passive: by what was watched", "", *totals(before, summary), ""]
    tried = sum(
        "passive" in run
        for entry in content["cases"].values()
        for run in entry["runs"].get("faulty", {}).values()
    )
    if tried:
        lines += [f"## With trials, made of {tried} faulty runs", "", *totals(content, summary), ""]
    lines += ["## By program", "", *by_case(content, summary), ""]
    lines += ["## Where the first cause is wrong", "", *(missed(before, summary) or ["Nowhere."]), ""]
    if tried:
        lines += ["With trials:", "", *(missed(content, summary) or ["Nowhere."]), ""]
    lines += [REASONS, ""]
    lines += [OTHERS, *others(cases, content, summary), ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results_json", type=Path, metavar="OUT", help="what run wrote")
    parser.add_argument("--cases", type=Path, required=True, metavar="DIR")
    parser.add_argument("--summary", type=Path, required=True, help="right answers, scored cases, controls")
    arguments = parser.parse_args()
    content, summary = (json.loads(p.read_text("utf-8")) for p in (arguments.results_json, arguments.summary))
    PAGE.write_text(page(read(arguments.cases), content, summary), "utf-8")


if __name__ == "__main__":
    main()
