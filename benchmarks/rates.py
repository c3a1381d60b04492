"""Shares of runs, with the interval in which they may lie."""

from __future__ import annotations

import math


def interval(hits: int, runs: int) -> tuple[float, float]:
    """The 95 % interval of a rate (Wilson 1927)."""
    z, share = 1.96, hits / runs
    middle = (share + z * z / (2 * runs)) / (1 + z * z / runs)
    half = z * math.sqrt(share * (1 - share) / runs + z * z / (4 * runs * runs)) / (1 + z * z / runs)
    return max(0.0, middle - half), min(1.0, middle + half)


def stated(hits: int, runs: int) -> str:
    """`1 of 200 (0.5 %; 95 % interval 0.1 to 2.8 %)`."""
    low, high = interval(hits, max(1, runs))
    return f"{hits} of {runs} ({100 * hits / max(1, runs):.1f} %; 95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
