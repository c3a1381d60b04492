"""Mistakes that show in a whole tensor's gradient, whatever the function: a factor, a transpose, a missing penalty.

Only derivatives along a few directions are known of the right gradient. A mistake with one unknown number must
explain three of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..signals import Array
from .measuring import Direction
from .result import Mistake

LAMBDA = "a penalty's term missing"

LOOSE = 1e-6
"""What a mistake may leave unexplained, relative to the size of the derivatives."""


@dataclass(frozen=True)
class Explanation:
    """A mistake, and the right gradient if it is the one.

    Attributes:
        mistake: with its residual.
        right: the gradient that belongs there, of the tensor's shape.
    """

    mistake: Mistake
    right: Array


def explain(
    name: str,
    given: Array,
    parameter: Array,
    others: Mapping[str, Array],
    directions: Sequence[Direction],
    values: Array,
    errors: Array,
) -> Explanation | None:
    """The mistake that turns the right gradient into the one given, if one explains every direction.

    Args:
        name: of the parameter.
        given: the user's gradient.
        parameter: the parameter itself, of the same shape.
        others: gradients of other parameters by name.
        directions: where the derivative was measured.
        values: the derivatives (directions,).
        errors: their errors (directions,).
    """
    size = np.array([max(d.norm(given), 1e-300) for d in directions])
    allowed = np.maximum(10 * errors, LOOSE * size)

    def left_over(right: Array) -> float | None:
        off = np.abs(values - np.array([d.dot(right) for d in directions]))
        return float((off / size).max()) if (off <= allowed).all() else None

    for line, what, right in _replacements(name, given, others):
        residual = left_over(right)
        if residual is not None:
            return Explanation(Mistake(what, line, f"d{name} = dL/d{name}", residual), right)
    off = values - np.array([d.dot(given) for d in directions])
    for basis, is_factor in ((given, True), (parameter, False)):
        along = np.array([d.dot(basis) for d in directions])
        if not along.any() or len(directions) < 3:
            continue
        weights = 1 / allowed**2
        amount = float((weights * along * off).sum() / (weights * along * along).sum())
        usual = is_factor and any(abs(1 + amount - f) <= 1e-6 for f in (-1.0, 0.5, 2.0))
        if _spread(basis) < 2 and not usual:
            continue  # one number is always some multiple of another
        if is_factor and abs(1 + amount) < LOOSE:
            continue  # where there should be nothing, what is left is noise and no share of what is given
        right = given + amount * basis
        residual = left_over(right)
        if residual is not None and right.any():
            what, yours = _factor(1 + amount) if is_factor else _penalty(name, amount)
            line = f"d{name} = {yours.replace('{}', f'dL/d{name}')}"
            return Explanation(Mistake(what, line, f"d{name} = dL/d{name}", residual), right)
    return None


def _spread(basis: Array) -> float:
    """How many entries carry a tensor: (Σ b²)² / Σ b⁴."""
    squares = np.square(basis / np.abs(basis).max())
    return float(squares.sum() ** 2 / np.square(squares).sum())


def _replacements(name: str, given: Array, others: Mapping[str, Array]) -> list[tuple[str, str, Array]]:
    found = []
    if given.ndim == 2 and min(given.shape) > 1:
        rows, columns = given.shape
        if rows == columns:
            found.append((f"d{name} = (dL/d{name}).T", "the transpose forgotten", given.T))
        else:
            line = f"d{name} = (dL/d{name}).T.reshape({rows}, {columns})"
            what = "a reshape where the transpose belongs"
            found.append((line, what, given.reshape(columns, rows).T))
    for other, gradient in others.items():
        if gradient.shape == given.shape:
            found.append((f"d{name} = dL/d{other}", f"the gradient of {other} in its place", gradient))
    return found


def _factor(times: float) -> tuple[str, str]:
    """What a factor is called, by which the given gradient must be multiplied to be right."""
    whole, part = round(times), round(1 / times)
    for number, name, line in (
        (-1.0, "the sign flipped", "-({})"),
        (0.5, "a factor 2 too many", "2 * {}"),
        (2.0, "a factor 2 missing", "0.5 * {}"),
    ):
        if abs(times - number) <= 1e-6 * abs(number):
            return name, line
    if whole > 2 and abs(times - whole) <= 1e-5 * whole:
        return (
            f"a division by {whole} too many (of the batch, or a mean in place of the sum?)",
            f"{{}} / {whole}",
        )
    if part > 2 and abs(1 / times - part) <= 1e-5 * part:
        return (
            f"a division by {part} missing (of the batch, or a sum in place of the mean?)",
            f"{part} * {{}}",
        )
    return f"a constant factor of {1 / times:.6g}", f"{1 / times:.6g} * {{}}"


def _penalty(name: str, amount: float) -> tuple[str, str]:
    term = f"{abs(amount):.6g} * {name}"
    if amount > 0:
        return f"{LAMBDA}: {term}", f"{{}} - {term}"
    return f"a penalty's term too many: {term}", f"{{}} + {term}"
