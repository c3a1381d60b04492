"""What one evaluation had in its hands: outputs, labels, and where they are known inputs, network and older outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import UserError
from ..signals import Array

CHUNK = 512


@dataclass(frozen=True)
class Capture:
    """One evaluation.

    Attributes:
        outputs: (samples, classes), or (samples, 1) for two classes.
        labels: class numbers (samples,).
        inputs: (samples, …), or None.
        network: of the core, or None.
        earlier: name → outputs of older weights, shaped like `outputs`.
        counts: name → number of samples of another set.
        threshold: of a single output.
    """

    outputs: Array
    labels: Array
    inputs: Array | None
    network: Any
    earlier: Mapping[str, Array]
    counts: Mapping[str, int]
    threshold: float

    @classmethod
    def of(
        cls,
        outputs: Array,
        labels: Array,
        inputs: Array | None,
        network: Any,
        earlier: Mapping[str, Array],
        counts: Mapping[str, int],
        threshold: float,
    ) -> Capture:
        """Checks shapes and brings labels into the form of class numbers.

        Raises:
            UserError: see `check_accuracy`.
        """
        outputs, labels = np.asarray(outputs), np.asarray(labels)
        outputs = outputs[:, None] if outputs.ndim == 1 else outputs
        if outputs.ndim != 2 or not outputs.size:
            raise UserError(
                f"outputs have shape {outputs.shape}",
                help="one row a sample, one column a class: (samples, classes)",
            )
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        elif labels.ndim == 2 and labels.shape[1] == outputs.shape[1]:
            labels = labels.argmax(axis=1)
        if labels.shape != (len(outputs),):
            turned = outputs.shape[1] == len(labels) if labels.ndim else False
            raise UserError(
                f"{len(outputs)} rows of outputs and labels of shape {labels.shape}",
                help="rows are samples: pass outputs.T"
                if turned
                else "one label a sample: (samples,), or one-hot rows",
            )
        if labels.dtype.kind not in "iub" and not (
            labels.dtype.kind == "f" and np.array_equal(labels, np.trunc(labels))
        ):
            raise UserError(
                "labels are no class numbers", help="accuracy is of classes; for regression compare the loss"
            )
        labels = labels.astype(np.int64)
        if labels.min() < 0:
            raise UserError(f"a label is {labels.min()}", help="number the classes from 0")
        if inputs is not None and len(np.asarray(inputs)) != len(outputs):
            raise UserError(
                f"{len(np.asarray(inputs))} inputs and {len(outputs)} outputs", help="one row a sample"
            )
        return cls(
            outputs,
            labels,
            None if inputs is None else np.asarray(inputs),
            network,
            earlier,
            counts,
            threshold,
        )

    @property
    def samples(self) -> int:
        return int(self.outputs.shape[0])

    @property
    def classes(self) -> int:
        return max(2, int(self.outputs.shape[1]))

    @cached_property
    def predictions(self) -> Array:
        """Class numbers (samples,) as they should be."""
        return self.decide(self.outputs)

    def decide(self, outputs: Array) -> Array:
        """Class numbers (samples,) from outputs (samples, outputs)."""
        if outputs.shape[1] == 1:
            return (outputs[:, 0] > self.threshold).astype(np.int64)
        best: Array = outputs.argmax(axis=1)
        return best

    @cached_property
    def one_hot(self) -> Array:
        """Labels as rows (samples, classes)."""
        rows = np.zeros((self.samples, max(self.classes, int(self.labels.max()) + 1)))
        rows[np.arange(self.samples), self.labels] = 1
        return rows

    def in_training_mode(self, rows: int) -> Array | None:
        """Outputs of a copy of the network in training mode, `rows` at a time; None where no layer tells the modes apart."""
        if self.network is None or self.inputs is None:
            return None
        if not any(layer.kind in ("dropout", "batch_norm") for layer in self.network.layers):
            return None
        copy = self.network.copy()
        copy.training = True
        parts = [np.array(copy.forward(self.inputs[i : i + rows])) for i in range(0, self.samples, rows)]
        return np.concatenate(parts)

    def broadcast(self) -> Array | None:
        """Flat argmax (samples,) of column code that was given rows: x (inputs,) with biases (units, 1).

        Every layer then carries a matrix (units, units of the first layer) instead of a column. None where the network
        is no stack of dense layers and activations.
        """
        if self.network is None or self.inputs is None or self.inputs.ndim != 2:
            return None
        if any(layer.kind != "dense" and not hasattr(layer, "derivative") for layer in self.network.layers):
            return None
        if any(layer.kind == "softmax" for layer in self.network.layers):
            return None
        twin = self.network.twin()
        found = []
        for start in range(0, self.samples, CHUNK):
            # (samples, units, columns); the first layer's product is a row, which its biases (units, 1) make a matrix.
            value = self.inputs[start : start + CHUNK].astype(self.network.dtype)
            for position, layer in enumerate(twin.layers):
                if layer.kind != "dense":
                    value = layer.value(value)
                    continue
                weight, bias = layer.parameters["weight"], layer.parameters.get("bias")
                value = (
                    (value @ weight)[:, None, :] if position == 0 else np.einsum("ui,suc->sic", weight, value)
                )
                if bias is not None:
                    value = value + bias[:, None]
            found.append(value.reshape(len(value), -1).argmax(axis=1))
        return np.concatenate(found)
