"""What trials say of the causes: the one door between them and the diagnosis.

A change counts if it does more, from every start, than the control differs from start to start. What cures speaks for the
causes that it would cure, what does nothing against them; a proof stays a proof. The weights are set by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from statistics import fmean

from ..causes.evidence import LIKELIEST, PERHAPS, PROOF, UNSURE
from ..causes.vocabulary import Kind
from ..findings import Cause
from ..wording import percent
from .cures import CURES, GENERAL
from .result import Trial, Trials

LEAST, LEAST_OF_ONE = 0.05, 0.1
"""Skill that a change must add at least, from two starts and from one, where the control shows no spread."""
QUARTER = 0.25
"""Of what the control left undone, what a cure must do."""
NEARLY_BEST = 0.8
"""Of the best change's gain, what a cure must reach to count like it."""
UNDECIDED = 0.9
"""Certainty below which a cause that no trial cured leaves the question open."""
NOMINATED = 0.6
"""Certainty of a cause that a trial alone names, shared among the causes that would be named by what cures as well."""
LEARNED = 0.5
"""Skill from which on a program learns."""
SURE = 0.98
MOST = 200
"""Characters of a sentence."""


class Outcome(Enum):
    """What a change did, beside the control and the best of the changes; the best comes first."""

    CURES = "cures"
    CURES_LESS = "cures less than another change"
    HELPS = "helps"
    NOTHING = "does nothing"
    HARMS = "makes it worse"


_FACTORS = {
    Outcome.CURES: 8.0,
    Outcome.CURES_LESS: 0.7,  # another change does clearly more
    Outcome.HELPS: 1.5,
    Outcome.NOTHING: 0.25,
    Outcome.HARMS: 0.2,
}
"""What an outcome multiplies the odds by of the causes that the change would cure."""


def gains(trials: Trials, trial: Trial) -> list[float]:
    """By how much a change raises the skill, a start at a time."""
    return [
        trials.skill(after) - trials.skill(before)
        for before, after in zip(trials.control.curves, trial.curves)
    ]


def yardstick(trials: Trials, starts: int) -> float:
    """What a change must gain to count: more than the control differs from start to start."""
    if starts < 2:
        return LEAST_OF_ONE
    reached = [trials.skill(curve) for curve in trials.control.curves]
    return max(LEAST, max(reached) - min(reached))


def outcome(trials: Trials, trial: Trial) -> Outcome:
    """What a change did, beside the best of them all."""
    gained = gains(trials, trial)
    if not gained:
        return Outcome.NOTHING
    least = yardstick(trials, len(gained))
    if max(gained) < -least:
        return Outcome.HARMS
    if min(gained) <= least:
        return Outcome.NOTHING
    undone = 1 - fmean(trials.skill(curve) for curve in trials.control.curves[: len(gained)])
    if fmean(gained) < QUARTER * undone:
        return Outcome.HELPS
    best = max(fmean(g) for other in trials.trials if (g := gains(trials, other)))
    return Outcome.CURES if fmean(gained) >= NEARLY_BEST * best else Outcome.CURES_LESS


def promising(trials: Trials, trial: Trial) -> bool:
    """Whether a change did enough from its first start to be tried from another."""
    gained = gains(trials, trial)
    return bool(gained) and min(gained) > LEAST_OF_ONE


def _of(trials: Trials, kind: str) -> list[Trial]:
    """What was tried for a cause, the best first."""
    changes = CURES.get(kind, ())
    tried = [trial for trial in trials.trials if trial.change in changes and trial.curves]
    ranks = list(Outcome)
    return sorted(tried, key=lambda t: (ranks.index(outcome(trials, t)), -fmean(gains(trials, t))))


def cured(trials: Trials, kind: str) -> bool:
    """Whether a change cured what this cause would do."""
    return any(outcome(trials, t) in (Outcome.CURES, Outcome.CURES_LESS) for t in _of(trials, kind))


def open_question(causes: Sequence[Cause], trials: Trials) -> bool:
    """Whether the trials of all named causes leave open why the program does not learn."""
    learns = fmean(map(trials.skill, trials.control.curves)) >= LEARNED
    sure = not causes or causes[0].certainty >= UNDECIDED
    return not sure and not learns and not any(cured(trials, c.kind) for c in causes)


def decide(causes: tuple[Cause, ...], verdict: str, trials: Trials | None) -> tuple[tuple[Cause, ...], str]:
    """The diagnosis as trials leave it.

    Args:
        causes: of the diagnosis, surest first.
        verdict: its sentence.
        trials: what was tried; None changes nothing.

    Returns:
        The causes with what was tried for them, surest first, and the sentence.
    """
    if trials is None or not causes or not trials.trials:
        return causes, verdict
    enough = _enough(causes, trials)
    judged = [_judged(cause, trials, enough) for cause in causes]
    if open_question(causes, trials) and (named := _nominated(causes, trials)):
        judged.append(named)
    order = [kind.value for kind in Kind]
    judged.sort(key=lambda cause: (-cause.certainty, order.index(cause.kind)))
    if any(cause.certainty > 0 for cause in judged):
        judged = [cause for cause in judged if cause.kind != Kind.NOT_LEARNING]
    judged[0] = replace(judged[0], ruled_out=causes[0].ruled_out, sentence=_as_the_first(judged[0]))
    judged[1:] = [replace(cause, ruled_out=(), sentence=_as_another(cause)) for cause in judged[1:]]
    return tuple(judged[:3]), judged[0].sentence


