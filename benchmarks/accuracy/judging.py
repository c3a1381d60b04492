"""What a check said about a planted mistake, held against what it should have said."""

from __future__ import annotations

from dataclasses import dataclass

from nndebug.gradcheck import Fault, GradCheck

from .planting import Kind, Place, Planted


@dataclass(frozen=True)
class Judgement:
    """How one check did.

    Attributes:
        found: whether it disagrees.
        placed: whether every planted place is blamed, and nothing else is.
        named: whether each place's mistake is among those named there.
        unknown: whether nothing was named at some place.
        wrong: whether something was named, and not the mistake.
    """

    found: bool
    placed: bool = False
    named: bool = False
    unknown: bool = False
    wrong: bool = False


def judge(kind: Kind, planted: Planted, check: GradCheck) -> Judgement:
    """Holds a check against what was planted."""
    if check.exit_code != 1:
        return Judgement(False)
    blamed = {Place(fault.layer, fault.equation) for fault in check.faults}
    placed = blamed == set(planted.places)
    said = [
        _said(place, name, check) for place, name in zip(planted.places, kind.mistakes * len(planted.places))
    ]
    wrong = any(names and not matches for names, matches in said)
    unknown = any(not names for names, _ in said) and not wrong
    return Judgement(True, placed, not wrong and not unknown, unknown, wrong)


def _said(place: Place, expected: str, check: GradCheck) -> tuple[list[str], bool]:
    """What was named at a place, or anywhere if nobody was blamed there, and whether the mistake is among it."""
    there = [fault for fault in check.faults if Place(fault.layer, fault.equation) == place]
    names = [mistake.name for fault in there or check.faults for mistake in _of(fault)]
    return names, any(word in name for word in expected.split("|") for name in names)


def _of(fault: Fault) -> tuple:
    return fault.mistakes
