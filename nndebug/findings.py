"""What a rule yields, what a user reads, and the result of a whole check: plain frozen data."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad; ordered. The mark, the word and the colour always appear together."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        return ("info", "warning", "error").index(self.value)

    @property
    def mark(self) -> str:
        return {"info": "●", "warning": "■", "error": "▲"}[self.value]


PASSED_MARK = "○"


@dataclass(frozen=True)
class Symptom:
    """One measured fact that a rule yields.

    Attributes:
        site: where (`hidden1`, `hidden1.weight`, `run`).
        message: the fact in one sentence, with its figures.
        severity: how bad.
        first_step: step since which it holds, None if it belongs to no step.
        last_step: last step at which it was seen.
        evidence: figures, and for charts the keys `series`, `threshold`, `threshold_label`, `steps`, `unit_map`.
        help: what to try, in one sentence.
    """

    site: str
    message: str
    severity: Severity = Severity.WARNING
    first_step: int | None = None
    last_step: int | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    help: str = ""


@dataclass(frozen=True)
class Finding:
    """A symptom bound to the rule that found it."""

    code: str
    name: str
    severity: Severity
    site: str
    message: str
    first_step: int | None = None
    last_step: int | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    help: str = ""

    @property
    def fingerprint(self) -> str:
        """Stable identity: rule and place, never figures; so that two runs can be compared."""
        return hashlib.sha256(f"{self.code}\0{self.site}".encode("utf-8", "surrogatepass")).hexdigest()[:12]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "severity": self.severity.value, "fingerprint": self.fingerprint}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        known = {k: v for k, v in data.items() if k != "fingerprint"}
        return cls(**{**known, "severity": Severity(known["severity"])})


@dataclass(frozen=True)
class Cause:
    """A root cause from the closed vocabulary, with what it explains.

    Attributes:
        kind: snake_case name, as in `lr_too_high`.
        layer: where, or None for the whole run.
        first_step: the step of its first consequence, or None.
        certainty: 0 to 1.
        sentence: what is wrong, in one sentence for the reader.
        explains: fingerprints of the findings that follow from it, in causal order.
        against: facts that speak against it.
        ruled_out: what a reader may suspect instead, and the figure that excludes it.
        help: what to do.
        tried: what was changed on a copy to see whether this is it, and what came of it.
        supports: statements that speak for it, with the factors by which they change its odds; none where it was not weighed.
    """

    kind: str
    layer: str | None
    first_step: int | None
    certainty: float
    sentence: str
    explains: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    ruled_out: tuple[str, ...] = ()
    help: str = ""
    tried: tuple[str, ...] = ()
    supports: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), **{name: list(getattr(self, name)) for name in _LISTS}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cause:
        return cls(**{**data, **{name: tuple(data.get(name, ())) for name in _LISTS}})


_LISTS = ("explains", "supports", "against", "ruled_out", "tried")


@dataclass(frozen=True)
class Skipped:
    """A rule that gave no verdict: not applicable, suppressed or crashed, and why."""

    code: str
    name: str
    reason: str


@dataclass(frozen=True)
class CheckResult:
    """Everything one check of a run found, and everything it did not look at.

    Truthy when there is neither an error nor a warning.
    """

    verdict: str
    severity: Severity | None
    causes: tuple[Cause, ...] = ()
    findings: tuple[Finding, ...] = ()
    passed: tuple[str, ...] = ()
    not_applicable: tuple[Skipped, ...] = ()
    suppressed: tuple[Skipped, ...] = ()
    crashed: tuple[Skipped, ...] = ()
    run: Mapping[str, Any] = field(default_factory=dict)
    trials: Mapping[str, Any] | None = None

    def __bool__(self) -> bool:
        return self.severity not in (Severity.ERROR, Severity.WARNING)

    def worst(self) -> Severity | None:
        """The highest severity among the findings; None if there is none."""
        return max((f.severity for f in self.findings), key=lambda s: s.rank, default=None)

    def _repr_html_(self) -> str:
        mark = self.severity.mark if self.severity else PASSED_MARK
        head = f"<p><b>{mark} {_shown(self.verdict)}</b></p>"
        cells = [(f"{f.severity.mark} {f.code}", f.name, f.site, f.message) for f in self.findings]
        rows = "".join(f"<tr>{''.join(f'<td>{_shown(cell)}</td>' for cell in row)}</tr>" for row in cells)
        skipped = len(self.not_applicable) + len(self.suppressed)
        tail = f"<p>{PASSED_MARK} {len(self.passed)} rules passed" + (
            f", {skipped} not applied</p>" if skipped else "</p>"
        )
        return head + (f"<table>{rows}</table>" if rows else "") + tail

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "verdict": {"sentence": self.verdict, "severity": self.severity.value if self.severity else None},
            "causes": [c.to_json() for c in self.causes],
            "findings": [f.to_json() for f in self.findings],
            "passed": list(self.passed),
            **{k: [asdict(s) for s in getattr(self, k)] for k in ("not_applicable", "suppressed", "crashed")},
            "run": dict(self.run),
            "trials": self.trials,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CheckResult:
        severity = data["verdict"]["severity"]
        return cls(
            verdict=data["verdict"]["sentence"],
            severity=Severity(severity) if severity else None,
            causes=tuple(Cause.from_json(c) for c in data["causes"]),
            findings=tuple(Finding.from_json(f) for f in data["findings"]),
            passed=tuple(data["passed"]),
            not_applicable=tuple(Skipped(**s) for s in data["not_applicable"]),
            suppressed=tuple(Skipped(**s) for s in data["suppressed"]),
            crashed=tuple(Skipped(**s) for s in data["crashed"]),
            run=data["run"],
            trials=data.get("trials"),
        )


def _shown(text: str) -> str:
    """As text of HTML; characters that no encoding has (lone surrogates) become question marks."""
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"))
