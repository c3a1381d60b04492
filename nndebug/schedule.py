"""Which cost tier is due at which step: a pure function of the step, so that two runs record the same steps."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import UserError


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to record what.

    Tier 0 is cheap (loss, gradient norms), tier 1 adds the statistics of all signals. All of the first steps
    record tier 1, because a short run must be diagnosable too. Both grow rare later, when little changes: a step of
    a small network takes no longer than a record.

    Attributes:
        interval: steps between records of tier 0.
        dense: so many first steps record everything.
        every: so many first steps are recorded, those after `dense` by tier 0.
        tier1: steps between records of tier 1.
        thin_after: the last step at which `interval` and `tier1` hold.
        thin_interval: steps between records of tier 0 after that.
        thin: steps between records of tier 1 after that.
        probes: the states before steps 0 to `probes` are probed.
        probe_start: the next probe after those; the distance from step 0 then doubles.
    """

    interval: int = 10
    dense: int = 50
    every: int = 50
    tier1: int = 50
    thin_after: int = 1000
    thin_interval: int = 250
    thin: int = 2500
    probes: int = 20
    probe_start: int = 50

    def __post_init__(self) -> None:
        for name in ("interval", "tier1", "thin_interval", "thin", "probe_start"):
            if getattr(self, name) < 1:
                raise UserError(
                    f"{name} must be at least 1 step, got {getattr(self, name)}",
                    help=f"use {name}=1 for every step",
                )

    def tier(self, step: int) -> int | None:
        """1 (which includes 0), 0, or None if nothing is due at this step."""
        early = step <= self.thin_after
        if step < self.dense or step % (self.tier1 if early else self.thin) == 0:
            return 1
        if step < self.every:
            return 0
        return 0 if step % (self.interval if early else self.thin_interval) == 0 else None

    def next_due(self, step: int) -> int:
        """The first step, from this one on, at which a tier is due."""
        if step < max(self.dense, self.every):
            return step
        early = min(_next_multiple(step, self.interval), _next_multiple(step, self.tier1))
        if early <= self.thin_after:
            return early
        late = max(step, self.thin_after + 1)
        return min(_next_multiple(late, self.thin_interval), _next_multiple(late, self.thin))

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
