"""Every entry of every parameter's gradient, from numerical derivatives by the pre-activations.

A dense layer is linear in its weights, so dL/dweight = xᵀ · dL/dz exactly; what has to be found numerically is
dL/dz, of batch × units entries, and one stacked forward pass of the layers above gives whole columns of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..signals import Array
from .claimed import Claimed
from .comparing import compare, shape_trouble, unresolved
from .differences import Columns, Derivative, Points, confirmed, differentiate, sharpened
from .entries import Entries, Summed, where_better
from .linear import Linear
from .result import Row, Verdict
from .tape import Tape, site

MOST_ENTRIES = 20_000
"""Entries of a parameter that are shifted one by one; each costs four forward passes."""

SHARP = 1e-7
"""Relative errors above this are measured again with more points."""

ON_KINKS = "units sit exactly on their kinks"


class Outputs:
    """The columns of what layer `level - 1` gives: pre-activations for a dense layer."""

    def __init__(self, tape: Tape, level: int) -> None:
        self.tape, self.level = tape, level
        self.base = tape.outputs[level - 1] if level else tape.x
        self.flat = self.base.reshape(tape.batch, -1)
        self.count = self.flat.shape[1]

    def evaluate(self, columns: Array, offsets: Array) -> Points:
        number, points = offsets.shape
        stack = np.empty((number, points, *self.flat.shape), self.flat.dtype)
        stack[...] = self.flat
        each = np.arange(number)
        shifted = self.flat[:, columns].T[:, None, :] + offsets[:, :, None]
        stack[each, :, :, columns] = shifted
        losses, flips = self.tape.above(self.level, stack.reshape(-1, *self.base.shape[1:]), number * points)
        real = shifted.astype(self.flat.dtype) - self.flat[:, columns].T[:, None, :]
        shape = (number, points, self.tape.batch)
        return Points(losses.reshape(shape), flips.reshape(shape), real)


class Structured:
    """Compares every parameter's gradient with the right one.

    Args:
        tape: the recorded pass.
        claimed: the network's gradients.
        forms: layer index → its linear form, None for layers that are not linear.
    """

    def __init__(self, tape: Tape, claimed: Claimed, forms: dict[int, Linear | None]) -> None:
        self.tape, self.claimed, self.forms = tape, claimed, forms
        self.reference = 0.0
        self._noises: dict[int, Array] = {}
        self.mixing = max(tape.mixers, default=-1)

    def rows(self) -> list[Row]:
        """One row for each parameter, from the output down."""
        rows: list[Row] = []
        for index in reversed(range(len(self.tape.layers))):
            if getattr(self.tape.layers[index], "parameters", {}):
                rows += self._layer(index)
        return rows

    def loss_derivative(self) -> tuple[Array, Array]:
        """dLoss/doutput (batch, outputs) and its error, whatever the loss says."""
        columns = Outputs(self.tape, len(self.tape.layers))
        right = self._derivative(columns, len(self.tape.layers))
        value, error = right.settled(self.claimed.loss_gradient)
        if not self._agrees(value, error, self.claimed.loss_gradient):
            value, error = self._measured(confirmed, columns, right, len(self.tape.layers)).settled(
                self.claimed.loss_gradient
            )
        self.reference = max(self.reference, float(np.abs(value).max(initial=0.0)))
        return value, error

    # --- inside -----------------------------------------------------------------------------------------------

    def _layer(self, index: int) -> list[Row]:
        tape, name = self.tape, site(self.tape.layers, index)
        parameters = tape.layers[index].parameters
        form = self.forms[index]
        reason = self._obstacle(index)
        rows = []
        mixed = index < self.mixing
        if form and not reason and not mixed:
            derivative = self._derivative(Outputs(tape, index + 1), index + 1)
            rows = self._linear_rows(index, form, derivative)
            if any(row.verdict is Verdict.DISAGREES for row in rows):
                again = self._measured(confirmed, Outputs(tape, index + 1), derivative, index + 1)
                rows = self._linear_rows(index, form, again)
                return rows
            for widen in (1.0, 4.0):
                if all(row.worst <= SHARP for row in rows):
                    break
                derivative = self._measured(sharpened, Outputs(tape, index + 1), derivative, index + 1, widen)
                rows = self._linear_rows(index, form, derivative)
            return rows
        for parameter, values in parameters.items():
            why_each = f"{site(tape.layers, self.mixing)} mixes samples" if mixed else "not x @ weight + bias"
            too_many = f"{values.size:,} entries and {why_each}: too many to shift one by one"
            why = reason or (too_many if values.size > MOST_ENTRIES else "")
            if values.dtype.kind != "f":
                why = f"it is {values.dtype}: only floating-point parameters have gradients"
            trouble = shape_trouble(self.claimed.gradients.get((index, parameter)), values.shape)
            if why and not (trouble and not reason):
                rows.append(unresolved(name, parameter, equation_of(parameter, values), values.size, why))
            else:
                rows.append(self._entry_row(index, parameter))
        return rows

    def _obstacle(self, index: int) -> str:
        """Why the parameters of this layer cannot be checked, empty if they can."""
        if not np.isfinite(self.tape.loss_value):
            return f"the loss is {self.tape.loss_value}"
        broken = self.claimed.broken
        if broken and index <= broken.index and not any(key[0] == index for key in self.claimed.gradients):
            return broken.short
        if self.mixing == len(self.tape.layers):
            return "the loss mixes samples, so it cannot be told whose change is whose"
        return ""

    def _linear_rows(self, index: int, form: Linear, derivative: Derivative) -> list[Row]:
        tape, layer = self.tape, self.tape.layers[index]
        dz, error = derivative.settled(self.claimed.deltas[index])
        self.reference = max(self.reference, float(np.abs(dz).max(initial=0.0)))
        x = tape.inputs[index]
        kinks = int(derivative.kinked.sum())
        # Sums over the batch are rounded once more. Samples err independently: squares add up.
        variance = (error + 4 * tape.eps * np.abs(dz)) ** 2
        right = {form.weight: (x.T @ dz, np.sqrt((x * x).T @ variance))}
        if form.bias:
            right[form.bias] = (dz.sum(axis=0), np.sqrt(variance.sum(axis=0)))
        rows = [
            compare(
                site(tape.layers, index), parameter, equation_of(parameter, layer.parameters[parameter]),
                self.claimed.gradients.get((index, parameter)), *right[parameter],
                kinks=kinks, eps=tape.eps, reference=self.reference,
            )
            for parameter in layer.parameters
        ]  # fmt: skip
        return [_explained(row, derivative) for row in rows]

    def _entry_row(self, index: int, parameter: str) -> Row:
        tape, values = self.tape, self.tape.layers[index].parameters[parameter]
        claimed = self.claimed.gradients.get((index, parameter))
        columns = Entries(tape, index, parameter)
        derivative = self._derivative(columns, index + 1)

        def row(derivative: Derivative) -> Row:
            dz, error = derivative.settled(None)
            error = np.where(derivative.kinked, error + np.abs(derivative.left - derivative.right), error)
            compared = compare(
                site(tape.layers, index), parameter, equation_of(parameter, values), claimed,
                dz.sum(axis=0).reshape(values.shape), error.sum(axis=0).reshape(values.shape),
                kinks=int(derivative.kinked.sum()), eps=tape.eps, reference=self.reference,
            )  # fmt: skip
            return _explained(compared, derivative)

        first = row(derivative)
        if first.verdict is Verdict.DISAGREES:
            return row(self._measured(confirmed, columns, derivative, index + 1))
        return first if first.verdict is Verdict.AGREES else row(self._summed(columns, derivative, index + 1))

    def _summed(self, columns: Columns, derivative: Derivative, level: int) -> Derivative:
        """The same derivative, from the loss of the whole batch wherever that is better known."""
        tape = self.tape
        base = tape.per_sample.sum(keepdims=True)
        noise = np.sqrt((self._noise(level) ** 2).sum(keepdims=True))
        whole = Summed(columns)
        found = differentiate(whole, base, noise, tape.eps)
        for widen in (1.0, 4.0):
            found = sharpened(whole, found, base, noise, tape.eps, widen)
        return where_better(derivative, found)

    def _noise(self, level: int) -> Array:
        if level not in self._noises:
            self._noises[level] = self.tape.noise(level)
        return self._noises[level]

    def _derivative(self, columns: Columns, level: int) -> Derivative:
        return differentiate(columns, self.tape.per_sample, self._noise(level), self.tape.eps)

    def _measured(
        self,
        how: Callable[..., Derivative],
        columns: Columns,
        derivative: Derivative,
        level: int,
        *more: float,
    ) -> Derivative:
        return how(columns, derivative, self.tape.per_sample, self._noise(level), self.tape.eps, *more)

    def _agrees(self, value: Array, error: Array, claimed: Array | None) -> bool:
        row = compare("", "", "", claimed, value, error, eps=self.tape.eps)
        return row.verdict is not Verdict.DISAGREES


def _explained(row: Row, derivative: Derivative) -> Row:
    if row.verdict is Verdict.UNRESOLVED and derivative.kinked.any():
        return replace(row, reason=ON_KINKS)
    return row


def equation_of(name: str, values: Array) -> str:
    """BP3 for biases and shifts, BP4 for weights and scales: by the name of a parameter, else by its axes.

    >>> equation_of("weight", np.ones(3)), equation_of("beta", np.zeros((3, 4))), equation_of("v", np.zeros(3))
    ('BP4', 'BP3', 'BP3')
    """
    if name[:1].lower() == "b":
        return "BP3"
    return "BP4" if name[:1].lower() in ("w", "g") or values.ndim > 1 else "BP3"
