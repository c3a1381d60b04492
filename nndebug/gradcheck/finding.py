"""What the check of one tensor has found so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from .explaining import Explanation


@dataclass
class Finding:
    """What is known about one tensor.

    Attributes:
        entries: flat number → (the right derivative, its error), of entries that are wrong.
        wrong: how many are wrong; an estimate if `where` says so.
        where: which, in words.
        worst, error: largest relative difference along a direction, and its error.
        analytic, numeric: what was compared there.
        kinks: entries that sit on a kink.
        reason: why nothing can be said.
        note: what else is to be known where all agrees.
        explanation: the mistake, if one is known.
        many_kinks: whether more entries sit on kinks than can be told apart.
        outside: whether the gradient is none of what lies between the sides of its kinks.
    """

    entries: dict[int, tuple[float, float]] = field(default_factory=dict)
    wrong: int = 0
    where: str = ""
    worst: float = float("nan")
    error: float = float("nan")
    analytic: float = float("nan")
    numeric: float = float("nan")
    kinks: int = 0
    reason: str = ""
    note: str = ""
    explanation: Explanation | None = None
    many_kinks: bool = False
    outside: bool = False
