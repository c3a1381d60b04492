"""Causes in the update and in the training loop; and a gradient that the first steps prove wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Cause, Finding, Severity
from ..rules.first_steps import NO_MULTIPLE
from .evidence import CHAIN, DYNAMICS, PROOF, Findings, cause, not_applied
from .vocabulary import Kind

if TYPE_CHECKING:
    from ..run import Run


def frozen_parameters(run: Run, found: Findings) -> Cause | None:
    if cut := found.first("NND308"):
        return cause(
            Kind.FROZEN_PARAMETERS,
            None,
            found,
            [cut, *found.of("NND403")],
            PROOF,
            f"The loss does not depend on the network: {cut.message}.",
            first_step=0,
            help=cut.help,
        )
    frozen = [f for f in found.of("NND403") if not_applied(f)]
    unmoved = found.first("NND408")
    if unmoved and not (unmoved.evidence["frozen"] and unmoved.severity is Severity.INFO):
        everything = not unmoved.evidence["moved"]
        return cause(
            Kind.FROZEN_PARAMETERS,
            unmoved.site,
            found,
            [unmoved, *frozen, *(found.of("NND505") if everything else ())],
            PROOF,
            f"{'The update is not applied' if everything else 'A part of the network is not trained'}: {unmoved.message}.",
            first_step=0,
            help=unmoved.help,
        )
    if not frozen:
        return _never_run(found) or _cut_off(run, found)
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


def _never_run(found: Findings) -> Cause | None:
    """Layers that are declared and never called."""
    unused = found.of("NND803")
    if not unused:
        return None
    names = ", ".join(f.site for f in unused[:3]) + (" and others" if len(unused) > 3 else "")
    one = len(unused) == 1
    return cause(
        Kind.FROZEN_PARAMETERS,
        unused[0].site,
        found,
        unused,
        CHAIN,
        f"A part of the network cannot learn: {names} {'runs' if one else 'run'} only where gradients are switched off (no_grad)."
        if all(f.evidence.get("without_gradients") for f in unused)
        else f"A part of the network is never used: {names} {'is' if one else 'are'} declared, and no pass runs "
        f"{'it' if one else 'them'}.",
        first_step=0,
        help=unused[0].help,
    )


def _cut_off(run: Run, found: Findings) -> Cause | None:
    """Layers that ran in every pass and were given no gradient at all, not even one of zeros, while others were."""
    trained = any(
        run.has("gradient.norm", f"{site.name}.{name}") for site in run.sites for name in site.parameters
    )
    cut = [
        f
        for f in found.of("NND403")
        if f.first_step == 0
        and not run.has("gradient.norm", f.site)
        and run.has("preactivation.std", f.site.rpartition(".")[0])
    ]
    if not cut or not trained:
        return None
    layers = {f.site.rpartition(".")[0]: f for f in cut}
    ran = [site.name for site in run.sites if site.name in layers]
    return cause(
        Kind.FROZEN_PARAMETERS,
        ran[-1],
        found,
        cut,
        CHAIN,
        f"No gradient gets past {ran[-1]}: {', '.join(ran[-3:])} ran in every pass, and no backward pass came back to "
        f"{'it' if len(ran) == 1 else 'them'}.",
        first_step=0,
        help=f"look behind {ran[-1]} for detach(), .data, .item(), NumPy or no_grad",
    )


def missing_zero_grad(run: Run, found: Findings) -> Cause | None:
    finding, unmoved = found.first("NND404"), found.first("NND408")
    if not finding or (unmoved and not unmoved.evidence["moved"]):
        return None  # an optimiser that has no parameter of the network clears none either
    return cause(
        Kind.MISSING_ZERO_GRAD,
        None,
        found,
        [finding, *found.of("NND301", *DYNAMICS)],
        PROOF,
        "The gradients are never cleared: each step's is the sum of its own and those of all steps before.",
        first_step=0,
        help=finding.help,
    )


def wrong_penalty(run: Run, found: Findings) -> Cause | None:
    wrong = [f for f in found.of("NND406") if f.evidence["equation"] == "penalty"]
    if not wrong:
        return None
    sentence = f"The L2 penalty is wrong: {wrong[0].evidence['mistake']}."
    return cause(
        Kind.WRONG_PENALTY,
        _layer(run, _parameters(wrong)),
        found,
        [*wrong, *found.of("NND307")],
        PROOF,
        sentence,
        first_step=0,
        help=wrong[0].help,
    )


def wrong_update(run: Run, found: Findings) -> Cause | None:
    wrong = [f for f in found.of("NND406") if f.evidence["equation"] == "update"]
    negated = found.first("NND010")
    if negated and negated.severity is not Severity.INFO:
        sentence = f"The loss is made larger, not smaller: {negated.message}."
        return cause(Kind.WRONG_UPDATE_SIGN, None, found, [negated, *found.of(*DYNAMICS)], PROOF, sentence,
                     first_step=0, help=negated.help)  # fmt: skip
    uphill = found.first("NND405", **{"in": lambda where: where == "update"})
    if not wrong and not uphill:
        return None
    roots = [*wrong, *([uphill] if uphill else [])]
    effects = found.of(*DYNAMICS)
    if not wrong or any(f.evidence["mistake"].startswith("the sign flipped") for f in wrong):
        parameters = _parameters(wrong)
        where = f" of {', '.join(parameters[:3])}" if _layer(run, parameters) else ""
        sentence = f"The update{where} goes uphill: it adds rate times gradient instead of subtracting it."
        kind = Kind.WRONG_UPDATE_SIGN
    else:
        mistake, parameters = wrong[0].evidence["mistake"], _parameters(wrong)
        kind = Kind.WRONG_UPDATE
        factor = wrong[0].evidence["factor"]
        times = "" if mistake == NO_MULTIPLE else f" It is {factor:.3g} × what rate and gradient say."
        sentence = f"The update is wrong: {mistake}.{times}"
    return cause(
        kind,
        _layer(run, parameters),
        found,
        [*roots, *effects],
        PROOF,
        sentence,
        first_step=0,
        help=roots[0].help,
    )


def wrong_loop_order(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND407")
    if not finding:
        return None
    kind = Kind.WRONG_MODE if finding.evidence["what"] == "mode" else Kind.WRONG_LOOP_ORDER
    sentence = f"The training loop is wrong: {finding.message.partition(' (at ')[0]}."
    return cause(
        kind,
        None,
        found,
        [finding, *found.of("NND307", "NND405", "NND403")],
        PROOF,
        sentence,
        help=finding.help,
    )


def wrong_slope(run: Run, found: Findings) -> Cause | None:
    """Where no gradient check has told the layer: what the slope of the loss proves."""
    slope = found.first("NND307")
    uphill = found.first("NND405", **{"in": lambda where: where == "gradient"})
    if not (slope or uphill) or found.of("NND301", "NND404", "NND407"):
        return None
    roots = [f for f in (slope, uphill) if f]
    ratio = slope.evidence["ratio"] if slope and slope.evidence["constant"] else None
    if uphill and (ratio is None or ratio < 0):
        kind, what = Kind.WRONG_GRADIENT_SIGN, "it points uphill"
    elif ratio is not None and not 0.9 < ratio < 1.1:  # a slip that is so near to 1 is no factor of anybody's
        kind, what = Kind.WRONG_GRADIENT_SCALE, f"it is {ratio:.3g} × the slope of the loss"
    else:
        kind, what = Kind.WRONG_GRADIENT, "the loss changes by another amount along it"
    sentence = f"The gradient is wrong: {what}."
    return cause(
        kind, None, found, roots, PROOF, sentence, first_step=0, help="nndebug gradcheck names the layer"
    )


def _parameters(findings: list[Finding]) -> list[str]:
    return [name for finding in findings for name in finding.evidence["parameters"]]


def _layer(run: Run, parameters: list[str]) -> str | None:
    """The first layer with a wrong parameter; None if every one is wrong."""
    known = {f"{site.name}.{name}" for site in run.sites for name in site.parameters}
    if not any(name.endswith(".bias") for name in parameters):  # a penalty, which is on weights only
        known = {name for name in known if not name.endswith(".bias")}
    return parameters[0].rpartition(".")[0] if parameters and known - set(parameters) else None
