"""The gradient check where all is plain: a smooth loss, layers that are what they seem, gradients that agree.

It can only say yes. Every entry of every gradient is compared here as in the full check, with a number that comes from
forward passes alone; but slopes are taken from four points, errors are bounded layer by layer and not entry by entry,
and whatever leaves a doubt (a difference, a kink, a sharp bend, float32, saturation, code that raises) is left to the full
check, which starts anew.
"""

from __future__ import annotations

import numpy as np

from ...signals import Array
from ..chain import is_chain
from ..claimed import Claimed
from ..equations import equation_of
from ..result import Row
from ..tape import Tape, site
from .general import General
from .layers import Plain, plain_layer
from .rows import Bounded, Doubt, agreed
from .slopes import NEARER, POINTS, differences, shifts, slopes

FINE = 1e-12
"""Machine epsilons above this are those of coarser arithmetic than float64."""

MOST_NUMBERS = 2**22
"""Of the shifted outputs that the loss is called with."""


def plainly(tape: Tape, claimed: Claimed, rng: np.random.Generator) -> tuple[list[Row], list[Row]] | None:
    """The rows of the network and of its parts, all of which agree; None if there is any doubt.

    Args:
        tape: the recorded pass.
        claimed: the network's gradients.
        rng: where points and directions come from.
    """
    same = claimed.gradients
    once = claimed.again is same and (claimed.skipping is None or claimed.skipping is same)
    if tape.eps > FINE or claimed.broken or not once:
        return None
    try:
        return _check(tape, claimed, rng)
    except Exception:  # whatever it was, the full check says it better
        tape.replay()
        return None


def _check(tape: Tape, claimed: Claimed, rng: np.random.Generator) -> tuple[list[Row], list[Row]]:
    layers, rows, parts = tape.layers, [], []
    owners = [index for index, layer in enumerate(layers) if getattr(layer, "parameters", {})]
    above = _loss(tape)
    parts.append(agreed("loss", "output", "BP1", claimed.loss_gradient, above.value, above.error))
    for index in reversed(range(len(layers))):
        layer = _layer(tape, index, rng)
        parts += layer.trial
        if index < owners[0]:
            continue
        name = site(layers, index)
        for parameter, right in layer.parameters(above):
            equation = equation_of(parameter, layers[index].parameters[parameter])
            given = claimed.gradients.get((index, parameter))
            rows.append(agreed(name, parameter, equation, given, right.value, right.error))
        if index == owners[0]:
            if not is_chain(tape, index, above.value, above.value.size * above.error, rng):
                raise Doubt
        else:
            above = layer.below(above)
    return rows, parts


def _layer(tape: Tape, index: int, rng: np.random.Generator) -> Plain:
    try:
        return plain_layer(tape, index, rng)
    except Doubt:
        return General(tape, index, rng)


def _loss(tape: Tape) -> Bounded:
    """dLoss by the output."""
    output = tape.output
    flat = output.reshape(tape.batch, -1)
    count = flat.shape[1]
    if tape.mixes(len(tape.layers)) or count * POINTS * flat.size > MOST_NUMBERS:
        raise Doubt
    base = tape.per_sample

    def at(nearer: float) -> Array:
        stack = np.empty((count, POINTS, *flat.shape))
        stack[...] = flat
        np.einsum("cpbc->cpb", stack)[...] += shifts(tape.eps, nearer)[:, None]  # a view of the diagonal
        losses = tape.losses(stack.reshape(-1, *output.shape)).reshape(count, POINTS, tape.batch)
        return differences(losses, base, tape.eps, nearer)

    value, error, _ = slopes(at(1.0), base, tape.eps, lambda: at(NEARER))
    return Bounded(np.ascontiguousarray(value.T).reshape(output.shape), error)
