"""Which layers mix samples, as batch normalisation does: found by changing one sample and looking at the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .tape import Tape


def coupled(tape: Tape, index: int) -> bool:
    """Whether layer `index` (the number of layers: the loss) mixes samples."""
    if tape.batch < 2:
        return _couples_copies(tape, index)
    moved = np.array(tape.inputs[index] if index < len(tape.layers) else tape.output)
    moved[0] += 0.1 + 0.1 * np.abs(moved[0])
    if index < len(tape.layers):
        after, before = tape.forward(index, moved), tape.outputs[index]
    else:
        after, before = tape.loss.per_sample(moved, tape.y) * tape.weight, tape.per_sample
    if np.array_equal(after[1:], before[1:]):
        return False
    return not np.allclose(after[1:], before[1:], rtol=1e4 * tape.eps, atol=1e3 * tape.eps, equal_nan=True)


def _couples_copies(tape: Tape, index: int) -> bool:
    """The same for a batch of one row: whether a second row would change what the first one gives."""
    if index == len(tape.layers) or tape.draws(index):
        return False
    row = tape.inputs[index]
    try:
        both = np.array(tape.forward(index, np.concatenate([row, 0.9 * row + 0.1])))
    except Exception:  # a layer that takes a single row only: its copies must not be stacked
        return True
    return not np.allclose(
        both[:1], tape.outputs[index], rtol=1e4 * tape.eps, atol=1e3 * tape.eps, equal_nan=True
    )
