"""Max pooling where entries of a window tie: their shares together are the window's error, however they are dealt.

Entry by entry any share between none and all of it is right, so that a pooling which gives every winner all of it passes.
Along all entries at once there is no kink: the maximum rises with them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .comparing import compare
from .differences import Slopes
from .equations import input_equation
from .linear import noise
from .local import Trial
from .mistakes import MATCH
from .result import Fault, Mistake, Row, Verdict
from .running import run_back
from .tape import Tape, site
from .windows import pair_of, pooling

SENTENCE = "where entries of a window tie, it passes back more or less than the window's error"


def at_ties(
    tape: Tape, trial: Trial, below: Slopes | None, rng: np.random.Generator
) -> tuple[Row, Fault | None] | None:
    """A row for what a layer passes back where windows tie, and what is wrong; None if it is no max pooling, or none do.

    Args:
        tape: the recorded pass.
        trial: the layer at a random point, where it is told by its values.
        below: slopes of the layer below: what it lets nothing through of does no harm, as a window that ReLU made 0.
        rng: where the error comes from that is passed back.
    """
    layer: Any = tape.layers[trial.index]
    if trial.x.ndim != 4 or trial.error or getattr(layer, "parameters", {}):
        return None
    found = pooling(trial.x, trial.y, pair_of(getattr(layer, "kernel", None)))
    if not found or found[1] != "max":
        return None
    windows, x, y = found[0], tape.inputs[trial.index], tape.outputs[trial.index]
    winners = windows.seen(x, -np.inf) == y
    dead = np.zeros(x.shape, bool) if below is None else ((below.value == 0) & ~below.kinked).reshape(x.shape)
    tied = (winners.sum(axis=0) > 1) & ~(winners & (windows.seen(dead, 0.0) > 0)).any(axis=0)
    if not tied.any():
        return None
    u = np.where(tied, 2 * noise(rng, y.shape), 0.0).astype(y.dtype)
    tape.forward(trial.index, x)
    given, failure = run_back(tape, trial.index, u)
    passed = given.get("input")
    if failure or passed is None or passed.shape != x.shape:
        return None
    name, equation = site(tape.layers, trial.index), input_equation(tape.layers, trial.index)
    right = u.sum(axis=(2, 3), dtype=np.float64)
    error = 8 * tape.eps * np.abs(u).sum(axis=(2, 3), dtype=np.float64)
    row = compare(name, "input at ties", equation, passed.sum(axis=(2, 3)), right, error, eps=tape.eps)
    if row.verdict is not Verdict.DISAGREES:
        return row, None
    every = windows.spread(u * winners)
    off = float(np.abs(passed - every).max()) / float(np.abs(every).max())
    mistake = Mistake(
        "the error given to every winner of a tie", "dx = dy * (x == max)", "dx = dy for one winner", off
    )
    return row, Fault(name, equation, "input", SENTENCE, (mistake,) if off < MATCH else ())  # fmt: skip
