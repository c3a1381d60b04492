"""Where the first numbers that are not finite came from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...stats import Moments

_FORWARD = ("input.", "preactivation.", "activation.")


def first(moments: Mapping[tuple[str, str], Moments], loss: float, order: Sequence[str]) -> dict[str, Any]:
    """The place of the first of them, forward before backward; empty where all are finite.

    Args:
        moments: (site, prefix) → moments of a step.
        loss: of that step.
        order: sites in the order in which they ran.
    """
    bad = [key for key, one in moments.items() if one.nonfinite]
    if not bad and math.isfinite(loss):
        return {}
    place = {name: number for number, name in enumerate(order)}
    forward = [key for key in bad if key[1] in _FORWARD]
    # Where all layers gave finite numbers and the loss did not, gradients that are not finite come from it.
    backward = bad if math.isfinite(loss) else []
    site, prefix = min(
        forward or backward or [("loss", "loss.")],
        key=lambda key: (place.get(key[0], 1 << 30), key[1] != "input."),
    )
    return {
        "site": site,
        "signal": prefix.removesuffix("."),
        "operation": f"{site} {'backward' if 'gradient' in prefix else 'forward'}",
        "entries": 0,
        "sample": None,
        "operands": {},
    }
