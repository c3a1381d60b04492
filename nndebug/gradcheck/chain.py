"""Whether a network's derivative is the product of its layers': not where they share something beside their input."""

from __future__ import annotations

import numpy as np

from ..signals import Array
from .linear import noise
from .tape import Tape

ASTRAY = 0.01
"""A network whose derivative is this far from that of its layers, relative to both, is more than their chain."""

NEARER = (1.0, 64.0)
"""What the step is divided by: a norm of almost equal numbers bends within the usual one."""


def is_chain(tape: Tape, index: int, value: Array, error: float, rng: np.random.Generator) -> bool:
    """Whether the loss moves with the output of layer `index` as the layers' derivatives say.

    Args:
        tape: the recorded pass.
        index: the layer.
        value: dLoss by its output (batch, …), as the layers above have it.
        error: what its entries may be off by, all of them together.
        rng: where the direction comes from along which it moves.
    """
    direction = noise(rng, tape.outputs[index].shape)
    terms = value * direction
    found, size = float(terms.sum()), float(np.sqrt((terms * terms).sum()))
    for nearer in NEARER:
        step = tape.eps ** (1 / 3) / nearer
        rounding = 100 * tape.eps * float(np.abs(tape.per_sample).sum()) / step
        if (
            not abs(_along(tape, index, step * direction) / step - found)
            > ASTRAY * size + rounding + 10 * error
        ):
            return True
    return False


def _along(tape: Tape, index: int, shift: Array) -> float:
    """By how much the loss changes when the output of layer `index` is shifted."""
    base = tape.outputs[index]
    stack = np.empty((2, *base.shape), base.dtype)
    np.add(base, shift, out=stack[0])
    np.subtract(base, shift, out=stack[1])
    for above in range(index + 1, len(tape.layers)):
        stack = tape.run(above, stack)
    up, down = tape.losses(stack).sum(axis=1)
    return float(up - down) / 2
