"""The L2 penalty of a class's own update: the same update with and without it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...adapters.attributes.members import Path
from ...adapters.attributes.model import OwnModel
from ...signals import Array
from ..comparing import compare
from ..result import Fault, Mistake, Row, Verdict
from ..steps import near
from .places import PLURAL, RATE, Place, batch, batch_size

DECAY, TOTAL = 0.5, 1000.0
"""Penalty and number of samples that an update with such arguments is given."""


def check_penalty(
    own: OwnModel, places: Mapping[Path, Place], rng: np.random.Generator
) -> tuple[list[Row], list[Fault]]:
    """Rows `weight penalty`: the same update with and without a penalty."""
    assert own.update is not None
    rate = own.rate_of(own.update, RATE)
    count = batch_size(own)
    x, y = batch(own, count, rng)
    start, ends = own.start(), []
    for strength in (0.0, DECAY):
        with own.at(start):
            own.run_update(x, y, rate, decay=strength, samples=TOTAL)
            ends.append(own.start())
    n = TOTAL if own.update.takes("samples") else 1.0
    rows, faults = [], []
    for path, place in places.items():
        w, bias = start[path], place.part == "bias"
        found = (ends[0][path] - ends[1][path]) / rate
        right = 0 * w if bias else DECAY / n * w
        scale = DECAY / n * float(np.abs(w).max(initial=0.0))
        row = compare(
            place.layer, f"{place.name} penalty", "penalty", found, right, 1e-14 / rate, scale=scale
        )
        rows.append(row)
        if row.verdict is Verdict.DISAGREES:
            sentence = f"the L2 penalty on its {PLURAL[place.part]} is wrong"
            faults.append(
                Fault(place.layer, "penalty", place.part, sentence, _penalties(found, w, bias, n, count))
            )
    return rows, faults


def _penalties(found: Array, w: Array, bias: bool, n: float, count: int) -> tuple[Mistake, ...]:
    what, term, number = ("b", "b", " / n") if bias else ("w", "w", " / n")
    factors = [
        ("the penalty missing", 0.0, "gradient"),
        ("the sign flipped", -1 / n, f"gradient - lambda{number} * {term}"),
        ("a factor 2 too many, or the penalty applied twice", 2 / n, f"gradient + 2 * lambda{number} * {term}"),
        ("a factor 2 missing", 0.5 / n, f"gradient + 0.5 * lambda{number} * {term}"),
        ("lambda not divided by the number of samples", 1.0, f"gradient + lambda * {term}"),
        ("lambda divided by the batch in place of the number of samples", 1 / count, f"gradient + lambda / batch * {term}"),
    ]  # fmt: skip
    if bias:
        factors = [
            ("the penalty applied to biases", 1 / n, f"gradient + lambda{number} * {term}"),
            *factors[1:],
        ]
    should = "gradient" if bias else f"gradient + lambda{number} * {what}"
    return tuple(
        Mistake(name, line, should, float(np.abs(found - DECAY * factor * w).max(initial=0.0)))
        for name, factor, line in factors
        if near(found, DECAY * factor * w)
    )
