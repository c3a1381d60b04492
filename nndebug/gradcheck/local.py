"""Every layer by itself: its backward against its own forward, at random points.

No deep chain, so that errors do not mix: a layer that disagrees here is a culprit, and the product that disagrees
says which equation. A dense layer is compared with its closed form, an elementwise one entry by entry, anything
else along random directions: ⟨u, J v⟩ by differences of forward against ⟨backward(u), v⟩.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..signals import Array
from .comparing import compare, failed
from .linear import Linear, moved_parameters
from .result import Row, Verdict
from .slopes import along, pieces
from .structured import equation_of
from .tape import Tape, site

DIRECTIONS = 2
"""Random directions for each tensor: what one misses by cancellation, two do not."""

OFF_KINK = 0.1
"""Random inputs keep this distance from 0, where ReLU has its kink."""


MOSTLY = 0.5
"""Where at least this share of a layer's outputs has a derivative, the others are left out."""


@dataclass(frozen=True)
class Trial:
    """One backward pass of one layer at a random point: what it got, what it gave, what is right.

    Attributes:
        index: index of the layer.
        x, y: input and output (batch, …).
        u: output gradient that backward was given (batch, …).
        weight, bias: parameters at that point, where the layer is dense.
        given: part → the layer's gradient (`input` or a parameter's name); None where it has none.
        right: part → the right gradient, where it is known entry by entry.
        rows: one for each part.
        error: what backward raised, empty if nothing.
    """

    index: int
    x: Array
    y: Array
    u: Array
    given: dict[str, Array | None]
    right: dict[str, Array]
    rows: tuple[Row, ...]
    weight: Array | None = None
    bias: Array | None = None
    error: str = ""


def try_layer(
    tape: Tape, index: int, form: Linear | None, rng: np.random.Generator, batch: int | None = None
) -> Trial:
    """Checks one layer's backward at a random point.

    Args:
        tape: the recorded pass.
        index: index of the layer.
        form: its linear form, or None.
        rng: where the point and the directions come from.
        batch: rows of the point; as recorded if None.
    """
    if form:
        recorded = tape.inputs[index]
        with moved_parameters(tape.layers[index], rng):
            x = rng.normal(size=(batch or tape.batch, recorded.shape[1])).astype(recorded.dtype)
            return _try_linear(tape, index, form, x, rng)
    return _try_other(tape, index, rng)


def input_equation(layers: list[Any], index: int) -> str:
    """BP1 for what stands between the last layer with parameters and the loss, BP2 for everything below."""
    after = layers[index + 1 :]
    owns = bool(getattr(layers[index], "parameters", {}))
    return "BP2" if owns or any(getattr(layer, "parameters", {}) for layer in after) else "BP1"


def _try_linear(tape: Tape, index: int, form: Linear, x: Array, u: Array | np.random.Generator) -> Trial:
    layer, name, batch = tape.layers[index], site(tape.layers, index), len(x)
    y = np.array(tape.forward(index, x))
    if isinstance(u, np.random.Generator):
        u = u.normal(size=y.shape).astype(y.dtype)
    weight = np.array(layer.parameters[form.weight])
    bias = np.array(layer.parameters[form.bias]) if form.bias else None
    right = {"input": u @ weight.T, form.weight: x.T @ u}
    # What the sums are of, with nothing cancelled; each of n products may be off by n roundings of that.
    total = {"input": np.abs(u) @ np.abs(weight).T, form.weight: np.abs(x).T @ np.abs(u)}
    terms = {"input": u.shape[1], form.weight: batch}
    if form.bias:
        right[form.bias], total[form.bias], terms[form.bias] = u.sum(axis=0), np.abs(u).sum(axis=0), batch
    given, failure = _backward(tape, index, u)
    if failure:
        rows = tuple(
            failed(name, part, _equation(tape, index, part), value.size, failure)
            for part, value in right.items()
        )
        return Trial(index, x, y, u, given, right, rows, weight, bias, failure)
    rows = tuple(
        compare(
            name,
            part,
            _equation(tape, index, part),
            given.get(part),
            value,
            4 * tape.eps * terms[part] * total[part],
            eps=tape.eps,
            reference=float(total[part].max(initial=0.0)),
        )
        for part, value in right.items()
        if part != "input" or index or given.get(part) is not None  # a first layer need not pass anything on
    )
    return Trial(index, x, y, u, given, right, rows, weight, bias)


