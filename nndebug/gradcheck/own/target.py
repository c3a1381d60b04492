"""Which loss a user's own class minimises: its own method, the loss whose derivative it has, or a usual one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...adapters.attributes.model import OwnModel
from ...errors import UserError, did_you_mean
from ...signals import Array
from .loss_l2 import Penalty, penalised
from .losses import KNOWN, SAME, USUAL, KnownLoss, encoded, is_numbers, known, of_gradients, of_values
from .rebuilt import Layers, Pass, through
from .sums import Piece, same

ROWS = 5


@dataclass(frozen=True)
class Target:
    """What is to be differentiated.

    Attributes:
        loss: the loss by its formula, None if only its values are known.
        mean: whether it is the mean over the samples, else their sum.
        notes: how it was found.
        assumed: whether nothing in the class says so.
        broadcast: what is wrong with the class's own loss, where targets and outputs have shapes that broadcast.
        penalty: the L2 term that the class's own loss has beside it.
    """

    loss: KnownLoss | None
    mean: bool
    notes: tuple[str, ...]
    assumed: bool = False
    broadcast: str = ""
    penalty: Penalty | None = None

    def value(self, own: OwnModel) -> float:
        """The loss of the samples at the class's parameters as they are now."""
        if own.loss is not None and self.loss is None:
            if own.batched:
                return own.run_loss(own.x, own.y)
            return float(
                np.mean([own.run_loss(own.x[i : i + 1], own.y[i : i + 1]) for i in range(len(own.x))])
            )
        assert self.loss is not None
        output = own.output(own.x)
        each = self.loss.per_sample(output, self.encoded(own.y, output.shape[1]))
        return float(each.mean() if self.mean else each.sum())

    def encoded(self, y: Array, outputs: int) -> Array:
        return encoded(y, outputs)


def choose_loss(own: OwnModel, layers: Layers | None, given: str | None) -> Target | None:
    """The loss to check against; None if there is no telling.

    Raises:
        UserError: `given` is a word, and no loss of that name is known.
    """
    if given:
        names = [loss.name for loss in KNOWN]
        word = given.replace("_", " ").replace("-", " ").lower().replace("cross entropy", "cross-entropy")
        if word not in names:
            raise UserError(f"there is no loss {given!r}", help=did_you_mean(word, names))
        return Target(known(word), True, (f"The loss is {word}, as you say.",))
    if own.loss is not None:
        return _of_method(own)
    if own.derivative is not None:
        found = _of_derivative(own)
        if found is not None:
            return found
    if layers is None:
        return None
    function = layers.functions[-1].name
    name = USUAL.get(function, "quadratic")
    note = (
        f"Your class has no loss: taken to be {name}, {known(name).formula}, usual with {function}. "
        f"If it is another one, say so: loss='{_other(name)}'."
    )
    if own.derivative is not None:
        note = f"{own.derivative} is the derivative of no known loss. " + note
    return Target(known(name), True, (note,), assumed=True)


def fitting(own: OwnModel, layers: Layers, target: Target, passed: Pass, pieces: Sequence[Piece]) -> Target:
    """Where nothing in the class says which loss it has: the one whose gradient it gives, or else the usual one.

    A delta of a - y after a sigmoid is right for binary cross-entropy and wrong for the quadratic loss; without a
    word on the loss in the class it cannot be called wrong.
    """
    a, function = passed.activations[-1], layers.functions[-1]
    y = target.encoded(own.y, a.shape[1])
    before = passed.before(len(layers.chain) - 1)
    for loss in KNOWN:
        with np.errstate(all="ignore"):
            delta = through(function, passed.zs[-1], a, loss.gradient(a, y))
        if loss is target.loss or not np.isfinite(delta).all() or not delta.any():
            continue
        for mean in (True, False):
            scale = 1 / len(a) if mean and own.batched else 1.0
            if _gives(scale * delta, before, pieces):
                assert target.loss is not None
                note = (
                    f"Your class has no loss: its gradient is that of {loss.name}, {loss.formula}, so it is taken to be that. "
                    f"If you mean the {target.loss.name} one, say so: loss='{target.loss.name.replace('-', '_')}'."
                )
                return Target(loss, mean, (note,), assumed=True)
    return target


