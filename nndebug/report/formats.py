"""A check's result in the forms that other programs read line by line or file by file; JSON is in `machine.py`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree

from .. import __version__
from ..findings import CheckResult, Finding, Severity
from ..registry import Rule
from .machine import to_json
from .rulebook import known_rules
from .text import clean

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def concise(result: CheckResult) -> str:
    """One line a finding, and the verdict as the last one."""
    lines = []
    for f in result.findings:
        step = "" if f.first_step is None else f" step {f.first_step:,}"
        lines.append(f"{clean(f.site, 60)}:{step} {_title(f)}: {clean(f.message, 400)}")
    mark = result.severity.mark if result.severity else "○"
    return "\n".join([*lines, f"{mark} {clean(result.verdict, 400)}"])


def github(result: CheckResult) -> str:
    """Workflow commands: annotations in a run of GitHub Actions."""
    lines = []
    for f in result.findings:
        kind = {"info": "notice"}.get(f.severity.value, f.severity.value)
        text = f"{clean(f.site, 60)}: {clean(f.message, 400)}" + (
            f" Try: {clean(f.help, 400)}" if f.help else ""
        )
        lines.append(f"::{kind} title={_property(f'{f.code} {f.name}')}::{_data(text)}")
    kind = {"error": "error", "warning": "warning"}.get(result.severity or "", "notice")
    return "\n".join([*lines, f"::{kind} title=nndebug::{_data(clean(result.verdict, 400))}"])


def junit(result: CheckResult) -> str:
    """XML as JUnit writes it: a rule is a test case, and what it found of errors and warnings a failure."""
    suite = ElementTree.Element("testsuite", name=clean(result.run.get("name") or "nndebug", 120))
    failed: dict[str, list[Finding]] = {}
    for f in result.findings:
        failed.setdefault(f.code, []).append(f)
    counts = dict.fromkeys(("failures", "errors", "skipped"), 0)
    rules = known_rules()

    def case(code: str, name: str) -> ElementTree.Element:
        known = rules.get(code)
        words = f"{clean(code, 20)} {clean(name or (known.name if known else ''), 60)}".strip()
        return ElementTree.SubElement(suite, "testcase", classname="nndebug", name=words)

    for code, found in failed.items():
        element = case(code, found[0].name)
        serious = [f for f in found if f.severity is not Severity.INFO]
        if serious:
            counts["failures"] += 1
            kind = max((f.severity for f in serious), key=lambda s: s.rank).value
            failure = ElementTree.SubElement(
                element, "failure", type=kind, message=clean(serious[0].message, 400)
            )
            failure.text = "\n".join(f"{clean(f.site, 60)}: {clean(f.message, 400)}" for f in serious)
        else:
            ElementTree.SubElement(element, "system-out").text = "\n".join(
                clean(f.message, 400) for f in found
            )
    for code in result.passed:
        case(code, "")
    for skipped in (*result.not_applicable, *result.suppressed):
        counts["skipped"] += 1
        ElementTree.SubElement(
            case(skipped.code, skipped.name), "skipped", message=clean(skipped.reason, 400)
        )
    for crashed in result.crashed:
        counts["errors"] += 1
        ElementTree.SubElement(
            case(crashed.code, crashed.name), "error", type="crashed", message=clean(crashed.reason, 400)
        )
    suite.attrib.update(tests=str(len(suite)), **{name: str(count) for name, count in counts.items()})
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode")


def sarif(result: CheckResult) -> str:
    """SARIF 2.1.0, the interchange format of static analysis: layers are logical locations."""
    rules = known_rules()
    codes = sorted({f.code for f in result.findings} | set(result.passed))
    run: dict[str, Any] = {
        "tool": {"driver": {"name": "nndebug", "version": __version__, "rules": [_rule(c, rules.get(c)) for c in codes]}},
        "invocations": [
            {
                "executionSuccessful": not result.crashed,
                "toolExecutionNotifications": [
                    {"level": "error", "message": {"text": f"{clean(c.code or c.name, 60)}: {clean(c.reason, 400)}"}}
                    for c in result.crashed
                ],
            }
        ],
        "results": [_result(f, codes.index(f.code)) for f in result.findings],
        "properties": {"verdict": clean(result.verdict, 400), "causes": [clean(c.kind, 60) for c in result.causes]},
    }  # fmt: skip
    return json.dumps(
        {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False
    )


def _rule(code: str, rule: Rule | None) -> dict[str, Any]:
    described: dict[str, Any] = {"id": clean(code, 20)}
    if rule:
        described |= {"name": rule.name, "shortDescription": {"text": clean(rule.summary, 300)}}
        described["help"] = {"text": clean(rule.page, 6000, lines=True)}
    return described


def _result(finding: Finding, index: int) -> dict[str, Any]:
    steps = {"first_step": finding.first_step, "last_step": finding.last_step}
    return {
        "ruleId": clean(finding.code, 20),
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": clean(finding.message, 400) or finding.name or "found"},
        "locations": [{"logicalLocations": [{"name": clean(finding.site, 120)}]}],
        "partialFingerprints": {"nndebug/v1": finding.fingerprint},
        "properties": {**{k: v for k, v in steps.items() if v is not None}, "help": clean(finding.help, 600)},
    }


def _title(finding: Finding) -> str:
    return f"{finding.severity.mark} {clean(finding.code, 20)} {clean(finding.name, 60)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(clean(text, 100)).replace(":", "%3A").replace(",", "%2C")


FORMATS: Mapping[str, Callable[[CheckResult], str]] = {
    "concise": concise,
    "json": to_json,
    "github": github,
    "junit": junit,
    "sarif": sarif,
}
"""Beside `text`, which is for a terminal."""
