"""Every layer by itself: its backward against its own forward, at random points.

No deep chain, so that errors do not mix: a layer that disagrees here is a culprit, and the product that disagrees
says which equation. A dense layer is compared with its closed form, an elementwise one entry by entry, anything
else along random directions: ⟨u, J v⟩ by differences of forward against ⟨backward(u), v⟩.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..signals import Array
from .columns import TooLarge, by_parameter, through
from .comparing import Spread, compare, failed
from .differences import Slopes
from .equations import equation_at, input_equation
from .linear import Linear, computes, linear_form, moved_parameters, noise
from .pointwise import Error, elementwise
from .projections import projections
from .result import Row, Verdict
from .running import run_back
from .tape import Tape, site

OFF_KINK = 0.1
"""Random inputs keep this distance from 0, where ReLU has its kink."""


@dataclass(frozen=True)
class Nature:
    """What a layer is like at the recorded point, by its forward alone.

    Attributes:
        form: its linear form, None if it is none.
        slopes: of an elementwise layer (1, entries); None of any other.
    """

    form: Linear | None = None
    slopes: Slopes | None = None


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
        nature: what the layer is like.
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
    nature: Nature = Nature()


def try_layer(tape: Tape, index: int, rng: np.random.Generator) -> Trial:
    """Finds out what a layer is like, and checks its backward at a random point.

    Args:
        tape: the recorded pass.
        index: index of the layer.
        rng: where the point and the directions come from.
    """
    form = linear_form(tape, index)
    trial = try_linear(tape, index, form, rng) if form else None
    return trial or _try_other(tape, index, rng)


def nature_of(tape: Tape, index: int, rng: np.random.Generator) -> Nature:
    """What a layer is like, without running its backward.

    Args:
        tape, index, rng: as in `try_layer`.
    """
    layer, x, y = tape.layers[index], tape.inputs[index], tape.outputs[index]
    form = linear_form(tape, index)
    if form:
        with moved_parameters(layer, rng):
            point = (2 * noise(rng, x.shape)).astype(x.dtype)
            found = np.array(tape.forward(index, point))
            if computes(layer, form, point, found, tape.eps):
                return Nature(form)
    if x.shape == y.shape and not getattr(layer, "parameters", {}):
        slopes = elementwise(tape, index, [(x, y)], rng)
        return Nature(slopes=slopes[0] if slopes else None)
    return Nature()


def try_linear(
    tape: Tape, index: int, form: Linear, rng: np.random.Generator, batch: int | None = None
) -> Trial | None:
    """Checks a dense layer at a random point; None if it is none there.

    Args:
        tape: the recorded pass.
        index: index of the layer.
        form: its linear form.
        rng: where the point comes from.
        batch: rows of the point; as recorded if None.
    """
    layer = tape.layers[index]
    with moved_parameters(layer, rng):
        recorded = tape.inputs[index]
        x = (2 * noise(rng, (batch or tape.batch, recorded.shape[1]))).astype(recorded.dtype)
        y = np.array(tape.forward(index, x))
        if not computes(layer, form, x, y, tape.eps):
            return None
        if not tape.draws(index):
            tape.separate(index)
        return _linear_trial(tape, index, form, x, y, (2 * noise(rng, y.shape)).astype(y.dtype))


def _linear_trial(tape: Tape, index: int, form: Linear, x: Array, y: Array, u: Array) -> Trial:
    layer, name, batch = tape.layers[index], site(tape.layers, index), len(x)
    weight = np.array(layer.parameters[form.weight])
    bias = np.array(layer.parameters[form.bias]) if form.bias else None
    right = {"input": u @ weight.T, form.weight: x.T @ u}
    # Each sum of n products may be off by n roundings of what it is with nothing cancelled.
    slack, size = 4 * tape.eps, np.abs(u)
    back, ahead = Spread(size.T, np.abs(weight).T, slack * u.shape[1]), Spread(np.abs(x), size, slack * batch)
    error: dict[str, Array | Spread] = {"input": back, form.weight: ahead}
    total = {"input": back.bound / back.factor, form.weight: ahead.bound / ahead.factor}
    if form.bias:
        right[form.bias], sums = u.sum(axis=0), size.sum(axis=0)
        error[form.bias], total[form.bias] = slack * batch * sums, float(sums.max(initial=0.0))
    given, failure = run_back(tape, index, u, put_back=False)
    if failure:
        rows = tuple(
            failed(name, part, equation_at(tape, index, part), value.size, failure)
            for part, value in right.items()
        )
        return Trial(index, x, y, u, given, right, rows, weight, bias, failure, Nature(form))
    rows = tuple(
        compare(
            name,
            part,
            equation_at(tape, index, part),
            given.get(part),
            value,
            error[part],
            eps=tape.eps,
            reference=total[part],
        )
        for part, value in right.items()
        if part != "input" or index or given.get(part) is not None  # a first layer need not pass anything on
    )
    return Trial(index, x, y, u, given, right, rows, weight, bias, nature=Nature(form))


def _try_other(tape: Tape, index: int, rng: np.random.Generator) -> Trial:
    layer, name = tape.layers[index], site(tape.layers, index)
    x = _random_input(tape, index, rng)
    y = np.array(tape.forward(index, x))
    u = (2 * noise(rng, y.shape)).astype(y.dtype)
    equation = input_equation(tape.layers, index)
    found = None
    if x.shape == y.shape and not getattr(layer, "parameters", {}):
        found = elementwise(tape, index, [(tape.inputs[index], tape.outputs[index]), (x, y)], rng)
    recorded = found[0] if found else None
    if found:
        u = np.where(found[1].kinked.reshape(u.shape), 0.0, u).astype(y.dtype)
    tape.forward(index, x)
    given, failure = run_back(tape, index, u)
    if failure:
        rows = (failed(name, "input", equation, x.size, failure),)
        return Trial(index, x, y, u, given, {}, rows, error=failure, nature=Nature(slopes=recorded))
    if found:
        value, error = (a.reshape(u.shape) for a in (found[1].value, found[1].error))
        right = {"input": u * value}
        row = compare(name, "input", equation, given["input"], u * value, np.abs(u) * error, eps=tape.eps)
        return Trial(index, x, y, u, given, right, (row,), nature=Nature(slopes=recorded))
    return Trial(index, x, y, u, given, {}, tuple(projections(tape, index, x, y, u, given, rng)))


def _random_input(tape: Tape, index: int, rng: np.random.Generator) -> Array:
    recorded = tape.inputs[index]
    drawn = 2 * noise(rng, recorded.shape)
    x: Array = (drawn + np.copysign(OFF_KINK, drawn)).astype(recorded.dtype)
    with np.errstate(all="ignore"):
        try:
            usable = bool(np.isfinite(tape.forward(index, x)).all())
        except Exception:  # a layer that takes no negative numbers, say
            usable = False
    return x if usable else recorded


def disagreeing(trial: Trial) -> list[Row]:
    """The rows of a trial that disagree."""
    return [row for row in trial.rows if row.verdict is Verdict.DISAGREES]


def by_columns(tape: Tape, trial: Trial, part: str, rng: np.random.Generator) -> Array | None:
    """The right gradient of a part, entry by entry, for layers without a closed form; None if it is too large."""
    back = Error(trial.u, np.zeros(trial.u.shape))
    try:
        if part == "input":
            return through(tape, trial.index, trial.x, trial.y, back, None, rng).value
        return by_parameter(tape, trial.index, part, trial.x, trial.y, back, rng).value
    except TooLarge:
        return None
