"""Which coding mistake gives exactly this gradient: a catalogue is replayed on what a layer got.

A mistake is named only if it reproduces the gradient entry by entry. Templates write the maths with the layer's
own numbers: `delta2` is the error of the second dense layer, `a1` the activation before it, `C` the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..signals import Array
from .functions import Function
from .norms import Norm
from .result import Mistake
from .windows import Windows

MATCH = 1e-6
"""Largest difference, relative to the largest entry, at which a gradient equals a mistake's."""

DIFFERENT = 1e-4
"""A mistake whose gradient is nearer than this to the right one explains nothing."""

CARRIERS = 3.0
"""A mistake with an unknown number must show in so many entries: one number is always some multiple of another."""


@dataclass(frozen=True)
class Evidence:
    """What is known at one point of one layer or of the loss.

    Attributes:
        part: `activation`, `dropout`, `input`, `weight`, `bias`, `loss`, the same with `conv` or `norm` before it,
            `max pool`, `mean pool`, or another name the catalogue lacks.
        given: the gradient under test.
        right: the right gradient, or None if only its projections are known.
        x, y: the layer's input and output (batch, …); for the loss both are the network's output.
        u: output gradient (batch, …).
        weight: (inputs, units) of a dense layer, the kernel of a convolution.
        function: the activation, where its values are those of a known one.
        windows: how a convolution's or pooling's kernel lies over its images.
        padded_mean: whether average pooling counts the padding.
        norm: a normalisation's parts.
        target: of the loss, one value per output (batch, outputs).
        per_sample: losses (batch,).
        elementwise: contributions of each output to the loss (batch, outputs), where the loss is known.
        others: name → weights of the other layers.
        elsewhere: name → what other layers got, gave or were passed in the recorded pass (batch, …).
        rows: numbers of samples that the data set may have.
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
    windows: Windows | None = None
    padded_mean: bool = False
    norm: Norm | None = None
    loss: str = ""
    target: Array | None = None
    per_sample: Array | None = None
    elementwise: Array | None = None
    others: Mapping[str, Array] = field(default_factory=dict)
    elsewhere: Mapping[str, Array] = field(default_factory=dict)
    rows: tuple[int, ...] = ()

    @property
    def batch(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Candidate:
    """One mistake applied to some evidence.

    Attributes:
        name: completes "the one with …".
        yours: what stands in the code; `{amount}` is filled in.
        gradient: what it gives.
        along: the mistake adds an unknown amount of this, as of an update that came too early.
    """

    name: str
    yours: str
    gradient: Array
    along: Array | None = None


Catalogue = Callable[[Evidence], list[Candidate]]

SHOULD = {
    "activation": "{delta} = {incoming} * {f}'({z})",
    "softmax": "{delta} = {a} * (g - (g * {a}).sum(axis=1, keepdims=True)) with g = {incoming}",
    "dropout": "{delta} = {incoming} * mask / (1 - rate)",
    "input": "dL/d{before} = {delta} @ {W}.T",
    "weight": "d{W} = {before}.T @ {delta}",
    "bias": "d{b} = {delta}.sum(axis=0)",
    "conv input": "dL/d{before} = conv_transpose({delta}, {W})",
    "conv weight": "d{W} = correlate({before}, {delta}), summed over the batch",
    "conv bias": "d{b} = {delta}.sum(axis=(0, 2, 3))",
    "max pool": "dL/d{before} = {delta} for window.argmax(), added where windows overlap",
    "mean pool": "dL/d{before} = {delta} / entries for every entry of the window",
    "norm input": "dL/d{before} = (g - g.mean() - xhat * (g * xhat).mean()) / std with g = {delta} * gamma",
    "norm weight": "dgamma = ({delta} * xhat).sum() over all but its own axes",
    "norm bias": "dbeta = {delta}.sum() over all but its own axes",
    "quadratic": "dC/d{out} = ({out} - y) / batch",
    "cross_entropy": "dC/d{out} = (softmax({out}) - y) / batch",
    "binary_cross_entropy": "dC/d{out} = (sigmoid({out}) - y) / batch",
    "loss": "dC/d{out} = the derivative of the loss by its output",
}


def name_mistakes(evidence: Evidence, catalogues: Mapping[str, Catalogue]) -> tuple[Mistake, ...]:
    """Every mistake that reproduces the gradient, best match first; pairs if no single one does.

    Args:
        evidence: what is known.
        catalogues: part → its candidates.
    """
    should = should_be(evidence)
    candidates = catalogues[evidence.part](evidence) if evidence.part in catalogues else []
    simple = scaled(evidence, should)
    found = _matching(evidence, [*candidates, *simple, *_decayed(evidence, should)], should)
    if not found:
        pairs = [factor.on(c) for c in candidates for factor in _factors(evidence)]
        found = _matching(evidence, [*pairs, *_with_penalty(evidence, [*candidates, *simple])], should)
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


@dataclass(frozen=True)
class Factor:
    """A factor that is easily lost or doubled.

    Attributes:
        times: the factor.
        name: what it is called.
        write: the formula with it.
    """

    times: float
    name: str
    write: Callable[[str], str]

    def applied(self, should: str, right: Array) -> Candidate:
        """The right gradient with it."""
        line, _, more = should.partition(" with g")
        name, _, formula = line.partition(" = ")
        return Candidate(
            self.name, f"{name} = {self.write(formula)}{' with g' if more else ''}{more}", self.times * right
        )

    def on(self, candidate: Candidate) -> Candidate:
        """Another mistake with it: a pair."""
        name, _, formula = candidate.yours.partition(" = ")
        along = None if candidate.along is None else self.times * candidate.along
        return Candidate(
            f"{candidate.name}, and {self.name}", f"{name} = {self.write(formula)}",
            self.times * np.asarray(candidate.gradient), along,
        )  # fmt: skip


def _factors(evidence: Evidence) -> list[Factor]:
    batch, is_loss = evidence.batch, evidence.part == "loss"
    twice = "a division by the batch too many (divided by the batch twice)"
    if evidence.part.endswith("bias"):
        twice = "the mean over the batch in place of the sum (divided by the batch twice)"
    factors = [
        Factor(-1.0, "the sign flipped", "-({})".format),
        Factor(2.0, "a factor 2 too many", "2 * {}".format),
        Factor(0.5, "a factor 2 missing", "0.5 * {}".format),
        Factor(1 / batch, twice, "{} / batch".format),
        Factor(
            float(batch), "the division by the batch missing", _undivided if is_loss else "batch * {}".format
        ),
    ]
    if is_loss and evidence.right is not None and evidence.right.ndim == 2:
        outputs = evidence.right.shape[1]
        if outputs > 1:
            line = "{} / outputs".format
            factors.append(Factor(1 / outputs, "the mean over the outputs as well", line))
    for rows in evidence.rows:
        if rows != batch:
            factors += [
                Factor(batch / rows, f"a division by the size of the data set ({rows:,}), not of the batch", "batch / samples * {}".format),
                Factor(1 / rows, f"a division by the size of the data set ({rows:,}) too many", "{} / samples".format),
            ]  # fmt: skip
    return [factor for factor in factors if factor.times != 1.0]


def _undivided(formula: str) -> str:
    return formula.removesuffix(" / batch")


def scaled(evidence: Evidence, should: str) -> list[Candidate]:
    """The right gradient times a factor that is easily lost or doubled, and no gradient at all."""
    right = evidence.right
    if right is None:
        return []
    name = should.partition(" = ")[0]
    nothing = Candidate("nothing computed (it stays zero)", f"{name} = 0", np.zeros_like(right))
    return [*(factor.applied(should, right) for factor in _factors(evidence)), nothing]


def _decayed(evidence: Evidence, should: str) -> list[Candidate]:
    right = Candidate("", should, evidence.right) if evidence.right is not None else None
    return _with_penalty(evidence, [right]) if right else []


def _with_penalty(evidence: Evidence, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Weight decay that the optimiser adds, added in the layer as well."""
    weight = evidence.weight
    if weight is None or not evidence.part.endswith("weight"):
        return []
    name = "a penalty's term in the gradient: {amount} * " + evidence.names["W"]
    return [
        Candidate(
            f"{c.name}, and {name}" if c.name else f"{name} (the optimiser adds it already)",
            f"{c.yours} + {{amount}} * {evidence.names['W']}", c.gradient, weight,
        )
        for c in candidates if c.along is None
    ]  # fmt: skip


