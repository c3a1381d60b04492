"""The catalogue of coding mistakes: from what a layer got to the gradient that a program with the mistake gives.

A mistake is named only if it reproduces the gradient entry by entry. Templates write the maths with the layer's
own numbers: `delta2` is the error of the second dense layer, `a1` the activation before it, `C` the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ..signals import Array
from .functions import Function
from .result import Mistake

MATCH = 1e-6
"""Largest difference, relative to the largest entry, at which a gradient equals a mistake's."""

DIFFERENT = 1e-4
"""A mistake whose gradient is nearer than this to the right one explains nothing."""


@dataclass(frozen=True)
class Evidence:
    """What is known at one point of one layer or of the loss.

    Attributes:
        part: `activation`, `dropout`, `input`, `weight`, `bias`, `loss`, or another name the catalogue lacks.
        given: the gradient under test.
        right: the right gradient, or None if only its projections are known.
        x, y: the layer's input and output (batch, …); for the loss both are the network's output.
        u: output gradient (batch, …).
        weight: (inputs, units) of a dense layer.
        function: the activation, where its values are those of a known one.
        target: of the loss, one value per output (batch, outputs).
        per_sample: losses (batch,).
        elementwise: contributions of each output to the loss (batch, outputs), where the loss is known.
        others: name → weights of the other layers.
        names: fields of the templates.
    """

    part: str
    given: Array
    right: Array | None
    x: Array
    y: Array
    u: Array
    names: Mapping[str, str]
    weight: Array | None = None
    function: Function | None = None
    loss: str = ""
    target: Array | None = None
    per_sample: Array | None = None
    elementwise: Array | None = None
    others: Mapping[str, Array] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Candidate:
    """One mistake applied to some evidence.

    Attributes:
        name: completes "the one with …".
        yours: what stands in the code.
        gradient: what it gives.
    """

    name: str
    yours: str
    gradient: Array


Catalogue = Callable[[Evidence], list[Candidate]]

SHOULD = {
    "activation": "{delta} = {incoming} * {f}'({z})",
    "softmax": "{delta} = {a} * (g - (g * {a}).sum(axis=1, keepdims=True)) with g = {incoming}",
    "dropout": "{delta} = {incoming} * mask / (1 - rate)",
    "input": "dL/d{before} = {delta} @ {W}.T",
    "weight": "d{W} = {before}.T @ {delta}",
    "bias": "d{b} = {delta}.sum(axis=0)",
    "quadratic": "dC/d{out} = ({out} - y) / batch",
    "cross_entropy": "dC/d{out} = (softmax({out}) - y) / batch",
    "binary_cross_entropy": "dC/d{out} = (sigmoid({out}) - y) / batch",
    "loss": "dC/d{out} = the derivative of the loss by its output",
}


def name_mistakes(evidence: Evidence, catalogues: Mapping[str, Catalogue]) -> tuple[Mistake, ...]:
    """Every mistake that reproduces the gradient, best match first.

    Args:
        evidence: what is known.
        catalogues: part → its candidates.
    """
    should = should_be(evidence)
    candidates = catalogues[evidence.part](evidence) if evidence.part in catalogues else []
    found = [m for c in (*candidates, *scaled(evidence, should)) if (m := _match(evidence, c, should))]
    if not found and evidence.right is not None:
        found = _proportional(evidence, should)
    return tuple(sorted(found, key=lambda mistake: mistake.residual))


def should_be(evidence: Evidence) -> str:
    """The line of maths that belongs there."""
    key = evidence.part
    if key == "loss" and evidence.loss in SHOULD:
        key = evidence.loss
    if key == "activation" and evidence.function and evidence.function.name == "softmax":
        key = "softmax"
    template = SHOULD.get(key, f"d{evidence.part} = the derivative of the layer's forward")
    return template.format_map(evidence.names)


def scaled(evidence: Evidence, should: str) -> list[Candidate]:
    """The right gradient times a factor that is easily lost or doubled."""
    right = evidence.right
    if right is None:
        return []
    batch = evidence.batch
    line = should if " with g" not in should else should.split(" with g")[0]
    name, _, formula = line.partition(" = ")
    twice = "a division by the batch too many (divided by the batch twice)"
    if evidence.part == "bias":
        twice = "the mean over the batch in place of the sum (divided by the batch twice)"
    shrunk = f"{formula} / batch"
    grown = formula.removesuffix(" / batch") if evidence.part == "loss" else f"batch * {formula}"
    factors = [
        (-1.0, "the sign flipped", f"-({formula})"),
        (2.0, "a factor 2 too many", f"2 * {formula}"),
        (0.5, "a factor 2 missing", f"0.5 * {formula}"),
        (1 / batch, twice, shrunk),
        (float(batch), "the division by the batch missing", grown),
    ]
    if evidence.part == "loss" and right.ndim == 2:
        factors.append(
            (1 / right.shape[1], "the mean over the outputs as well", f"{shrunk[:-8]} / outputs / batch")
        )
    result = [Candidate(what, f"{name} = {yours}", factor * right) for factor, what, yours in factors]
    return [*result, Candidate("nothing computed (it stays zero)", f"{name} = 0", np.zeros_like(right))]


def _proportional(evidence: Evidence, should: str) -> list[Mistake]:
    right, given = evidence.right, evidence.given
    if right is None or right.shape != given.shape or not np.isfinite(given).all() or not right.any():
        return []
    factor = float((given * right).sum() / (right * right).sum())
    name, _, formula = should.partition(" = ")
    candidate = Candidate(
        f"a constant factor of {factor:.6g}", f"{name} = {factor:.6g} * {formula}", factor * right
    )
    match = _match(evidence, candidate, should)
    return [match] if match else []


def _match(evidence: Evidence, candidate: Candidate, should: str) -> Mistake | None:
    given, gradient, right = evidence.given, np.asarray(candidate.gradient), evidence.right
    if gradient.shape != given.shape or not np.isfinite(gradient).all():
        return None
    size = float(np.abs(gradient).max(initial=0.0)) or 1.0
    residual = float(np.abs(given - gradient).max(initial=0.0)) / size
    if not residual <= MATCH:
        return None
    if right is not None and right.shape == given.shape:
        apart = float(np.abs(gradient - right).max(initial=0.0))
        if apart <= DIFFERENT * float(np.abs(right).max(initial=0.0)):
            return None
    return Mistake(candidate.name, candidate.yours, should, residual)
