"""Causes in the data: what comes in, before any layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Cause, Severity
from ..rules.before import measured
from .evidence import CHAIN, GUESS, PATTERN, PROOF, Findings, cause, failing
from .vocabulary import Kind

if TYPE_CHECKING:
    from ..run import Run

_LARGE_INPUT = 50.0
_OF_ONE_CLASS = 0.1
"""Of the entropy of a mixed batch: what hardly any batch is above where each is of one class."""


def wrong_preprocessing(run: Run, found: Findings) -> Cause | None:
    seen = [*found.of("NND702"), *(f for f in found.of("NND101") if f.evidence.get("of_data"))]
    if seen:
        roots = [*seen, *found.of("NND101")]
        sentence = f"The data holds numbers that are not finite: {seen[0].message}."
        return cause(Kind.WRONG_PREPROCESSING, seen[0].site, found, roots, PROOF, sentence,
                     first_step=0, help=seen[0].help)  # fmt: skip
    extent = run.manifest.get("input") or {}
    if "minimum" not in extent or extent["minimum"] != extent["maximum"]:
        return None
    return cause(
        Kind.WRONG_PREPROCESSING,
        run.sites[0].name,
        found,
        found.of("NND703", "NND205", "NND303", "NND204", "NND503"),
        PROOF,
        f"The inputs are all the same: every entry is {extent['minimum']:g}.",
        first_step=0,
        help="look at how the inputs are loaded and scaled",
    )


def unnormalised_input(run: Run, found: Findings) -> Cause | None:
    extent, scale = run.manifest.get("input") or {}, found.first("NND701")
    largest = max(abs(extent.get("minimum", 0.0)), abs(extent.get("maximum", 0.0)))
    effects = found.of(
        "NND101", "NND203", "NND205", "NND411", "NND401", "NND202", "NND201", "NND204", "NND503"
    )
    roots = [*([scale] if scale else []), *effects]
    serious = bool(scale) and scale is not None and scale.severity is not Severity.INFO
    if not roots or not (largest > _LARGE_INPUT or serious) or not (effects or serious):
        return None
    sentence = f"The inputs are not scaled: they go from {extent.get('minimum', 0.0):.3g} to {extent.get('maximum', 0.0):.3g}."
    if scale and largest <= _LARGE_INPUT:
        sentence = f"The inputs are not scaled: {scale.message}."
    return cause(
        Kind.UNNORMALISED_INPUT,
        run.sites[0].name,
        found,
        roots,
        CHAIN if effects and largest > _LARGE_INPUT else PATTERN,
        sentence,
        first_step=0,
        help="divide the inputs by their largest value, or standardise every column",
    )


def unnormalised_target(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND704")
    if not finding or finding.severity is Severity.INFO:
        return None
    effects = found.of("NND101", "NND411", "NND401", "NND304", "NND201")
    return cause(
        Kind.UNNORMALISED_TARGET,
        finding.site,
        found,
        [finding, *effects],
        CHAIN if effects else PATTERN,
        f"The targets are not scaled: they have a standard deviation of {finding.evidence['std']:.3g}.",
        first_step=0,
        help=finding.help,
    )


def scaled_twice(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND709")
    if not finding or not (finding.severity is not Severity.INFO or found.of("NND205", "NND402")):
        return None
    return cause(
        Kind.WRONG_PREPROCESSING,
        finding.site,
        found,
        [finding, *found.of("NND205", "NND402", "NND303", "NND505", "NND201", "NND202")],
        CHAIN if finding.evidence["twice"] else PATTERN,
        f"The inputs are scaled too far down: {finding.message}.",
        first_step=0,
        help=finding.help,
    )


def corrupted_labels(run: Run, found: Findings) -> Cause | None:
    proofs = found.of("NND711", "NND710")
    if proofs:
        torn = proofs[0].code == "NND711"
        what = "are torn from their inputs" if torn else "are all alike"
        sentence = f"The targets {what}: {proofs[0].message}."
        return cause(Kind.CORRUPTED_LABELS, None, found, [*proofs, *found.of("NND705", "NND508")], PROOF, sentence,
                     first_step=0, help=proofs[0].help)  # fmt: skip
    finding = found.first("NND705")
    if not finding:
        return None
    figures = finding.evidence
    if figures["proof"]:
        sentence = f"The labels do not belong to their inputs: {finding.message}."
        return cause(
            Kind.CORRUPTED_LABELS, None, found, [finding], PROOF, sentence, first_step=0, help=finding.help
        )
    # Without a signal in the data, and a network that can learn by heart: it is the labels, not the network.
    tried = measured(run, "overfit").get("share")
    fails = failing(found) or finding.severity is Severity.WARNING
    if not figures["unrelated"] or not fails or (tried is not None and not tried <= 0.1):
        return None
    by_heart = "" if tried is None else "; a few the network can learn by heart"
    return cause(
        Kind.CORRUPTED_LABELS,
        None,
        found,
        [finding, *found.of("NND506", "NND604")],
        GUESS if tried is None else 0.9,
        f"The labels do not belong to their inputs: a probe scores {figures['score']:.2f} on them, no better "
        f"than guessing ({figures['baseline']:.2f}){by_heart}.",
        first_step=0,
        help="apply one permutation to inputs and labels; look at ten pairs",
    )


def train_test_overlap(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND707")
    if not finding or finding.severity is Severity.INFO:
        return None
    return cause(
        Kind.TRAIN_TEST_OVERLAP,
        None,
        found,
        [finding],
        PROOF,
        f"The held-out result is too good: {finding.message}.",
        help=finding.help,
    )


def class_imbalance(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND706")
    if not finding or not (finding.evidence["ignored"] or found.of("NND604")):
        return None
    return cause(
        Kind.CLASS_IMBALANCE,
        None,
        found,
        [finding, *found.of("NND604")],
        PATTERN,
        f"The classes are out of balance: {finding.message}.",
        first_step=0,
        help=finding.help,
    )


def not_shuffled(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND708")
    if not finding or finding.severity is Severity.INFO:
        return None
    effects = found.of("NND306", "NND401", "NND411", "NND509", "NND604")
    return cause(
        Kind.NOT_SHUFFLED,
        None,
        found,
        [finding, *effects],
        0.9 if finding.evidence["share"] < _OF_ONE_CLASS else PATTERN,
        f"The training set is not shuffled: {finding.message}.",
        first_step=0,
        help=finding.help,
    )
