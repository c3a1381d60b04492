"""The layer-local gradient check of one example, told as a failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..gradcheck.claimed import Claimed
from ..gradcheck.local import disagreeing, try_layer
from ..gradcheck.tape import Tape
from ..signals import Array
from .bench import Bench, parameters
from .failure import Failure


class Projection:
    """The loss Σ output · target: linear, so that all that is checked is the layer."""

    kind = "projection"

    def __call__(self, output: Array, target: Array) -> float:
        return float(self.per_sample(output, target).sum())

    def per_sample(self, output: Array, target: Array) -> Array:
        """(batch,)."""
        return np.asarray((output * target).reshape(len(output), -1).sum(axis=1))

    def gradient(self, output: Array, target: Array) -> Array:
        """Of the shape of the output."""
        return np.array(target)


class Alone:
    """A network of one layer."""

    def __init__(self, layer: Any) -> None:
        self.layers, self.loss = [layer], Projection()

    @property
    def parameters(self) -> Mapping[str, Array]:
        return parameters(self.layers[0])

    def forward(self, x: Array) -> Array:
        """The layer's output."""
        return np.asarray(self.layers[0].forward(x))

    def backward(self, gradient: Array) -> Any:
        """The layer's input gradient."""
        return self.layers[0].backward(gradient)


def disagreement(bench: Bench, seed: int) -> Failure | None:
    """Checks the layer's backward at a random point; None if it agrees, or nothing can be said.

    In float64, on the batch's shape: derivatives need digits, and entries that no two share.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=bench.x.shape)
    layer = doubled(bench.fresh())
    try:
        y = np.array(layer.forward(np.array(x)))
    except Exception:  # a layer of its own that takes no such numbers: other checks say so
        return None
    if not np.isfinite(y).all() or y.dtype.kind != "f" or y.dtype.itemsize < 4:
        return None
    try:
        tape = Tape(Alone(doubled(bench.fresh())), x, rng.normal(size=y.shape))
        Claimed(tape)
        trial = try_layer(tape, 0, rng)
    except Exception as error:  # a forward that is another function in every call has no derivative
        return Failure(
            "backward cannot be compared with forward", "one function", str(error), "", bench.given
        )
    rows = disagreeing(trial)
    if not rows:
        return None
    given = {
        "": f"{'training mode, ' if bench.training else ''}float64, batches of shape {x.shape}",
        "point": f"np.random.default_rng({seed}).normal(size={x.shape})",
    }
    row = rows[0]
    what = "input gradient" if row.parameter == "input" else f"gradient of {row.parameter}"
    if np.isnan(row.analytic):
        return Failure(
            f"{what} is wrong", "the derivative of forward", row.reason or "something else", "", given
        )
    along = not row.index
    if trial.right and row.parameter in trial.right:
        along = False
    at = f"[{', '.join(map(str, row.index))}]" if not along else " along a random direction"
    wrong = (
        "" if along else f" in {row.wrong:,} of {row.entries:,} {'entry' if row.entries == 1 else 'entries'}"
    )
    return Failure(
        f"backward is not the derivative of forward: {what} is wrong{wrong}",
        f"{what}{at} = {row.numeric:.6g}, by differences of forward",
        f"{what}{at} = {row.analytic:.6g}, by backward",
        row.reason,
        given,
    )


def doubled(layer: Any) -> Any:
    """The layer itself, with its numbers in float64 where it keeps them in dicts of its own."""
    if hasattr(layer, "astype"):
        layer.astype(np.dtype("float64"))
    for kept in ("parameters", "state", "gradients"):
        values = getattr(layer, kept, None)
        if not isinstance(values, dict):
            continue
        for name, value in values.items():
            if isinstance(value, np.ndarray) and value.dtype == np.float32:
                values[name] = value.astype(np.float64)
    return layer
