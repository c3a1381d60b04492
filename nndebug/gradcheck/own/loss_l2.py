"""The L2 term of a class's own loss, found in the loss's values at random parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...adapters.attributes.members import Path
from ...adapters.attributes.model import OwnModel
from ...signals import Array
from .losses import KNOWN, SAME, KnownLoss, encoded

MORE_POINTS = 20
"""Random parameters beyond as many as there are strengths to be found."""

ROUNDING = 1e-12
"""What a fit leaves of the values, as a share of them, where the known loss is the user's to the last digits."""

SLACK = 4.0
"""How much more than one strength for each parameter fewer may leave: noise, as of `log(a + 1e-9)`, fits nothing well."""

BLURRED = 0.01
"""How well a strength must be known."""


@dataclass(frozen=True)
class Penalty:
    """An L2 term as it stands in a loss.

    Attributes:
        strengths: path → c of c / 2 · sum(w²); 0 where there is none.
        errors: path → how well that is known.
    """

    strengths: Mapping[Path, float]
    errors: Mapping[Path, float]

    def __str__(self) -> str:
        there = sorted({f"{c:.4g}" for c in self.strengths.values() if c})
        return f"an L2 term, lambda / (2 n) * sum(w**2) with lambda / n = {' and '.join(there)}"


def penalised(own: OwnModel, count: int) -> tuple[KnownLoss, str, Penalty] | None:
    """The known loss and the L2 term that make up what the class's own loss gives.

    Args:
        own: has a loss.
        count: samples that one backward takes, for a term may be divided by them.

    Returns:
        The loss, `mean` or `sum` over the samples, and the term; None if its values are no such sum.
    """
    x, y, paths = own.x[:count], own.y[:count], list(own.parameters)
    rng = np.random.default_rng(0)
    squares, outputs, values = [], [], []
    for _ in range(len(paths) + MORE_POINTS):
        point = {
            p: rng.uniform(0.4, 1.4) * (v + 0.3 * rng.normal(size=v.shape)) for p, v in own.start().items()
        }
        with own.at(point):
            outputs.append(own.output(x))
            values.append(own.run_loss(x, y))
        squares.append([0.5 * float((point[path] ** 2).sum()) for path in paths])
    total, matrix = np.array(values), np.array(squares)
    targets = encoded(y, outputs[0].shape[1])
    if not np.isfinite(total).all():
        return None
    best: _Fit | None = None
    for loss in KNOWN:
        with np.errstate(all="ignore"):  # most losses mean nothing for this output
            each = np.array([loss.per_sample(output, targets) for output in outputs])
        for kind, rest in (("mean", total - each.mean(axis=1)), ("sum", total - each.sum(axis=1))):
            fit = _fitted(loss, kind, rest, matrix, _groups(own, paths), _largest(total))
            if fit is not None and fit.off <= SAME * _largest(total) and (best is None or fit.off < best.off):
                best = fit
    if best is None:
        return None
    errors = best.doubt * max(best.off, 16 * 2.3e-16 * _largest(total))
    sure = np.where(np.abs(best.strengths) > 10 * errors, best.strengths, 0.0)
    if not sure.any() or (errors > BLURRED * np.abs(sure).max()).any():
        return None
    return (
        best.loss,
        best.kind,
        Penalty(dict(zip(paths, map(float, sure))), dict(zip(paths, map(float, errors)))),
    )


@dataclass(frozen=True)
class _Fit:
    """A loss and the strengths beside it; `off`: what they leave of the values; `doubt`: of the strengths, by that."""

    loss: KnownLoss
    kind: str
    strengths: Array
    doubt: Array
    off: float


def _groups(own: OwnModel, paths: Sequence[Path]) -> list[Array]:
    """Which parameters share a strength, the likeliest first: the weights, everything, each of the two, none.

    Returns:
        Matrices (parameters, strengths) of zeros and ones.
    """
    biases = {at.bias for chain in own.chains[:1] for at in chain}
    bias = np.array([path in biases for path in paths], np.float64)
    both = np.stack([1 - bias, bias], axis=1)[:, : 1 + bool(biases - {None})]
    return [1 - bias[:, None], np.ones((len(paths), 1)), both, np.eye(len(paths))]


def _fitted(
    loss: KnownLoss, kind: str, rest: Array, matrix: Array, groups: Sequence[Array], largest: float
) -> _Fit | None:
    """The fewest strengths that give what a loss leaves of the values as well as one for each parameter does."""
    if not np.isfinite(rest).all():
        return None
    fits = []
    for group in groups:
        inverse = np.linalg.pinv(matrix @ group)
        strengths = inverse @ rest
        off = _largest(matrix @ group @ strengths - rest)
        fits.append(_Fit(loss, kind, group @ strengths, group @ np.abs(inverse).sum(axis=1), off))
    slack = max(SLACK * fits[-1].off, ROUNDING * largest)
    return next(fit for fit in fits if fit.off <= slack)


def _largest(values: Array) -> float:
    return float(np.abs(values).max(initial=0.0))
