"""Causes in the structure: layers, shapes and activations that do not fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Cause
from .evidence import PATTERN, PROOF, Findings, cause
from .vocabulary import Kind

if TYPE_CHECKING:
    from ..run import Run


def shape_mismatch(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND001")
    if not finding:
        return None
    place = "" if finding.site == "run" else f" at {finding.site}"
    sentence = f"A shape does not fit{place}: {finding.message}."
    return cause(Kind.SHAPE_MISMATCH, finding.site, found, [finding], PROOF, sentence)


def wrong_hidden_activation(run: Run, found: Findings) -> Cause | None:
    vanishing = found.first("NND303")
    hidden = [site for site in run.sites[:-1] if site.activation]
    flat = [site for site in hidden if site.activation in ("sigmoid", "tanh")]
    if not vanishing or len(flat) < 3 or "NND409" in found:
        return None
    return cause(
        Kind.WRONG_HIDDEN_ACTIVATION,
        flat[0].name,
        found,
        [vanishing, *found.of("NND203")],
        PATTERN,
        f"{len(flat)} layers of {flat[0].activation} in a row let no gradient through: {vanishing.site}'s "
        f"{vanishing.message.removeprefix('its ')}.",
        first_step=0,
        help=vanishing.help,
    )
