"""One function per cause: each looks for the findings that support it, and says what it did.

Certainties are set by hand, by the kind of evidence: a proof, a chain seen from its first step on, a pattern, a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .findings import Cause, Finding, Severity

if TYPE_CHECKING:
    from .run import Run

PROOF, CHAIN, PATTERN, GUESS = 0.99, 0.95, 0.8, 0.5
"""Certainty by kind of evidence; a measured table is to replace them."""

_OUTCOMES = ("NND305", "NND402", "NND403", "NND207", "NND507", "NND501", "NND502", "NND603")
"""What follows from nearly every cause."""

_LARGE_INPUT = 50.0
_SMALL_WEIGHTS = 0.5
"""Times 1 / sqrt(inputs), the size that keeps the scale of a signal (LeCun)."""


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


def _shape_mismatch(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND001")
    if not finding:
        return None
    place = "" if finding.site == "run" else f" at {finding.site}"
    sentence = f"A shape does not fit{place}: {finding.message}."
    return _cause("shape_mismatch", finding.site, found, [finding], PROOF, sentence)


def _wrong_preprocessing(run: Run, found: Findings) -> Cause | None:
    extent = run.manifest.get("input") or {}
    if "minimum" not in extent or extent["minimum"] != extent["maximum"]:
        return None
    return _cause(
        "wrong_preprocessing",
        run.sites[0].name,
        found,
        found.of("NND205", "NND303", "NND204", "NND503"),
        PROOF,
        f"The inputs are all the same: every entry is {extent['minimum']:g}.",
        first_step=0,
        help="look at how the inputs are loaded and scaled",
    )


def _negative_biases(run: Run, found: Findings) -> Cause | None:
    born = found.first("NND202")
    bias = run.series("weight.mean", f"{born.site}.bias").first if born else 0.0
    if not born or not bias < -0.5:
        return None
    return _cause(
        "init_too_large",
        born.site,
        found,
        [born, *found.of("NND201", "NND303", "NND205")],
        CHAIN,
        f"The initial biases are too negative ({bias:.2g} on average): {born.evidence['dead']} of {born.site}'s "
        f"{born.evidence['units']} units never fire.",
        first_step=0,
        help=born.help,
    )


def _unnormalised_input(run: Run, found: Findings) -> Cause | None:
    extent = run.manifest.get("input") or {}
    largest = max(abs(extent.get("minimum", 0.0)), abs(extent.get("maximum", 0.0)))
    roots = found.of("NND101", "NND203", "NND205", "NND411", "NND401", "NND202", "NND201", "NND204", "NND503")
    if largest <= _LARGE_INPUT or not roots:
        return None
    return _cause(
        "unnormalised_input",
        run.sites[0].name,
        found,
        roots,
        CHAIN,
        f"The inputs are not scaled: they go from {extent['minimum']:.3g} to {extent['maximum']:.3g}.",
        first_step=0,
        help="divide the inputs by their largest value, or standardise every column",
    )


def _constant_init(run: Run, found: Findings) -> Cause | None:
    finding = found.first("NND409")
    if not finding:
        return None
    return _cause(
        "constant_init",
        finding.site,
        found,
        [finding, *found.of("NND303", "NND205")],
        PROOF,
        f"The initial weights are all the same: {finding.site}'s units are copies of one another.",
        first_step=0,
        help=finding.help,
    )


def _init_too_large(run: Run, found: Findings) -> Cause | None:
    scale = found.of("NND205", "NND503")
    large = found.first("NND205", std=lambda std: std is not None and std > 1)
    wrong_side = found.first("NND204", at_birth=lambda share: (share or 0) >= 0.02)
    lasting = wrong_side is not None and wrong_side.severity is not Severity.INFO
    if not large or not (lasting or found.of("NND305", "NND501", "NND507")):
        return None
    if lasting and wrong_side:
        born = wrong_side.evidence["at_birth"]
        sentence = (
            f"The initial weights are too large: {born:.0%} of the outputs start saturated on the wrong side, "
            "where no gradient passes."
        )
        layer, certainty = wrong_side.site, CHAIN
    else:
        sentence = (
            f"The initial weights are too large: {large.site}'s pre-activations start with a standard deviation of "
            f"{large.evidence['std']:.3g}."
        )
        layer, certainty = large.site, CHAIN if "NND503" in found else PATTERN
    return _cause(
        "init_too_large",
        layer,
        found,
        [*scale, *found.of("NND204", "NND203")],
        certainty,
        sentence,
        first_step=0,
        help="use He initial weights for ReLU, Xavier for sigmoid and tanh",
    )


def _init_too_small(run: Run, found: Findings) -> Cause | None:
    # A deviation of exactly 0 comes from constant inputs, equal weights or dead units before it.
    small = found.first("NND205", std=lambda std: std is not None and 0 < std < 1)
    if not small or not found.of("NND303", "NND501", "NND207") or found.of("NND202", "NND409"):
        return None
    site = next(site for site in run.sites if site.name == small.site)
    if sum("weight" in other.parameters for other in run.sites) < 2:
        return None  # a single layer learns from any start
    weights = run.series("weight.std", f"{site.name}.weight")
    if weights and site.inputs and weights.first > _SMALL_WEIGHTS / site.inputs**0.5:
        return None  # its own weights are of the usual size
    return _cause(
        "init_too_small",
        small.site,
        found,
        [*found.of("NND205", "NND303")],
        PATTERN,
        f"The initial weights are too small: {small.site}'s pre-activations start with a standard deviation of "
        f"{small.evidence['std']:.2g}.",
        first_step=0,
        help=small.help,
    )


def _frozen_parameters(run: Run, found: Findings) -> Cause | None:
    frozen = [f for f in found.of("NND403") if _not_applied(f)]
    if not frozen:
        return None
    names = ", ".join(f.site for f in frozen[:3]) + (" and others" if len(frozen) > 3 else "")
    return _cause(
        "frozen_parameters",
        frozen[0].site.rpartition(".")[0],
        found,
        frozen,
        PROOF,
        f"The update is not applied: {names} never change{'s' if len(frozen) == 1 else ''} although the gradient is "
        "not zero.",
        help=frozen[0].help,
    )


def _wrong_hidden_activation(run: Run, found: Findings) -> Cause | None:
    vanishing = found.first("NND303")
    hidden = [site for site in run.sites[:-1] if site.activation]
    flat = [site for site in hidden if site.activation in ("sigmoid", "tanh")]
    if not vanishing or len(flat) < 3 or "NND409" in found:
        return None
    return _cause(
        "wrong_hidden_activation",
        flat[0].name,
        found,
        [vanishing, *found.of("NND203")],
        PATTERN,
        f"{len(flat)} layers of {flat[0].activation} in a row let no gradient through: {vanishing.site}'s "
        f"{vanishing.message.removeprefix('its ')}.",
        first_step=0,
        help=vanishing.help,
    )


def _lr_too_high(run: Run, found: Findings) -> Cause | None:
    deed = _what_the_rate_did(run, found)
    if not deed:
        return None
    root, what, certainty = deed
    if any((f.evidence.get("std") or 0) > 1 for f in found.of("NND205") if f.severity is not Severity.INFO):
        certainty = min(certainty, GUESS)  # what starts too large moves too far at any rate
    if found.of("NND101", "NND502") and certainty == PATTERN:
        certainty = 0.9
    against = []
    loss, chance = run.series("probe.loss"), run.manifest.get("loss_at_chance")
    if chance and loss and loss.last < chance / 2:
        against.append(f"the run learned in spite of it: probe loss {loss.last:.2g}, chance {chance:.2g}")
    rate = run.manifest.get("optimizer", {}).get("rate")
    return _cause(
        "lr_too_high",
        None if root.site == "run" else root.site.split(".")[0],
        found,
        [root, *found.of("NND411", "NND401", "NND304", "NND201", "NND101", "NND204")],
        certainty,
        f"The learning rate is too high: {what}.",
        against=tuple(against),
        help=f"lower the rate{f' from {rate:g} to {rate / 10:g}' if rate else ''}, or clip gradients",
    )


def _what_the_rate_did(run: Run, found: Findings) -> tuple[Finding, str, float] | None:
    """The finding that shows it best, what to say of it, and how sure that makes us."""
    overshoots = [f for f in found.of("NND411") if f.severity is not Severity.INFO]
    died = found.first("NND201")
    if killers := [f for f in overshoots if f.evidence["deaths"]]:
        worst = max(killers, key=lambda f: f.evidence["deaths"])
        units = next((site.units for site in run.sites if site.name == worst.site), 0)
        killed = f"killed {worst.evidence['deaths']} of {worst.site}'s {units} ReLU units"
        return worst, f"{_step(worst.evidence['step'])} {killed}", CHAIN
    if overshoots:
        worst = max(overshoots, key=lambda f: f.evidence["deviations"])
        step, moved = worst.evidence["step"], worst.evidence["deviations"]
        what = f"{_step(step)} moved {worst.site} by {moved:.3g} standard deviations"
        if died and (killed := died.evidence["died"].get(str(step + 1), 0)):
            what += f" and killed {killed} of {died.site}'s {died.evidence['units']} ReLU units"
        return worst, what, PATTERN
    if (large := found.of("NND304")) and _failing(found):
        return large[0], large[0].message, PATTERN
    if (large := found.of("NND401")) and _failing(found):
        return large[0], large[0].message, PATTERN if found.of("NND101", "NND502") else GUESS
    if diverging := found.first("NND502"):
        return diverging, diverging.message, PATTERN
    if died and sum(died.evidence["died"].values()) > max(2, died.evidence["since_birth"]):
        # Units that fired once are killed by updates, be it by several.
        killed = sum(died.evidence["died"].values())
        units = died.evidence["units"]
        most = _step(died.first_step or 0)
        return died, f"{killed} of {died.site}'s {units} ReLU units died, most at {most}", PATTERN
    if drowned := found.first("NND204", at_birth=lambda share: share < 0.02):
        return drowned, f"since step {drowned.first_step:,} {drowned.message}", GUESS
    if blown := found.first("NND101"):
        what = (
            f"the numbers grew until those of {blown.site} were no longer finite at step {blown.first_step:,}"
        )
        return blown, what, GUESS
    return None


def _lr_too_low(run: Run, found: Findings) -> Cause | None:
    frozen = [f for f in found.of("NND403") if f.evidence.get("below_precision") and f.first_step == 0]
    slow = [f for f in found.of("NND402") if 0 < f.evidence["at_start"] < 1e-4] or frozen
    # Where something cut the gradient, small updates are a consequence.
    if not slow or found.of("NND305", "NND204", "NND201", "NND203"):
        return None
    rate = run.manifest.get("optimizer", {}).get("rate")
    return _cause(
        "lr_too_low",
        None,
        found,
        slow,
        PATTERN,
        f"The learning rate is too low: an update changes {slow[0].site} by {slow[0].evidence['median']:.0e} of its size."
        if slow is not frozen
        else f"The learning rate is too low: rate times gradient is below the precision of {slow[0].site}.",
        first_step=0,
        help=f"raise the rate{f' from {rate:g} to {rate * 100:g}' if rate else ''}",
    )


def unexplained(found: Findings) -> Cause:
    serious = found.of("NND501", "NND502") or [f for f in found.all if f.severity is not Severity.INFO]
    first = min(
        serious, key=lambda f: (-f.severity.rank, f.first_step if f.first_step is not None else 1 << 60)
    )
    where = "" if first.site == "run" else f"{first.site}: "
    return _cause(
        "not_learning",
        None if first.site == "run" else first.site.split(".")[0],
        found,
        [first],
        0.0,
        f"{where}{first.message}; its cause is not known.",
        help=first.help,
    )


# --- shared by them -------------------------------------------------------------------------------------------------


def _cause(
    kind: str,
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
    """A cause with its chain: its own findings and what followed from them, in order of step."""
    steps = [f.first_step for f in roots if f.first_step is not None]
    start = first_step if first_step is not None else min(steps, default=None)
    chain = {f.fingerprint: f for f in roots}
    for finding in found.of(*_OUTCOMES):
        late = start is None or finding.first_step is None or finding.first_step >= start
        if late and not _not_applied(finding):
            chain.setdefault(finding.fingerprint, finding)
    place = {f.fingerprint: i for i, f in reversed(list(enumerate(roots)))}
    ordered = sorted(
        chain.values(),
        key=lambda f: (
            f.code in _OUTCOMES,  # what is measured over the whole run is the end of the chain
            f.first_step if f.first_step is not None else 1 << 60,
            _OUTCOMES.index(f.code) if f.code in _OUTCOMES else place.get(f.fingerprint, 0),
        ),
    )
    return Cause(
        kind=kind,
        layer=layer,
        first_step=start,
        certainty=certainty,
        sentence=sentence if len(sentence) <= 200 else sentence[:197] + "…",
        explains=tuple(f.fingerprint for f in ordered),
        against=against,
        help=help,
    )


def _step(step: int) -> str:
    return "the first step" if step == 0 else f"step {step:,}"


def _not_applied(finding: Finding) -> bool:
    """Whether it is a parameter whose update could change it and does not."""
    gradient = finding.evidence.get("gradient") or 0
    return finding.code == "NND403" and gradient > 0 and not finding.evidence.get("below_precision")


def _failing(found: Findings) -> bool:
    return bool(found.of("NND501", "NND502", "NND101"))


LOOKS: tuple[Callable[[Run, Findings], Cause | None], ...] = (
    _shape_mismatch,
    _wrong_preprocessing,
    _unnormalised_input,
    _constant_init,
    _negative_biases,
    _init_too_large,
    _init_too_small,
    _frozen_parameters,
    _wrong_hidden_activation,
    _lr_too_high,
    _lr_too_low,
)
