"""What a program can do wrong and no sane library offers: faults that experiments express and the core does not have.

They keep the names (`kind`) of what the program meant to write, so that whoever watches has to find them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..activations import Activation, softmax
from ..arrays import Array
from ..batches import Batches
from ..losses import CrossEntropy, Loss
from ..model import Sequential
from ..optimizers import Optimizer

# --- structure ----------------------------------------------------------------------------------------------------


class SoftmaxOverBatch(Activation):
    """Softmax over the rows of a batch, so that every column sums to 1 and every row depends on all others."""

    kind = "softmax"

    def value(self, z: Array, out: Array | None = None) -> Array:
        return softmax(z, out, axis=0)

    def backward(self, output_gradient: Array) -> Array:
        inner: Array = (output_gradient * self._a).sum(axis=0, keepdims=True)
        return np.asarray(self._a * (output_gradient - inner))


# --- losses -------------------------------------------------------------------------------------------------------


class CrossEntropyOver(CrossEntropy):
    """Cross-entropy on logits over any axis, of any targets: −Σ y log softmax(z) over the axis, and the mean over the other.

    Args:
        axis: 1 for the classes, 0 for the rows of the batch.
        reduction: see `Loss`.
        scale: see `Loss`.
    """

    def __init__(self, axis: int, *, reduction: str = "mean", scale: float = 1.0) -> None:
        super().__init__(reduction=reduction, scale=scale)
        self._axis = axis

    def encode(self, target: Array, outputs: int, dtype: Any) -> Array:
        return Loss.encode(self, target, outputs, dtype)

    def check(self, target: Array) -> None:
        """The gradient holds for any targets."""

    def per_sample_encoded(self, output: Array, target: Array) -> Array:
        shifted = output - output.max(axis=self._axis, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=self._axis, keepdims=True))
        # What every row adds to the total, weighed so that the mean of the rows is the loss.
        each = -(target * log_p).sum(axis=1)
        return np.asarray(each * (self.share(output.shape[1 - self._axis]) * self._rows(output)))

    def gradient_encoded(self, output: Array, target: Array, out: Array) -> Array:
        softmax(output, out, axis=self._axis)
        np.multiply(out, target.sum(axis=self._axis, keepdims=True), out=out)
        np.subtract(out, target, out=out)
        return np.multiply(out, self.share(output.shape[1 - self._axis]), out=out)

    def _rows(self, output: Array) -> int:
        return 1 if self.reduction == "sum" else len(output)


class Broadcast(Loss):
    """A loss whose targets are not brought into the shape of the outputs: NumPy's rules decide.

    Targets (batch,) meet outputs (batch, 1) as (batch, batch): every output is held against every target. Targets
    (batch, 1) meet several outputs as if each output had the same target.

    Args:
        inner: the loss that the program meant to use.
    """

    def __init__(self, inner: Loss) -> None:
        super().__init__(reduction=inner.reduction, scale=inner.scale)
        self._inner, self.kind, self.takes, self.threshold = inner, inner.kind, inner.takes, inner.threshold

    @property
    def settings(self) -> dict[str, Any]:
        return self._inner.settings

    def encode(self, target: Array, outputs: int, dtype: Any) -> Array:
        return np.asarray(target).astype(dtype, copy=False)

    def per_sample_encoded(self, output: Array, target: Array) -> Array:
        return self._inner.per_sample_encoded(*np.broadcast_arrays(output, target))

    def gradient_encoded(self, output: Array, target: Array, out: Array) -> Array:
        wide, targets = np.broadcast_arrays(output, target)
        slopes = self._inner.gradient_encoded(wide, targets, np.empty(wide.shape, output.dtype))
        np.copyto(out, slopes if wide.shape == output.shape else slopes.sum(axis=1, keepdims=True))
        return out

    def probabilities(self, output: Array) -> Array:
        return self._inner.probabilities(output)


# --- updates ------------------------------------------------------------------------------------------------------


class _Uphill(Optimizer):
    """The sign of the update is wrong: the loss is climbed."""

    def gradient(self, network: Sequential) -> Array:
        return np.negative(super().gradient(network))


class _NeverCleared(Optimizer):
    """Gradients are added to those of all updates before, as where nobody sets them to zero."""

    def step(self, network: Sequential) -> None:
        if self._network is not network:
            self._piled, self._state = np.zeros_like(network.flat_gradients), {}
        self._piled += super().gradient(network)
        network.flat_gradients[...] = self._piled
        super().step(network)

    def gradient(self, network: Sequential) -> Array:
        return network.flat_gradients


def faulty_updates(kind: type[Optimizer], train: Mapping[str, Any]) -> type[Optimizer]:
    """The optimiser as the training uses it: `kind` itself, unless the update has a fault."""
    faults: list[type[Optimizer]] = []
    if train.get("gradient_sign", 1) < 0:
        faults.append(_Uphill)
    if not train.get("zero_grad", True):
        faults.append(_NeverCleared)
    return type(kind.__name__, (*faults, kind), {}) if faults else kind


# --- data ---------------------------------------------------------------------------------------------------------


class InputsShuffledAlone(Batches):
    """The inputs are shuffled every epoch and the targets are not: rows lose their targets."""

    def rows(self) -> tuple[Array, Array]:
        order, _ = super().rows()
        return order, np.arange(len(order))
