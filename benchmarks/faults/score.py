"""Scores what `run` wrote. `python -m benchmarks.faults.score OUT --summary summary.json [--results results.md]`

The right answers of a case are the kinds of its faults that have an effect (`right` in the summary); kinds of one family
are one answer where family is asked for. A fault with layers is localised when one of them is named. A control is a
fixed run that reaches what a healthy one reaches: any error or warning there is a false alarm. Where a fault shows in
some runs only, runs in which it did not show are not scored. With `--results` the metrics are held against those of
the reference runner.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it also runs as a file

from benchmarks.faults.reference import comparison

FAMILIES = {
    kind: family
    for family, kinds in {
        "activation": "wrong_output_activation redundant_output_activation wrong_hidden_activation "
        "missing_hidden_nonlinearity",
        "loss": "wrong_loss unstable_loss wrong_loss_reduction",
        "rate": "lr_too_high lr_too_low",
        "initial weights": "constant_init init_too_large init_too_small",
        "missing preprocessing": "unnormalised_input unnormalised_target",
        "wrong preprocessing": "wrong_preprocessing train_test_preprocessing_mismatch corrupted_labels",
    }.items()
    for kind in kinds.split()
}
"""Kind of fault → its family in the published studies; a kind that is not here is a family of its own."""

INJECTED = ("published_injected", "published_mutant", "published_demo")
GAP, RELATIVE_GAP = 0.1, 0.5
"""A fault shows in a run whose metric is so much worse than the mean of the fixed runs (loss: relative to its own)."""


@dataclass(frozen=True)
class Scored:
    """One faulty run against the right answers.

    Attributes:
        first, among, family: whether the first cause is right, one of the first three is, the first's family is.
        layer: whether a right layer is named by a cause; None where the faults have no layers.
        first_layer: the same of the first cause alone.
    """

    case: str
    seed: str
    detected: bool
    first: bool
    among: bool
    family: bool
    layer: bool | None
    first_layer: bool | None


@dataclass(frozen=True)
class Control:
    """One healthy run, and the codes of its errors and warnings."""

    case: str
    seed: str
    alarms: tuple[str, ...]


def score(case: str, entry: Mapping[str, Any], right: Sequence[str], sometimes: bool) -> list[Scored]:
    """The faulty runs of a case in which its fault shows."""
    scored = []
    layers = {
        layer for fault in entry["faults"] if not right or fault["kind"] in right for layer in fault["layers"]
    }
    families = {family(kind) for kind in right}
    for seed, run in sorted(entry["runs"].get("faulty", {}).items()):
        if sometimes and not _shows(run, entry):
            continue
        causes = run.get("causes", [])[:3]
        kinds = [cause["kind"] for cause in causes]
        named = [cause["layer"] in layers for cause in causes]
        scored.append(
            Scored(
                case,
                seed,
                detected=bool(alarms(run)),
                first=kinds[:1] != [] and kinds[0] in right,
                among=any(kind in right for kind in kinds),
                family=kinds[:1] != [] and family(kinds[0]) in families,
                layer=any(named) if layers else None,
                first_layer=any(named[:1]) if layers else None,
            )
        )
    return scored


def family(kind: str) -> str:
    """What a kind counts as in the published studies."""
    return FAMILIES.get(kind, kind)


def alarms(run: Mapping[str, Any]) -> tuple[str, ...]:
    """Codes of the errors and warnings of a run, and what went wrong with judging it."""
    codes = [f["code"] for f in run.get("findings", ()) if f["severity"] in ("error", "warning")]
    return (*codes, *(["error"] if "error" in run else []))


def controls(case: str, entry: Mapping[str, Any]) -> list[Control]:
    """The fixed runs that reach what a healthy control reaches."""
    found = []
    for seed, run in sorted(entry["runs"].get("fixed", {}).items()):
        metric, limit = run.get("metric"), entry["control"]
        if limit is None or metric is None:
            continue
        if metric >= limit if entry["goal"] == "max" else metric <= limit:
            found.append(Control(case, seed, alarms(run)))
    return found


def _shows(run: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    fixed = [r["metric"] for r in entry["runs"].get("fixed", {}).values() if r.get("metric") is not None]
    if run.get("metric") is None or not fixed:
        return True
    usual = sum(fixed) / len(fixed)
    if entry["goal"] == "max":
        return bool(usual - run["metric"] >= GAP)
    return bool(1 - usual / max(run["metric"], 1e-12) >= RELATIVE_GAP)


# --- tables -----------------------------------------------------------------------------------------------------------


def share(values: Iterable[bool | None]) -> str:
    """`12 / 15 (80 %)` of those that are not None."""
    known = [value for value in values if value is not None]
    return f"{sum(known)} / {len(known)} ({100 * sum(known) / len(known):.0f} %)" if known else "-"


def by_case(content: Mapping[str, Any], summary: Mapping[str, Any]) -> list[str]:
    """One line a case in Markdown: right answers, what was named, how often it was right, alarms on the fixed runs."""
    lines = [
        "| case | right answer | named first | first | in three | layer | alarms when fixed |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, entry in sorted(content["cases"].items()):
        facts = summary.get(name, {})
        runs = score(name, entry, facts.get("right", []), facts.get("shows") == "sometimes")
        firsts = [
            f"{run['causes'][0]['kind']} {run['causes'][0]['layer'] or ''}".strip()
            if run.get("causes")
            else "nothing"
            for _, run in sorted(entry["runs"].get("faulty", {}).items())
        ]
        healthy = controls(name, entry) if facts.get("control") else []
        alarmed = [f"{c.seed}: {' '.join(c.alarms)}" for c in healthy if c.alarms]
        quality = "" if facts.get("scored") else " (not scored)"
        cells = [
            f"{name}{quality}",
            ", ".join(facts.get("right", [])) or "-",
            ", ".join(f"{first} ×{firsts.count(first)}" for first in dict.fromkeys(firsts)) or "-",
            *(
                share(getattr(run, what) for run in runs) if facts.get("right") else "-"
                for what in ("first", "among")
            ),
            share(run.layer for run in runs) if facts.get("right") else "-",
            ("; ".join(alarmed) or f"none in {len(healthy)}") if healthy else "-",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def totals(content: Mapping[str, Any], summary: Mapping[str, Any]) -> list[str]:
    """The figures that a reader compares, in groups."""
    runs: dict[str, list[Scored]] = {}
    for name, entry in content["cases"].items():
        facts = summary.get(name, {})
        if not facts.get("right"):
            continue
        scored = score(name, entry, facts["right"], facts.get("shows") == "sometimes")
        kind = "injected" if entry["source"] in INJECTED else "real"
        groups = ["scored", f"scored, {kind}"] if facts.get("scored") else ["not scored"]
        groups += [f"ground truth {facts.get('quality', 'unknown')}"]
        for group in groups:
            runs.setdefault(group, []).extend(scored)
    lines = [
        "| runs | detected | kind first | kind in three | family first | layer (any cause) | layer (first) |",
        "|---|---|---|---|---|---|---|",
    ]
    for group, found in sorted(runs.items()):
        figures = [
            share(getattr(run, what) for run in found)
            for what in ("detected", "first", "among", "family", "layer", "first_layer")
        ]
        lines.append(f"| {group} | " + " | ".join(figures) + " |")
    healthy = [
        control
        for name, entry in content["cases"].items()
        if summary.get(name, {}).get("control")
        for control in controls(name, entry)
    ]
    cases = {control.case for control in healthy}
    alarmed = {control.case for control in healthy if control.alarms}
    lines += [
        "",
        f"Healthy controls: {len(alarmed)} of {len(cases)} cases with an error or a warning "
        f"({sum(bool(c.alarms) for c in healthy)} of {len(healthy)} runs)"
        + (f": {', '.join(sorted(alarmed))}." if alarmed else "."),
    ]
    return lines


def passive(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same results with the causes that were named before anything was tried."""
    cases = {}
    for name, entry in content["cases"].items():
        runs = {
            variant: {
                seed: {**run, "causes": run.get("passive", run.get("causes", []))}
                for seed, run in made.items()
            }
            for variant, made in entry["runs"].items()
        }
        cases[name] = {**entry, "runs": runs}
    return {**content, "cases": cases}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results_json", type=Path, metavar="OUT", help="what run wrote")
    parser.add_argument("--summary", type=Path, required=True, help="right answers, scored cases, controls")
    parser.add_argument(
        "--passive", action="store_true", help="of runs with trials: what was said before them"
    )
    parser.add_argument("--results", type=Path, help="table of the reference runner (results.md)")
    arguments = parser.parse_args()
    content = json.loads(arguments.results_json.read_text("utf-8"))
    if arguments.passive:
        content = passive(content)
    summary = json.loads(arguments.summary.read_text("utf-8"))
    print("\n".join([*totals(content, summary), "", *by_case(content, summary)]))
    if arguments.results:
        print("\n" + "\n".join(comparison(content, arguments.results.read_text("utf-8"))))


if __name__ == "__main__":
    main()
