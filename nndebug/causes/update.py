"""Causes in the backward pass and in the update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Cause
from .evidence import PROOF, Findings, cause, not_applied
from .vocabulary import Kind

if TYPE_CHECKING:
    from ..run import Run


def frozen_parameters(run: Run, found: Findings) -> Cause | None:
    frozen = [f for f in found.of("NND403") if not_applied(f)]
    if not frozen:
        return None
    names = ", ".join(f.site for f in frozen[:3]) + (" and others" if len(frozen) > 3 else "")
    return cause(
        Kind.FROZEN_PARAMETERS,
        frozen[0].site.rpartition(".")[0],
        found,
        frozen,
        PROOF,
        f"The update is not applied: {names} never change{'s' if len(frozen) == 1 else ''} although the gradient is "
        "not zero.",
        help=frozen[0].help,
    )
