"""Which cost tier is due at which step: a pure function of the step, so that two runs record the same steps."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import UserError


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to record what.

    Tier 0 is cheap (loss, gradient norms), tier 1 adds the statistics of all signals. All of the first steps
    record tier 1, because a short run must be diagnosable too. Tier 1 grows rare later, when little changes.

    Attributes:
        interval: steps between records of tier 0.
        dense: so many first steps record everything.
        tier1: steps between records of tier 1.
        thin_after: the last step at which `tier1` holds.
        thin: steps between records of tier 1 after that.
        probes: the states before steps 0 to `probes` are probed.
        probe_start: the next probe after those; the distance from step 0 then doubles.
    """

    interval: int = 10
    dense: int = 50
    tier1: int = 50
    thin_after: int = 2000
    thin: int = 250
    probes: int = 20
    probe_start: int = 50

    def __post_init__(self) -> None:
        for name in ("interval", "tier1", "thin", "probe_start"):
            if getattr(self, name) < 1:
                raise UserError(
                    f"{name} must be at least 1 step, got {getattr(self, name)}",
                    help=f"use {name}=1 for every step",
                )

    def tier(self, step: int) -> int | None:
        """1 (which includes 0), 0, or None if nothing is due at this step."""
        if step < self.dense or step % (self.tier1 if step <= self.thin_after else self.thin) == 0:
            return 1
        return 0 if step % self.interval == 0 else None

    def next_due(self, step: int) -> int:
        """The first step, from this one on, at which a tier is due."""
        if step < self.dense:
            return step
        due = min(
            _next_multiple(step, self.interval), _next_multiple(max(step, self.thin_after + 1), self.thin)
        )
        detailed = _next_multiple(step, self.tier1)
        return min(due, detailed) if detailed <= self.thin_after else due

    def probe_due(self, step: int) -> bool:
        """Whether the state before this step is probed."""
        return self.next_probe(step) == step

    def next_probe(self, step: int) -> int:
        """The first step, from this one on, before which the state is probed."""
        if step <= self.probes:
            return step
        due = self.probe_start
        while due < step:
            due *= 2
        return due


def _next_multiple(step: int, interval: int) -> int:
    return -(-step // interval) * interval
