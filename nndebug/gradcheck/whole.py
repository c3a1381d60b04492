"""A network as a function of its parameters: for the check that takes every entry by itself and trusts no structure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..signals import Array
from .blackbox import gradcheck_function
from .claimed import Claimed
from .independent import independent
from .probe import probe
from .result import GradCheck
from .tape import Tape, site


def gradcheck_whole(
    network: Any, x: Any = None, y: Any = None, *, samples: int | None = None, seed: int = 0
) -> GradCheck:
    """Checks every entry of a layered network by itself; the loss is run anew for each, six times or more.

    Args:
        network, x, y, samples, seed: as for `gradcheck_network`.

    Raises:
        UserError: as there.
    """
    copied, sentence = independent(network)
    with np.errstate(all="ignore"):
        inputs, targets, origin = probe(copied, x, y, samples, np.random.default_rng(seed))
        tape = Tape(copied, inputs, targets)
        claimed = Claimed(tape).gradients
    homes = {
        f"{site(tape.layers, index)}.{name}": (index, name)
        for index in reversed(range(len(tape.layers)))
        for name in getattr(tape.layers[index], "parameters", {})
    }
    params = {key: np.array(tape.layers[i].parameters[name]) for key, (i, name) in homes.items()}

    def loss(values: dict[str, Array]) -> float:
        for key, (index, name) in homes.items():
            tape.layers[index].parameters[name][...] = values[key]
        tape.rewind()
        return float(tape.loss(np.array(copied.forward(inputs)), targets))

    grads = {key: claimed[home] for key, home in homes.items() if home in claimed}
    result = gradcheck_function(loss, params, grads, seed=seed, exhaustive=True)
    describe = getattr(network, "describe", None)
    return replace(
        result,
        network=str(describe()) if callable(describe) else type(network).__name__,
        notes=(*tape.notes, f"{sentence[:-1]}, on {origin}.", *result.notes),
        samples=len(inputs),
    )
