"""What the rules that speak before training share: the figures of a part, and how bad a finding may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..findings import Severity
from ..run import Run
from .outcome import Outcome, outcome


def measured(run: Run, part: str) -> Mapping[str, Any]:
    """The figures of a part of the preflight; empty if it was not measured."""
    return {} if run.preflight is None else run.preflight.measurements.get(part, {})


def unless_it_learns(run: Run, undecided: Severity = Severity.WARNING) -> Severity:
    """Error where the run fails to learn, info where it learned well, else `undecided`: it may be too early to tell."""
    return {Outcome.FAILED: Severity.ERROR, Outcome.LEARNED: Severity.INFO}.get(outcome(run), undecided)


def if_it_fails(run: Run) -> Severity:
    """Error where the run fails to learn, else info: what is unusual and harms many runs no more than that."""
    return unless_it_learns(run, undecided=Severity.INFO)


_EARLY = 10
"""Steps before which no held-out loss need have fallen."""


def generalises(run: Run) -> bool | None:
    """Whether the loss on held-out data was ever clearly below chance; None where that is not known."""
    loss, chance = run.series("validation.loss"), run.manifest.get("loss_at_chance")
    if not chance or not loss or run.steps < _EARLY:
        return None
    return bool(loss.minimum < 0.97 * chance)


def last_site(run: Run) -> str:
    """The name of the output layer."""
    return run.sites[-1].name if run.sites else "run"
