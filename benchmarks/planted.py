"""Are planted faults named? `python -m benchmarks.planted [--seeds 5] [--only NAME,...] [--json FILE]`

Every fault of `nndebug.faults` is trained under watch, with a preflight, and so is its healthy twin, over several seeds.
Printed are the shares of right causes first, of right layers where a fault has one, and the twins in which anything above
information was found; and the misses by name.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from benchmarks import setting  # isort: skip  (fixes the number of threads before NumPy is imported)

import numpy as np

import nndebug
from network import fit
from nndebug.errors import did_you_mean
from nndebug.faults import FAMILIES, FAULTS, Fault

BUDGET = 10.0
"""Seconds of a preflight, which takes a tenth of one: on a busy machine nothing is to be left out."""


def watched(experiment: Any, preflight: bool) -> Any:
    """The result of watching one experiment."""
    network, optimizer, dataset = experiment.build()
    with (
        np.errstate(all="ignore"),
        nndebug.watch(network, preflight=BUDGET if preflight else False) as watching,
    ):
        fit(
            network,
            dataset.train,
            optimizer,
            validation=dataset.validation or dataset.test,
            **experiment.fit_options(dataset),
        )
    return watching.result


def judge(fault: Fault, seed: int, preflight: bool) -> dict[str, Any]:
    """What was found in a fault, and in its twin."""
    found = watched(fault.experiment(seed), preflight)
    first = found.causes[0] if found.causes else None
    # Several mistakes may give the same number, 0 above all: then the right one must be among them.
    named = [[f.evidence["mistake"], *f.evidence["others"]] for f in found.findings if f.code == "NND602"]
    return {
        "fault": fault.name,
        "seed": seed,
        "kind": first.kind if first else "nothing",
        "layer": first.layer if first else None,
        "right": bool(first)
        and first.kind == fault.cause
        and (not fault.mistake or fault.mistake in next(iter(named), [])),
        "layer_right": None if fault.layer is None else bool(first) and first.layer == fault.layer,
        "mistakes": named[0] if named else [],
        "verdict": found.verdict,
        "codes": [f.code for f in found.findings],
    }


def twin(fault: Fault, seed: int, preflight: bool) -> dict[str, Any]:
    found = watched(fault.fixed(seed), preflight)
    return {"fault": fault.name, "seed": seed, "clean": bool(found), "verdict": found.verdict}


def refused(what: str, help: str) -> int:
    print(f"error: {what}\nhelp: {help}", file=sys.stderr)
    return 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="names, separated by commas")
    parser.add_argument(
        "--no-preflight", action="store_true", help="the rules that watch the training, alone"
    )
    parser.add_argument("--json", type=Path, help="write every single result")
    arguments = parser.parse_args()
    names = [name for name in arguments.only.split(",") if name] or list(FAULTS)
    if unknown := [name for name in names if name not in FAULTS]:
        return refused(f"there is no fault {unknown[0]!r}", did_you_mean(unknown[0], FAULTS))
    if arguments.seeds < 1:
        return refused(f"--seeds is {arguments.seeds}", "train each fault at least once")
    seeds, preflight = range(arguments.seeds), not arguments.no_preflight
    started, rows, twins = time.process_time(), [], []
    settings: dict[str, dict[str, Any]] = {}
    for family, faults in FAMILIES.items():
        for fault in faults:
            if fault.name not in names:
                continue
            mine = [judge(fault, seed, preflight) for seed in seeds]
            rows += mine
            key = json.dumps({k: repr(v) for k, v in fault.healthy.items()}, sort_keys=True)
            if key not in settings:  # many faults share a twin
                settings[key] = {}
                twins += [twin(fault, seed, preflight) for seed in seeds]
            right = sum(row["right"] for row in mine)
            layers = [row["layer_right"] for row in mine if row["layer_right"] is not None]
            others = Counter(
                f"{row['kind']}{'' if row['layer'] is None else ' at ' + row['layer']}"
                for row in mine
                if not row["right"] or row["layer_right"] is False
            )
            said = ", ".join(f"{count} × {what}" for what, count in others.most_common())
            place = f"{sum(layers)}/{len(layers)}" if layers else "-"
            print(
                f"{family:29} {fault.name:27} cause {right}/{len(mine)}  layer {place:4} {said}", flush=True
            )
    layers = [row["layer_right"] for row in rows if row["layer_right"] is not None]
    alarms = [row for row in twins if not row["clean"]]
    print(
        f"\n{len(names)} faults × {len(seeds)} seeds, {time.process_time() - started:.0f} CPU s; {setting.versions(nndebug)}"
    )
    print(
        f"right cause first  {sum(r['right'] for r in rows)} of {len(rows)} ({np.mean([r['right'] for r in rows]):.1%})"
    )
    if layers:
        print(f"right layer        {sum(layers)} of {len(layers)} ({np.mean(layers):.1%})")
    print(f"twins flagged      {len(alarms)} of {len(twins)}")
    for row in alarms:
        print(f"    {row['fault']}, seed {row['seed']}: {row['verdict']}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"faults": rows, "twins": twins}, indent=1), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
