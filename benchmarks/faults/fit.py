"""Measures the weights of `nndebug/weights.json`: `python -m benchmarks.faults.fit FACTS.jsonl [--write]`

`FACTS.jsonl` comes from `gather`. Fitted is a multinomial logistic regression to the training experiments in which nothing was
proven, each seen with its preflight and as if it had none, and with a tenth of its figures struck out, so that the weights hold
where less is known. Kinds count the same however often they showed. A penalty draws the weights to those of the ranking by
hand ("it looks like X" speaks for X) and all others to zero. Its strength, that pull and a temperature (Guo et al. 2017) are chosen by
cross-validation that keeps all runs of an experiment together. Printed is what the table is worth on the test experiments
and on the data set that was left out, beside the ranking by hand; with `--crossed` also what such tables are worth on every run, each
judged by a table that saw neither its experiment nor (another one) its data set. `--write` replaces the table of the
package by one that is fitted to all runs.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

import benchmarks.setting  # noqa: F401  (fixes the number of threads; before NumPy)
import nndebug
from benchmarks.faults.gather import read
from benchmarks.faults.planting import PLANTS
from benchmarks.faults.scoring import report
from nndebug.facts import MARKS, known
from nndebug.weighing import HEALTHY, LOOKS_LIKE, SCHEMA, Table

PENALTIES = (0.1, 0.3, 1.0)
PULLS = (2.0,)
"""Weights by hand of "it looks like X" for X, each time that it is said more strongly."""
FOLDS = 4
SEEN_IN = 4
"""A statement counts if it was made in so many experiments, at least."""
STRUCK = 0.1
"""Share of the figures that a copy of each run does not know."""
TEMPERATURES = np.arange(0.5, 1.55, 0.05)
SMALLEST = 0.02
"""Weights that change the odds by less are left out of the table."""
SPLITS = ("train", "test", "left out")
VIEWS = ("preflight", "passive")
KINDS = sorted([*PLANTS, HEALTHY])
TARGET = Path(nndebug.__file__).with_name("weights.json")

Row = tuple[str, int, frozenset[str]]
"""Kind, experiment, statements."""


def rows_of(gathered: Sequence[dict[str, Any]], splits: Sequence[str] = ("train",)) -> list[Row]:
    """Both views of the runs that are fitted to."""
    return [
        (row["kind"], row["number"], frozenset(filter(known, row[view]["facts"])))
        for row in gathered
        for view in VIEWS
        if row["split"] in splits and row["shows"] and not row[view]["proof"]
    ]


def struck(rows: Sequence[Row]) -> list[Row]:
    """The rows, with some figures unknown."""
    rng = np.random.default_rng(0)
    names = list(MARKS)
    copies = []
    for kind, number, stated in rows:
        gone = {names[i] for i in np.flatnonzero(rng.random(len(names)) < STRUCK)}
        kept = {fact for fact in stated if fact.partition(" > ")[0] not in gone}
        copies.append((kind, number, frozenset(kept | {f"{name} unknown" for name in gone})))
    return copies


def vocabulary(rows: Sequence[Row]) -> list[str]:
    experiments: dict[str, set[int]] = {}
    for _, number, stated in rows:
        for fact in stated:
            experiments.setdefault(fact, set()).add(number)
    often = {fact for fact, numbers in experiments.items() if len(numbers) >= SEEN_IN}
    return sorted(often | {look for kind in KINDS for look in looks_like(kind)})


def looks_like(kind: str) -> list[str]:
    """What the own look of a kind may state, the more the clearer."""
    return [f"{LOOKS_LIKE}{kind}{how}" for how in ("", ", as a pattern", ", as a chain", " most of all")]


def matrix(rows: Sequence[Row], names: Sequence[str]) -> np.ndarray:
    """(rows, 1 + statements) of 0 and 1; the first column is 1."""
    place = {name: column for column, name in enumerate(names, 1)}
    x = np.zeros((len(rows), 1 + len(names)), np.float32)
    x[:, 0] = 1
    for line, (_, _, stated) in zip(x, rows, strict=True):
        line[[place[fact] for fact in stated if fact in place]] = 1
    return x


@dataclass(frozen=True)
class Model:
    """Fitted weights.

    Attributes:
        names: statements.
        weights: (1 + statements, kinds), kinds as in `KINDS`; the first line is the start.
    """

    names: list[str]
    weights: np.ndarray

    def scores(self, rows: Sequence[Row]) -> np.ndarray:
        """(rows, kinds) log odds."""
        return np.asarray(matrix(rows, self.names) @ self.weights)


def by_hand(names: Sequence[str], pull: float) -> np.ndarray:
    """(1 + statements, kinds): what the statements of a kind's own look weigh for it before anything is measured."""
    weights = np.zeros((1 + len(names), len(KINDS)))
    for column, kind in enumerate(KINDS):
        weights[[1 + names.index(look) for look in looks_like(kind)], column] = pull
    return weights


