"""Every entry of every parameter's gradient, from derivatives of the forward pass alone, from the loss down.

The error at the output comes from differences of the loss. Each layer passes it down by the slopes of its own forward:
a dense layer is linear in its input and its weights, which is tried and not believed, so that dL/dx = dL/dz · weightᵀ
and dL/dweight = xᵀ · dL/dz are exact; an elementwise layer has one slope for each entry; any other is shifted column by
column. A network's derivative is the product of its layers': one pass along a random direction holds that against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from ..signals import Array
from .chain import is_chain
from .claimed import Claimed
from .columns import TooLarge, by_parameter, through
from .comparing import MARGIN, ZERO, Spread, compare, shape_trouble, unresolved
from .confirming import by_shifting
from .differences import COUNT, measured
from .ending import Ending
from .equations import equation_of
from .ladder import RESOLUTION, by_ladder
from .linear import Linear
from .local import Nature
from .pointwise import Error, through_elementwise
from .result import Row, Verdict
from .tape import Tape, site

CONSTANT = "The loss is the same whatever the network gives, so that nothing can be learned: does it read its output?"
"""True of a cross-entropy whose single output is divided by its sum, too."""

TOO_SURE = 4
"""Entries of one parameter at which an error estimate may turn out to be too good."""


class Structured:
    """Compares every parameter's gradient with the right one.

    Args:
        tape: the recorded pass.
        claimed: the network's gradients.
        natures: what each layer is like, by index.
        rng: where directions come from.

    Attributes:
        share: the largest share of one layer's slopes that sat on a kink.
    """

    def __init__(
        self, tape: Tape, claimed: Claimed, natures: Mapping[int, Nature], rng: np.random.Generator
    ) -> None:
        self.tape, self.claimed, self.natures, self.rng = tape, claimed, natures, rng
        self.reference = self.share = 0.0
        self.above: Error | None = None
        self.sharp = False

    def loss(self) -> tuple[Row, Array | None]:
        """The loss's gradient compared, and the right one."""
        tape, output = self.tape, self.tape.output
        if not np.isfinite(tape.loss_value):
            return unresolved("loss", "output", "BP1", output.size, f"the loss is {tape.loss_value}"), None
        if tape.mixes(len(tape.layers)):
            return unresolved("loss", "output", "BP1", output.size, "the loss mixes samples"), None
        end = Ending(tape, self.claimed.loss_gradient)
        flat = end.output.reshape(tape.batch, -1)
        count = flat.shape[1]
        stack, each = np.empty((count, COUNT, *flat.shape), flat.dtype), np.arange(count)

        def evaluate(shifts: Array) -> Array:
            stack[...] = flat
            stack[each, :, :, each] += shifts[:, None]
            return tape.losses(stack.reshape(-1, *output.shape)).reshape(count, COUNT, tape.batch)

        reach = np.abs(flat).max(axis=1, initial=0.0)
        found = measured(evaluate, end.per_sample, end.eps, reach, tape.batch)
        one = Error(np.ones((tape.batch, count)), np.zeros((tape.batch, count)), open=1.0)
        turned = replace(
            found,
            **{name: np.ascontiguousarray(value.T) for name, value in vars(found).items() if name != "noise"},
        )
        given = self.claimed.loss_gradient
        flat_given = None if given is None or given.shape != output.shape else given.reshape(flat.shape)
        error = through_elementwise(one, turned, flat_given)
        doubt = error.error.reshape(output.shape) + end.rounding
        self.above = replace(error, value=error.value.reshape(output.shape), error=doubt)
        self.reference = float(np.abs(error.value).max(initial=0.0))
        if not self.reference and end.is_constant(self.rng):
            tape.notes.append(CONSTANT)
        if given is None:
            return unresolved("loss", "output", "BP1", output.size, "loss.gradient raises"), None
        row = compare("loss", "output", "BP1", given, self.above.value, self.above.error, eps=tape.eps)
        if row.verdict is not Verdict.AGREES and given.shape == output.shape and end.eps < 1e-12:
            value, doubt = by_ladder(end, given)
            doubt += end.rounding
            self.above = replace(self.above, value=value, error=doubt)
            resolution = RESOLUTION if tape.eps < 1e-12 else None
            row = compare("loss", "output", "BP1", given, value, doubt, eps=tape.eps, resolution=resolution)
        self.sharp = row.verdict is Verdict.UNRESOLVED
        return row, self.above.value

    def rows(self) -> list[Row]:
        """One row for each parameter, from the output down; `loss` comes first."""
        tape, rows = self.tape, []
        owners = [index for index, layer in enumerate(tape.layers) if getattr(layer, "parameters", {})]
        why = ""
        for index in reversed(range(min(owners, default=len(tape.layers)), len(tape.layers))):
            if index in owners:
                rows += self._layer(index, why)
            if index > owners[0] and self.above is not None:
                try:
                    self.above = self._through(index, self.above)
                except TooLarge:
                    size = tape.inputs[index][0].size
                    self.above = None
                    why = f"{site(tape.layers, index)} above it has {size:,} inputs: too many to shift one by one"
        if owners and self.above is not None and not self._is_chain(owners[0], self.above):
            reason = "the network's derivative is not that of its layers: do they share something beside x?"
            rows = [unresolved(r.layer, r.parameter, r.equation, r.entries, reason) for r in rows]
        return rows

    # --- inside -----------------------------------------------------------------------------------------------

    def _through(self, index: int, above: Error) -> Error:
        """The error below a layer."""
        tape, nature = self.tape, self.natures[index]
        if nature.form:
            weight = np.asarray(tape.layers[index].parameters[nature.form.weight], np.float64)
            doubt, size = above.error + 4 * tape.eps * np.abs(above.value), np.abs(weight).T
            most = above.open * float(size.sum(axis=0).max(initial=0.0))
            return replace(above, value=above.value @ weight.T, error=doubt @ size, open=most)
        if nature.slopes is not None:
            claimed = self._delta(index - 1) if nature.slopes.kinked.any() else None
            below = through_elementwise(above, nature.slopes, claimed)
        else:
            below = through(
                tape, index, tape.inputs[index], tape.outputs[index], above, self._delta(index - 1), self.rng
            )
        self.share = max(self.share, below.share)
        return below

    def _delta(self, index: int) -> Array | None:
        return self.claimed.chain.deltas[index] if index >= 0 else None

    def _layer(self, index: int, why: str) -> list[Row]:
        tape, name = self.tape, site(self.tape.layers, index)
        parameters, form = tape.layers[index].parameters, self.natures[index].form
        reason = self._obstacle(index)
        if self.above is not None:
            self.reference = max(self.reference, float(np.abs(self.above.value).max(initial=0.0)))
        if form and self.above is not None and not reason:
            return self._linear_rows(index, form, self.above)
        rows = []
        for parameter, values in parameters.items():
            stop = reason or why
            if values.dtype.kind != "f":
                stop = f"it is {values.dtype}: only floating-point parameters have gradients"
            given = self.claimed.gradients.get((index, parameter))
            trouble = shape_trouble(given, values.shape)
            if self.above is not None and not stop:
                try:
                    found = by_parameter(
                        tape, index, parameter, tape.inputs[index], tape.outputs[index], self.above, self.rng
                    )
                except TooLarge:
                    stop = f"{values.size:,} entries, not x @ weight + bias: too many to shift one by one"
            if stop and (values.dtype.kind != "f" or not trouble or reason):
                rows.append(unresolved(name, parameter, equation_of(parameter, values), values.size, stop))
                continue
            if stop:
                found = Error(np.zeros(values.shape), np.zeros(values.shape))
            total = max(found.total, tape.outputs[index].size * found.open)
            rows.append(self._row(index, parameter, found.value, found.error, found.kinks, total))
        return rows

    def _obstacle(self, index: int) -> str:
        """Why the parameters of this layer cannot be checked, empty if they can."""
        if not np.isfinite(self.tape.loss_value):
            return f"the loss is {self.tape.loss_value}"
        broken = self.claimed.broken
        if broken and index <= broken.index and not any(key[0] == index for key in self.claimed.gradients):
            return broken.short
        if self.tape.mixes(len(self.tape.layers)):
            return "the loss mixes samples, so it cannot be told whose change is whose"
        return ""

    def _linear_rows(self, index: int, form: Linear, above: Error) -> list[Row]:
        tape, x = self.tape, self.tape.inputs[index]
        doubt = above.error + 4 * tape.eps * np.abs(above.value)  # sums over the batch are rounded once more
        rows = []
        for parameter in tape.layers[index].parameters:
            right, inputs = above.value.sum(axis=0), np.ones((1, 1))
            spread: Array | Spread = doubt.sum(axis=0)
            if parameter == form.weight:
                right, inputs, spread = x.T @ above.value, x, Spread(np.abs(x), doubt)
            total = (
                len(x) * float(np.abs(inputs).max(initial=0.0)) * float(np.abs(above.value).max(initial=0.0))
            )
            rows.append(self._row(index, parameter, right, spread, above.kinks, total))
        return rows

    def _row(
        self, index: int, parameter: str, right: Array, error: Array | Spread, kinks: int, total: float
    ) -> Row:
        tape = self.tape
        compared = partial(
            compare, site(tape.layers, index), parameter, equation_of(parameter, tape.layers[index].parameters[parameter]),
            self.claimed.gradients.get((index, parameter)), right, kinks=kinks, eps=tape.eps,
        )  # fmt: skip
        row = compared(error, reference=max(self.reference, total))
        for _ in range(TOO_SURE):
            if row.verdict is not Verdict.DISAGREES or not np.isfinite(row.numeric):
                break
            known = np.broadcast_to(error.full() if isinstance(error, Spread) else error, right.shape)
            off = self._too_sure(index, parameter, row, float(known[row.index]))
            if not off:
                break
            error = known + off
            row = compared(error, reference=max(self.reference, total))
        if row.verdict is Verdict.UNRESOLVED and np.isfinite(row.numeric):
            # What cancels in the sums over the batch is known no better than its parts.
            part = compared(error, scale=max(total, ZERO * self.reference))
            if part.verdict is Verdict.AGREES:
                return replace(
                    part,
                    reason="units above are saturated, or terms cancel: as far as rounding lets it be known",
                )
        return row

    def _too_sure(self, index: int, parameter: str, row: Row, error: float) -> float:
        """How far off the slopes' derivative is where the loss itself, with the worst entry shifted, bears out the network's."""
        value, doubt = by_shifting(self.tape, index, parameter, row.index)
        off = abs(row.numeric - value)
        borne_out = abs(row.analytic - value) <= MARGIN * doubt < off - MARGIN * error
        return off if borne_out else 0.0

    def _is_chain(self, index: int, at: Error) -> bool:
        """Whether the loss moves with the output of layer `index` as the layers' derivatives say."""
        tape = self.tape
        if at.kinks or not np.isfinite(at.value).all() or self.sharp:
            return True
        return is_chain(tape, index, at.value, float(at.error.sum()), self.rng)
