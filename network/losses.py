"""Losses: mean over the batch, with the gradient right below the value.

A target is class numbers (batch,) or one value per output (batch, outputs), one-hot rows for instance.
`encode` turns the first form into the second; every other method takes either.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .activations import Sigmoid, softmax
from .arrays import Array
from .errors import DataError, ShapeError


class Loss:
    """Base class: a subclass defines `per_sample_encoded` and `gradient_encoded`.

    Attributes:
        kind: what it is, in snake_case.
    """

    kind = "loss"

    def __call__(self, output: Array, target: Array) -> float:
        """The mean loss of a batch."""
        return float(np.mean(self.per_sample(output, target)))

    def per_sample(self, output: Array, target: Array) -> Array:
        """The loss of every sample (batch,), from output (batch, outputs)."""
        return self.per_sample_encoded(output, self._encoded(output, target))

    def gradient(self, output: Array, target: Array, out: Array | None = None) -> Array:
        """d(mean loss)/d(output), of the shape and dtype of output (batch, outputs)."""
        out = np.empty_like(output) if out is None else out
        return self.gradient_encoded(output, self._encoded(output, target), out)

    def per_sample_encoded(self, output: Array, target: Array) -> Array:
        """`per_sample` of encoded targets (batch, outputs)."""
        raise NotImplementedError(f"{type(self).__name__} has no value")

    def gradient_encoded(self, output: Array, target: Array, out: Array) -> Array:
        """`gradient` of encoded targets (batch, outputs), written into `out`."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient")

    def check(self, target: Array) -> None:
        """Refuses encoded targets (samples, outputs) that the gradient does not hold for; any are fine here."""

    def probabilities(self, output: Array) -> Array:
        """What the outputs say, on the scale of the targets."""
        return output

    def predictions(self, output: Array) -> Array:
        """Class numbers (batch,) from output (batch, outputs)."""
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


class Quadratic(Loss):
    """½ ‖a − y‖² per sample."""

    kind = "quadratic"

    def per_sample_encoded(self, output: Array, target: Array) -> Array:
        error = output - target
        return np.asarray(0.5 * np.einsum("ij,ij->i", error, error))

    def gradient_encoded(self, output: Array, target: Array, out: Array) -> Array:
        np.subtract(output, target, out=out)
        return np.multiply(out, 1 / len(output), out=out)


class CrossEntropy(Loss):
    """−Σ y log softmax(z) per sample, on logits z: softmax and logarithm are fused, so nothing under- or overflows."""

    kind = "cross_entropy"

    def encode(self, target: Array, outputs: int, dtype: Any) -> Array:
        if outputs == 1:
            # Softmax over one output is 1 whatever the input.
            raise ShapeError(
                "cross_entropy of a single output is always 0",
                help="use BinaryCrossEntropy, or an output per class",
            )
        return super().encode(target, outputs, dtype)

    def per_sample_encoded(self, output: Array, target: Array) -> Array:
        shifted = output - output.max(axis=1, keepdims=True)
        log_total = np.log(np.exp(shifted).sum(axis=1))
        return np.asarray(log_total * target.sum(axis=1) - np.einsum("ij,ij->i", shifted, target))

    def gradient_encoded(self, output: Array, target: Array, out: Array) -> Array:
        # softmax(z) − y holds for rows of y that sum to 1: see `check`.
        softmax(output, out)
        np.subtract(out, target, out=out)
        return np.multiply(out, 1 / len(output), out=out)

    def check(self, target: Array) -> None:
        """Refuses targets that are no probabilities.

        Raises:
            DataError: a row does not sum to 1.
        """
        total = target.sum(axis=1)
        bad = np.flatnonzero(~(np.abs(total - 1) < 1e-3))
        if len(bad):
            raise DataError(
                f"targets of {self.kind} are probabilities that sum to 1, row {bad[0]} sums to {total[bad[0]]:g}",
                help="for several labels per row use BinaryCrossEntropy",
            )

    def probabilities(self, output: Array) -> Array:
        return softmax(output)


class BinaryCrossEntropy(Loss):
    """−Σ y log σ(z) + (1 − y) log(1 − σ(z)) per sample, on logits z, summed over the outputs."""

    kind = "binary_cross_entropy"

    def per_sample_encoded(self, output: Array, target: Array) -> Array:
        # max(z, 0) − z y + log(1 + exp(−|z|)) is the same and exact for large |z|, added in this order: with y = 0 or 1
        # the first two cancel exactly, and what is left of a small loss keeps all its digits.
        loss = np.maximum(output, 0) - output * target + np.log1p(np.exp(-np.abs(output)))
        return np.asarray(loss.sum(axis=1))

    def gradient_encoded(self, output: Array, target: Array, out: Array) -> Array:
        _SIGMOID.value(output, out)
        np.subtract(out, target, out=out)
        return np.multiply(out, 1 / len(output), out=out)

    def encode(self, target: Array, outputs: int, dtype: Any) -> Array:
        target = np.asarray(target)
        if outputs == 1 and target.ndim == 1 and target.dtype.kind in "iu":
            check_labels(target, 2)
        return super().encode(target, outputs, dtype)

    def probabilities(self, output: Array) -> Array:
        return _SIGMOID.value(output)

    def predictions(self, output: Array) -> Array:
        if output.shape[1] > 1:
            return super().predictions(output)
        return np.asarray(output[:, 0] > 0).astype(np.int64)


_SIGMOID = Sigmoid()

LOSSES: dict[str, type[Loss]] = {c.kind: c for c in (Quadratic, CrossEntropy, BinaryCrossEntropy)}


def one_hot(labels: Array, classes: int, dtype: Any = np.float64) -> Array:
    """Class numbers (batch,) as rows (batch, classes) with a single 1.

    Raises:
        DataError: a label is negative, not below `classes`, or not a whole number.
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iub":
        bad = (
            labels
            if labels.dtype.kind != "f"
            else labels[~(np.isfinite(labels) & (labels == np.trunc(labels)))]
        )
        if len(bad):
            raise DataError(
                f"labels must be whole numbers 0 to {classes - 1}, got {bad[0]}",
                help="number the classes from 0; for regression give targets (batch, outputs)",
            )
    check_labels(labels, classes)
    rows = np.zeros((len(labels), classes), dtype)
    rows[np.arange(len(labels)), labels.astype(np.int64)] = 1
    return rows


def check_labels(labels: Array, classes: int) -> None:
    """Refuses class numbers (batch,) that are not 0 to `classes` − 1.

    Raises:
        DataError: a label is negative or not below `classes`.
    """
    if not len(labels) or (labels.min() >= 0 and labels.max() < classes):
        return
    bad = int(labels.min()) if labels.min() < 0 else int(labels.max())
    hint = (
        "count classes from 0"
        if bad == classes
        else "number the classes from 0, and give the last layer one output per class"
    )
    raise DataError(f"label {bad} is out of range 0 to {classes - 1}", help=hint)