def fitted(rows: Sequence[Row], names: Sequence[str], penalty: float, pull: float) -> Model:
    """The weights with the smallest log loss and squared distance from those by hand."""
    both = [*rows, *struck(rows)]
    right = np.array([KINDS.index(kind) for kind, _, _ in both])
    counts = np.bincount(right)
    # Every kind weighs as much as any other; on average a run, seen four times, weighs 1.
    share = (len(both) / 4 / np.count_nonzero(counts) / np.maximum(counts, 1))[right]
    x, start = matrix(both, names), by_hand(names, pull)

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(start.shape)
        logits = x @ weights.astype(np.float32)
        logits -= logsumexp(logits, axis=1, keepdims=True)
        wrong = np.exp(logits)
        wrong[np.arange(len(right)), right] -= 1
        away = weights - start
        away[0] = 0
        value = -share @ logits[np.arange(len(right)), right] + penalty / 2 * np.sum(away**2)
        slope = x.T @ (share[:, None] * wrong).astype(np.float32) + penalty * away
        return float(value), slope.ravel().astype(np.float64)

    best = minimize(
        objective, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 150, "ftol": 1e-6}
    )
    return Model(list(names), best.x.reshape(start.shape))


def loss(logits: np.ndarray, right: np.ndarray, temperature: float) -> float:
    """Log loss, averaged over kinds."""
    shares = logits / temperature - logsumexp(logits / temperature, axis=1, keepdims=True)
    own = -shares[np.arange(len(right)), right]
    return float(np.mean([own[right == kind].mean() for kind in np.unique(right)]))


def chosen(rows: Sequence[Row]) -> tuple[float, float, float, float]:
    """Penalty, pull and temperature by cross-validation, and the log loss that they leave."""
    names = vocabulary(rows)
    right = np.array([KINDS.index(kind) for kind, _, _ in rows])
    folds = np.array([number % FOLDS for _, number, _ in rows])
    best = (np.inf, PENALTIES[0], PULLS[0], 1.0)
    for penalty in PENALTIES:
        for pull in PULLS:
            logits = np.empty((len(rows), len(KINDS)))
            for fold in range(FOLDS):
                inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
                model = fitted([rows[i] for i in inside], names, penalty, pull)
                logits[outside] = model.scores([rows[i] for i in outside])
            found = [(loss(logits, right, t), penalty, pull, round(float(t), 2)) for t in TEMPERATURES]
            print(f"penalty {penalty:g}, pull {pull:g}: log loss {min(found)[0]:.3f}", flush=True)
            best = min(best, *found)
    return (*best[1:], best[0])


def table_of(rows: Sequence[Row], penalty: float, pull: float, temperature: float) -> Table:
    """The weights, temperature applied."""
    model = fitted(rows, vocabulary(rows), penalty, pull)
    scaled = np.round(model.weights / temperature, 2)
    scaled -= np.where(np.arange(len(scaled)) == 0, scaled[0].min(), 0)[:, None]  # odds only
    weights = {
        kind: {
            name: float(weight)
            for name, weight in zip(model.names, scaled[1:, column], strict=True)
            if abs(weight) >= SMALLEST
        }
        for column, kind in enumerate(KINDS)
    }
    start = {kind: round(float(scaled[0, column]), 2) for column, kind in enumerate(KINDS)}
    return Table(start, weights)


