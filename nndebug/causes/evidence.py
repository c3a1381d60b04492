"""What every cause is put together from: the findings of one check, and the chain that follows from a root.

Certainties are set by hand, by the kind of evidence: a proof, a chain seen from its first step on, a pattern, a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..findings import Cause, Finding
from .vocabulary import Kind

PROOF, CHAIN, PATTERN, GUESS = 0.99, 0.95, 0.8, 0.5
"""Certainty by kind of evidence; a measured table is to replace them."""

PERHAPS, LIKELIEST, UNSURE = "Or perhaps: ", "The likeliest cause: ", " No cause is sure"
"""How a cause is told that the table alone holds likely: not the first one; the first one; where others together are likelier."""

OUTCOMES = (
    *("NND302", "NND305", "NND402", "NND403", "NND207", "NND504", "NND507", "NND508", "NND501", "NND502"),
    *("NND510", "NND604", "NND603"),
)
"""What follows from nearly every cause, in the order of the chain."""

DYNAMICS = (
    *(
        "NND003",
        "NND505",
        "NND307",
        "NND405",
        "NND203",
        "NND204",
        "NND205",
        "NND304",
        "NND411",
        "NND401",
        "NND201",
    ),
    "NND101",
)
"""What a gradient or an update that is proven wrong does to a training, beside the outcomes."""


class Findings:
    """The findings of one check, by rule code."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.all = tuple(findings)

    def of(self, *codes: str) -> list[Finding]:
        return [finding for finding in self.all if finding.code in codes]

    def first(self, code: str, **evidence: Callable[[Any], bool]) -> Finding | None:
        """The first finding of a rule whose evidence fulfils the conditions."""
        for finding in self.of(code):
            if all(test(finding.evidence.get(name)) for name, test in evidence.items()):
                return finding
        return None

    def __contains__(self, code: str) -> bool:
        return any(finding.code == code for finding in self.all)


def cause(
    kind: Kind,
    layer: str | None,
    found: Findings,
    roots: Sequence[Finding],
    certainty: float,
    sentence: str,
    *,
    first_step: int | None = None,
    against: tuple[str, ...] = (),
    help: str = "",
) -> Cause:
    """A cause with its chain: its own findings and what followed from them, in order of step.

    Args:
        kind: of the vocabulary.
        layer: where, or None for the whole run.
        found: the findings of the check.
        roots: those that this cause is read off, the most telling first.
        certainty: 0 to 1.
        sentence: what is wrong, with the figure that shows it; cut at 200 characters.
        first_step: when it began; by default the earliest step of the roots.
        against: facts that speak against it.
        help: what to do.
    """
    steps = [f.first_step for f in roots if f.first_step is not None]
    start = first_step if first_step is not None else min(steps, default=None)
    chain = {f.fingerprint: f for f in roots}
    for finding in found.of(*OUTCOMES):
        late = start is None or finding.first_step is None or finding.first_step >= start
        if late and not not_applied(finding):
            chain.setdefault(finding.fingerprint, finding)
    place = {f.fingerprint: i for i, f in reversed(list(enumerate(roots)))}
    ordered = sorted(
        chain.values(),
        key=lambda f: (
            f.code in OUTCOMES,  # what is measured over the whole run is the end of the chain
            f.first_step if f.first_step is not None else 1 << 60,
            OUTCOMES.index(f.code) if f.code in OUTCOMES else place.get(f.fingerprint, 0),
        ),
    )
    return Cause(
        kind=kind.value,
        layer=layer,
        first_step=start,
        certainty=certainty,
        sentence=sentence if len(sentence) <= 200 else sentence[:197] + "…",
        explains=tuple(f.fingerprint for f in ordered),
        against=against,
        help=help,
    )


def step_name(step: int) -> str:
    return "the first step" if step == 0 else f"step {step:,}"


def not_applied(finding: Finding) -> bool:
    """Whether it is a parameter whose update could change it and does not."""
    gradient = finding.evidence.get("gradient") or 0
    return finding.code == "NND403" and gradient > 0 and not finding.evidence.get("below_precision")


def failing(found: Findings) -> bool:
    return bool(found.of("NND501", "NND502", "NND101"))
