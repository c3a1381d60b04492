"""Cross-entropies on logits: softmax or sigmoid and the logarithm are fused, so nothing under- or overflows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..activations import Sigmoid, softmax
from ..arrays import Array
from ..errors import DataError, ShapeError
from .base import Elementwise, Loss
from .labels import check_labels


class CrossEntropy(Loss):
    """−Σ y log softmax(z) per sample, on logits z."""

    kind = "cross_entropy"
    takes = "logits"

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
        each = log_total * target.sum(axis=1) - np.einsum("ij,ij->i", shifted, target)
        return np.asarray(each * self.scale)

    def gradient_encoded(self, output: Array, target: Array, out: Array) -> Array:
        # softmax(z) − y holds for rows of y that sum to 1: see `check`.
        softmax(output, out)
        np.subtract(out, target, out=out)
        return np.multiply(out, self.share(len(output)), out=out)

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


class BinaryCrossEntropy(Elementwise):
    """−Σ y log σ(z) + (1 − y) log(1 − σ(z)) per sample, on logits z, summed over the outputs."""

    kind = "binary_cross_entropy"
    takes = "logits"
    threshold = 0.0

    def values(self, output: Array, target: Array) -> Array:
        # max(z, 0) − z y + log(1 + exp(−|z|)) is the same and exact for large |z|, added in this order: with y = 0 or 1
        # the first two cancel exactly, and what is left of a small loss keeps all its digits.
        return np.asarray(np.maximum(output, 0) - output * target + np.log1p(np.exp(-np.abs(output))))

    def slopes(self, output: Array, target: Array, out: Array | None = None) -> Array:
        out = _SIGMOID.value(output, out)
        return np.subtract(out, target, out=out)

    def encode(self, target: Array, outputs: int, dtype: Any) -> Array:
        target = np.asarray(target)
        if outputs == 1 and target.ndim == 1 and target.dtype.kind in "iu":
            check_labels(target, 2)
        return super().encode(target, outputs, dtype)

    def probabilities(self, output: Array) -> Array:
        return _SIGMOID.value(output)


_SIGMOID = Sigmoid()
