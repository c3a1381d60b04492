"""Whether a network's derivative is the product of its layers': not where they share something beside their input."""

from __future__ import annotations

import numpy as np

from ..signals import Array
from .linear import noise
from .tape import Tape

ASTRAY = 0.01
"""A network whose derivative is this far from that of its layers, relative to both, is more than their chain."""


def is_chain(tape: Tape, index: int, value: Array, error: float, rng: np.random.Generator) -> bool:
    """Whether the loss moves with the output of layer `index` as the layers' derivatives say.

    Args:
        tape: the recorded pass.
        index: the layer.
        value: dLoss by its output (batch, …), as the layers above have it.
        error: what its entries may be off by, all of them together.
        rng: where the direction comes from along which it moves.
    """
    base, step = tape.outputs[index], tape.eps ** (1 / 3)
    direction = noise(rng, base.shape)
    stack = np.empty((2, *base.shape), base.dtype)
    np.add(base, step * direction, out=stack[0])
    np.subtract(base, step * direction, out=stack[1])
    for above in range(index + 1, len(tape.layers)):
        stack = tape.run(above, stack)
    up, down = tape.losses(stack).sum(axis=1)
    terms = value * direction
    size = float(np.sqrt((terms * terms).sum()))
    rounding = 100 * tape.eps * float(np.abs(tape.per_sample).sum()) / step
    off = abs(float(up - down) / (2 * step) - float(terms.sum()))
    return not off > ASTRAY * size + rounding + 10 * error
