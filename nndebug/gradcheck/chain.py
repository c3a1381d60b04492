"""What the network as a whole leaves open, decided layer by layer: the chain rule.

Through a norm over almost equal numbers, or a hundred units close to their kinks, the loss bends so sharply that its
differences say little; each layer by itself is as easy to differentiate as ever. Where all layers from a parameter up
to the loss are right at the very point of the pass, and the network's gradient is what they give when they are run
one by one, the gradient is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..signals import Array
from .claimed import Claimed
from .columns import by_columns
from .comparing import compare
from .linear import Linear
from .local import Trial, disagreeing, try_recorded
from .result import Row, Verdict
from .tape import AGAIN, Tape, site

NARROW = 100.0
"""What the network as a whole calls wrong by fewer of its own errors than this is left to its layers."""


def by_layers(
    tape: Tape,
    claimed: Claimed,
    forms: Mapping[int, Linear | None],
    rows: Sequence[Row],
    loss_row: Row,
    rng: np.random.Generator,
) -> list[Row]:
    """The rows, with those that the layers decide called agreeing, and why.

    Args:
        tape: the recorded pass, all of whose layers are right at random points.
        claimed: the network's gradients.
        forms: layer index → its linear form.
        rows: every parameter against the whole network.
        loss_row: the loss's gradient, compared.
        rng: where directions come from.
    """
    if loss_row.verdict is not Verdict.AGREES or claimed.broken:
        return list(rows)
    chain = _Chain(tape, claimed, forms, rng)
    return [chain.decided(row) for row in rows]


class _Chain:
    def __init__(
        self, tape: Tape, claimed: Claimed, forms: Mapping[int, Linear | None], rng: np.random.Generator
    ) -> None:
        self.tape, self.claimed, self.forms, self.rng = tape, claimed, forms, rng
        self.trials: dict[int, Trial] = {}

    def decided(self, row: Row) -> Row:
        """The row, or the same row as agreeing."""
        open_ = row.verdict is Verdict.UNRESOLVED and np.isfinite(row.numeric)
        narrow = row.verdict is Verdict.DISAGREES and bool(row.index) and row.worst <= NARROW * row.error
        if not open_ and not narrow:
            return row
        index = next(
            i for i, layer in enumerate(self.tape.layers)
            if site(self.tape.layers, i) == row.layer and row.parameter in getattr(layer, "parameters", {})
        )  # fmt: skip
        local = self._local(index, row.parameter, open_)
        if local is None or not all(self._passes_back(i) for i in range(index + 1, len(self.tape.layers))):
            return row
        return replace(
            local, reason="layer by layer, where the whole network bends too sharply", kinks=row.kinks
        )

    def _trial(self, index: int) -> Trial | None:
        u = self.claimed.deltas[index]
        if u is None:
            return None
        if index not in self.trials:
            self.trials[index] = try_recorded(self.tape, index, self.forms[index], u, self.rng)
        return self.trials[index]

    def _passes_back(self, index: int) -> bool:
        """Whether the error that layer `index` passed back in the chain is right."""
        trial = self._trial(index)
        if trial is None or trial.error or disagreeing(trial):
            return False
        row = next((row for row in trial.rows if row.parameter == "input"), None)
        return row is not None and row.verdict is Verdict.AGREES

    def _local(self, index: int, parameter: str, open_: bool) -> Row | None:
        """The gradient of one parameter, entry by entry against its own layer's forward; None if that is no help.

        Args:
            index, parameter: which.
            open_: whether the whole network says nothing against it.
        """
        key, trial = (index, parameter), self._trial(index)
        given, chained = self.claimed.gradients.get(key), self.claimed.chained.get(key)
        if trial is None or trial.error or given is None or not _same(given, chained):
            return None
        own = next(row for row in trial.rows if row.parameter == parameter)
        if own.verdict is Verdict.DISAGREES:
            return None
        form = self.forms[index]
        if form:
            inputs = trial.x if parameter == form.weight else np.ones((len(trial.u), 1))
            total = float((np.abs(inputs).T @ np.abs(trial.u)).max(initial=0.0))
            right, error = trial.right[parameter], np.asarray(4 * self.tape.eps * len(trial.u) * total)
        else:
            found = by_columns(self.tape, trial, parameter)
            if found is None:
                return None
            right, error, total = found.right, found.error, found.total
        given, eps = trial.given[parameter], self.tape.eps
        row = compare(own.layer, parameter, own.equation, given, right, error, eps=eps, reference=total)
        if open_ and row.verdict is Verdict.UNRESOLVED:
            # What cancels in the sums over the batch is known no better than its parts.
            row = compare(own.layer, parameter, own.equation, given, right, error, eps=eps, scale=total)
        return row if row.verdict is Verdict.AGREES else None


def _same(given: Array, chained: Array | None) -> bool:
    if chained is None or given.shape != chained.shape:
        return False
    return bool(np.abs(given - chained).max(initial=0.0) <= AGAIN * np.abs(chained).max(initial=0.0))
