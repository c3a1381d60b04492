"""Run + CheckResult -> Report: decides what the page says; renderers decide only how it looks."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from ..findings import CheckResult, Finding, Skipped
from ..registry import Rule, all_rules
from .evidence import causes, chain
from .layers import SPARKS, class_shares, details, flow, glance, word
from .maps import epochs_with
from .model import Chart, Confusion, Reference, Report, RuleGroup, RulePage
from .plots import Curve, chart
from .text import clean, number, percent, plural, split_verdict
from .vocabulary import Quantity

if TYPE_CHECKING:
    from ..run import Run

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
_MOST_CLASSES = 24


def build(run: Run, result: CheckResult) -> Report:
    """Everything a report says about a run, as plain data.

    Args:
        run: what was recorded.
        result: what `check` found in it.
    """
    manifest = run.manifest
    rules = _rules()
    shown, others = causes(run, result)
    mapped = frozenset(str(f.evidence["unit_map"]) for f in result.findings if "unit_map" in f.evidence)
    full, note = details(run, result.findings, mapped)
    name = clean(manifest.get("name") or run.folder.name if run.folder else "run", 80)
    verdict = clean(result.verdict, 400)
    folder = _shown_path(run)
    return Report(
        title=f"{clean(result.verdict, 140)} · {clean(name, 40)}",
        name=name,
        summary=_summary(manifest),
        length=f"{plural(max(0, len(run.epochs) - 1), 'epoch')}, {plural(run.steps, 'step')}",
        cost=_cost(manifest),
        facts=_facts(manifest),
        running="Still running: this page shows the state after the last finished epoch." if manifest.get("status") == "running" else "",
        severity=result.severity.value if result.severity else "passed",
        verdict=split_verdict(verdict),
        subline=_subline(run, result),
        chain=chain(run, result),
        causes=shown,
        others=others,
        layers=glance(run, result.findings),
        spark_titles=tuple(title for title, _, _ in SPARKS),
        learning=_learning(run),
        flow=flow(run),
        details=full,
        details_note=note,
        confusion=_confusion(run),
        passed=_passed(result, rules),
        unchecked=_unchecked(result),
        reproduce=_reproduce(manifest),
        commands=_commands(folder, result),
        pages=_pages(result.findings, rules),
    )


def accuracy(run: Run) -> tuple[float, str] | None:
    """The last accuracy on the rows that say most, and which rows those are."""
    for series, where in (("validation.accuracy", "validation"), ("probe.accuracy", "the probe"), ("train.accuracy", "training rows")):
        values = run.series(series).values
        if len(values) and np.isfinite(values[-1]):
            return float(values[-1]), where
    return None


def _subline(run: Run, result: CheckResult) -> str:
    parts = []
    reached, largest = accuracy(run), class_shares(run.manifest)
    if reached:
        chance = largest is not None and abs(reached[0] - largest) < 0.015
        parts.append(f"Accuracy {percent(reached[0])} on {reached[1]}{', the share of one class' if chance else ''}.")
    loss = run.series("probe.loss")
    at_chance = run.manifest.get("loss_at_chance")
    if len(loss) and not reached:
        parts.append(f"Loss {number(float(loss.values[-1]))} on the probe.")
    elif len(loss) and not result.causes and isinstance(at_chance, int | float):
        parts.append(f"Loss {number(float(loss.values[-1]))} on the probe, {number(float(at_chance))} at chance.")
    if result.causes:
        cause = result.causes[0]
        parts.append(f"Certainty {100 * cause.certainty:.0f}\u00a0%.")
        parts.append(f"Against: {clean('; '.join(cause.against), 200)}." if cause.against else "Nothing speaks against it.")
        if len(result.causes) > 1:
            parts.append(f"A second cause: {clean(result.causes[1].sentence, 120)}")
    elif "passed" not in result.verdict:
        parts.append(f"{plural(len(result.passed), 'rule')} passed, {len(result.not_applicable)} could not be checked.")
    return " ".join(parts)


def _summary(manifest: Mapping[str, Any]) -> str:
    network = _mapping(manifest.get("network"))
    optimizer = _mapping(manifest.get("optimizer"))
    kind, rate = str(optimizer.get("kind", "")), optimizer.get("rate")
    names = {"sgd": "SGD", "momentum": "Momentum", "adam": "Adam"}
    parts = [
        clean(network.get("description", ""), 120),
        clean(manifest.get("loss", ""), 40).replace("_", "-"),
        f"{names.get(kind, clean(kind, 30))} {rate if isinstance(rate, int | float) else ''}".strip(),
        f"batch {clean(manifest['batch'], 12)}" if manifest.get("batch") else "",
        ", ".join(_inits(manifest.get("init"))),
    ]
    return ", ".join(part for part in parts if part)


def _inits(init: Any) -> list[str]:
    """Names of the initializers of the weights, each once."""
    if isinstance(init, str):
        return [{"he": "He", "xavier": "Xavier", "lecun": "LeCun"}.get(init, clean(init, 30))]
    names: dict[str, None] = {}
    for key, value in _mapping(init).items():
        if "bias" not in str(key):
            names.update(dict.fromkeys(_inits(value)))
    return list(names)[:3]


def _cost(manifest: Mapping[str, Any]) -> str:
    recording, training = manifest.get("recording_seconds"), manifest.get("training_seconds")
    if isinstance(recording, int | float) and isinstance(training, int | float) and training > 0:
        return f"recording cost {percent(recording / training)} of training"
    return ""


def _facts(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    versions = [f"{clean(k, 20)} {clean(v, 20)}" for k, v in _mapping(manifest.get("versions")).items()][:6]
    return tuple(filter(None, [clean(manifest.get("created", ""), 40).replace("T", " "), *versions]))


def _learning(run: Run) -> tuple[Chart, ...]:
    """Loss and accuracy with what a network reaches that knows only the class shares."""
    at_chance, largest = run.manifest.get("loss_at_chance"), class_shares(run.manifest)
    loss_line = [Reference(float(at_chance), f"knowing only the class shares: {number(float(at_chance))}")] if isinstance(at_chance, int | float) else []
    accuracy_line = [Reference(largest, f"always the largest class: {percent(largest)}")] if largest is not None else []
    charts = []
    for key, title, share, names, references, note in (
        ("loss", "Loss", False, ("probe.loss", "validation.loss"), loss_line, "Dashed: what knowing only the class shares reaches."),
        ("accuracy", "Accuracy", True, ("probe.accuracy", "validation.accuracy"), accuracy_line, "Dashed: always answering the largest class."),
    ):  # fmt: skip
        kind = Quantity(title, "share right" if share else "loss", "", False, share)
        found = [(n, run.series(n)) for n in names if run.has(n)]
        if not found:  # no probe: what the training loop itself saw
            found = [(n, run.series(n)) for n in (f"train.{key}", key) if run.has(n)][:1]
        words = {"probe": "probe", "validation": "validation"}
        curves = [
            Curve(words.get(n.partition(".")[0], "training"), s.steps, s.values, float(i), n.startswith("validation"))
            for i, (n, s) in enumerate(found)
        ]
        meaning = {"probe": "Probe: a fixed sample of the training rows.", "validation": "Validation: rows it never trains on."}
        how = " ".join([*(meaning.get(c.label, "") for c in curves), note if references else ""]).strip()
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
        summary += f" Most often confused: {label} taken for {prediction}, {int(wrong[label, prediction]):,} times."
    if never:
        summary += f" Never predicted: {', '.join(never[:12])}."
    return Confusion(
        tuple(str(c) for c in kept), tuple(tuple(int(v) for v in counts[i, kept]) for i in kept), summary + note
    )


def _rules() -> dict[str, Rule]:
    try:
        return {rule.code: rule for rule in all_rules()}
    except Exception:  # the report of a run must not depend on every rule's module loading
        return {}


def _passed(result: CheckResult, rules: Mapping[str, Rule]) -> tuple[RuleGroup, ...]:
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for code in sorted(result.passed):
        known = rules.get(code)
        family = FAMILIES.get(code[3:4], "Other rules")
        groups.setdefault(family, []).append((clean(code, 20), known.name if known else "", clean(known.summary, 200) if known else ""))
    return tuple(RuleGroup(title, tuple(members)) for title, members in groups.items())


def _unchecked(result: CheckResult) -> tuple[RuleGroup, ...]:
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


def _reproduce(manifest: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    optimizer = _mapping(manifest.get("optimizer"))
    network = _mapping(manifest.get("network"))
    entries: list[tuple[str, Any]] = [
        ("command", manifest.get("command")),
        ("seed", manifest.get("seed")),
        ("network", network.get("description")),
        ("parameters", network.get("parameters")),
        ("dtype", network.get("dtype")),
        ("loss", manifest.get("loss")),
        ("optimizer", ", ".join(f"{k} {v}" for k, v in optimizer.items())),
        ("initial values", ", ".join(f"{k} {_plain(v)}" for k, v in _mapping(manifest.get("init")).items()) or manifest.get("init")),
        ("batch", manifest.get("batch")),
        ("epochs", manifest.get("epochs")),
        ("training samples", manifest.get("samples")),
        ("probe rows", manifest.get("probe_rows")),
        ("versions", ", ".join(f"{k} {v}" for k, v in _mapping(manifest.get("versions")).items())),
        ("created", manifest.get("created")),
    ]
    return tuple((key, f"{v:,}" if isinstance(v, int) else clean(v, 500)) for key, v in entries if v not in (None, "", {}))


def _plain(value: Any) -> str:
    return " ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)


def _commands(folder: str, result: CheckResult) -> tuple[tuple[str, str], ...]:
    """The next things to type; only commands that this installation has."""
    codes = list(dict.fromkeys(f.code for f in result.findings))
    wanted = [
        ("fix", f"nndebug fix {folder}", "tries the remedies on the same seed") if codes else None,
        ("rule", f"nndebug rule {clean(codes[0], 20)}", "explains the first rule that fired") if codes else None,
        ("check", f"nndebug check {folder}", "checks this run again"),
        ("report", f"nndebug report {folder}", "writes this page again"),
        ("compare", f"nndebug compare {folder} OTHER", "shows what differs from another run"),
    ]
    return tuple((line, why) for command, line, why in filter(None, wanted) if _has_command(command))


def _has_command(name: str) -> bool:
    try:
        return find_spec(f"nndebug.cli.{name}") is not None
    except ModuleNotFoundError:
        return False


def _shown_path(run: Run) -> str:
    if not run.folder:
        return "RUN"
    near = os.path.relpath(run.folder)
    return shlex.quote(clean(run.folder if near.startswith("..") else near, 300))


def _pages(findings: tuple[Finding, ...], rules: Mapping[str, Rule]) -> tuple[RulePage, ...]:
    codes = dict.fromkeys(f.code for f in findings)
    return tuple(RulePage(c, rules[c].name, page_blocks(rules[c].page)) for c in codes if c in rules and rules[c].page)


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
        is_code = all(line.startswith(("    ", "\t")) for line in part.splitlines() if line.strip()) and not heading
        if is_code or re.search(r"^\s*\|.*\|", part, re.MULTILINE):
            blocks.append(("code", clean(part, 4000, lines=True)))
        else:
            blocks.append(("text", clean(" ".join(part.split()), 4000)))
    return tuple(blocks)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


__all__ = ["FAMILIES", "accuracy", "build", "page_blocks", "word"]
