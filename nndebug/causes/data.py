"""Causes in the data: what comes in, before any layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Cause
from .evidence import CHAIN, PROOF, Findings, cause
from .vocabulary import Kind

if TYPE_CHECKING:
    from ..run import Run

_LARGE_INPUT = 50.0


def wrong_preprocessing(run: Run, found: Findings) -> Cause | None:
    extent = run.manifest.get("input") or {}
    if "minimum" not in extent or extent["minimum"] != extent["maximum"]:
        return None
    return cause(
        Kind.WRONG_PREPROCESSING,
        run.sites[0].name,
        found,
        found.of("NND205", "NND303", "NND204", "NND503"),
        PROOF,
        f"The inputs are all the same: every entry is {extent['minimum']:g}.",
        first_step=0,
        help="look at how the inputs are loaded and scaled",
    )


def unnormalised_input(run: Run, found: Findings) -> Cause | None:
    extent = run.manifest.get("input") or {}
    largest = max(abs(extent.get("minimum", 0.0)), abs(extent.get("maximum", 0.0)))
    roots = found.of("NND101", "NND203", "NND205", "NND411", "NND401", "NND202", "NND201", "NND204", "NND503")
    if largest <= _LARGE_INPUT or not roots:
        return None
    return cause(
        Kind.UNNORMALISED_INPUT,
        run.sites[0].name,
        found,
        roots,
        CHAIN,
        f"The inputs are not scaled: they go from {extent['minimum']:.3g} to {extent['maximum']:.3g}.",
        first_step=0,
        help="divide the inputs by their largest value, or standardise every column",
    )
