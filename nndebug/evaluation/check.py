"""`check_accuracy`: the accuracy recomputed, and the mistakes that would have given the user's number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..signals import Array
from ..wording import right_answers
from .capture import Capture
from .mistakes import MISTAKES
from .number import Said, Unit, readings

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
        value: the share that it gives.
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
        value: the number under test, as a share.
        accuracy: right answers as a share of the samples.
        samples: how many.
        mistakes: those that give the number, the likeliest first; empty where it is right, or nothing explains it.
        predicted: times that each class was predicted.
        right: right answers by class of the label.
        labels: samples of each class.
        unit: what the number was given in.
        rounding: share by which it may differ because it was rounded.
    """

    value: float
    accuracy: float
    samples: int
    mistakes: tuple[Replayed, ...] = ()
    predicted: tuple[int, ...] = ()
    right: tuple[int, ...] = ()
    labels: tuple[int, ...] = ()
    unit: Unit = Unit.SHARE
    rounding: float = 0.0

    def __bool__(self) -> bool:
        return (
            abs(self.value - self.accuracy) * self.samples <= max(SLACK, self.rounding * self.samples) + EXACT
        )

    def _words(self, share: float) -> str:
        """A share in the unit of the number."""
        return f"{share:.6g}" if self.unit is Unit.SHARE else right_answers(share, self.samples, self.unit)

    def __str__(self) -> str:
        said, true = self._words(self.value), self._words(self.accuracy)
        same = said == true
        if self.unit is not Unit.COUNT:
            true += f" ({right_answers(self.accuracy, self.samples, Unit.COUNT)})"
        if self:
            as_it_is = f"it says {said}, as the accuracy is" if same else f"the accuracy is {true}"
            return f"○ Your evaluation is right: {as_it_is}."
        lines = [f"▲ Your evaluation gives {said}; the accuracy is {true}."]
        if not self.mistakes:
            return f"{lines[0]}\n  No known mistake gives your number: compare the two computations line by line."
        exact = (
            "exactly your number"
            if self.mistakes[0].exact
            else f"about your number ({self._words(self.mistakes[0].value)})"
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
            "unit": self.unit.value,
            "rounding": self.rounding,
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
        value: the number, unrounded: a share of 1, a percentage, or the right answers. Which one is found out: of 97 of 200
            samples it is what the accuracy, or a mistake, gives exactly.
        outputs: what the network says of every sample (samples, classes), or (samples,) or (samples, 1) for two classes.
        labels: class numbers (samples,), or one-hot (samples, classes).
        inputs: (samples, …); needed to see an argmax of the inputs.
        network: of the core; needed to see an evaluation in training mode, or inputs without their axis.
        earlier: name → outputs that the network gave of the same samples before, to see stale weights.
        counts: name → another number of samples that may have been divided by, as in `{"training set": 50000}`.
        threshold: of a single output.

    Raises:
        UserError: the shapes do not belong together, there are no samples, or the value is no share, no percentage and no count.
    """
    return compare(
        value, Capture.of(outputs, labels, inputs, network, earlier or {}, counts or {}, threshold)
    )


def compare(value: Any, capture: Capture, first: Unit | None = None) -> EvaluationCheck:
    """`check_accuracy` of what is captured; `first` is the unit of earlier numbers."""
    likeliest, *others = readings(value, capture.samples, first)
    right = capture.predictions == capture.labels
    classes = max(capture.classes, int(capture.labels.max()) + 1)
    result = EvaluationCheck(
        likeliest.share,
        float(np.mean(right)),
        capture.samples,
        predicted=_counts(capture.predictions, classes),
        right=_counts(capture.labels[right], classes),
        labels=_counts(capture.labels, classes),
    )
    # In a unit that is less likely only what fits exactly is no coincidence; 96 of 10,000 may be meant as percent.
    if found := _in(result, likeliest):
        return found
    for said in others:
        rounding = 0.0 if likeliest.unit is Unit.SHARE else said.rounding * capture.samples
        if abs(said.share - result.accuracy) * capture.samples <= rounding + EXACT:
            return _in(result, said)
    candidates = [(said, _replay(capture, said.share)) for said in (likeliest, *others)]
    for said, mistakes in candidates:
        if any(mistake.exact for mistake in mistakes):
            return replace(_in(result, said), mistakes=mistakes)
    if likeliest.unit is Unit.SHARE:
        candidates = candidates[:1]
    said, mistakes = next((pair for pair in candidates if pair[1]), candidates[0])
    return replace(_in(result, said), mistakes=mistakes)


def _in(result: EvaluationCheck, said: Said) -> EvaluationCheck:
    return replace(result, value=said.share, unit=said.unit, rounding=said.rounding)


def _replay(capture: Capture, share: float) -> tuple[Replayed, ...]:
    """The mistakes that give this share, the exact ones first."""
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
    return tuple(sorted(found, key=lambda mistake: not mistake.exact))


def _counts(classes: Array, length: int) -> tuple[int, ...]:
    return tuple(np.bincount(classes, minlength=length).tolist())