def try_recorded(tape: Tape, index: int, form: Linear | None, u: Array, rng: np.random.Generator) -> Trial:
    """The same at the point of the recorded pass.

    Args:
        tape, index, form, rng: as in `try_layer`.
        u: the output gradient that the layer got there (batch, …).
    """
    x = tape.inputs[index]
    return _try_linear(tape, index, form, x, u) if form else _try_other(tape, index, rng, x, u)


def _try_other(
    tape: Tape, index: int, rng: np.random.Generator, x: Array | None = None, u: Array | None = None
) -> Trial:
    layer, name = tape.layers[index], site(tape.layers, index)
    recorded = u is not None
    x = _random_input(tape, index, rng) if x is None else x
    y = np.array(tape.forward(index, x))
    u = rng.normal(size=y.shape).astype(y.dtype) if u is None else u
    equation = input_equation(tape.layers, index)
    slopes = (
        _elementwise(tape, index, x, y, rng)
        if x.shape == y.shape and not getattr(layer, "parameters", {})
        else None
    )
    if slopes is not None:
        value, error, smooth = slopes
        u = np.where(smooth, u, 0.0).astype(y.dtype)
    tape.forward(index, x)
    given, failure = _backward(tape, index, u)
    if failure:
        rows = (failed(name, "input", equation, x.size, failure),)
        return Trial(index, x, y, u, given, {}, rows, error=failure)
    if slopes is not None:
        right = {"input": u * value}
        # Where the pass saturated, a slope of 1 is what an error of the layer's would show against.
        scale = _largest(u) * max(1.0, _largest(value)) if recorded else None
        row = compare(
            name, "input", equation, given["input"], u * value, np.abs(u) * error, eps=tape.eps, scale=scale
        )
        return Trial(index, x, y, u, given, right, (row,))
    return Trial(index, x, y, u, given, {}, tuple(_projections(tape, index, x, y, u, given, rng, recorded)))


def _backward(tape: Tape, index: int, u: Array) -> tuple[dict[str, Array | None], str]:
    """The layer's gradients, copied, after clearing what lay there."""
    layer = tape.layers[index]
    tape.clear(index)
    before = {name: (value, np.array(value)) for name, value in getattr(layer, "parameters", {}).items()}
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


def _random_input(tape: Tape, index: int, rng: np.random.Generator) -> Array:
    recorded = tape.inputs[index]
    drawn = rng.normal(size=recorded.shape)
    x: Array = (drawn + np.copysign(OFF_KINK, drawn)).astype(recorded.dtype)
    with np.errstate(all="ignore"):
        try:
            usable = bool(np.isfinite(tape.forward(index, x)).all())
        except Exception:  # a layer that takes no negative numbers, say
            usable = False
    return x if usable else recorded


def _elementwise(
    tape: Tape, index: int, x: Array, y: Array, rng: np.random.Generator
) -> tuple[Array, Array, Array] | None:
    """Slopes of an elementwise layer, their error, and where there is no kink; None if it is not elementwise."""
    slope, error, smooth = along(y, tape.eps, lambda t: tape.forward(index, x + t))
    direction = rng.normal(size=x.shape)
    mixed, mixed_error, _ = along(y, tape.eps, lambda t: tape.forward(index, x + t * direction))
    off = np.abs(mixed - slope * direction)[smooth]
    allowed = (10 * (mixed_error + np.abs(direction) * error))[smooth]
    scale = float(np.abs(slope).max(initial=0.0))
    return (slope, error, smooth) if np.all(off <= allowed + 1e-5 * scale) else None


