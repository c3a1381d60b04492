"""Run + CheckResult -> Report: decides what the page says; renderers decide only how it looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..findings import CheckResult
from . import rulebook, settings
from .evidence import causes, chain
from .layers import SPARKS, class_shares, details, flow, glance
from .maps import epochs_with
from .model import Chart, Confusion, Reference, Report
from .plots import Curve, chart
from .text import clean, number, percent, plural, split_verdict
from .vocabulary import Quantity

if TYPE_CHECKING:
    from ..run import Run

_MOST_CLASSES = 24


def build(run: Run, result: CheckResult) -> Report:
    """Everything a report says about a run, as plain data.

    Args:
        run: what was recorded.
        result: what `check` found in it.
    """
    manifest = run.manifest
    rules = rulebook.known_rules()
    shown, others = causes(run, result)
    mapped = frozenset(str(f.evidence["unit_map"]) for f in result.findings if "unit_map" in f.evidence)
    full, note = details(run, result.findings, mapped)
    name = clean(manifest.get("name") or run.folder.name if run.folder else "run", 80)
    verdict = clean(result.verdict, 400)
    return Report(
        title=f"{clean(result.verdict, 140)} · {clean(name, 40)}",
        name=name,
        summary=settings.summary(manifest),
        length=f"{plural(max(0, len(run.epochs) - 1), 'epoch')}, {plural(run.steps, 'step')}",
        cost=settings.cost(manifest),
        facts=settings.facts(manifest),
        notice=_notice(run),
        severity=result.severity.value if result.severity else "passed",
        verdict=split_verdict(verdict),
        subline=_subline(run, result),
        chain=chain(run, result),
        causes=shown,
        others=others,
        layers=glance(run, result.findings, result.causes),
        spark_titles=tuple(title for title, _, _ in SPARKS),
        learning=_learning(run),
        flow=flow(run),
        details=full,
        details_note=note,
        confusion=_confusion(run),
        passed=rulebook.passed(result, rules),
        unchecked=rulebook.unchecked(result),
        reproduce=settings.reproduce(manifest),
        commands=settings.commands(run, result),
        pages=rulebook.pages(result.findings, rules),
    )


def accuracy(run: Run) -> tuple[float, str] | None:
    """The last accuracy on the rows that say most, and which rows those are."""
    for series, where in (
        ("validation.accuracy", "validation"),
        ("probe.accuracy", "the probe"),
        ("train.accuracy", "training rows"),
    ):
        values = run.series(series).values
        if len(values) and np.isfinite(values[-1]):
            return float(values[-1]), where
    return None


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
    at_chance = run.manifest.get("loss_at_chance")
    if len(loss) and not reached:
        parts.append(f"Loss {number(float(loss.values[-1]))} on the probe.")
    elif len(loss) and not result.causes and isinstance(at_chance, int | float):
        parts.append(
            f"Loss {number(float(loss.values[-1]))} on the probe, {number(float(at_chance))} at chance."
        )
    if result.causes:
        cause = result.causes[0]
        if cause.certainty > 0:
            parts.append(f"Certainty {100 * cause.certainty:.0f}\u00a0%.")
            against = clean("; ".join(cause.against), 200)
            parts.append(f"Against: {against}." if against else "Nothing speaks against it.")
        if len(result.causes) > 1:
            parts.append(f"A second cause: {clean(result.causes[1].sentence, 120)}")
    elif "passed" not in result.verdict:
        missing = len(result.not_applicable)
        parts.append(
            f"{plural(len(result.passed), 'rule')} passed{f', {missing} could not be checked' if missing else ''}."
        )
    return " ".join(parts)


def _learning(run: Run) -> tuple[Chart, ...]:
    """Loss and accuracy with what a network reaches that knows only the class shares."""
    at_chance, largest = run.manifest.get("loss_at_chance"), class_shares(run.manifest)
    loss_line = (
        [Reference(float(at_chance), f"knowing only the class shares: {number(float(at_chance))}")]
        if isinstance(at_chance, int | float)
        else []
    )
    accuracy_line = (
        [Reference(largest, f"always the largest class: {percent(largest)}")] if largest is not None else []
    )
    charts = []
    for key, title, share, names, references in (
        ("loss", "Loss", False, ("probe.loss", "validation.loss"), loss_line),
        ("accuracy", "Accuracy", True, ("probe.accuracy", "validation.accuracy"), accuracy_line),
    ):  # fmt: skip
        kind = Quantity(title, "share right" if share else "loss", "", False, share)
        found = [(n, run.series(n)) for n in names if run.has(n)]
        if not found:  # no probe: what the training loop itself saw
            found = [(n, run.series(n)) for n in (f"train.{key}", key) if run.has(n)][:1]
        words = {"probe": "probe", "validation": "validation"}
        curves = [
            Curve(
                words.get(n.partition(".")[0], "training"),
                s.steps,
                s.values,
                float(i),
                n.startswith("validation"),
            )
            for i, (n, s) in enumerate(found)
        ]
        meaning = {
            "probe": "Probe: a fixed sample of training rows.",
            "validation": "Validation: rows never trained on.",
        }
        how = (
            " ".join(meaning[c.label] for c in curves if c.label in meaning) or "On the batches it trains on."
        )
        drawn = chart(key, title, kind, curves, references=references, how=how)
        charts += [drawn] if drawn else []
    return tuple(charts)


def _confusion(run: Run) -> Confusion | None:
    epochs = epochs_with(run, "run/confusion")
    if not epochs:
        return None
    counts = np.asarray(epochs[-1].arrays["run/confusion"])
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.sum():
        return None
    kept = np.arange(len(counts))
    note = ""
    right = np.trace(counts) / counts.sum()
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    if len(counts) > _MOST_CLASSES:
        kept = np.sort(np.argsort(-(wrong.sum(0) + wrong.sum(1)))[:_MOST_CLASSES])
        note = f" The {_MOST_CLASSES} most confused of {len(counts)} classes."
    never = [str(c) for c in np.flatnonzero(counts.sum(axis=0) == 0)]
    summary = f"{percent(float(right))} right."
    if wrong.any():
        label, prediction = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        summary += (
            f" Most often confused: {label} taken for {prediction}, {int(wrong[label, prediction]):,} times."
        )
    if never:
        summary += f" Never predicted: {', '.join(never[:12])}."
    return Confusion(
        tuple(str(c) for c in kept),
        tuple(tuple(int(v) for v in counts[i, kept]) for i in kept),
        summary + note,
    )
