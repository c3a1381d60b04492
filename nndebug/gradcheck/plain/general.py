"""A layer that is nothing plain, in a network that else is: looked at as the full check does, where it leaves no doubt."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...signals import Array
from ..columns import TooLarge, by_parameter, through
from ..local import try_layer
from ..pointwise import Error, through_elementwise
from ..result import Row, Verdict
from ..tape import Tape
from .rows import Bounded, Doubt


class General:
    """A layer of any kind, shifted by columns; see `Plain`."""

    def __init__(self, tape: Tape, index: int, rng: np.random.Generator) -> None:
        self.tape, self.index, self.rng = tape, index, rng
        trial = try_layer(tape, index, rng)
        dense = getattr(tape.layers[index], "kind", "") == "dense"
        if trial.error or dense or any(row.verdict is not Verdict.AGREES or row.reason for row in trial.rows):
            raise Doubt
        self.slopes = trial.nature.slopes
        self.trial: list[Row] = list(trial.rows)

    def parameters(self, above: Bounded) -> Iterator[tuple[str, Bounded]]:
        tape, index = self.tape, self.index
        for name in getattr(tape.layers[index], "parameters", {}):
            x, y = tape.inputs[index], tape.outputs[index]
            try:
                yield name, _bounded(by_parameter(tape, index, name, x, y, _error(above), self.rng))
            except TooLarge:
                raise Doubt from None

    def below(self, above: Bounded) -> Bounded:
        tape, index, error = self.tape, self.index, _error(above)
        if self.slopes is not None:
            return _bounded(through_elementwise(error, self.slopes, None))
        x, y = tape.inputs[index], tape.outputs[index]
        try:
            return _bounded(through(tape, index, x, y, error, None, self.rng))
        except TooLarge:
            raise Doubt from None


def _error(above: Bounded) -> Error:
    return Error(above.value, np.full(above.value.shape, above.error))


def _bounded(found: Error) -> Bounded:
    if found.kinks:
        raise Doubt
    return Bounded(_finite(found.value), float(found.error.max(initial=0.0)))


def _finite(value: Array) -> Array:
    if not np.isfinite(value).all():
        raise Doubt
    return value