def _proportional(evidence: Evidence, should: str) -> list[Mistake]:
    right, given = evidence.right, evidence.given
    if (
        right is None
        or right.shape != given.shape
        or not np.isfinite(given).all()
        or _carriers(right) < CARRIERS
    ):
        return []
    factor = float((given * right).sum() / (right * right).sum())
    name, _, formula = should.partition(" = ")
    candidate = Candidate(
        f"a constant factor of {factor:.6g}", f"{name} = {factor:.6g} * {formula}", factor * right
    )
    return _matching(evidence, [candidate], should)


def _matching(evidence: Evidence, candidates: Sequence[Candidate], should: str) -> list[Mistake]:
    """The candidates that give what is given, as mistakes."""
    with np.errstate(all="ignore"):
        return [match for candidate in candidates if (match := _match(evidence, candidate, should))]


def _match(evidence: Evidence, candidate: Candidate, should: str) -> Mistake | None:
    given, gradient, right = evidence.given, np.asarray(candidate.gradient), evidence.right
    if gradient.shape != given.shape or not np.isfinite(gradient).all():
        return None
    amount = ""
    if candidate.along is not None:
        along = np.asarray(candidate.along)
        if along.shape != given.shape or _carriers(along) < CARRIERS or not np.isfinite(along).all():
            return None
        times = float(((given - gradient) * along).sum() / (along * along).sum())
        gradient, amount = gradient + times * along, f"{times:.3g}"
    size = float(np.abs(gradient).max(initial=0.0)) or 1.0
    residual = float(np.abs(given - gradient).max(initial=0.0)) / size
    if not residual <= MATCH:
        return None
    if right is not None and right.shape == given.shape:
        apart = float(np.abs(gradient - right).max(initial=0.0))
        if apart <= DIFFERENT * float(np.abs(right).max(initial=0.0)):
            return None
    name, yours = (text.replace("{amount}", amount) for text in (candidate.name, candidate.yours))
    return Mistake(name, yours, should, residual)


def _carriers(values: Array) -> float:
    """How many entries carry a tensor: (Σ v²)² / Σ v⁴."""
    squares = np.square(values / (np.abs(values).max(initial=0.0) or 1.0))
    total = float(np.square(squares).sum())
    return float(squares.sum() ** 2 / total) if total else 0.0
