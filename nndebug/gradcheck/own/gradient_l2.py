"""The L2 term in the gradients of a class of one's own, compared apart from the rest of them.

Of a loss C + strength / 2 · sum(w²) the gradient is that of C plus strength · w. Both parts are known by themselves, so
the small one is not drowned, and a mistake in the large one is named as without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...adapters.attributes.members import Path
from ...signals import Array
from ..comparing import compare
from ..mistakes import MATCH
from ..result import Fault, Mistake, Row, Verdict
from .loss_l2 import BLURRED, Penalty
from .places import PLURAL
from .rebuilt import Layers, Pass, through
from .sums import Piece

ROUNDING = 1e-11
"""Differences of this share of a gradient are none."""

RATIOS = (1.0, 0.0, 2.0, 0.5, -1.0)
"""Strengths in the gradient, by the loss's, that are tried where something else is wrong with the same gradient."""

EVERYWHERE = "the network"


@dataclass(frozen=True)
class Term:
    """The L2 term of one parameter.

    Attributes:
        layer: number of its layer; name: of it; part: `weight` or `bias`.
        value: the parameter, as `Piece` has its gradient.
        right: its strength in the loss; error: how well that is known.
        found: in the gradient; None where something else is wrong with that.
        residual: what the two parts leave of the gradient, relative to its largest entry.
    """

    layer: int
    name: str
    part: str
    value: Array
    right: float
    error: float
    found: float | None
    residual: float = 0.0


def terms_of(
    layers: Layers,
    values: Mapping[Path, Array],
    passed: Pass,
    pieces: Sequence[Piece],
    slope: Array,
    penalty: Penalty | None,
    said: bool,
) -> tuple[list[Term], str]:
    """The L2 term of every parameter that has one in the loss or in its gradient.

    Args:
        layers, values, passed: the network and its forward pass.
        pieces: what the class's backward gave.
        slope: right dL/da of the output (samples, outputs).
        penalty: the term of the class's loss.
        said: whether the class has a loss; where it has none, a term in all gradients is taken to be meant.

    Returns:
        The terms, and a note where one is taken to be meant.
    """
    found = []
    for layer, right in enumerate(_right(layers, values, passed, slope, pieces[0].rows)):
        at = layers.chain[layer]
        for part, path in (("weight", at.weight), ("bias", at.bias)):
            given = pieces[0].given[layer].get(part)
            if path is None or given is None or given.shape != right[part].shape:
                continue
            value = layers.weight(values, layer) if part == "weight" else values[path].ravel()
            strength = penalty.strengths[path] if penalty else 0.0
            error = penalty.errors[path] if penalty else 0.0
            found.append(
                Term(layer, at.name, part, value, strength, error, *_strength(given, right[part], value))
            )
    weights = [term.found for term in found if term.part == "weight"]
    first = weights[0] if weights else None
    meant = (
        not said and first and all(f is not None and abs(f - first) <= MATCH * abs(first) for f in weights)
    )
    if meant:
        assert first is not None
        note = f"Your class has no loss, and its gradients hold an L2 term, lambda / n * w with lambda / n = {first:.6g}: taken to be meant."
        return [replace(term, right=term.found or 0.0) for term in found if term.found], note
    return [term for term in found if term.right or term.found], ""


def _right(
    layers: Layers, values: Mapping[Path, Array], passed: Pass, slope: Array, rows: slice
) -> list[dict[str, Array]]:
    """The right gradients of the loss without its penalty, for some of the samples."""
    found: list[dict[str, Array]] = []
    u = slope
    for layer in reversed(range(len(layers.chain))):
        delta = through(layers.functions[layer], passed.zs[layer], passed.activations[layer], u)
        u = delta @ layers.weight(values, layer).T
        here = {"weight": passed.before(layer)[rows].T @ delta[rows], "bias": delta[rows].sum(axis=0)}
        found.insert(0, here)
    return found


def _strength(given: Array, right: Array, value: Array) -> tuple[float | None, float]:
    """c where a gradient is the right one + c · parameter, and the residual; None where it is not."""
    difference, squares = given - right, float((value * value).sum())
    size, off = _largest(right), _largest(difference)
    if not np.isfinite(off):
        return None, off
    if off <= ROUNDING * size or not squares or value.size < 2:
        return (0.0 if off <= MATCH * size else None), off / (size or 1.0)
    c = float((difference * value).sum()) / squares
    left = _largest(difference - c * value)
    found = left <= MATCH * abs(c) * _largest(value) + ROUNDING * size
    return (c if found else None), left / (_largest(given) or 1.0)


def _largest(value: Array) -> float:
    return float(np.abs(value).max(initial=0.0))


