"""Causes in the structure: layers, shapes and activations that do not fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Cause, Severity
from ..wording import percent
from .evidence import CHAIN, GUESS, PATTERN, PROOF, Findings, cause
from .vocabulary import Kind

if TYPE_CHECKING:
    from ..run import Run
    from ..signals import Site


def shape_mismatch(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND001")
    if not finding:
        return _hidden_mismatch(run, found)
    place = "" if finding.site == "run" else f" at {finding.site}"
    sentence = f"A shape does not fit{place}: {finding.message}."
    return cause(Kind.SHAPE_MISMATCH, finding.site, found, [finding], PROOF, sentence)


def _hidden_mismatch(run: Run, found: Findings) -> Cause | None:
    """What only an unlucky batch size shows; where the gradient check or a broadcast tells why, it tells more."""
    finding = found.first("NND003")
    if not finding or any(code in found for code in ("NND002", "NND009", "NND301")):
        return None
    sentence = f"A shape fits by accident only: {finding.message}."
    return cause(
        Kind.SHAPE_MISMATCH, None, found, [finding], PROOF, sentence, first_step=0, help=finding.help
    )


def wrong_hidden_activation(run: Run, found: Findings) -> Cause | None:
    vanishing = found.first("NND303")
    hidden = [site for site in run.sites[:-1] if site.activation]
    flat = [site for site in hidden if site.activation in ("sigmoid", "tanh")]
    if "NND409" in found or len(flat) < 2:
        return None
    if not vanishing or len(flat) < 3:
        return _sigmoids_that_tell_nothing_apart(flat, found)
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


def _sigmoids_that_tell_nothing_apart(flat: list[Site], found: Findings) -> Cause | None:
    """Where signals fade on their way through sigmoids: beside small weights the other thing to change."""
    constant = found.first("NND207")
    names = [site.name for site in flat]
    if not constant or constant.severity is Severity.INFO or constant.site not in names:
        return None
    return cause(
        Kind.WRONG_HIDDEN_ACTIVATION,
        constant.site,
        found,
        [constant, *found.of("NND303", "NND205")],
        GUESS,
        f"{len(flat)} layers of {flat[0].activation} in a row let little through: {constant.site} tells samples apart no "
        "more.",
        first_step=0,
        help="use ReLU with He initial weights",
    )


def softmax_inside(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND802", activation=lambda kind: kind == "softmax")
    if not finding or finding.severity is Severity.INFO or finding.evidence.get("last"):
        return None
    return cause(
        Kind.WRONG_HIDDEN_ACTIVATION,
        finding.site,
        found,
        [finding, *found.of("NND303", "NND505", "NND205")],
        CHAIN,
        f"A hidden layer ends in softmax: {finding.site}'s units share a sum of 1, and little of a sample gets through.",
        first_step=0,
        help=finding.help,
    )


def missing_hidden_nonlinearity(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND801")
    if not finding or finding.severity is Severity.INFO:
        return None
    layers, needed = finding.evidence["layers"], finding.evidence["needed"]
    return cause(
        Kind.MISSING_HIDDEN_NONLINEARITY,
        finding.site,
        found,
        [finding, *found.of("NND505", "NND805")],
        CHAIN if needed else PATTERN,
        f"The hidden layers are linear: {', '.join(layers[:-1])} and {layers[-1]} follow one another without an activation"
        + (", and the task is not linear." if needed else "."),
        first_step=0,
        help=finding.help,
    )


def missing_layer(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND805")
    if not finding or finding.severity is Severity.INFO:
        return None
    return cause(
        Kind.MISSING_LAYER,
        finding.site,
        found,
        [finding, *found.of("NND505")],
        GUESS,
        f"The network is too small: {percent(finding.evidence['share'], 0)} of the loss of twenty samples is left after learning "
        "them by heart.",
        first_step=0,
        help=finding.help,
    )