def _projections(
    tape: Tape,
    index: int,
    x: Array,
    y: Array,
    u: Array,
    given: dict[str, Array | None],
    rng: np.random.Generator,
    recorded: bool,
) -> list[Row]:
    """⟨u, J v⟩ against ⟨backward(u), v⟩ for the input and every parameter."""
    layer, name = tape.layers[index], site(tape.layers, index)
    parameters = getattr(layer, "parameters", {})
    moves: dict[str, list[tuple[Array, Array, Array, Array]]] = {}
    for part, gradient in given.items():
        at = x if part == "input" else parameters[part]
        if gradient is None or gradient.shape != at.shape:
            continue
        moves[part] = []
        for _ in range(DIRECTIONS):
            v = rng.normal(size=at.shape).astype(at.dtype)
            same = _same_pieces(layer, x, v) if part == "input" else None
            moves[part].append((v, *along(y, tape.eps, shifting(tape, index, x, part, v), same)))
    smooth_everywhere = np.logical_and.reduce([move[3] for part in moves.values() for move in part])
    if (0.0 if recorded else MOSTLY) <= np.mean(smooth_everywhere) < 1:
        # A window of max pooling that two entries compete for has no derivative: the others are asked.
        u = np.where(smooth_everywhere, u, 0.0).astype(u.dtype)
        tape.forward(index, x)
        given, _ = _backward(tape, index, u)
    rows = []
    for part, gradient in given.items():
        if part == "input" and gradient is None and not index:
            continue
        equation = _equation(tape, index, part)
        if part not in moves or gradient is None:
            at = x if part == "input" else parameters[part]
            rows.append(compare(name, part, equation, gradient, np.zeros(at.shape), 0.0))
            continue
        claimed, right, error, size = [], [], [], []
        if recorded and part == "input" and x.any():  # as above: the layer's gain, were it linear
            size.append(float(np.linalg.norm(u) * np.linalg.norm(y) / np.linalg.norm(x)))
        for v, change, change_error, smooth in moves[part]:
            kink_error = np.where(smooth, 0.0, np.abs(change))
            right.append(float((u * change).sum()))
            error.append(float((np.abs(u) * (change_error + kink_error)).sum()))
            claimed.append(float((gradient * v).sum()))
            size.append(float(np.linalg.norm(u * change)))
        rows.append(
            compare(
                name, part, equation, np.array(claimed), np.array(right), np.array(error),
                eps=tape.eps, scale=max(size),
            )
        )  # fmt: skip
    return rows


def _same_pieces(layer: Any, x: Array, v: Array) -> Callable[[float], Array] | None:
    """For a piecewise linear layer: at which outputs x + t v is on the piece that x is on."""
    before = pieces(layer, x)
    return None if before is None else lambda t: np.asarray(pieces(layer, x + t * v) == before)


def _largest(values: Array) -> float:
    return float(np.abs(values).max(initial=0.0))


def shifting(tape: Tape, index: int, x: Array, part: str, v: Array) -> Callable[[float], Array]:
    def forward(t: float) -> Array:
        if part == "input":
            return tape.forward(index, x + t * v)
        value = tape.layers[index].parameters[part]
        kept = np.array(value)
        value += t * v
        try:
            return np.array(tape.forward(index, x))
        finally:
            value[...] = kept

    return forward


def _equation(tape: Tape, index: int, part: str) -> str:
    if part == "input":
        return input_equation(tape.layers, index)
    return equation_of(part, tape.layers[index].parameters[part])


def disagreeing(trial: Trial) -> list[Row]:
    """The rows of a trial that disagree."""
    return [row for row in trial.rows if row.verdict is Verdict.DISAGREES]
