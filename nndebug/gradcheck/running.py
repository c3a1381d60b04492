"""One backward pass of one layer: what it gives, with nothing left behind."""

from __future__ import annotations

import numpy as np

from ..signals import Array
from .tape import Tape


def run_back(tape: Tape, index: int, u: Array, put_back: bool = True) -> tuple[dict[str, Array | None], str]:
    """The layer's gradients, copied, after clearing what lay there.

    Args:
        tape, index: which layer.
        u: output gradient (batch, …).
        put_back: whether to undo what its backward does to its parameters; the caller does it otherwise.
    """
    layer = tape.layers[index]
    tape.clear(index)
    parameters = getattr(layer, "parameters", {}) if put_back else {}
    before = {name: (value, np.array(value)) for name, value in parameters.items()}
    try:
        passed_back = layer.backward(np.array(u))
    except Exception as error:
        return {}, f"backward raises {type(error).__name__}: {error}"
    finally:
        for name, (array, values) in before.items():  # it may have updated itself
            layer.parameters[name], array[...] = array, values
    given: dict[str, Array | None] = {"input": None if passed_back is None else np.array(passed_back)}
    for parameter in getattr(layer, "parameters", {}):
        gradient = layer.gradients.get(parameter)
        given[parameter] = None if gradient is None else np.array(gradient)
    return given, ""
