"""Who made the first NaN or infinity? Run one step again on a twin and look at every array in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..signals import RUN, Array


def producer(network: Any) -> dict[str, Any] | None:
    """The first site whose inputs are finite and whose result is not, in the step whose update comes next.

    Args:
        network: has done its forward and backward pass of the step; its `input` and `output_gradient` are kept.

    Returns:
        site, signal, operation, the number of entries that are not finite, the first sample, and the extremes of what
        went in; None if everything is finite.
    """
    x = network.input
    if not _finite(x):
        return found(RUN, "input", "the data", x, {})
    twin = network.twin()
    for name, value in twin.parameters.items():
        if not _finite(value):
            # The update before this step made it; its gradient came from numbers that were still finite.
            return {**found(name, "update", "the update before this step", value, {}), "sample": None}
    with np.errstate(all="ignore"):
        value = x
        for layer in twin.layers:
            output = layer.forward(value)
            if not _finite(output):
                signal = "activation" if hasattr(layer, "derivative") else "preactivation"
                weights = {f"{layer.name}.{name}": extremes(p) for name, p in layer.parameters.items()}
                return found(
                    layer.name, signal, f"{layer.kind} forward", output, {"input": extremes(value), **weights}
                )
            value = output
    gradient = network.output_gradient
    if not _finite(gradient):
        return found(
            "loss", "output_gradient", f"{network.loss.kind} loss", gradient, {"output": extremes(value)}
        )
    return None


def extremes(array: Array) -> list[float]:
    """Smallest and largest entry."""
    return [float(array.min()), float(array.max())] if array.size else []


def _finite(array: Array) -> bool:
    return bool(np.isfinite(array).all())


def found(site: str, signal: str, operation: str, array: Array, operands: dict[str, Any]) -> dict[str, Any]:
    bad = ~np.isfinite(array)
    return {
        "site": site,
        "signal": signal,
        "operation": operation,
        "entries": int(bad.sum()),
        "sample": int(np.argwhere(np.atleast_1d(bad))[0, 0]),
        "operands": operands,
    }
