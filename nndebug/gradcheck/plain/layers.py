"""What plain layers are like, found by trying: affine in their input and their parameters, elementwise, or a fixed matrix.

Each is tried at the recorded input and, on a few rows, at a random one with random parameters; there its backward is
compared, entry by entry. It says what its forward makes of an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from ...signals import Array
from ..equations import equation_at, input_equation
from ..linear import ROUNDING, moved_parameters, noise
from ..local import OFF_KINK
from ..result import Row
from ..tape import Tape, site
from .rows import Bounded, Doubt, agreed
from .slopes import NEARER, POINTS, differences, shifts, slopes, step
from .unfolded import form_of, holds

ROWS = 3
"""Rows of the random point."""

MOST_NUMBERS = 2**21
"""Of a fixed matrix, and of what it is found with."""

ROUNDED = 8.0
"""Machine epsilons that a term of a sum is off by."""


class Plain(Protocol):
    """A layer whose slopes are known at the recorded input.

    Attributes:
        trial: one row for each part of its backward at a random point.
    """

    trial: list[Row]

    def parameters(self, above: Bounded) -> Iterator[tuple[str, Bounded]]:
        """dLoss by every parameter, from dLoss by its output."""
        ...

    def below(self, above: Bounded) -> Bounded:
        """dLoss by its input."""
        ...


class Affine:
    """A dense layer or a convolution."""

    def __init__(self, tape: Tape, index: int, rng: np.random.Generator) -> None:
        layer, x, z, eps = tape.layers[index], tape.inputs[index], tape.outputs[index], tape.eps
        found = form_of(layer, x, z, eps)
        if found is None or tape.draws(index):
            raise Doubt
        self.layer, self.shape, self.eps = layer, x.shape, eps
        self.form, self.columns = found
        form = self.form
        name = site(tape.layers, index)
        with moved_parameters(layer, rng):
            x = noise(rng, (ROWS, *x.shape[1:]), 2.0)
            z = np.array(layer.forward(x))
            columns = form.columns(x)
            if z.shape[1:] != tape.outputs[index].shape[1:] or not holds(form, layer, columns, z, eps):
                raise Doubt
            weight = layer.parameters[form.weight]
            matrix, u = form.matrix(weight), noise(rng, z.shape, 2.0)
            rows = form.rows(u)
            back = form.folded(rows @ matrix.T, x.shape)
            right = {"input": back, form.weight: form.kernel(columns.T @ rows, weight.shape)}
            if form.bias:
                right[form.bias] = rows.sum(axis=0)
            given = run_back(tape, index, u)
        tape.separate(index)
        error = ROUNDED * eps * 4 * (len(rows) * columns.shape[1]) ** 0.5
        self.trial = [
            agreed(name, part, equation_at(tape, index, part), given.get(part), value, error)
            for part, value in right.items()
            if part != "input"
            or index
            or given.get(part) is not None  # a first layer need not pass anything on
        ]

    def parameters(self, above: Bounded) -> Iterator[tuple[str, Bounded]]:
        form, parameters = self.form, self.layer.parameters
        rows = form.rows(above.value)
        error = len(rows) ** 0.5 * (above.error + ROUNDED * self.eps * float(np.abs(rows).max()))
        for name, value in parameters.items():
            if name == form.weight:
                right = form.kernel(self.columns.T @ rows, value.shape)
                yield name, Bounded(right, error * float(np.abs(self.columns).max()))
            else:
                yield name, Bounded(rows.sum(axis=0), error)

    def below(self, above: Bounded) -> Bounded:
        form = self.form
        matrix, rows = form.matrix(self.layer.parameters[form.weight]), form.rows(above.value)
        value = form.folded(rows @ matrix.T, self.shape)
        error = above.error + ROUNDED * self.eps * float(np.abs(rows).max())
        meets = 1 if form.windows is None else form.windows.kernel[0] * form.windows.kernel[1]
        return Bounded(value, error * meets**0.5 * norm(matrix))


class Pointwise:
    """Every output depends on the input in its own place, wherever that is put."""

    def __init__(self, tape: Tape, index: int, rng: np.random.Generator) -> None:
        layer, recorded, eps = tape.layers[index], tape.inputs[index], tape.eps
        output, name = tape.outputs[index], site(tape.layers, index)
        if tape.draws(index) or getattr(layer, "parameters", {}) or output.size != recorded.size:
            raise Doubt
        self.shape, self.eps, self.count = recorded.shape, eps, len(recorded)
        random = noise(rng, (self.count + 3 * ROWS, *recorded.shape[1:]))
        point, u, away = 2 * random[:ROWS], 2 * random[ROWS : 2 * ROWS], random[2 * ROWS :]
        point += np.copysign(OFF_KINK, point)
        away += np.copysign(0.1, away)
        x = np.concatenate([recorded, point])
        h = step(eps)
        stack = np.empty((POINTS + 4, *x.shape))
        stack[...] = x
        stack[:POINTS] += shifts(eps).reshape((POINTS,) + (1,) * x.ndim)
        stack[POINTS] += h * away
        stack[POINTS + 1] -= h * away
        stack[POINTS + 2] -= np.abs(away)  # else all would lie evenly around x
        values = np.array(layer.forward(stack.reshape(-1, *x.shape[1:]))).reshape(POINTS + 4, -1)
        base = values[-1]
        if values.shape[1] != x.size or not close(base[: output.size], output.ravel(), eps):
            raise Doubt
        found = differences(values[None, :POINTS], base, eps)
        change = (values[POINTS] - values[POINTS + 1]) / (2 * h)

        def again() -> Array:
            near = x + shifts(eps, NEARER).reshape((POINTS,) + (1,) * x.ndim)
            nearer = np.array(layer.forward(near.reshape(-1, *x.shape[1:]))).reshape(1, POINTS, -1)
            return differences(nearer, base, eps, NEARER)

        (value,), error, kinks = slopes(found, base, eps, again)
        if kinks is not None:
            change = np.where(kinks[0], value * away.ravel(), change)
        # A smooth function bends by (h/scale)² within the step.
        change -= value * away.ravel()
        self.slopes, self.error, self.largest = value[: output.size], error, float(np.abs(value).max())
        if not float(np.abs(change).max()) <= 1e-5 * self.largest + 10 * error:
            raise Doubt
        tape.separate(index)
        y = layer.forward(point)
        if not close(np.asarray(y).ravel(), base[output.size :], eps):
            raise Doubt
        u = u.reshape(y.shape)
        given = run_back(tape, index, u)
        right = (u.ravel() * value[output.size :]).reshape(point.shape)
        equation = input_equation(tape.layers, index)
        self.trial = [agreed(name, "input", equation, given["input"], right, 2 * error + ROUNDED * eps)]

    def parameters(self, above: Bounded) -> Iterator[tuple[str, Bounded]]:
        return iter(())

    def below(self, above: Bounded) -> Bounded:
        largest = float(np.abs(above.value).max())
        value = (above.value.ravel() * self.slopes).reshape(self.shape)
        return Bounded(value, largest * self.error + self.largest * above.error)


class Fixed:
    """A matrix that is the same for every sample and, in images, for every channel: pooling by means, say."""

    def __init__(self, tape: Tape, index: int, rng: np.random.Generator) -> None:
        layer, x, y, eps = tape.layers[index], tape.inputs[index], tape.outputs[index], tape.eps
        if tape.draws(index) or getattr(layer, "parameters", {}):
            raise Doubt
        lead = 2 if x.ndim == y.ndim == 4 and x.shape[1] == y.shape[1] else 1  # axes that are alike
        self.shape, self.outputs = x.shape, y.shape
        entries, outputs = x[(0,) * lead].size, y[(0,) * lead].size
        if entries * max(entries, outputs) * (x.shape[1] if lead == 2 else 1) > MOST_NUMBERS:
            raise Doubt
        point = noise(rng, (ROWS, *x.shape[1:]), 2.0)
        units = np.eye(entries + 1, entries, -1).reshape(-1, *((1,) * (lead - 1)), *x.shape[lead:])
        units = np.broadcast_to(units, (entries + 1, *x.shape[1:]))
        values = np.array(layer.forward(np.concatenate([units, x, point])))
        made = values[: entries + 1].reshape(entries + 1, -1, outputs)[:, 0]
        start, matrix = made[0], made[1:] - made[0]
        for taken, found in ((x, y), (point, values[-ROWS:]), (x, values[entries + 1 : -ROWS])):
            if not close(taken.reshape(-1, entries) @ matrix + start, found.reshape(-1, outputs), eps):
                raise Doubt
        tape.separate(index)
        self.matrix, self.eps = matrix, eps
        self.width = norm(matrix)
        z = layer.forward(point)
        u = noise(rng, z.shape, 2.0)
        given = run_back(tape, index, u)
        right = (u.reshape(-1, outputs) @ matrix.T).reshape(point.shape)
        error = ROUNDED * eps * outputs * 2 * self.width
        equation, name = input_equation(tape.layers, index), site(tape.layers, index)
        self.trial = [agreed(name, "input", equation, given["input"], right, error)]

    def parameters(self, above: Bounded) -> Iterator[tuple[str, Bounded]]:
        return iter(())

    def below(self, above: Bounded) -> Bounded:
        rows = above.value.reshape(-1, self.matrix.shape[1])
        error = above.error + ROUNDED * self.eps * float(np.abs(rows).max())
        return Bounded((rows @ self.matrix.T).reshape(self.shape), self.width * error)


def norm(matrix: Array) -> float:
    """The largest root of the summed squares of a row: what independent errors of 1 add up to."""
    return math.sqrt(float(np.einsum("ij,ij->i", matrix, matrix).max(initial=0.0)))


def run_back(tape: Tape, index: int, u: Array) -> dict[str, Array | None]:
    """What a layer gives for the output gradient u: valid until its next pass."""
    layer = tape.layers[index]
    tape.clear(index)
    passed_back = layer.backward(np.array(u))
    return {"input": passed_back, **{n: layer.gradients.get(n) for n in getattr(layer, "parameters", {})}}


def close(found: Array, expected: Array, eps: float) -> bool:
    """Whether two runs gave the same, to within rounding."""
    if found.shape != expected.shape:
        return False
    if np.array_equal(found, expected):
        return True
    largest = float(np.abs(expected).max(initial=0.0))
    return float(np.abs(found - expected).max(initial=0.0)) <= ROUNDING * eps * largest


def plain_layer(tape: Tape, index: int, rng: np.random.Generator) -> Plain:
    """What layer `index` is like.

    Raises:
        Doubt: nothing plain.
    """
    if getattr(tape.layers[index], "parameters", {}):
        return Affine(tape, index, rng)
    if tape.inputs[index].size == tape.outputs[index].size:
        try:
            return Pointwise(tape, index, rng)
        except Doubt:
            pass
    return Fixed(tape, index, rng)
