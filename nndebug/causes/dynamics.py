"""Causes in how far the updates go: the learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Cause, Finding, Severity
from ..rules.outcome import Outcome, outcome
from ..wording import short
from .evidence import CHAIN, GUESS, PATTERN, Findings, cause, failing, step_name
from .vocabulary import Kind

if TYPE_CHECKING:
    from ..run import Run


def lr_too_high(run: Run, found: Findings) -> Cause | None:
    if any(f.first_step == 0 for f in found.of("NND101")):
        return None  # no update was made before, and none after it can be judged
    deed = _what_the_rate_did(run, found)
    if not deed:
        return None
    root, what, certainty = deed
    if any((f.evidence.get("std") or 0) > 1 for f in found.of("NND205") if f.severity is not Severity.INFO):
        certainty = min(certainty, GUESS)  # what starts too large moves too far at any rate
    if found.first("NND412", what=lambda what: what == "penalty"):
        certainty = min(certainty, GUESS)  # a penalty that outweighs the data makes updates large by itself
    if found.of("NND101", "NND502") and certainty == PATTERN:
        certainty = 0.9
    against = []
    loss, chance = run.series("probe.loss"), run.manifest.get("loss_at_chance")
    if chance and loss and loss.last < chance / 2:
        against.append(f"the run learned in spite of it: probe loss {loss.last:.2g}, chance {chance:.2g}")
    rate = run.manifest.get("optimizer", {}).get("rate")
    return cause(
        Kind.LR_TOO_HIGH,
        None if root.site == "run" else root.site.split(".")[0],
        found,
        [root, *found.of("NND411", "NND401", "NND304", "NND201", "NND101", "NND204")],
        certainty,
        f"The learning rate is too high: {what}.",
        against=tuple(against),
        help=f"lower the rate{f' from {short(rate, 6)} to {short(rate / 10, 6)}' if rate else ''}, or clip gradients",
    )


def _what_the_rate_did(run: Run, found: Findings) -> tuple[Finding, str, float] | None:
    """The finding that shows it best, what to say of it, and how sure that makes us."""
    overshoots = [f for f in found.of("NND411") if f.severity is not Severity.INFO]
    died = found.first("NND201")
    if killers := [f for f in overshoots if f.evidence["deaths"]]:
        worst = max(killers, key=lambda f: f.evidence["deaths"])
        units = next((site.units for site in run.sites if site.name == worst.site), 0)
        killed = f"killed {worst.evidence['deaths']} of {worst.site}'s {units} ReLU units"
        return worst, f"{step_name(worst.evidence['step'])} {killed}", CHAIN
    if overshoots:
        worst = max(overshoots, key=lambda f: f.evidence["deviations"])
        step, moved = worst.evidence["step"], worst.evidence["deviations"]
        what = f"{step_name(step)} moved {worst.site} by {moved:.3g} standard deviations"
        if died and (killed := died.evidence["died"].get(str(step + 1), 0)):
            what += f" and killed {killed} of {died.site}'s {died.evidence['units']} ReLU units"
        return worst, what, PATTERN
    if (large := found.of("NND304")) and failing(found):
        return large[0], large[0].message, PATTERN
    large = [f for f in found.of("NND401") if f.severity is not Severity.INFO]
    judged = run.manifest.get("loss_at_chance") is not None  # else nobody can say that it fails
    if large and (failing(found) or not judged):
        return large[0], large[0].message, PATTERN if found.of("NND101", "NND502") else GUESS
    if diverging := found.first("NND502"):
        return diverging, diverging.message, PATTERN
    died = max(found.of("NND201"), key=_share_killed, default=None)
    if died and _killed(died) > max(2, died.evidence["since_birth"]):
        # Units that fired once are killed by updates, be it by several.
        units, most = died.evidence["units"], step_name(died.first_step or 0)
        what = f"{_killed(died)} of {died.site}'s {units} ReLU units died, most at {most}"
        # What starts with a wrong scale dies of updates that any other network survives.
        whole = _share_killed(died) == 1 and failing(found) and "NND205" not in found
        return died, what, 0.9 if whole else PATTERN
    if (noise := found.first("NND306")) and noise.evidence["batch"] >= _FEW_SAMPLES:
        return noise, noise.message, PATTERN
    if drowned := found.first("NND204", at_birth=lambda share: share < 0.02):
        return drowned, f"since step {drowned.first_step:,} {drowned.message}", GUESS
    if (outside := found.first("NND410", above=bool)) and outside.severity is not Severity.INFO:
        return outside, outside.message, PATTERN
    if blown := found.first("NND101"):
        what = (
            f"the numbers grew until those of {blown.site} were no longer finite at step {blown.first_step:,}"
        )
        return blown, what, GUESS
    return None


def _killed(died: Finding) -> int:
    return int(sum(died.evidence["died"].values()))


def _share_killed(died: Finding) -> float:
    """Share of the units that fired once."""
    return _killed(died) / max(1, int(died.evidence["units"]) - int(died.evidence["since_birth"]))


_FEW_SAMPLES = 8
"""Batches of fewer samples are suspected before the rate, which trades against them one to one."""


_FALLEN = 1e-3
"""Share of its first value below which a rate moves nothing more; schedules that fall on purpose reach it at their end."""


def rate_falls_away(run: Run, found: Findings) -> Cause | None:
    """A schedule that takes the rate away before half of the training is over."""
    rates = run.series("learning_rate")
    still = [f for f in found.of("NND402", "NND403", "NND501", "NND509") if f.severity is not Severity.INFO]
    if len(rates) < 5 or not still or outcome(run) is Outcome.LEARNED:
        return None
    fallen = rates.values < _FALLEN * rates.first
    since = int(rates.steps[fallen][0]) if fallen.any() else run.steps
    if not fallen[rates.steps >= since].all() or since > run.steps / 2:
        return None
    return cause(
        Kind.WRONG_OPTIMIZER,
        None,
        found,
        still,
        CHAIN,
        f"The learning rate falls away: from {short(rates.first)} to {short(rates.last)}, below a thousandth of it since step "
        f"{since:,} of {run.steps:,}.",
        first_step=since,
        help="let the schedule fall more slowly: is it stepped once a batch where once an epoch was meant?",
    )


def wrong_batch_size(run: Run, found: Findings) -> Cause | None:
    noise = found.first("NND306")
    if not noise or noise.evidence["batch"] >= _FEW_SAMPLES:
        return None
    size = noise.evidence["batch"]
    return cause(
        Kind.WRONG_BATCH_SIZE,
        None,
        found,
        [noise, *found.of("NND509")],
        PATTERN,
        f"The batch is too small: {noise.message}.",
        first_step=0,
        help=f"use batches of 32 instead of {size}, or lower the rate",
    )


def lr_too_low(run: Run, found: Findings) -> Cause | None:
    frozen = [f for f in found.of("NND403") if f.evidence.get("below_precision") and f.first_step == 0]
    slow = [f for f in found.of("NND402") if 0 < f.evidence["at_start"] < 1e-4 or f.evidence.get("falling")]
    slow = slow or frozen
    below = found.first("NND410", above=lambda above: not above)
    if not slow and below and below.severity is not Severity.INFO:
        return cause(
            Kind.LR_TOO_LOW,
            None,
            found,
            [below],
            PATTERN,
            f"The learning rate is too low: {below.message}.",
            first_step=0,
            help=below.help,
        )
    if not slow and (tried := _only_at_higher_rates(run)) and found.of("NND501", "NND509"):
        rate, higher, steps = tried
        return cause(
            Kind.LR_TOO_LOW,
            None,
            found,
            found.of("NND501", "NND509"),
            PATTERN,
            f"The learning rate is too low: twenty samples are learned by heart in {steps} steps at {higher:g}, and not in "
            f"200 at {short(rate, 6)}.",
            first_step=0,
            help=f"raise the rate from {short(rate, 6)} to {higher:g}",
        )
    # Where something cut the gradient, small updates are a consequence.
    if not slow or found.of("NND305", "NND204", "NND201", "NND203"):
        return None
    rate = run.manifest.get("optimizer", {}).get("rate")
    return cause(
        Kind.LR_TOO_LOW,
        None,
        found,
        [*slow, *found.of("NND410", "NND509")],
        PATTERN,
        f"The learning rate is too low: an update changes {slow[0].site} by {short(slow[0].evidence['median'], 1)} of its size."
        if slow is not frozen
        else f"The learning rate is too low: rate times gradient is below the precision of {slow[0].site}.",
        first_step=0,
        help=f"raise the rate{f' from {short(rate, 6)} to {short(rate * 100, 6)}' if rate else ''}",
    )


def _only_at_higher_rates(
    run: Run, learned: float = 0.1, stuck: float = 0.5
) -> tuple[float, float, int] | None:
    """The user's rate, the one at least ten times as high at which alone a few samples were learned, and its steps."""
    tried = run.preflight.measurements.get("overfit", {}) if run.preflight else {}
    rate = run.manifest.get("optimizer", {}).get("rate")
    if not tried or not rate or tried["share"] > learned or tried["rate"] < 9.9 * rate:
        return None
    own = next(iter(tried["rates"].values()))  # the user's rate is the first that is tried
    return (rate, tried["rate"], tried["steps"]) if own > stuck * tried["start"] else None