def _gives(delta: Array, before: Array, pieces: Sequence[Piece]) -> bool:
    """Whether this delta gives both gradients of the last layer; zeros, as silent units leave them, prove nothing."""
    for piece in pieces:
        given, here = piece.given[-1], delta[piece.rows]
        right = {"weight": before[piece.rows].T @ here, "bias": here.sum(axis=0)}
        if "weight" not in given or not all(same(value, right[part]) for part, value in given.items()):
            return False
    return any(piece.given[-1]["weight"].any() for piece in pieces)


def _of_method(own: OwnModel) -> Target:
    """The formula whose values the class's own loss gives, at two points."""
    assert own.loss is not None
    rng = np.random.default_rng(0)
    common: list[tuple[KnownLoss, str]] | None = None
    count = len(own.x) if own.forward_batched else 1
    for attempt in range(2):
        start = own.start()
        values = {p: v if not attempt else v + 0.3 * rng.normal(size=v.shape) for p, v in start.items()}
        with own.at(values):
            output = own.output(own.x[:count])
            value = own.run_loss(own.x[:count], own.y[:count])
        with np.errstate(all="ignore"):  # most losses mean nothing for this output
            losses = of_values(output, encoded(own.y[:count], output.shape[1]), value)
        here = [(loss, kind) for loss, kind, _ in losses]
        common = here if common is None else [pair for pair in common if pair in here]
    if not common and (found := _broadcast(output, own.y[:count], value)):
        loss, sentence = found
        note = f"Your {own.loss} is meant to be {loss.name}, {loss.formula}."
        return Target(loss, True, (note,), broadcast=sentence)
    if not common:
        return _with_penalty(own) or Target(None, True, (f"The loss is what {own.loss} gives.",))
    loss, kind = common[0]
    which = f"{loss.name}, {loss.formula}, " + (
        f"as the {kind} over the samples" if count > 1 else "of one sample"
    )
    return Target(loss, kind == "mean", (f"Your {own.loss} is {which}.",))


def _with_penalty(own: OwnModel) -> Target | None:
    count = len(own.x) if own.batched else 1
    found = penalised(own, count)
    if found is None:
        return None
    loss, kind, penalty = found
    which = f"as the {kind} over the samples" if count > 1 else "of one sample"
    note = f"Your {own.loss} is {loss.name}, {loss.formula}, {which}, plus {penalty}."
    return Target(loss, kind == "mean", (note,), penalty=penalty)


def _broadcast(output: Array, y: Array, value: float) -> tuple[KnownLoss, str] | None:
    """The loss that gives this value with targets as they come, spread over the outputs, and what is wrong with that."""
    n, outputs = output.shape
    if y.ndim == 1 and outputs == 1:
        sentence = f"its loss sets outputs ({n}, 1) against targets ({n},), which NumPy makes ({n}, {n}): y.reshape(-1, 1) first"
    elif is_numbers(y, outputs):
        sentence = f"its loss takes class numbers {y.shape} for targets {output.shape}: np.eye({outputs})[y{'.ravel()' * (y.ndim > 1)}] first"
    else:
        return None
    raw = y[None, :] if y.ndim == 1 else y
    for loss in KNOWN:
        with np.errstate(all="ignore"):
            try:
                each = np.asarray(loss.each(output, raw))
            except ValueError:  # shapes that do not broadcast
                return None
        if any(
            abs(total - value) <= SAME * abs(value) for total in (each.mean(), each.sum() / n, each.sum())
        ):
            return loss, sentence
    return None


def _of_derivative(own: OwnModel) -> Target | None:
    assert own.derivative is not None
    with own.untouched():
        shape = own.output(own.x[:1]).shape[1]
    rng = np.random.default_rng(0)
    a = rng.uniform(0.1, 0.9, (ROWS, shape))
    y = np.eye(shape)[rng.integers(0, shape, ROWS)] if shape > 1 else rng.uniform(0, 1, (ROWS, 1)).round()
    found = np.empty_like(a)
    for i in range(ROWS):
        try:
            with own.untouched():
                value = np.asarray(
                    own.derivative.call({"output": a[i][:, None], "y": y[i][:, None]}), np.float64
                )
        except UserError:
            return None
        if value.size != shape:
            return None
        found[i] = value.ravel()
    losses = of_gradients(a, y, found)
    if not losses:
        return None
    loss = losses[0]
    note = f"Your class has no loss, but {own.derivative} is the derivative of the {loss.name} one, {loss.formula}."
    return Target(loss, True, (note,))


def _other(name: str) -> str:
    return {"quadratic": "binary_cross_entropy", "cross-entropy": "quadratic"}[name]
