"""What a gradient check found: rows, faults, and their JSON. How it looks is in `text.py`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from .text import as_html, as_text


class Verdict(StrEnum):
    """What can be said of one gradient; the mark and the word always appear together."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    UNRESOLVED = "unresolved"

    @property
    def mark(self) -> str:
        return {"agrees": "○", "disagrees": "▲", "unresolved": "■"}[self.value]


@dataclass(frozen=True)
class Row:
    """One gradient, compared entry by entry.

    Attributes:
        layer: site name, as in `hidden1`.
        parameter: `weight`, `bias`; `input` for the error passed back, `output` for the loss's gradient;
            `weight update` and `weight penalty` for what an optimiser did.
        equation: BP1 (output error), BP2 (error passed back), BP3 (bias), BP4 (weight), `update` or `penalty`;
            empty for a function of which only the value is known.
        entries: number of entries compared.
        wrong: number of entries that disagree.
        worst: largest relative error |a − n| / max(|a|, |n|, 1e-8 · scale) over the entries.
        index: where that is; empty if what was compared is a derivative along a direction.
        analytic: the network's number there.
        numeric: the right number there.
        error: estimated error of the right number, on the same relative scale.
        verdict: agrees, disagrees or unresolved.
        reason: why it is unresolved, or what else is to be known.
        kinks: numerical derivatives that sat on a kink; agreeing with either side passes.
    """

    layer: str
    parameter: str
    equation: str
    entries: int
    wrong: int
    worst: float
    index: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    verdict: Verdict
    reason: str = ""
    kinks: int = 0

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        numbers = {name: _number(data[name]) for name in ("worst", "analytic", "numeric", "error")}
        return {**data, **numbers, "index": list(self.index), "verdict": self.verdict.value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Row:
        numbers = {name: float(data[name]) for name in ("worst", "analytic", "numeric", "error")}
        index = tuple(data["index"])
        return cls(**{**data, **numbers, "index": index, "verdict": Verdict(data["verdict"])})


@dataclass(frozen=True)
class Mistake:
    """A coding mistake that gives exactly the gradient found.

    Attributes:
        name: what is wrong, as in `the activation's derivative missing`.
        yours: the line of maths that the gradient equals.
        should: the line that belongs there.
        residual: largest difference over the entries, relative to the largest entry.
    """

    name: str
    yours: str
    should: str
    residual: float

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "residual": _number(self.residual)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Mistake:
        return cls(**{**data, "residual": float(data["residual"])})


@dataclass(frozen=True)
class Fault:
    """A place in the code that is wrong.

    Attributes:
        layer: the layer whose own check fails, as in `hidden1`.
        equation: BP1 to BP4, `update` or `penalty`.
        part: which of its results: `loss`, `activation`, `input`, `weight`, `bias`, …
        sentence: what is wrong, without the layer's name.
        mistakes: every mistake of the catalogue that reproduces it; empty if none does.
        isolated: whether everything after this layer agrees.
        columns: whether the formulas are written for samples in columns, as the user's code has them.
    """

    layer: str
    equation: str
    part: str
    sentence: str
    mistakes: tuple[Mistake, ...] = ()
    isolated: bool = False
    columns: bool = False

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "mistakes": [m.to_json() for m in self.mistakes]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fault:
        return cls(**{**data, "mistakes": tuple(Mistake.from_json(m) for m in data["mistakes"])})


@dataclass(frozen=True, repr=False)
class GradCheck:
    """The result of a gradient check. Truthy when everything agrees; prints as a table.

    Attributes:
        network: the architecture in one line.
        rows: every parameter against numerical derivatives of the whole network, from the output down; then what
            the optimiser did, where one was given.
        parts: every layer and the loss by themselves: which equation is wrong.
        faults: what is wrong, the one nearest to the output first.
        notes: what else the reader should know.
        samples: rows of the probe batch; 0, and null in JSON, where there are none, as of a function.
        seed: seed of everything random in the check.
        evaluations: calls of the loss, where a function was checked.
    """

    network: str
    rows: tuple[Row, ...]
    parts: tuple[Row, ...] = ()
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    samples: int = 0
    seed: int = 0
    evaluations: int = 0

    @property
    def verdict(self) -> Verdict:
        """Disagrees if anything does; else unresolved if anything is, or if there was nothing to compare."""
        verdicts = {row.verdict for row in (*self.rows, *self.parts)}
        if self.faults or Verdict.DISAGREES in verdicts:
            return Verdict.DISAGREES
        if not self.rows or Verdict.UNRESOLVED in verdicts:
            return Verdict.UNRESOLVED
        return Verdict.AGREES

    def __bool__(self) -> bool:
        return self.verdict is Verdict.AGREES

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows that disagree: of the table first, then of the layers by themselves."""
        return tuple(row for row in (*self.rows, *self.parts) if row.verdict is Verdict.DISAGREES)

    @property
    def unresolved(self) -> tuple[Row, ...]:
        """The rows about which nothing can be said, each with its reason."""
        return tuple(row for row in (*self.rows, *self.parts) if row.verdict is Verdict.UNRESOLVED)

    @property
    def worst(self) -> float:
        """Largest relative error of the table; NaN if it is empty."""
        return max((row.worst for row in self.rows), default=math.nan)

    @property
    def exit_code(self) -> int:
        """0 agrees, 1 disagrees, 3 nothing disagrees but something could not be resolved."""
        return {Verdict.AGREES: 0, Verdict.DISAGREES: 1, Verdict.UNRESOLVED: 3}[self.verdict]

    def __str__(self) -> str:
        return as_text(self)

    __repr__ = __str__  # at a prompt the table is what one wants to see

    def _repr_html_(self) -> str:
        return as_html(self)

    def to_json(self) -> dict[str, Any]:
        """Strict JSON; numbers that are not finite are written as "NaN", "Infinity" or "-Infinity"."""
        return {
            "schema": 1,
            "verdict": self.verdict.value,
            "network": self.network,
            "samples": self.samples or None,
            "seed": self.seed,
            "evaluations": self.evaluations,
            "rows": [row.to_json() for row in self.rows],
            "parts": [row.to_json() for row in self.parts],
            "faults": [fault.to_json() for fault in self.faults],
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> GradCheck:
        return cls(
            network=data["network"],
            rows=tuple(Row.from_json(row) for row in data["rows"]),
            parts=tuple(Row.from_json(row) for row in data["parts"]),
            faults=tuple(Fault.from_json(fault) for fault in data["faults"]),
            notes=tuple(data["notes"]),
            samples=data["samples"] or 0,
            seed=data["seed"],
            evaluations=data.get("evaluations", 0),
        )


def _number(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)