def rule_set() -> str:
    """A short hash of everything that statements are made of."""
    root = Path(nndebug.__file__).parent
    files = [
        *sorted(root.glob("rules/*.py")),
        *sorted(root.glob("causes/*.py")),
        root / "facts.py",
        root / "figures.py",
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def text(table: Table) -> str:
    """The table as JSON to be read: a kind's statements by size, one a line."""
    lines = [f'{{\n"schema": {SCHEMA},\n"made": {json.dumps(dict(table.made), indent=1)},']
    lines.append(f'"start": {json.dumps(dict(table.start), indent=1)},\n"weights": {{')
    kinds = []
    for kind, weights in table.weights.items():
        ordered = sorted(weights.items(), key=lambda pair: (-abs(pair[1]), pair[0]))
        told = ",\n".join(f" {json.dumps(fact)}: {weight:g}" for fact, weight in ordered)
        kinds.append(f'"{kind}": {{\n{told}\n}}')
    return "\n".join([*lines, ",\n".join(kinds), "}\n}"]) + "\n"


def crossed(
    gathered: Sequence[dict[str, Any]], part: Callable[[dict[str, Any]], Any], *settings: float
) -> Callable[[dict[str, Any]], Table]:
    """For each row the table that is fitted in the same way to all other parts.

    Args:
        gathered: all rows.
        part: row → which part it belongs to.
        settings: penalty, pull and temperature.
    """
    tables = {
        one: table_of(rows_of([row for row in gathered if part(row) != one], SPLITS), *settings)
        for one in sorted({part(row) for row in gathered})
    }
    return lambda row: tables[part(row)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("facts", type=Path)
    parser.add_argument(
        "--settings",
        type=float,
        nargs=3,
        metavar=("PENALTY", "PULL", "TEMPERATURE"),
        help="instead of choosing",
    )
    parser.add_argument(
        "--crossed", action="store_true", help="also judge every run by tables without its part"
    )
    parser.add_argument("--write", action="store_true", help="replace the table of the package")
    arguments = parser.parse_args()
    gathered = [row for row in read(arguments.facts) if row["shows"]]
    rows = rows_of(gathered)
    penalty, pull, temperature, left = (
        (*arguments.settings, float("nan")) if arguments.settings else chosen(rows)
    )
    made = {
        "command": "python -m benchmarks.faults.fit",
        "date": datetime.date.today().isoformat(),
        "runs": len(gathered),
        "experiments": len({row["number"] for row in gathered}),
        "data sets": sorted({row["source"] for row in gathered}),
        "rule set": rule_set(),
        "penalty": penalty,
        "pull": pull,
        "temperature": temperature,
    }
    table = table_of(rows, penalty, pull, temperature)
    print(
        f"{len(gathered)} runs; to those of the training, {len(rows)} views without a proof: penalty {penalty:g}, pull {pull:g}, "
        f"temperature {temperature:g}, log loss in cross-validation {left:.3f}"
    )
    tests = {
        "other seeds and data set": [row for row in gathered if row["split"] != "train"],
        "other seeds": [row for row in gathered if row["split"] == "test"],
        "data set left out": [row for row in gathered if row["split"] == "left out"],
    }
    for view in VIEWS:
        print(f"\n== tests, by a table fitted to the training experiments, {view} ==")
        print("\n".join(report(tests, view, lambda row: table)))
    if arguments.crossed:
        settings = (penalty, pull, temperature)
        parts = {
            "other experiments": crossed(gathered, lambda row: row["number"] % FOLDS, *settings),
            "other data sets": crossed(gathered, lambda row: row["source"], *settings),
        }
        for name, table_for in parts.items():
            for view in VIEWS:
                print(f"\n== every run, by tables fitted to {name} only, {view} ==")
                print("\n".join(report({name: gathered}, view, table_for)))
    if arguments.write:
        whole = table_of(rows_of(gathered, SPLITS), penalty, pull, temperature)
        TARGET.write_text(text(Table(whole.start, whole.weights, made)), encoding="utf-8")
        print(f"\n{TARGET.name} replaced")


if __name__ == "__main__":
    main()
