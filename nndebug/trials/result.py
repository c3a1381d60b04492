"""What trials gave: plain data, for the diagnosis and reports to read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

SCHEMA = 1
MOST_TRIALS, MOST_STARTS, MOST_POINTS = 64, 16, 200
"""What a file may hold; ours hold less."""

LAST = 3
"""Measurements at the end whose mean is what a training reached: a single one is noise."""


@dataclass(frozen=True)
class Curve:
    """One training.

    Attributes:
        key: of the program and its length; equal keys give equal curves.
        seed: of initial values, dropout and order.
        steps: updates before each measurement, (points,) ascending from 0.
        values: what was measured (points,); None where outputs were not finite.
    """

    key: str
    seed: int
    steps: tuple[int, ...]
    values: tuple[float | None, ...]

    @property
    def reached(self) -> float | None:
        """The mean of the last measurements; None where the training broke off."""
        last = [value for value in self.values[-LAST:] if value is not None]
        return fmean(last) if last and len(last) == len(self.values[-LAST:]) else None


@dataclass(frozen=True)
class Trial:
    """One change, tried from one or several starts; or, without a change, the control.

    Attributes:
        change: its name in the catalogue; empty for the control.
        what: the change in words, as in `learning rate 3 → 0.3`.
        cures: the kinds of causes that it would cure.
        curves: one a start, in the order of the control's.
    """

    change: str
    what: str
    cures: tuple[str, ...]
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Trials:
    """The result of trials. A run carries it as `Run.trials`; the diagnosis reads it.

    Attributes:
        measure: `accuracy` (share of right answers) or `explained` (share of the targets' variance), on held-out rows.
        chance: what is reached without looking at the inputs.
        control: the program as it is.
        trials: the changes, in the order in which they were tried.
        not_tried: change in words → why it was not tried.
        steps: updates of the control, and of every change that needs no others.
        whole: whether the control is as long as the program's own training.
        seconds: time taken by all trials, earlier ones included.
    """

    measure: str
    chance: float
    control: Trial
    trials: tuple[Trial, ...] = ()
    not_tried: Mapping[str, str] = field(default_factory=dict)
    steps: int = 0
    whole: bool = False
    seconds: float = 0.0

    def skill(self, curve: Curve) -> float:
        """What a training reached between chance (0) and all that there is (1)."""
        reached = curve.reached
        if reached is None or self.chance >= 1:
            return 0.0
        return min(max((reached - self.chance) / (1 - self.chance), 0.0), 1.0)

    def to_json(self) -> dict[str, Any]:
        """Strict JSON in plain Python types."""
        return {"schema": SCHEMA, **asdict(self), "not_tried": dict(self.not_tried)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Trials:
        """The result that `to_json` wrote. What comes from a file is not trusted: every field is checked.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: the data is not of that form.
        """
        if data["schema"] != SCHEMA:
            raise ValueError(f"trials of schema {data['schema']!r}, this nndebug reads {SCHEMA}")
        if data["measure"] not in ("accuracy", "explained") or not isinstance(data["whole"], bool):
            raise ValueError("trials of an unknown measure or length")
        control = _trial(data["control"])
        trials = tuple(_trial(entry) for entry in _list(data["trials"], MOST_TRIALS))
        if not control.curves or any(len(t.curves) > len(control.curves) for t in trials):
            raise ValueError("trials without a control")
        return cls(
            measure=data["measure"],
            chance=_share(data["chance"]),
            control=control,
            trials=trials,
            not_tried={
                _text(what): _text(why) for what, why in list(data["not_tried"].items())[:MOST_TRIALS]
            },
            steps=_whole(data["steps"]),
            whole=data["whole"],
            seconds=_number(data["seconds"]),
        )


def _trial(data: Mapping[str, Any]) -> Trial:
    return Trial(
        _text(data["change"]),
        _text(data["what"]),
        tuple(_text(kind) for kind in _list(data["cures"], MOST_TRIALS)),
        tuple(_curve(entry) for entry in _list(data["curves"], MOST_STARTS)),
    )


def _curve(data: Mapping[str, Any]) -> Curve:
    steps = tuple(_whole(step) for step in _list(data["steps"], MOST_POINTS))
    values = tuple(None if value is None else _share(value) for value in _list(data["values"], MOST_POINTS))
    if not steps or len(steps) != len(values) or list(steps) != sorted(set(steps)) or steps[0] < 0:
        raise ValueError("a curve whose steps do not ascend")
    return Curve(_text(data["key"]), _whole(data["seed"]), steps, values)


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 500:
        raise TypeError("not a text")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**63:
        raise TypeError(f"not a whole number: {value!r}")
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise TypeError(f"not a number: {value!r}")
    return float(value)


def _share(value: Any) -> float:
    if not -1 <= _number(value) <= 1:
        raise ValueError(f"not a share: {value!r}")
    return float(value)


def _list(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list | tuple) or len(value) > most:
        raise TypeError("not a list, or too long")
    return list(value)