def _as_the_first(cause: Cause) -> str:
    """Its sentence, where it was only another one before."""
    opening = "Trials point to " if cause.tried else LIKELIEST
    return (
        opening + cause.sentence.removeprefix(PERHAPS)
        if cause.sentence.startswith(PERHAPS)
        else cause.sentence
    )


def _as_another(cause: Cause) -> str:
    """Its sentence, where it was the first before and told as a guess."""
    if cause.sentence.startswith(LIKELIEST):
        return PERHAPS + cause.sentence.removeprefix(LIKELIEST)
    return f"{PERHAPS}{Kind[cause.kind.upper()].meaning}." if UNSURE in cause.sentence else cause.sentence


def _enough(causes: Sequence[Cause], trials: Trials) -> Trial | None:
    """The change for one of the causes by which alone the program learns: it needs no second cause."""
    for trial in (t for cause in causes for t in _of(trials, cause.kind)[:1]):
        if outcome(trials, trial) is Outcome.CURES and fmean(map(trials.skill, trial.curves)) >= LEARNED:
            return trial
    return None


def _judged(cause: Cause, trials: Trials, enough: Trial | None) -> Cause:
    tried = _of(trials, cause.kind)
    if not tried:
        if enough is None or not 0 < cause.certainty < PROOF:
            return cause
        odds = cause.certainty / (1 - cause.certainty) * _FACTORS[Outcome.HARMS]
        against = f"it learns without a cure of this: {enough.what}: {figures(trials, enough)}"
        return replace(cause, certainty=round(odds / (1 + odds), 3), against=(*cause.against, against))
    best, what = tried[0], outcome(trials, tried[0])
    told = tuple(in_words(trials, trial) for trial in tried)
    cause = replace(cause, tried=told)
    if cause.certainty >= PROOF or cause.certainty <= 0:
        return cause
    odds = cause.certainty / (1 - cause.certainty) * _FACTORS[what]
    cause = replace(cause, certainty=round(min(odds / (1 + odds), SURE), 3))
    result = figures(trials, best)
    if what in (Outcome.NOTHING, Outcome.HARMS):
        against = f"what would cure it {what.value}: {best.what}: {result}"
        return replace(cause, against=(*cause.against, against))
    shown = (f" (tried: {best.what}: {text})." for text in (result, result.partition(" in ")[0]))
    sentence = cause.sentence.rstrip(".")
    told_in_full = next((sentence + text for text in shown if len(sentence + text) <= MOST), cause.sentence)
    return replace(cause, sentence=told_in_full, help=f"{best.what} (tried: {result})")


def _nominated(causes: Sequence[Cause], trials: Trials) -> Cause | None:
    """The cause that a change names which cures and was for none of those that the diagnosis has."""
    cures = [t for t in trials.trials if t.change in GENERAL and outcome(trials, t) is Outcome.CURES]
    if not cures:
        return None
    trial = min(cures, key=lambda t: list(GENERAL).index(t.change))
    kind = GENERAL[trial.change]
    if kind is Kind.INIT_TOO_LARGE and Kind.INIT_TOO_SMALL in trial.cures[:1]:
        kind = Kind.INIT_TOO_SMALL
    sentence = f"Trials point to {kind.meaning}: {trial.what}: {figures(trials, trial)}."
    return Cause(
        kind=kind.value,
        layer=None,
        first_step=0,
        certainty=round(NOMINATED / len({GENERAL[other.change] for other in cures}), 3),
        sentence=sentence if len(sentence) <= MOST else sentence[: MOST - 3] + "…",
        explains=causes[0].explains,
        help=f"{trial.what} (tried: {figures(trials, trial)})",
        tried=(in_words(trials, trial),),
    )


def in_words(trials: Trials, trial: Trial) -> str:
    """`learning rate 3 → 0.3: accuracy 11 % → 92 % in 300 steps; better from 2 of 2 starts`."""
    gained = gains(trials, trial)
    better = sum(gain > yardstick(trials, len(gained)) for gain in gained)
    starts = f"{better} of {len(gained)} start{'s' if len(gained) != 1 else ''}"
    return f"{trial.what}: {figures(trials, trial)}; better from {starts}"


def figures(trials: Trials, trial: Trial) -> str:
    """`accuracy 11 % → 92 % in 300 steps`: means over the starts, without the change and with it."""
    pairs = list(zip(trials.control.curves, trial.curves))
    before = _figure([curve.reached for curve, _ in pairs])
    after = _figure([curve.reached for _, curve in pairs])
    measure = "accuracy" if trials.measure == "accuracy" else "explained variance"
    steps = max(curve.steps[-1] for curve in trial.curves)
    longer = f"{trials.steps:,} → {steps:,}" if steps > trials.steps else f"{trials.steps:,}"
    return f"{measure} {before} → {after} in {longer} steps"


def _figure(reached: Sequence[float | None]) -> str:
    known = [max(value, 0.0) for value in reached if value is not None]
    return "not finite" if len(known) < len(reached) or not known else percent(fmean(known), 0)
