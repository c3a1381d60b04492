"""Updates that do more than they are said to do, yet are right: clipping, a schedule, Nesterov's momentum, rates by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..signals import Array
from .comparing import unresolved
from .moves import Factors, fitted
from .recognising import PLAIN, Seen, recognise
from .result import Fault, Row
from .rule import Rule
from .steps import Steps

Key = tuple[str, str]
"""Layer and parameter."""


def steps_of(start: Array, moved: Array, gradients: Array, rate: float) -> Steps:
    """Steps from what each update did (updates, …)."""
    before = np.stack([start, start + moved[0]])
    return Steps(before, -moved / rate, gradients, None, None, 1, rate)


def reasons(steps: Mapping[Key, Steps], rule: Rule) -> dict[Key, str]:
    """What the steps show where they are not those of the rule that was declared, yet no mistake: one line for each.

    Numbers that were declared have to be there: another momentum is no excuse.
    """
    seen = recognise(steps, rule.rate, lambda key: key[1], lambda _, usual: usual)
    found = {}
    for key, s in steps.items():
        if key in seen.expected:
            if seen.name != PLAIN and as_declared(seen, rule):
                found[key] = f"it {seen.name}, which is not what was declared ({rule.kind})"
        elif key in seen.open and seen.expected:
            own = fitted([s])
            if own and own.steady and _keeps(replace(own, a=1.0, b=1.0), rule):
                found[key] = seen.open[key]
    return found


def as_declared(seen: Seen[Any], rule: Rule) -> bool:
    """Whether the rule that was seen has the numbers that were declared."""
    if seen.entries:
        declared = replace(rule, rate=1.0, decay=0.0)
        return seen.entries.rule == declared if seen.entries.rule else rule.kind == "sgd"
    return _keeps(seen.factors, rule) if seen.factors else rule.momentum == 0


def _keeps(factors: Factors, rule: Rule) -> bool:
    """Whether this is the momentum that was declared, in one of its forms."""
    kept = factors.without_decay.k if factors.a <= 1 else factors.a - 1
    return rule.kind in ("sgd", "momentum") and abs(kept - rule.momentum) < 1e-6


def excuse(rows: list[Row], faults: list[Fault], why: Mapping[Key, str]) -> tuple[list[Row], list[Fault]]:
    """Leaves open what has a reason and no mistake's name."""
    unnamed = {(f.layer, f.part) for f in faults if f.equation == "update" and not f.mistakes}
    excused = unnamed & why.keys()

    def kept(row: Row) -> Row:
        key = (row.layer, row.parameter.removesuffix(" update"))
        if row.equation != "update" or key not in excused:
            return row
        return unresolved(row.layer, row.parameter, row.equation, row.entries, why[key])

    left = [f for f in faults if f.equation != "update" or (f.layer, f.part) not in excused]
    return [kept(row) for row in rows], left