def apart(
    pieces: list[Piece], terms: Sequence[Term], samples: int, faults: Callable[[list[Piece]], list[Fault]]
) -> tuple[list[Piece], float | None]:
    """The gradients without their L2 terms, and the strength of those that are not known, by the loss's.

    Where something else is wrong with the same gradient the usual strengths are tried; the one is taken with which what is
    left equals a mistake best.

    Args:
        pieces: what the class's backward gave.
        terms: see `terms_of`.
        samples: of a batch.
        faults: what is wrong with gradients.

    Returns:
        The gradients, and the strength; None where none leaves something with a name.
    """
    if not any(term.found is None and term.right for term in terms):
        return _without(pieces, terms, 1.0), 1.0
    named: list[tuple[float, float]] = []
    for ratio in (*RATIOS, float(samples), 1 / samples):
        found = faults(_without(pieces, terms, ratio))
        if all(fault.mistakes for fault in found):
            named.append((sum(fault.mistakes[0].residual for fault in found), ratio))
    best = min(named, key=lambda fit: fit[0])[1] if named else None
    return _without(pieces, terms, 1.0 if best is None else best), best


def _without(pieces: Sequence[Piece], terms: Sequence[Term], ratio: float) -> list[Piece]:
    reduced = []
    for piece in pieces:
        given = [dict(here) for here in piece.given]
        for term in terms:
            array = given[term.layer].get(term.part)
            if array is not None and array.shape == term.value.shape:
                strength = ratio * term.right if term.found is None else term.found
                given[term.layer][term.part] = array - strength * term.value
        reduced.append(Piece(piece.rows, given))
    return reduced


def judged(terms: Sequence[Term], ratio: float | None, samples: int) -> tuple[list[Row], list[Fault]]:
    """Rows `weight penalty`, from the output down, and one fault for each mistake.

    Args:
        terms: see `terms_of`.
        ratio: strength of those that are not known, by the loss's; None to leave them out.
        samples: of a batch.
    """
    rows: list[Row] = []
    wrong: dict[tuple[str, float], list[Term]] = {}
    for term in sorted(terms, key=lambda term: -term.layer):
        strength = term.found if term.found is not None else None if ratio is None else ratio * term.right
        if strength is None:
            continue
        claimed, right = strength * term.value, term.right * term.value
        largest = _largest(term.value)
        row = compare(
            term.name, f"{term.part} penalty", "BP4" if term.part == "weight" else "BP3", claimed, right,
            term.error * largest + 1e-14 * abs(strength) * largest, scale=max(abs(term.right), abs(strength)) * largest,
            resolution=BLURRED,
        )  # fmt: skip
        rows.append(row)
        if row.verdict is Verdict.DISAGREES:
            key = term.part, round(strength / term.right, 6) if term.right else np.inf
            wrong.setdefault(key, []).append(replace(term, found=strength))
    everything = {term.name for term in terms}
    return rows, [_fault(here, everything, samples) for here in wrong.values()]


def _fault(terms: Sequence[Term], everything: set[str], samples: int) -> Fault:
    names = [term.name for term in terms]
    where = EVERYWHERE if set(names) == everything and len(names) > 1 else ", ".join(names)
    first, plural = terms[0], PLURAL[terms[0].part]
    w = "w" if first.part == "weight" else "b"
    assert first.found is not None
    yours, should = f"d{w} = dC/d{w}", f"d{w} = dC/d{w} + lambda / n * {w}"
    if not first.right:
        sentence = f"the gradient of its {plural} has an L2 term that the loss does not have"
        name, yours, should = "an L2 term too many", f"{yours} + {first.found:.6g} * {w}", yours
    elif not first.found:
        sentence = f"the gradient of its {plural} lacks the L2 term that the loss has, lambda / n * {w}"
        name = f"the L2 term missing, lambda / n * {w}"
    else:
        sentence = f"the L2 term in the gradient of its {plural} is wrong"
        name, line = _named(first.found / first.right, samples, w)
        yours = f"{yours} {line}"
    return Fault(
        where,
        "penalty",
        "gradient",
        sentence,
        (Mistake(name, yours, should, max(term.residual for term in terms)),),
    )


def _named(ratio: float, samples: int, w: str) -> tuple[str, str]:
    known = [
        (-1.0, "the sign of the L2 term flipped", f"- lambda / n * {w}"),
        (2.0, "a factor 2 too many in the L2 term, or the term twice", f"+ 2 * lambda / n * {w}"),
        (0.5, "a factor 2 missing in the L2 term", f"+ lambda / (2 n) * {w}"),
        (float(samples), "the L2 term not divided by the batch", f"+ lambda / n * batch * {w}"),
        (1 / samples, "the L2 term divided by the batch once too often", f"+ lambda / n / batch * {w}"),
    ]
    for value, name, line in known:
        if abs(ratio - value) <= MATCH * abs(value):
            return name, line
    return f"a factor of {ratio:.6g} in the L2 term", f"+ {ratio:.6g} * lambda / n * {w}"
