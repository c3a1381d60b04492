"""How good certainties are on generated runs: the right cause first and in three, calibration, who is taken for whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from nndebug.diagnosis import BLIND, ranking, suspicious
from nndebug.weighing import HEALTHY, Table

Causes = list[tuple[str, float]]
"""Kinds with their certainties, the surest first."""

BANDS = (0.0, 0.5, 0.7, 0.9, 1.01)


def by_hand(row: dict[str, Any], view: str) -> Causes:
    """As the causes' own looks rank them."""
    return [(kind, certainty) for kind, _, certainty in row[view]["causes"]]


def by_table(row: dict[str, Any], view: str, table: Table) -> Causes:
    """As the diagnosis ranks them with a table."""
    seen = row[view]
    alarm = seen["severity"] not in (None, "info")
    if seen["proof"] and alarm:
        return by_hand(row, view)
    certainties = table.certainties(seen["facts"])
    if not alarm and not suspicious(seen["facts"], certainties):
        return []
    looks = {kind: certainty for kind, _, certainty in reversed(seen["looks"])}
    return ranking(looks, certainties, seeing=BLIND not in seen["facts"])[:3]


def report(
    groups: Mapping[str, Sequence[dict[str, Any]]], view: str, table_for: Callable[[dict[str, Any]], Table]
) -> list[str]:
    """The tables of a view.

    Args:
        groups: name → rows that show their fault, healthy ones among them; the first is told in detail.
        view: `preflight` or `passive`.
        table_for: row → the table that judges it, which was not fitted to it.
    """
    ways: dict[str, Callable[[dict[str, Any]], Causes]] = {
        "by hand": lambda row: by_hand(row, view),
        "measured": lambda row: by_table(row, view, table_for(row)),
    }
    lines = [
        "| runs | ranking | first, averaged over kinds | in three, averaged | first of all | given >= 90 %: right |",
        "|---|---|---|---|---|---|",
    ]
    for name, rows in groups.items():
        faults = [row for row in rows if row["kind"] != HEALTHY]
        for way, rank in ways.items():
            told = [(row["kind"], rank(row)) for row in faults]
            first, among = (averaged(told, n) for n in (1, 3))
            hits = [bool(causes) and causes[0][0] == kind for kind, causes in told]
            sure = [causes[0][0] == kind for kind, causes in told if causes and causes[0][1] >= 0.9]
            share = f"{sum(sure)} of {len(sure)} ({np.mean(sure):.0%})" if sure else "none"
            lines.append(
                f"| {name} ({len(faults)}) | {way} | {first:.1%} | {among:.1%} | {np.mean(hits):.1%} | {share} |"
            )
    rows = next(iter(groups.values()))
    healthy = [bool(ways["measured"](row)) for row in rows if row["kind"] == HEALTHY]
    told = [(row["kind"], ways["measured"](row)) for row in rows if row["kind"] != HEALTHY]
    lines += ["", f"Healthy runs with a cause: {sum(healthy)} of {len(healthy)}.", ""]
    return [*lines, *calibration(told), "", *confusion(told)]


def averaged(told: Sequence[tuple[str, Causes]], among: int) -> float:
    """The share of runs with the right kind among the first so many, averaged over kinds."""
    kinds = sorted({kind for kind, _ in told})
    return float(
        np.mean(
            [
                np.mean([kind in [k for k, _ in causes[:among]] for right, causes in told if right == kind])
                for kind in kinds
            ]
        )
        if kinds
        else np.nan
    )


def calibration(told: Sequence[tuple[str, Causes]]) -> list[str]:
    """How often the first cause is right, by its certainty."""
    lines = ["| certainty of the first | runs | mean certainty | right |", "|---|---|---|---|"]
    firsts = [(causes[0][1], causes[0][0] == kind) for kind, causes in told if causes]
    for low, high in pairwise(BANDS):
        inside = [(certainty, right) for certainty, right in firsts if low <= certainty < high]
        if inside:
            mean, right = np.mean(inside, axis=0)
            lines.append(f"| {low:.0%} to {min(high, 1):.0%} | {len(inside)} | {mean:.0%} | {right:.0%} |")
    lines.append(f"| no cause named | {sum(not causes for _, causes in told)} | - | - |")
    return lines


def confusion(told: Sequence[tuple[str, Causes]]) -> list[str]:
    """A line a kind: how often it was first, in three, and what was named instead."""
    lines = ["| planted | runs | first | in three | named instead |", "|---|---|---|---|---|"]
    for kind in sorted({kind for kind, _ in told}):
        own = [causes for right, causes in told if right == kind]
        firsts = [causes[0][0] if causes else "nothing" for causes in own]
        three = sum(kind in [k for k, _ in causes[:3]] for causes in own)
        others = sorted({(-firsts.count(k), k) for k in firsts if k != kind})
        instead = ", ".join(f"{k} {-count}" for count, k in others) or "-"
        lines.append(f"| {kind} | {len(own)} | {firsts.count(kind)} | {three} | {instead} |")
    return lines
