"""From symptoms to causes: what happened first, and what explains the rest. Orders; does not measure.

A cause is an entry of the closed vocabulary `causes.Kind`. The surest comes first, and of two equally sure ones the one
further up the chain (data, initial values, backward, update).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .causes import LOOKS, Findings, Kind, unexplained
from .causes.evidence import PROOF
from .findings import Cause, Finding, Severity

if TYPE_CHECKING:
    from .run import Run


def diagnose(run: Run, findings: Sequence[Finding]) -> tuple[tuple[Cause, ...], str, Severity | None]:
    """Names the causes behind findings.

    Returns:
        The causes, surest first; the verdict in one sentence; and the severity of the worst finding (None if there
        is none above info).
    """
    worst = max((f.severity for f in findings), key=lambda s: s.rank, default=None)
    if worst is None or worst is Severity.INFO:
        return (), _healthy(run, findings), None
    known = Findings(findings)
    candidates = [cause for look in LOOKS if (cause := look(run, known))]
    serious = {f.fingerprint for f in findings if f.severity is not Severity.INFO}
    causes = [cause for cause in candidates if serious & set(cause.explains)]
    order = [kind.value for kind in Kind]
    causes.sort(key=lambda cause: (-cause.certainty, order.index(cause.kind)))
    if not causes:
        causes = [unexplained(known)]
    if causes[0].certainty >= PROOF:
        # Beside a proof, guesses at the same consequences are noise.
        told = set(causes[0].explains)
        causes = [
            cause for cause in causes if cause.certainty >= PROOF or (serious & set(cause.explains)) - told
        ]
    causes[0] = replace(causes[0], ruled_out=_ruled_out(run))
    return tuple(causes[:3]), causes[0].sentence, worst


def _ruled_out(run: Run) -> tuple[str, ...]:
    """What a reader may suspect, with the figure that excludes it."""
    notes = []
    for site in run.sites:
        zeros, silent = run.series("probe.zero_share", site.name), run.series("probe.silent_units", site.name)
        dead = run.series("probe.dead_units", site.name) or silent  # the probe can only count too many
        if site.activation == "relu" and zeros and dead and dead.last == 0 and zeros.last >= 0.3:
            notes.append(
                f"not dying ReLU: {zeros.last:.0%} of {site.name}'s activations are zero, yet every unit fires for "
                "some samples"
            )
    return tuple(notes)


def _healthy(run: Run, findings: Sequence[Finding]) -> str:
    notes = f" ({len(findings)} {'note' if len(findings) == 1 else 'notes'})" if findings else ""
    accuracy = run.series("validation.accuracy")
    reached = f"; validation accuracy {accuracy.last:.1%}" if accuracy else ""
    loss, chance = run.series("probe.loss"), run.manifest.get("loss_at_chance")
    if not run.steps and run.preflight is None:
        return "Nothing could be checked: no step was recorded."
    if stopped := next((f for f in findings if f.code == "NND902"), None):
        return f"No rule found a fault in what was recorded, but not all was: {stopped.message}."
    if not run.steps:
        return f"No rule found a fault before training{notes}."
    unseen = run.series("validation.loss")
    if chance and unseen and not unseen.last < chance:
        return f"No rule found a fault{notes}, but on validation the loss, {unseen.last:.3g}, is no better than chance ({chance:.3g})."
    if chance and loss and not loss.last < chance / 2:
        # Silence is not health: it may be too early to tell, or a fault that no rule knows.
        return f"No rule found a fault{notes}, but the loss, {loss.last:.3g}, is not half of chance yet ({chance:.3g})."
    return f"Nothing is wrong{notes}{reached}."
