"""What the first losses say of task, targets and outputs: classes, loss at chance, and whether output and target fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...chance import class_shares
from ...preflight.data import scale_facts
from ...preflight.ranges import label_facts, output_facts, target_facts
from ...signals import Array
from .losses import LossCall

ROWS = 5000
"""Samples whose targets are kept; more do not change their shares."""

OF_CLASSES = ("cross_entropy", "negative_log_likelihood")
OF_TWO = ("binary_cross_entropy", "probability_binary_cross_entropy")
TAKES = {
    "cross_entropy": "logits",
    "binary_cross_entropy": "logits",
    "negative_log_likelihood": "log-probabilities",
    "probability_binary_cross_entropy": "probabilities",
}
"""Kind of loss → what it reads the outputs as; others take values."""


class Targets:
    """Collects targets of the first batches.

    Attributes:
        kind: of the loss; empty until one was seen.
        changed: more is known than when `facts` was asked for.
        doubled: at least twice as much is.
    """

    def __init__(self) -> None:
        self.kind = ""
        self._first: tuple[Array, Array] | None = None
        self._activation = "linear"
        self._summed: bool | None = None
        self._across = self._several = self._against = False
        self._flipped: set[bool] = set()
        self._targets: list[Array] = []
        self._rows = 0
        self._batch = 0
        self._outputs = 0
        self._told = 0

    def saw(self, call: LossCall, against: bool = False) -> None:
        """Takes one call into account, while more are wanted.

        Args:
            call: the loss.
            against: it is another model's, which is to become worse.
        """
        if not self.wanting or not call.kind:
            return
        wide = int(call.output.shape[1]) if call.output.ndim > 1 else 1
        if self.kind and (call.kind, wide) != (self.kind, self._outputs):
            self._several = True
            return
        target = call.target.detach().cpu().numpy()
        # A loss times an advantage is made larger for some samples, and smaller for others.
        self._flipped.add(call.negated)
        self._against = self._against or against
        if not self.kind:
            self.kind = call.kind
            self._outputs = wide
            self._batch = len(target) if target.ndim else 1
            self._first = call.output.detach().float().cpu().numpy(), target
            self._activation, self._summed, self._across = call.activation, call.summed, call.across
        if call.kind in OF_CLASSES and target.dtype.kind in "iu":
            target = self._meant(target.reshape(-1))
        fits = not self._targets or target.shape[1:] == self._targets[0].shape[1:]
        if target.size and target.ndim and fits:
            self._targets.append(target)
            self._rows += len(target)

    def _meant(self, target: Array) -> Array:
        """Class numbers (samples,) without those that the loss was told to ignore; it refuses all others itself."""
        if self.kind not in OF_CLASSES or target.dtype.kind not in "iu":
            return target
        return target[(target >= 0) & (target < self._outputs)]

    @property
    def changed(self) -> bool:
        return self._rows > self._told

    @property
    def doubled(self) -> bool:
        return self.changed and self._rows >= 2 * self._told

    @property
    def classes(self) -> int:
        """Number of classes; 0 where the targets are numbers."""
        if not self._targets:
            return 0
        if self.kind in OF_CLASSES:
            return self._outputs
        two = self.kind in OF_TWO and all(np.isin(t, (0, 1)).all() for t in self._targets)
        return 2 if two and self._outputs == 1 else 0

    @property
    def wanting(self) -> bool:
        """Whether more targets would tell more."""
        return self._rows < ROWS

    def fit(self, last: str, maximize: bool) -> dict[str, Any]:
        """What the first batch says of loss, outputs and targets, as the preflight's parts `fit`, `batch`, `reduction`.

        Args:
            last: name of the last layer.
            maximize: the optimiser goes uphill.
        """
        if self._first is None:
            return {}
        (output, target), activation = self._first, self._activation
        if self.kind in OF_CLASSES and output.ndim > 2:  # a class for every place of a sample
            output, target = np.moveaxis(output, 1, -1).reshape(-1, self._outputs), target.reshape(-1)
        spread = self.kind not in OF_CLASSES and target.shape != output.shape
        encoded = target
        if self.kind in OF_CLASSES and target.ndim == 1:
            encoded = np.eye(self._outputs, dtype=np.float32)[np.clip(target, 0, self._outputs - 1)]
        fit: dict[str, Any] = {
            "loss": self.kind,
            "takes": TAKES.get(self.kind, "values"),
            "output_activation": activation,
            "outputs": self._outputs,
            "output_shape": list(output.shape[1:]),
            "target_shape": list(target.shape[1:]),
            "layers": [],
            "linear": [],
            "refusal": "",
            "edge": None,
            "negated": not self._against and self._flipped == {not maximize},
            **label_facts(self._meant(target)),
            **({} if self.kind in OF_CLASSES else output_facts(output)),
            **target_facts(encoded, activation),
        }
        if self.kind == "negative_log_likelihood":
            fit["mass"] = _mass(output)
        batch = {
            "sizes": {},
            "awkward": 0,
            "coupled_layer": last if self._across else None,
            "coupled_loss": spread,
        }
        # Not measured: the same rows twice and four times over make so much of the gradient of a sum, by definition.
        growth = [1.0, 2.0, 4.0] if self._summed else [1.0, 1.0, 1.0]
        reduction = {"losses": [], "gradient_growth": growth, "batch": self._batch}
        return {"fit": fit, "batch": batch, "reduction": reduction}

    def scales(self) -> dict[str, Any]:
        """Scales of targets that are numbers."""
        if not self._targets or self.kind in OF_CLASSES or self.kind in OF_TWO:
            return {}
        targets = np.concatenate(self._targets)
        return scale_facts(targets.reshape(len(targets), -1))

    def facts(self) -> dict[str, Any]:
        """What the manifest says of the task."""
        self._told = self._rows
        if not self._targets:
            return {}
        targets = np.concatenate(self._targets)
        facts: dict[str, Any] = {"loss": self.kind, "classes": self.classes, "batch": self._batch}
        facts["loss_settings"] = {"takes": TAKES.get(self.kind, "values")}
        if self.kind in OF_CLASSES and targets.ndim == 1:
            encoded = np.eye(self._outputs, dtype=np.float32)[targets]
            facts["class_shares"] = class_shares(targets, self._outputs)
        else:
            encoded = targets.reshape(len(targets), -1)
            if self.classes:
                facts["class_shares"] = class_shares(encoded[:, 0].astype(np.int64), 2)
        # Of several tasks that each go backward on their own no single number is what knowing nothing costs.
        facts["loss_at_chance"] = None if self._several else _chance(self.kind, encoded)
        return facts


def _mass(output: Array) -> tuple[float, float]:
    """What the exponentials of one sample's outputs (samples, classes, …) sum to, at least and at most."""
    with np.errstate(over="ignore"):
        sums = np.exp(np.asarray(output, np.float64)).sum(axis=min(1, output.ndim - 1))
    return float(sums.min()), float(sums.max())


_NO_CHANCE = 1e-9
"""Targets that are all the same have a loss at chance of 0: how far a loss is below that nobody can say."""


def _chance(kind: str, targets: Array) -> float | None:
    """The mean loss of the best constant output, averaged over outputs as PyTorch's losses are: (samples, outputs).

    None where it is not known, or the targets so far are all the same, as those of one half of a discriminator's batches; nor
    for shares between 0 and 1, as the greys of an autoencoder's images: even the right outputs leave a loss then.
    """
    y = np.asarray(targets, np.float64)
    shares = np.clip(y.mean(axis=0), 1e-300, 1)
    others = np.clip(1 - shares, 1e-300, 1)
    if kind == "quadratic":
        chance = float(y.var(axis=0).mean())
    elif kind == "absolute_error":
        chance = float(np.abs(y - np.median(y, axis=0)).mean())
    elif kind in OF_CLASSES:
        chance = float(-(shares * np.log(shares)).sum())
    elif kind in OF_TWO:
        if not np.isin(y, (0, 1)).all():
            return None
        chance = float(-(shares * np.log(shares) + others * np.log(others)).mean())
    else:
        return None
    return chance if chance > _NO_CHANCE else None
