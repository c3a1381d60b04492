"""Our metrics beside those of the reference runner: the same program by another hand, with other random numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

FLOOR = 0.02
"""Metrics that differ by less than this (share of right answers, share of variance) are the same …"""
ORDERS = 0.5
"""… and so are those below -1 that differ by less than so many orders of magnitude."""


def comparison(content: Mapping[str, Any], table: str) -> list[str]:
    """One line a case and variant in Markdown, those that differ first.

    Args:
        content: what `run` wrote.
        table: `results.md`: a row a case, with the metric of every seed in the columns `faulty` and `fixed`.
    """
    theirs = read(table)
    rows = []
    for name, entry in sorted(content["cases"].items()):
        for variant, runs in entry["runs"].items():
            ours = [run.get("metric") for _, run in sorted(runs.items(), key=lambda item: int(item[0]))]
            reference = theirs.get(name, {}).get(variant, [])
            if ours and reference:
                rows.append((agrees(ours, reference), name, variant, ours, reference))
    rows.sort(key=lambda row: row[0])
    lines = ["| case | variant | ours | reference | |", "|---|---|---|---|---|"]
    lines += [
        f"| {name} | {variant} | {_shown(ours)} | {_shown(reference)} | {'' if same else 'differs'} |"
        for same, name, variant, ours, reference in rows
    ]
    return [*lines, "", f"{sum(row[0] for row in rows)} of {len(rows)} agree within the noise of seeds."]


def read(table: str) -> dict[str, dict[str, list[float | None]]]:
    """Case → variant → the metric of every seed, None where outputs were not finite."""
    found: dict[str, dict[str, list[float | None]]] = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) >= 5 and cells[0] not in ("case", "---"):
            values = {name: _numbers(cells[column]) for name, column in (("faulty", 3), ("fixed", 4))}
            found[cells[0]] = {name: numbers for name, numbers in values.items() if numbers}
    return found


def _numbers(cell: str) -> list[float | None]:
    numbers: list[float | None] = []
    for word in cell.partition("(")[0].split():
        try:
            value = float(word)
        except ValueError:
            return []
        numbers.append(None if math.isnan(value) else value)
    return numbers


def agrees(ours: Sequence[float | None], theirs: Sequence[float | None]) -> bool:
    """Whether two samples of few seeds may be of the same program.

    The ranges, each widened by the larger of the two, must overlap; below zero, where a share of variance has no
    bottom, orders of magnitude are compared. Where one has runs that are not finite, so must the other, unless it has
    few runs.
    """
    mine, reference = ([_scale(v) for v in values if v is not None] for values in (ours, theirs))
    if not mine or not reference:
        lost = [sum(v is None for v in values) / len(values) for values in (ours, theirs)]
        return abs(lost[0] - lost[1]) < 0.5
    floor = ORDERS if max(*mine, *reference) < -1 else FLOOR
    room = max(max(mine) - min(mine), max(reference) - min(reference), floor)
    return min(mine) <= max(reference) + room and min(reference) <= max(mine) + room


def _scale(value: float) -> float:
    return value if value >= -1 else -1 - math.log10(-value)


def _shown(values: Sequence[float | None]) -> str:
    return " ".join("nan" if value is None else f"{value:.3g}" for value in values)
