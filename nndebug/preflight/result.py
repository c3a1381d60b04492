"""What a preflight measured: plain data, for rules and reports to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..gradcheck.result import GradCheck
from ..strict_json import decode, encode, revive

SCHEMA = 1

FAILED = "failed: "
"""How the reason begins where a part broke off with an error."""


@dataclass(frozen=True, repr=False)
class Preflight:
    """The result of a preflight. `nndebug.check(preflight)` judges it by itself; a run carries it as `Run.preflight`.

    Attributes:
        measurements: part → its figures, as in `{"labels": {"score": 0.83, ...}}`.
        gradcheck: the gradient and update check; None if it was not made.
        seconds: time taken by everything.
        part_seconds: time taken by each part.
        not_checked: part → why it was not measured: the budget was spent, nothing to measure, or it failed.
        facts: what is known of network, loss, data and optimiser, in the form of a run's manifest.
    """

    measurements: Mapping[str, Mapping[str, Any]]
    gradcheck: GradCheck | None = None
    seconds: float = 0.0
    part_seconds: Mapping[str, float] = field(default_factory=dict)
    not_checked: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> dict[str, str]:
        """The parts that broke off with an error, and which."""
        return {name: reason for name, reason in self.not_checked.items() if reason.startswith(FAILED)}

    def has(self, part: str) -> bool:
        """Whether a part was measured."""
        return part in self.measurements or (part == "gradcheck" and self.gradcheck is not None)

    def to_json(self) -> dict[str, Any]:
        """Strict JSON in plain Python types."""
        measured: dict[str, Any] = decode(
            encode(
                {
                    "schema": SCHEMA,
                    "seconds": self.seconds,
                    "part_seconds": self.part_seconds,
                    "not_checked": self.not_checked,
                    "facts": self.facts,
                    "measurements": self.measurements,
                }
            )
        )
        return {**measured, "gradcheck": None if self.gradcheck is None else self.gradcheck.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Preflight:
        """The result that `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: the data is not of that form.
        """
        if data["schema"] != SCHEMA:
            raise ValueError(f"a preflight of schema {data['schema']!r}, this nndebug reads {SCHEMA}")
        measured = revive(data["measurements"])
        if not all(isinstance(figures, dict) for figures in measured.values()):
            raise TypeError("a part of the preflight is no table of figures")
        return cls(
            measurements=measured,
            gradcheck=None if data["gradcheck"] is None else GradCheck.from_json(data["gradcheck"]),
            seconds=float(data["seconds"]),
            part_seconds={name: float(value) for name, value in data["part_seconds"].items()},
            not_checked={name: str(reason) for name, reason in data["not_checked"].items()},
            facts=revive(data["facts"]),
        )

    def __str__(self) -> str:
        lines = [f"preflight of {self.facts.get('network', {}).get('description', 'a network')}"]
        width = max(map(len, (*self.part_seconds, *self.not_checked)), default=0)
        for name, seconds in self.part_seconds.items():
            if self.has(name):
                lines.append(f"  {name:{width}}  measured in {1e3 * seconds:.0f} ms")
        lines += [f"  {name:{width}}  not checked: {reason}" for name, reason in self.not_checked.items()]
        lines.append(f"  {self.seconds:.2f} s; nndebug.check(preflight) judges it")
        return "\n".join(lines)

    __repr__ = __str__
