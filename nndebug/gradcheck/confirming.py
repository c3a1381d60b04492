"""The derivative by one entry of a parameter from the loss itself: what a disagreement has to stand up to.

Slopes of layers are multiplied from the loss down, each with an error estimate. Now and then an estimate is too good, as
below a batch norm of two samples, which hardly lets anything through and bends within the steps.
"""

from __future__ import annotations

import numpy as np

from .differences import measured
from .tape import Tape


def by_shifting(tape: Tape, index: int, parameter: str, entry: tuple[int, ...]) -> tuple[float, float]:
    """The derivative and its estimated absolute error; NaN and infinite at a kink.

    Args:
        tape: the recorded pass, which is as before afterwards.
        index: the layer.
        parameter: its name there.
        entry: which one.
    """
    values = tape.layers[index].parameters[parameter]
    before = values[entry]

    def loss(shift: float) -> float:
        values[entry] = before + shift
        x = tape.inputs[index]
        for above in range(index, len(tape.layers)):
            x = np.array(tape.forward(above, x))
        return float(tape.losses(x[None]).sum())

    try:
        base = np.array([loss(0.0)])
        found = measured(
            lambda shifts: np.array([[[loss(shift)] for shift in shifts]]), base, tape.eps, abs(before), 1
        )
    finally:
        values[entry] = before
        tape.replay()
    if found.kinked.any():
        return np.nan, np.inf
    return float(found.value[0, 0]), float(found.error[0, 0])
