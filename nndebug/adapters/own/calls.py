"""Which calls of a user's methods belong to one update, and what it was made of.

A call of the update method is one update, with every backward inside it and all before it since the last one. Where the user's
own loop changes the parameters, an update has happened when a backward finds them changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...signals import Array
from .data import count_of, rows_of
from .reading import Reader
from .understanding import Understood

Given = Mapping[str, Any]
"""What a method was called with, by role (see `nndebug.adapters.attributes.names`)."""


@dataclass(frozen=True)
class Step:
    """One update.

    Attributes:
        samples: of its batch.
        given: what the update was called with.
        x, y: rows of the batch, y as the user has targets.
        before, after: parameters (entries,), None where nobody wanted to see the step.
        gradients: what it was made of (entries,).
    """

    samples: int
    given: Given
    x: Array | None = None
    y: Array | None = None
    before: Array | None = None
    after: Array | None = None
    gradients: Array | None = None


@dataclass
class _Group:
    """The calls since the last update."""

    wanted: bool
    before: Array | None
    samples: int = 0
    xs: list[Array] = field(default_factory=list)
    ys: list[Array] = field(default_factory=list)
    total: Array | None = None
    known: bool = True


class Follower:
    """Sees the calls of one object.

    Args:
        understood: the object.
        reader: reads it.
        wanted: whether the step that comes now is to be seen.
        done: is told of every update.

    Attributes:
        unseen: whether this is inside an update that nobody wants to see, and whose samples are known.
    """

    def __init__(
        self, understood: Understood, reader: Reader, wanted: Callable[[], bool], done: Callable[[Step], None]
    ) -> None:
        self._understood, self._reader = understood, reader
        self._wanted, self._done = wanted, done
        self._group: _Group | None = None
        self._depth = 0
        self._given: Given = {}
        self.unseen = False
        self._x: Any = None
        self._y: Any = None
        self._outside = understood.own.update is None and not reader.moved

    # --- what happens -----------------------------------------------------------------------------------------

    def forward(self, given: Given) -> None:
        """A forward was called."""
        self._x = given.get("x")

    def loss(self, given: Given) -> None:
        """A loss or its derivative was called."""
        self._y = given.get("y")

    def before_update(self, given: Given) -> None:
        """The update method is called."""
        self._depth += 1
        if self._depth > 1:
            return
        self.settle()
        if self._group is None:
            self._group = self._open()
        self._given = given
        # Where the update is given its samples, nobody has to look at each backward inside an update that is not seen.
        self.unseen = not self._group.wanted and (
            given.get("batch") is not None or given.get("x") is not None
        )

    def finite(self, returned: Any) -> bool:
        """Whether what a backward has returned is finite."""
        return self._reader.finite(returned)

    def after_update(self, raised: bool) -> None:
        """It has returned or raised; what has raised was no update."""
        self._depth -= 1
        if self._depth:
            return
        self.unseen = False
        group, self._group = self._group, None
        if group is None or raised:
            return
        if not group.samples:
            self._add(group, self._given.get("x"), self._given.get("y"), self._given.get("batch"))
        self._close(group)

    def before_backward(self, given: Given) -> None:
        """The backward is called."""
        if not self._depth:
            self.settle()
        if self._group is None:
            self._group = self._open()

    def after_backward(self, given: Given, returned: Any, raised: bool) -> None:
        """It has returned or raised."""
        group = self._group
        if group is None or raised:
            self._group = None if not self._depth else self._group
            return
        if not group.wanted and not self._reader.finite(returned):
            # The parameters are still those that made it.
            group.wanted, group.before = True, self._reader.parameters()
            self.unseen = False
        before = group.samples
        self._add(group, given.get("x", self._x), given.get("y", self._y), given.get("batch"))
        if group.wanted:
            gradients = None if self._reader.moved else self._reader.gradients(returned)
            if gradients is None:
                group.known = False
            else:
                one = gradients * (group.samples - before) if self._of_a_mean else gradients
                group.total = one if group.total is None else group.total + one
        if self._reader.moved and not self._depth:
            self._group = None
            self._close(group, given)

    def settle(self) -> None:
        """Closes the update that the user's own loop has made of the calls so far, if it has made one."""
        group = self._group
        if (
            group is None
            or not group.samples
            or group.before is None
            or self._depth
            or self._reader.same(group.before)
        ):
            return
        self._group = None
        self._close(group)

    # --- inside -----------------------------------------------------------------------------------------------

    @property
    def _of_a_mean(self) -> bool:
        """Whether a backward of several samples gives their mean."""
        understood = self._understood
        return understood.own.batched and not understood.divided and understood.loss.reduction == "mean"

    def _open(self) -> _Group:
        wanted = self._wanted()
        return _Group(wanted, self._reader.parameters() if wanted or self._outside else None)

    def _add(self, group: _Group, x: Any, y: Any, batch: Any) -> None:
        if batch is not None and x is None:
            x, y = batch, None
            if isinstance(batch, tuple) and len(batch) == 2:
                x, y = batch
        if x is None:
            return
        group.samples += count_of(self._understood.own, x)
        if group.wanted:
            rows, answers = rows_of(self._understood.own, x, y)
            group.xs.append(rows)
            if answers is not None:
                group.ys.append(answers)

    def _close(self, group: _Group, given: Given | None = None) -> None:
        given = self._given if given is None else given
        self._given = {}
        if not group.wanted or not group.xs or len(group.xs) != len(group.ys):
            self._done(Step(group.samples, given))
            return
        gradients = group.total if group.known else None
        if gradients is not None and self._understood.loss.reduction == "mean":
            gradients = gradients / group.samples
        self._done(
            Step(
                group.samples, given, np.concatenate(group.xs), np.concatenate(group.ys),
                group.before, self._reader.parameters(), gradients,
            )
        )  # fmt: skip
