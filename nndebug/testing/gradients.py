"""The layer-local gradient check of one example, told as a failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..gradcheck.claimed import Claimed
from ..gradcheck.local import Trial, disagreeing, try_layer
from ..gradcheck.result import Row
from ..gradcheck.tape import Tape
from ..signals import Array
from .bench import Bench, parameters
from .failure import Failure

STEP = 1e-5
MOST_ENTRIES = 2000
"""Of what is differentiated entry by entry, to say which is wrong."""


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
    except Failure:
        raise
    except Exception as error:  # a forward that is another function in every call has no derivative
        return Failure(
            "backward cannot be compared with forward", "one function", str(error), "", bench.given
        )
    rows = disagreeing(trial)
    return _told(trial, rows[0], bench) if rows else None


def _told(trial: Trial, row: Row, bench: Bench) -> Failure:
    """The worst entry of a gradient that disagrees: by differences of forward, and by backward."""
    part = row.parameter
    what = "input gradient" if part == "input" else f"gradient of {part}"
    given = {
        "": "training mode, float64" if bench.training else "float64",
        "x": trial.x,
        "output_gradient": trial.u,
    }
    fact = f"backward is not the derivative of forward: {what} is wrong"
    mine = trial.given.get(part)
    right = _by_entries(bench, part, trial.x, trial.u)
    if right is None or mine is None or mine.shape != right.shape:
        if np.isnan(row.analytic):
            return Failure(fact, "the derivative of forward", row.reason or "something else", "", given)
        expected, got = (f"{value:.6g} along a random direction" for value in (row.numeric, row.analytic))
        return Failure(
            fact, f"{expected}, by differences of forward", f"{got}, by backward", row.reason, given
        )
    off = np.abs(mine - right)
    at = np.unravel_index(int(np.argmax(off)), off.shape)
    place = f"{what}[{', '.join(str(int(i)) for i in at)}]"
    count = int((off > 1e-6 * max(1.0, float(np.abs(right).max()))).sum())
    return Failure(
        f"{fact} in {count} of {off.size} {'entry' if off.size == 1 else 'entries'}",
        f"{place} = {right[at]:.6g}, by differences of forward",
        f"{place} = {mine[at]:.6g}, by backward",
        row.reason,
        given,
    )


def _by_entries(bench: Bench, part: str, x: Array, u: Array) -> Array | None:
    """d(Σ u · forward(x)) by every entry of x or of a parameter; None where these are too many."""
    at = x if part == "input" else parameters(bench.fresh())[part]
    if at.size > MOST_ENTRIES:
        return None
    right = np.zeros(at.shape)
    for index in np.ndindex(at.shape):
        values = []
        for step in (STEP, -STEP):
            layer, moved = doubled(bench.fresh()), np.array(x)
            (moved if part == "input" else parameters(layer)[part])[index] += step
            values.append(float((layer.forward(moved) * u).sum()))
        right[index] = (values[0] - values[1]) / (2 * STEP)
    return right


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
