"""Causes in regularisation and in the length of the training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Cause, Severity
from .evidence import CHAIN, PATTERN, Findings, cause
from .vocabulary import Kind

if TYPE_CHECKING:
    from ..run import Run


def excess_regularisation(run: Run, found: Findings) -> Cause | None:
    strong = found.of("NND412")
    if not strong:
        return None
    first = strong[0]
    layer = None if first.site == "run" else first.site
    if first.evidence["what"] == "penalty":
        sentence = f"The penalty is too strong: at {first.site} {first.message}."
    else:
        sentence = f"Dropout is too strong: {first.message}."
    effects = found.of("NND201", "NND205", "NND401", "NND411", "NND604")
    return cause(
        Kind.EXCESS_REGULARISATION,
        layer,
        found,
        [*strong, *effects],
        CHAIN,
        sentence,
        first_step=0,
        help=first.help,
    )


def too_few_epochs(run: Run, found: Findings) -> Cause | None:
    early = found.first("NND509")
    still = found.first("NND402", falling=lambda falling: not falling)
    if not early or early.severity is Severity.INFO or still or "NND502" in found:
        return None
    sentence = f"The training was too short: {run.steps:,} steps, and {early.message.partition('; ')[0]}."
    return cause(
        Kind.TOO_FEW_EPOCHS, None, found, [early, *found.of("NND604")], PATTERN, sentence, help=early.help
    )
