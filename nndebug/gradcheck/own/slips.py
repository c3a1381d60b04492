"""Slips of the forward that raise nothing: a softmax that is normalised over the wrong axis, or over everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...adapters.attributes.model import OwnModel
from ...signals import Array
from ..functions import FUNCTIONS, SOFTMAX, Function
from ..result import Fault, Mistake
from .rebuilt import Layers, agree, points_of


@dataclass(frozen=True)
class Slip:
    """A wrong softmax.

    Attributes:
        name: completes "the one with …".
        rows, columns: its line where samples are rows, and where they are columns; empty where it would be right.
        should: the line that belongs there, for rows and for columns.
        value: what it gives for scores (samples, classes).
    """

    name: str
    rows: str
    columns: str
    value: Callable[[Array], Array]
    should: tuple[str, str] = ("a = e / e.sum(axis=1, keepdims=True)", "a = e / e.sum(axis=0)")


def _powers(z: Array) -> Array:
    return np.asarray(np.exp(z - z.max(axis=1, keepdims=True)))


def _unshifted(z: Array) -> Array:
    """Powers up to one factor for all: what is left where the maximum is taken over the same wrong axis, or not at all."""
    return np.asarray(np.exp(z - z.max()))


def _without_keepdims(z: Array) -> Array:
    e = _powers(z)
    return np.asarray(e / e.sum(axis=1)) if e.shape[0] == e.shape[1] else np.full(e.shape, np.nan)


def _maximum_without_keepdims(z: Array) -> Array:
    if z.shape[0] != z.shape[1]:
        return np.full(z.shape, np.nan)
    e = np.exp(z - z.max(axis=1))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


SLIPS = (
    Slip(
        "the sum over the samples, not over the classes", "a = e / e.sum(axis=0)",
        "a = e / e.sum(axis=1, keepdims=True)", lambda z: np.asarray(_powers(z) / _powers(z).sum(axis=0)),
    ),
    Slip(
        "the softmax over the samples, not over the classes", "a = e / e.sum(axis=0)",
        "a = e / e.sum(axis=1, keepdims=True)", lambda z: np.asarray(_unshifted(z) / _unshifted(z).sum(axis=0)),
    ),
    Slip(
        "the softmax over everything", "a = e / e.sum()", "a = e / e.sum()",
        lambda z: np.asarray(_unshifted(z) / _unshifted(z).sum()),
    ),
    Slip(
        "the sum over everything", "a = e / e.sum()", "a = e / e.sum()",
        lambda z: np.asarray(_powers(z) / _powers(z).sum()),
    ),
    Slip(
        "the sum without its axis kept, so that samples are divided by each other's sums", "a = e / e.sum(axis=1)",
        "", _without_keepdims,
    ),
    Slip(
        "the maximum without its axis kept, so that samples are shifted by each other's largest scores",
        "e = exp(z - z.max(axis=1))", "", _maximum_without_keepdims,
        ("e = exp(z - z.max(axis=1, keepdims=True))", ""),
    ),
)  # fmt: skip


def find_slip(own: OwnModel, rng: np.random.Generator) -> Fault | None:
    """The slip with which the layers give the outputs of the user's forward for a batch; None if none does."""
    if not own.forward_batched or len(own.x) < 2:
        return None
    points, outputs = points_of(own, rng)
    columns = own.inputs.axis == 1
    for chain in own.chains:
        for slip in SLIPS:
            line, last = slip.columns if columns else slip.rows, Function("softmax", slip.value, slip.value)
            for hidden in FUNCTIONS:
                layers = Layers(chain, (hidden,) * (len(chain) - 1) + (last,))
                if line and hidden is not SOFTMAX and agree(own, layers, points, outputs):
                    mistake = Mistake(slip.name, line, slip.should[columns], 0.0)
                    sentence = "its softmax is normalised wrongly, so that samples depend on each other"
                    return Fault(chain[-1].name, "forward", "softmax", sentence, (mistake,), columns=columns)
    return None
