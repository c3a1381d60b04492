"""`check_accuracy`: the accuracy recomputed, and the mistakes that would have given the user's number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..errors import UserError
from ..signals import Array
from .capture import Capture
from .mistakes import MISTAKES

SLACK = 1.0
"""Samples by which a number may differ: ties are broken one way or the other."""
EXACT = 1e-6
"""Samples by which a replayed mistake may differ from the number that it explains."""


@dataclass(frozen=True)
class Replayed:
    """One mistake that gives the user's number.

    Attributes:
        name: in snake_case.
        meaning: what is done wrong, in words.
        formula: the line of code that does it.
        value: the number that it gives.
        exact: whether that is the user's number to the last digit; else it is near, within chance.
    """

    name: str
    meaning: str
    formula: str
    value: float
    exact: bool = True


@dataclass(frozen=True)
class EvaluationCheck:
    """An evaluation compared with the accuracy of the same outputs and labels. Truthy where the number is right.

    Attributes:
        value: the number under test.
        accuracy: right answers as a share of the samples.
        samples: how many.
        mistakes: those that give the number, the likeliest first; empty where it is right, or nothing explains it.
        predicted: times that each class was predicted.
        right: right answers by class of the label.
        labels: samples of each class.
    """

    value: float
    accuracy: float
    samples: int
    mistakes: tuple[Replayed, ...] = ()
    predicted: tuple[int, ...] = ()
    right: tuple[int, ...] = ()
    labels: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return abs(self.value - self.accuracy) * self.samples <= SLACK + EXACT

    def __str__(self) -> str:
        true = f"{self.accuracy:.6g} ({round(self.accuracy * self.samples):,} of {self.samples:,})"
        if self:
            return f"○ Your evaluation is right: the accuracy is {true}."
        lines = [f"▲ Your evaluation gives {self.value:.6g}; the accuracy is {true}."]
        if not self.mistakes:
            return f"{lines[0]}\n  No known mistake gives your number: compare the two computations line by line."
        exact = (
            "exactly your number"
            if self.mistakes[0].exact
            else f"about your number ({self.mistakes[0].value:.4g})"
        )
        lines.append(f"  This gives {exact}:")
        for mistake in self.mistakes[:3]:
            lines.append(f"      {mistake.meaning}\n          {mistake.formula}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "accuracy": self.accuracy,
            "samples": self.samples,
            "mistakes": [asdict(mistake) for mistake in self.mistakes],
            "predicted": list(self.predicted),
            "right": list(self.right),
            "labels": list(self.labels),
        }


def check_accuracy(
    value: float,
    outputs: Array,
    labels: Array,
    *,
    inputs: Array | None = None,
    network: Any = None,
    earlier: Mapping[str, Array] | None = None,
    counts: Mapping[str, int] | None = None,
    threshold: float = 0.5,
) -> EvaluationCheck:
    """Compares the number that your evaluation gave with the accuracy, and names the mistake that gives it.

    Args:
        value: the number, unrounded: a share of 1, or the right answers as a whole number.
        outputs: what the network says of every sample (samples, classes), or (samples,) or (samples, 1) for two classes.
        labels: class numbers (samples,), or one-hot (samples, classes).
        inputs: (samples, …); needed to see an argmax of the inputs.
        network: of the core; needed to see an evaluation in training mode, or inputs without their axis.
        earlier: name → outputs that the network gave of the same samples before, to see stale weights.
        counts: name → another number of samples that may have been divided by, as in `{"training set": 50000}`.
        threshold: of a single output.

    Raises:
        UserError: the shapes do not belong together, there are no samples, or the value is no share and no count.
    """
    capture = Capture.of(outputs, labels, inputs, network, earlier or {}, counts or {}, threshold)
    samples, share = capture.samples, _share(value, capture.samples)
    right = capture.predictions == capture.labels
    classes = max(capture.classes, int(capture.labels.max()) + 1)
    result = EvaluationCheck(
        share,
        float(np.mean(right)),
        samples,
        predicted=_counts(capture.predictions, classes),
        right=_counts(capture.labels[right], classes),
        labels=_counts(capture.labels, classes),
    )
    if result:
        return result
    found = sorted(_replay(capture, share), key=lambda mistake: not mistake.exact)
    return replace(result, mistakes=tuple(found))


def _replay(capture: Capture, share: float) -> Sequence[Replayed]:
    found = []
    for mistake in MISTAKES:
        with np.errstate(all="ignore"):
            candidates = list(mistake.replay(capture))
        for candidate in candidates:
            near = abs(candidate.value - share) * capture.samples
            if near <= EXACT or near <= candidate.spread * capture.samples:
                formula = candidate.formula or mistake.formula
                found.append(Replayed(mistake.name, mistake.meaning, formula, candidate.value, near <= EXACT))
                break
    return found


def _counts(classes: Array, length: int) -> tuple[int, ...]:
    return tuple(np.bincount(classes, minlength=length).tolist())


def _share(value: float, samples: int) -> float:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and 1 < value <= samples:
        return int(value) / samples
    try:
        share = float(value)
    except (TypeError, ValueError):
        raise UserError(
            f"the value {value!r} is no number", help="give what your evaluation returned"
        ) from None
    if not 0 <= share <= 1:
        hint = (
            f"give {share / 100:g}" if 1 < share <= 100 else "give the right answers divided by the samples"
        )
        raise UserError(f"the value {value} is no share of 1 and no count of {samples} samples", help=hint)
    return share
