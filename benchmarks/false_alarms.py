"""What do the rules say of healthy runs? `python -m benchmarks.false_alarms [--count 250] [--json OUT]`

Experiments 0 to COUNT - 1 of `benchmarks/faults/healthy.py`, watched with preflight. The generator was committed before any rule was
run on its experiments; an experiment counts as healthy by its held-out metric alone, and none is left out for what was found
in it. A second start with the same OUT goes on where the first one stopped. Prints every run with a warning or an error, and the
rate of each rule with its 95 % interval (Wilson).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

import benchmarks.setting  # noqa: F401  (fixes the number of threads)
from benchmarks.faults.generate import train
from benchmarks.faults.healthy import healthy
from benchmarks.faults.sources import SOURCES

ALARMS = ("warning", "error")


def interval(hits: int, runs: int) -> tuple[float, float]:
    """The 95 % interval of a rate (Wilson 1927)."""
    z, share = 1.96, hits / runs
    middle = (share + z * z / (2 * runs)) / (1 + z * z / runs)
    half = z * math.sqrt(share * (1 - share) / runs + z * z / (4 * runs * runs)) / (1 + z * z / runs)
    return max(0.0, middle - half), min(1.0, middle + half)


def judged(number: int) -> dict[str, Any]:
    """One experiment: its held-out metric, and what was found."""
    source, spec = healthy(number)
    metric, result = train(source, spec, watch=True)
    found = [] if result is None else [(f.code, f.severity.value, f.site, f.message) for f in result.findings]
    return {
        "source": source,
        "metric": metric if math.isfinite(metric) else None,
        "healthy": metric >= SOURCES[source].goal,
        "verdict": None if result is None else result.verdict,
        "findings": found,
        "crashed": [] if result is None else [skipped.code for skipped in result.crashed],
    }


def table(runs: dict[int, dict[str, Any]]) -> list[str]:
    """The lines of the table: all runs, then every rule that said anything."""
    good = {number: run for number, run in runs.items() if run["healthy"]}
    lines = [f"{len(runs)} experiments, {len(good)} healthy by their held-out metric"]
    for what, levels in (("a warning or an error", ALARMS), ("an error", ALARMS[1:])):
        hits = sum(any(f[1] in levels for f in run["findings"]) for run in good.values())
        low, high = interval(hits, max(1, len(good)))
        share = hits / max(1, len(good))
        lines.append(f"  with {what}: {hits} ({share:.1%}; 95 % interval {low:.1%} to {high:.1%})")
    counts: dict[str, Counter[str]] = {}
    for run in good.values():
        for code, severity in {(f[0], f[1]) for f in run["findings"]}:
            counts.setdefault(code, Counter())[severity] += 1
    lines.append(f"  {'rule':8} {'info':>5} {'warning':>8} {'error':>6}   warnings and errors, 95 % interval")
    for code, by in sorted(counts.items()):
        low, high = interval(by["warning"] + by["error"], len(good))
        lines.append(f"  {code:8} {by['info']:5} {by['warning']:8} {by['error']:6}   {low:.1%} to {high:.1%}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=250)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    runs: dict[int, dict[str, Any]] = {}
    if arguments.json and arguments.json.exists():
        runs = {int(number): run for number, run in json.loads(arguments.json.read_text("utf-8")).items()}
    for number in range(arguments.count):
        if number not in runs:
            runs[number] = judged(number)
            if arguments.json:
                arguments.json.write_text(json.dumps(runs, indent=1), "utf-8")
        run = runs[number]
        alarms = [
            f"{code} {site}: {message}" for code, level, site, message in run["findings"] if level in ALARMS
        ]
        if alarms or not run["healthy"] or run["crashed"]:
            state = "" if run["healthy"] else " (not healthy)"
            metric = "not finite" if run["metric"] is None else f"{run['metric']:.3f}"
            print(f"{number:4d} {run['source']}: {metric}{state} {'; '.join(alarms)}", flush=True)
    print("\n".join(table(runs)))


if __name__ == "__main__":
    main()
