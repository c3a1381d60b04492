"""What is stated of every generated run: `python -m benchmarks.faults.gather RUNS --into FACTS.jsonl`

Reads the folders that `generate` wrote, judges each run by the rules of now, once with its preflight and once as if there
had been none, and writes one line a run: what was planted, the statements of `nndebug.facts`, and the ranking by the causes' own looks.
Runs that are in the file already are left alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import benchmarks.setting  # noqa: F401  (fixes the number of threads; before NumPy)
from benchmarks.faults.generate import known
from nndebug.causes.evidence import PROOF
from nndebug.checking import check
from nndebug.diagnosis import candidates, diagnose
from nndebug.facts import facts
from nndebug.run import Run

KEPT = ("number", "source", "split", "kind", "layers", "metric", "shows")


def view(run: Run) -> dict[str, Any]:
    """Statements and ranking of a run, by what is known of it."""
    findings = check(run).findings
    looks = candidates(run, findings)
    causes, _, severity = diagnose(run, findings, weigh=False)
    return {
        "facts": sorted(facts(run, findings, looks)),
        "proof": any(cause.certainty >= PROOF for cause in looks),
        "looks": [(cause.kind, cause.layer, cause.certainty) for cause in looks],
        "causes": [(cause.kind, cause.layer, cause.certainty) for cause in causes],
        "severity": None if severity is None else severity.value,
    }


def gathered(folder: Path, truth: dict[str, Any]) -> dict[str, Any]:
    """One line of the file."""
    run = Run.load(folder)
    row = {key: truth.get(key) for key in KEPT} | {"preflight": view(run)}
    run.preflight = None
    return row | {"passive": view(run)}


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of such a file; a last line that is not whole is left out."""
    lines = path.read_text("utf-8").split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--all", action="store_true", help="also those whose fault does not show")
    arguments = parser.parse_args()
    rows = read(arguments.into)
    done = {(row["number"], row["kind"]) for row in rows}
    with arguments.into.open("a", encoding="utf-8") as file:
        for truth in known(arguments.runs):
            folder = arguments.runs / f"{truth['number']:05d}" / truth["kind"]
            if (truth["number"], truth["kind"]) in done or not (truth["shows"] or arguments.all):
                continue
            file.write(json.dumps(gathered(folder, truth)) + "\n")


if __name__ == "__main__":
    main()
