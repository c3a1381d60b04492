"""`Loss`: what a sample costs, with the gradient right below the value; the mean over the batch, or the sum.

A target is class numbers (batch,) or one value per output (batch, outputs), one-hot rows for instance.
`encode` turns the first form into the second; every other method takes either.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import NetworkError, ShapeError
from .labels import one_hot


class Loss:
    """Base class: a subclass defines `per_sample_encoded` and `gradient_encoded`.

    Args:
        reduction: "mean" or "sum" over the samples of a batch. With a sum the gradient grows with the batch, and the
            learning rate has to shrink with it.
        scale: factor of the loss.

    Attributes:
        kind: what it is, in snake_case.
        takes: what it reads the outputs as: "values", "logits" or "probabilities".
        threshold: a single output above it predicts class 1.

    Raises:
        NetworkError: another reduction, or a scale that is not finite.
    """

    kind = "loss"
    takes = "values"
    threshold = 0.5
    reduction = "mean"  # as class attributes, so that a loss of your own needs no `__init__`
    scale = 1.0

    def __init__(self, *, reduction: str = "mean", scale: float = 1.0) -> None:
        if reduction not in ("mean", "sum"):
            raise NetworkError(f"no reduction is called {reduction!r}", help="known: mean, sum")
        if not np.isfinite(scale):
            raise NetworkError(f"scale {scale} of a loss is not a finite number", help="1 is usual")
        self.reduction, self.scale = reduction, float(scale)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that differ from their defaults, as plain data."""
        given = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return {name: value for name, value in given.items() if value != getattr(type(self), name, None)}

    def __call__(self, output: Array, target: Array) -> float:
        """The loss of a batch: what `gradient` is the derivative of."""
        each = self.per_sample(output, target)
        return float(np.sum(each) if self.reduction == "sum" else np.mean(each))

    def per_sample(self, output: Array, target: Array) -> Array:
        """The loss of every sample (batch,), from output (batch, outputs); `scale` included."""
        return self.per_sample_encoded(output, self._encoded(output, target))

    def gradient(self, output: Array, target: Array, out: Array | None = None) -> Array:
        """d(loss of the batch)/d(output), of the shape and dtype of output (batch, outputs)."""
        out = np.empty_like(output) if out is None else out
        return self.gradient_encoded(output, self._encoded(output, target), out)

    def per_sample_encoded(self, output: Array, target: Array) -> Array:
        """`per_sample` of encoded targets (batch, outputs)."""
        raise NotImplementedError(f"{type(self).__name__} has no value")

    def gradient_encoded(self, output: Array, target: Array, out: Array) -> Array:
        """`gradient` of encoded targets (batch, outputs), written into `out`."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient")

    def share(self, batch: int) -> float:
        """What one sample's loss counts in that of a batch of so many, times `scale`."""
        return self.scale if self.reduction == "sum" else self.scale / batch

    def check(self, target: Array) -> None:
        """Refuses encoded targets (samples, outputs) that the gradient does not hold for; any are fine here."""

    def probabilities(self, output: Array) -> Array:
        """What the outputs say, on the scale of the targets."""
        return output

    def predictions(self, output: Array) -> Array:
        """Class numbers (batch,) from output (batch, outputs): the largest output, or one against `threshold`."""
        if output.shape[1] == 1:
            return np.asarray(output[:, 0] > self.threshold).astype(np.int64)
        best: Array = np.argmax(output, axis=1)
        return best

    def encode(self, target: Array, outputs: int, dtype: Any) -> Array:
        """Targets as (batch, outputs): one-hot for class numbers, a column for one output.

        Raises:
            DataError: a label is negative, not below `outputs`, or not a whole number.
            ShapeError: the target does not fit the outputs.
        """
        target = np.asarray(target)
        if target.ndim == 2 and target.shape[1] == outputs:
            return target.astype(dtype, copy=False)
        if target.ndim == 1 and outputs == 1:
            return target.astype(dtype)[:, None]
        if target.ndim != 1:
            hint = f"give class numbers (batch,) or one column per output (batch, {outputs})"
            raise ShapeError(
                f"{self.kind} of {outputs} outputs got targets of shape {target.shape}", help=hint
            )
        return one_hot(target, outputs, dtype)

    def _encoded(self, output: Array, target: Array) -> Array:
        target = np.asarray(target)
        if target.shape == output.shape:
            return target
        if len(target) != len(output):
            raise ShapeError(
                f"{self.kind} got {len(output)} outputs and {len(target)} targets",
                help="one target per sample",
            )
        return self.encode(target, output.shape[1], output.dtype)


class Elementwise(Loss):
    """A loss that is the same function of every output and its target, combined over the outputs of a sample.

    A subclass defines `values` and `slopes`.

    Args:
        over_outputs: "mean" or "sum" over the outputs of a sample; None: what is usual for the loss.
        reduction: see `Loss`.
        scale: see `Loss`.

    Raises:
        NetworkError: see `Loss`, or another word for `over_outputs`.
    """

    over_outputs = "sum"

    def __init__(
        self, *, over_outputs: str | None = None, reduction: str = "mean", scale: float = 1.0
    ) -> None:
        super().__init__(reduction=reduction, scale=scale)
        if over_outputs not in (None, "mean", "sum"):
            raise NetworkError(f"outputs are not combined by {over_outputs!r}", help="known: mean, sum")
        self.over_outputs = over_outputs or type(self).over_outputs

    def values(self, output: Array, target: Array) -> Array:
        """What every output costs, of the shape of output and target together."""
        raise NotImplementedError(f"{type(self).__name__} has no value")

    def slopes(self, output: Array, target: Array, out: Array | None = None) -> Array:
        """d(values)/d(output), of the shape of output and target together."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient")

    def per_sample_encoded(self, output: Array, target: Array) -> Array:
        total = np.add.reduce(self.values(output, target), axis=1)
        return np.asarray(total * (self.scale / self._count(output)))

    def gradient_encoded(self, output: Array, target: Array, out: Array) -> Array:
        slopes = self.slopes(output, target, out)
        return np.multiply(slopes, self.share(len(output)) / self._count(output), out=out)

    def _count(self, output: Array) -> int:
        return 1 if self.over_outputs == "sum" else output.shape[1]
