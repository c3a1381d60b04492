"""How certain a cause is, from what is stated of a run: weights that were measured on runs with planted faults.

The table is a multinomial logistic regression (McFadden 1974): each statement that holds adds its weight to the score of
each kind, and the scores, as log odds, give the certainties. `benchmarks/faults/fit.py` makes it, docs/certainties.md says how
good it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .errors import UserError
from .strict_json import decode

SCHEMA = 1

HEALTHY = "healthy"
"""The kind of a run without a fault."""
LOOKS_LIKE = "it looks like "
"""Begins what is stated of the look of each cause; the kind follows, then how clearly."""

_LARGEST = 50.0
"""No weight is as large: one would decide alone."""
_NOTABLE = math.log(3)
"""What changes the odds by less is not worth a word."""


@dataclass(frozen=True)
class Table:
    """Measured weights.

    Attributes:
        start: kind → its score before anything is known.
        weights: kind → statement → what it adds to the score.
        made: how the table was made.
    """

    start: Mapping[str, float]
    weights: Mapping[str, Mapping[str, float]]
    made: Mapping[str, Any] = field(default_factory=dict)

    def certainties(self, facts: Iterable[str]) -> dict[str, float]:
        """The certainty of every kind; they sum to 1. Statements that the table does not know count nothing."""
        stated = set(facts)
        scores = {
            kind: start + math.fsum(self.weights[kind][fact] for fact in stated & self.weights[kind].keys())
            for kind, start in self.start.items()
        }
        top = max(scores.values())
        shares = {kind: math.exp(score - top) for kind, score in scores.items()}
        whole = math.fsum(shares.values())
        return {kind: share / whole for kind, share in shares.items()}

    def reasons(self, kind: str, facts: Iterable[str], most: int = 3) -> tuple[list[str], list[str]]:
        """What speaks for a kind and what against it, the strongest first, as in `NND204 at step 0 (×40)`.

        A statement counts by how it changes the odds of this kind against the others, as they are with all that is stated.
        Marks of one figure count together, under the highest. That it looks like this kind is no reason: its sentence says so.
        """
        stated = set(facts)
        others = {name: share for name, share in self.certainties(stated).items() if name != kind}
        whole = math.fsum(others.values())
        if kind not in self.start or whole <= 0:
            return [], []
        told: dict[str, tuple[str, float]] = {}
        for fact in sorted(stated, key=_mark):
            mean = math.fsum(share * self.weights[name].get(fact, 0.0) for name, share in others.items())
            figure = _subject(fact)
            if figure == LOOKS_LIKE + kind:
                continue
            so_far = told.get(figure, ("", 0.0))[1]
            told[figure] = (
                figure if figure.startswith(LOOKS_LIKE) else fact,
                so_far + self.weights[kind].get(fact, 0.0) - mean / whole,
            )
        ranked = sorted(told.values(), key=lambda pair: (-abs(pair[1]), pair[0]))
        notable = [(fact, size) for fact, size in ranked if abs(size) >= _NOTABLE]
        return (
            [f"{_told(fact)} (×{_factor(size)})" for fact, size in notable if size > 0][:most],
            [f"{_told(fact)} (÷{_factor(-size)})" for fact, size in notable if size < 0][:most],
        )


def _subject(fact: str) -> str:
    """What a statement is about: its figure, or which cause the findings look like."""
    if fact.startswith(LOOKS_LIKE):
        return fact.partition(",")[0].removesuffix(" most of all")
    return fact.partition(" > ")[0]


def _told(fact: str) -> str:
    """A statement as a reader is told it: figures of a layer say that they are."""
    return re.sub(r"^(first|last) (?!loss)", r"\1 layer's ", fact)


def _mark(fact: str) -> tuple[str, float]:
    """Marks of one figure in rising order."""
    figure, beyond, mark = fact.partition(" > ")
    try:
        return figure, float(mark) if beyond else 0.0
    except ValueError:
        return fact, 0.0


def _factor(size: float) -> str:
    return (
        f"{math.exp(min(size, 7.0)):.2g}"
        if size < math.log(100)
        else f"{round(math.exp(min(size, 7.0)), -2):.0f}"
    )


def parse(text: str | bytes) -> Table:
    """The table that JSON holds.

    Raises:
        UserError: it is none.
    """
    try:
        data = decode(text)
        if data["schema"] != SCHEMA:
            raise ValueError(f"schema {data['schema']!r}, this nndebug reads {SCHEMA}")
        start = {_text(kind): _weight(score) for kind, score in data["start"].items()}
        weights = {
            kind: {_text(fact): _weight(weight) for fact, weight in data["weights"].get(kind, {}).items()}
            for kind in start
        }
        if len(start) < 2 or set(data["weights"]) - set(start):
            raise ValueError("weights and start are not of the same kinds")
        return Table(start, weights, dict(data["made"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"the table of weights is broken: {' '.join(str(error).split())}",
            help="python -m benchmarks.faults.fit makes it",
        ) from error


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{value!r} is no name")
    return value


def _weight(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise ValueError(f"{value!r} is no weight")
    return float(value)


@cache
def measured() -> Table:
    """The table that comes with the package."""
    return parse(Path(__file__).with_name("weights.json").read_bytes())
