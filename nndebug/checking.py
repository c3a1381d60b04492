"""Run the rules over a run: what was found, what passed, what could not be looked at and why."""

from __future__ import annotations

import math
import os
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .config import Settings
from .diagnosis import diagnose
from .findings import Cause, CheckResult, Finding, Severity, Skipped, Symptom
from .plugins import load_installed
from .registry import Rule
from .selection import Selection
from .strict_json import decode, encode, revive
from .trials.deciding import decide

if TYPE_CHECKING:
    from .preflight.result import Preflight
    from .run import Run

PREFLIGHT = "preflight."
"""How a rule names, among its needs, a part of the preflight."""


def check(
    run: Run | Preflight | str | Path,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    settings: Settings | None = None,
) -> CheckResult:
    """Runs the rules over a run and orders what they find into causes.

    Args:
        run: a run, or its folder; or a preflight by itself.
        select: the rules to run, by code, by name or by a prefix of the code (`NND2`); all if empty.
        ignore: the rules to leave out, named likewise; they are listed as suppressed.
        settings: thresholds, plug-ins and suppressions, as in `nndebug.config.load()`; the defaults if None.

    Returns:
        The same for the same run and settings, live or read back from its folder.

    Raises:
        UserError: a word in `select`, `ignore` or the settings names no rule or no parameter of one, or the folder holds
            no run.
    """
    from .run import Run

    chosen = Selection(settings or Settings(), select, ignore)
    if isinstance(run, str | Path):
        run = Run.load(Path(run))
    elif not isinstance(run, Run):
        preflight, run = run, Run(run.facts)
        run.preflight = preflight
    with run.held():
        return _judge(run, chosen)


def _judge(run: Run, chosen: Selection) -> CheckResult:
    findings: list[Finding] = []
    passed: list[str] = []
    missing: list[Skipped] = []
    suppressed: list[Skipped] = []
    crashed: list[Skipped] = [Skipped("", name, reason) for name, reason in load_installed().items()]
    for rule in chosen.rules:
        if reason := chosen.left_out(rule):
            suppressed.append(Skipped(rule.code, rule.name, reason))
        elif not run.steps and not run.events and not (_before_training(rule) or _misses(rule, run)):
            missing.append(Skipped(rule.code, rule.name, "no step was recorded"))
        elif absent := [need for need in rule.needs if not any(map(run.has, need.split(" or ")))]:
            missing.append(Skipped(rule.code, rule.name, _why_absent(run, absent)))
        else:
            try:
                found = _apply(rule, run, chosen.thresholds(rule))
            except Exception as error:
                if os.environ.get("NNDEBUG_TRACEBACK") == "1":
                    traceback.print_exc()
                crashed.append(Skipped(rule.code, rule.name, describe(error)))
            else:
                kept, hidden = chosen.suppress(rule, found)
                findings += kept
                suppressed += hidden
                if not found:
                    passed.append(rule.code)
    findings += _of_the_tool(run, chosen, crashed)
    findings.sort(key=_order)
    try:
        causes, verdict, severity = diagnose(run, findings)
        causes, verdict = decide(causes, verdict, run.trials)
    except Exception as error:
        crashed.append(Skipped("", "diagnosis", describe(error)))
        causes, verdict, severity = _without_diagnosis(findings)
    told = {finding.code for finding in findings}
    return CheckResult(
        verdict=verdict,
        severity=severity,
        causes=tuple(causes),
        findings=tuple(findings),
        passed=tuple(code for code in passed if code not in told),
        not_applicable=tuple(missing),
        suppressed=tuple(suppressed),
        crashed=tuple(crashed),
        run=summary(run),
        trials=None if run.trials is None else run.trials.to_json(),
    )


def _of_the_tool(run: Run, chosen: Selection, crashed: Sequence[Skipped]) -> list[Finding]:
    """What only the check itself can know: suppressions without use, and rules that raised."""
    facts: dict[str, dict[str, tuple[str, ...]]] = {
        "NND901": {"unused": chosen.unused()},
        "NND903": {"crashed": tuple(f"{one.code} {one.name}: {one.reason}".strip() for one in crashed)},
    }
    return [
        finding
        for rule in chosen.rules
        if rule.code in facts and not chosen.left_out(rule)
        for finding in _apply(rule, run, facts[rule.code])
    ]


def _before_training(rule: Rule) -> bool:
    """Whether a rule judges what was measured before the first step, and nothing else."""
    return bool(rule.needs) and all(need.startswith(PREFLIGHT) for need in rule.needs)


def _misses(rule: Rule, run: Run) -> bool:
    """Whether a rule says why there are no steps although there was a training."""
    return rule.code == "NND902" and bool(run.lost or run.manifest.get("training_seconds"))


def _why_absent(run: Run, absent: Sequence[str]) -> str:
    parts = [need.removeprefix(PREFLIGHT) for need in absent if need.startswith(PREFLIGHT)]
    if not parts:
        return f"never recorded: {', '.join(absent)}"
    if run.preflight is None:
        return "there was no preflight: watch(..., preflight=True)"
    return "; ".join(f"{part}: {run.preflight.not_checked.get(part, 'not measured')}" for part in parts)


def describe(error: BaseException) -> str:
    """An exception in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def summary(run: Run) -> dict[str, Any]:
    """What the result says about the run itself; the same live and reloaded, wherever the folder lies."""
    known = ("name", "network", "loss", "loss_at_chance", "classes", "optimizer", "batch", "seed", "samples")
    facts: dict[str, Any] = {key: run.manifest[key] for key in known if key in run.manifest}
    last = {
        name.replace(".", "_"): series.last
        for name in ("train.loss", "train.accuracy", "validation.loss", "validation.accuracy")
        if len(series := run.series(name))
    }
    return {**facts, "steps": run.steps, "epochs": max(0, len(run.epochs) - 1), **last}


def _apply(rule: Rule, run: Run, thresholds: Mapping[str, Any]) -> list[Finding]:
    # Non-finite numbers are what some rules look for: no warning about them.
    with np.errstate(all="ignore"):
        return [_bind(rule, symptom) for symptom in rule(run, **thresholds)]


def _bind(rule: Rule, symptom: Symptom) -> Finding:
    """The finding in plain Python types, as it will be when it is read back.

    Raises:
        TypeError: its evidence has no form in JSON.
    """
    return Finding(
        code=rule.code,
        name=rule.name,
        severity=symptom.severity,
        site=symptom.site,
        message=symptom.message,
        first_step=None if symptom.first_step is None else int(symptom.first_step),
        last_step=None if symptom.last_step is None else int(symptom.last_step),
        evidence=revive(decode(encode(dict(symptom.evidence)))),
        help=symptom.help,
    )


def _order(finding: Finding) -> tuple[Any, ...]:
    """Worst first, then earliest; what belongs to no step comes last among its equals."""
    step = math.inf if finding.first_step is None else finding.first_step
    return -finding.severity.rank, step, finding.code, finding.site, finding.message


def _without_diagnosis(findings: Sequence[Finding]) -> tuple[tuple[Cause, ...], str, Severity | None]:
    if not findings:
        return (), "No rule found anything, but the diagnosis itself failed.", None
    return (), findings[0].message, findings[0].severity
