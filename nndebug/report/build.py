"""Run + CheckResult -> Report: decides what the page says; renderers decide only how it looks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..findings import CheckResult
from . import rulebook, settings
from .chain import chain, ticks
from .evidence import causes
from .gradients import gradients
from .layers import SPARKS, details, flow, glance
from .learning import accuracy, class_shares, learning
from .model import Report
from .predictions import confusion, samples
from .text import clean, number, percent, plural, split_verdict
from .tried import tried
from .vocabulary import rows_seen

if TYPE_CHECKING:
    from ..run import Run


_WORTH_A_LINE = 0.5
"""Certainty of a second cause from which on it stands beside the verdict."""


def build(run: Run, result: CheckResult) -> Report:
    """Everything a report says about a run, as plain data.

    Args:
        run: what was recorded.
        result: what `check` found in it.
    """
    with run.held():
        return _build(run, result)


def _build(run: Run, result: CheckResult) -> Report:
    manifest = run.manifest
    rules = rulebook.known_rules()
    shown, others = causes(run, result)
    mapped = frozenset(str(f.evidence["unit_map"]) for f in result.findings if "unit_map" in f.evidence)
    full, note = details(run, result.findings, mapped)
    name = clean(manifest.get("name") or (run.folder.resolve().name if run.folder else ""), 80)
    ranks = manifest.get("ranks")
    verdict = clean(result.verdict, 400)
    return Report(
        title=" · ".join(filter(None, (clean(result.verdict, 140), clean(name, 40)))),
        name=name,
        summary=settings.summary(manifest),
        length=f"{plural(max(0, len(run.epochs) - 1), 'epoch')}, {plural(run.steps, 'step')}"
        + (f", {plural(len(ranks), 'rank')}" if isinstance(ranks, list) else ""),
        cost=settings.cost(manifest),
        facts=settings.facts(manifest),
        notice=_notice(run),
        severity=result.severity.value if result.severity else "passed",
        verdict=split_verdict(verdict),
        subline=_subline(run, result),
        chain=chain(run, result),
        ticks=ticks(run),
        causes=shown,
        others=others,
        layers=glance(run, result.findings, result.causes),
        spark_titles=tuple(title for title, _, _ in SPARKS),
        learning=learning(run),
        flow=flow(run),
        details=full,
        details_note=note,
        confusion=confusion(run),
        samples=samples(run),
        gradients=gradients(run),
        trials=tried(run),
        passed=rulebook.passed(result, rules),
        unchecked=rulebook.unchecked(result),
        reproduce=settings.reproduce(manifest),
        commands=settings.commands(run, result),
        pages=rulebook.pages(result.findings, rules),
    )


def _notice(run: Run) -> str:
    """What to know before reading: training goes on, or ended in an error."""
    for event in run.events:
        if event.get("event") == "crashed":
            where = f"at step {event['step']:,}" if isinstance(event.get("step"), int) else ""
            return f"Training ended in an error {where}: {clean(event.get('message', ''), 300)}"
    if run.manifest.get("status") == "running":
        return "Still running: this page shows the state at the end of the last epoch."
    return ""


def _subline(run: Run, result: CheckResult) -> str:
    parts = []
    reached, largest = accuracy(run), class_shares(run.manifest)
    if reached and "accuracy" not in result.verdict.lower():
        chance = largest is not None and abs(reached[0] - largest) < 0.015
        parts.append(
            f"Accuracy {percent(reached[0])} on {reached[1]}{', the share of one class' if chance else ''}."
        )
    loss = run.series("probe.loss")
    at_chance, seen = run.manifest.get("loss_at_chance"), rows_seen(run.manifest)
    if len(loss) and not reached:
        parts.append(f"Loss {number(float(loss.values[-1]))} on {seen}.")
    elif len(loss) and not result.causes and isinstance(at_chance, int | float):
        parts.append(
            f"Loss {number(float(loss.values[-1]))} on {seen}, {number(float(at_chance))} at chance."
        )
    if result.causes:
        cause = result.causes[0]
        if cause.certainty > 0:
            parts.append(f"Certainty {100 * cause.certainty:.0f}\u00a0%.")
            against = clean(re.sub(r" \(÷[\d.,]+\)", "", "; ".join(cause.against)), 200)  # "÷" is told below
            parts.append(f"Against: {against}." if against else "Nothing speaks against it.")
        if len(result.causes) > 1 and result.causes[1].certainty >= _WORTH_A_LINE:
            parts.append(f"A second cause: {clean(result.causes[1].sentence, 120)}")
    elif "passed" not in result.verdict:
        missing = len(result.not_applicable)
        parts.append(
            f"{plural(len(result.passed), 'rule')} passed{f', {missing} could not be checked' if missing else ''}."
        )
    return " ".join(parts)
