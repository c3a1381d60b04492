"""Run the rules over a run: what was found, what passed, what could not be looked at and why."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .diagnosis import diagnose
from .errors import UserError
from .findings import Cause, CheckResult, Finding, Severity, Skipped, Symptom
from .registry import Rule, all_rules
from .strict_json import decode, encode, revive

if TYPE_CHECKING:
    from .preflight.result import Preflight
    from .run import Run

PREFLIGHT = "preflight."
"""How a rule names, among its needs, a part of the preflight."""


def check(
    run: Run | Preflight | str | Path, select: Iterable[str] = (), ignore: Iterable[str] = ()
) -> CheckResult:
    """Runs the rules over a run and orders what they find into causes.

    Args:
        run: a run, or its folder; or a preflight by itself.
        select: the rules to run, by code, by name or by a prefix of the code (`NND2`); all if empty.
        ignore: the rules to leave out, named likewise; they are listed as suppressed.

    Returns:
        The same for the same run, live or read back from its folder.

    Raises:
        UserError: a word in `select` or `ignore` names no rule, or the folder holds no run.
    """
    from .run import Run

    if isinstance(run, str | Path):
        run = Run.load(Path(run))
    elif not isinstance(run, Run):
        preflight, run = run, Run(run.facts)
        run.preflight = preflight
    with run.held():
        return _judge(run, select, ignore)


def _judge(run: Run, select: Iterable[str], ignore: Iterable[str]) -> CheckResult:
    rules = all_rules()
    wanted, unwanted = _named(select, rules), _named(ignore, rules)
    findings: list[Finding] = []
    passed: list[str] = []
    missing: list[Skipped] = []
    suppressed: list[Skipped] = []
    crashed: list[Skipped] = []
    for rule in rules:
        if rule.code in unwanted:
            suppressed.append(Skipped(rule.code, rule.name, "ignored by the caller"))
        elif wanted and rule.code not in wanted:
            suppressed.append(Skipped(rule.code, rule.name, "not among the rules selected"))
        elif not run.steps and not run.events and not _before_training(rule):
            missing.append(Skipped(rule.code, rule.name, "no step was recorded"))
        elif absent := [need for need in rule.needs if not run.has(need)]:
            missing.append(Skipped(rule.code, rule.name, _why_absent(run, absent)))
        else:
            try:
                found = _apply(rule, run)
            except Exception as error:
                crashed.append(Skipped(rule.code, rule.name, describe(error)))
            else:
                findings += found
                if not found:
                    passed.append(rule.code)
    findings.sort(key=_order)
    try:
        causes, verdict, severity = diagnose(run, findings)
    except Exception as error:
        crashed.append(Skipped("", "diagnosis", describe(error)))
        causes, verdict, severity = _without_diagnosis(findings)
    return CheckResult(
        verdict=verdict,
        severity=severity,
        causes=tuple(causes),
        findings=tuple(findings),
        passed=tuple(passed),
        not_applicable=tuple(missing),
        suppressed=tuple(suppressed),
        crashed=tuple(crashed),
        run=summary(run),
    )


def _before_training(rule: Rule) -> bool:
    """Whether a rule judges what was measured before the first step, and nothing else."""
    return bool(rule.needs) and all(need.startswith(PREFLIGHT) for need in rule.needs)


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


def _apply(rule: Rule, run: Run) -> list[Finding]:
    # Non-finite numbers are what some rules look for: no warning about them.
    with np.errstate(all="ignore"):
        return [_bind(rule, symptom) for symptom in rule(run)]


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


def _named(words: Iterable[str], rules: Sequence[Rule]) -> set[str]:
    """Codes of the rules that the words name.

    Raises:
        UserError: a word names none.
    """
    codes = set()
    for word in words:
        sign = word.upper() if word[:3].upper() == "NND" else f"NND{word}"
        named = {rule.code for rule in rules if rule.name == word.lower() or rule.code.startswith(sign)}
        if not named or not word:
            near = difflib.get_close_matches(
                word, [key for rule in rules for key in (rule.code, rule.name)], n=1
            )
            help = f"did you mean {near[0]!r}?" if near else "nndebug rule lists them all"
            raise UserError(f"there is no rule {word!r}", help=help)
        codes |= named
    return codes
