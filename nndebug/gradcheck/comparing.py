"""From two gradients and an error estimate to a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..signals import Array
from .result import Row, Verdict
from .text import MISSING

FLOOR = 1e-6
"""Differences below this share of the tensor's scale are not called disagreement, however small the error."""

LEAST = 1e-6
"""Relative errors are taken of no less than this share of the scale: terms that cancel leave rounding, however exact they are."""

MARGIN = 10.0
"""A difference disagrees only if it is this many times the estimated error."""

BLURRED = 1e-6
"""An error above this share of the scale leaves too much room to say that a gradient agrees."""

BLURRED_BY = "the numerical derivative is only good to"
"""How the reason of a blurred row begins."""

LEAPS = "the loss leaps or bends too sharply near"
"""How the reason of a row begins where no step was small enough."""

BLURRED_SINGLE = 1e-3
"""The same where the network could not be computed in float64."""

ZERO = 1e-8
"""A gradient that is all rounding, and below this share of the network's largest derivative, is zero."""

NOTHING = "zero everywhere: nothing flows here"
EMPTY = "it has no entries (size 0)"

STILL = {"update": "nothing moves", "penalty": MISSING}
"""What it means that all of it is zero, by equation, where it is no gradient."""


@dataclass(frozen=True)
class Spread:
    """The errors factor · leftᵀ right of a product's entries: computed only where they are asked for.

    Attributes:
        left, right: non-negative (terms, rows) and (terms, columns).
        factor: as above.
    """

    left: Array
    right: Array
    factor: float = 1.0

    @property
    def bound(self) -> float:
        """No entry is larger."""
        terms = float(self.left.max(initial=0.0)) * float(self.right.max(initial=0.0))
        return float(self.factor * len(self.left) * terms)

    def at(self, index: tuple[int, ...]) -> float:
        row, column = index
        return float(self.factor * (self.left[:, row] @ self.right[:, column]))

    def full(self) -> Array:
        """Of every entry: (rows, columns)."""
        found: Array = self.factor * (self.left.T @ self.right)
        return found


def compare(
    layer: str,
    parameter: str,
    equation: str,
    claimed: Array | None,
    right: Array,
    uncertainty: Array | float | Spread,
    *,
    kinks: int = 0,
    eps: float = 2.3e-16,
    scale: float | None = None,
    reference: float = 0.0,
    resolution: float | None = None,
) -> Row:
    """Compares a gradient with the right one, entry by entry.

    Args:
        layer: site name.
        parameter: parameter name.
        equation: BP1 to BP4, `update` or `penalty`.
        claimed: the network's gradient, None if it has none.
        right: the right gradient.
        uncertainty: estimated absolute error of each entry of `right`.
        kinks: numerical derivatives behind `right` that sat on a kink.
        eps: machine epsilon of the arithmetic.
        scale: size against which a difference counts; the largest entry of `right` if None.
        reference: size of the network's largest derivative, against which a whole tensor may be zero.
        resolution: share of the scale above which an error leaves too much room to say that a gradient agrees;
            `BLURRED` or `BLURRED_SINGLE` if None.
    """

    def row(verdict: Verdict, wrong: int, reason: str, at: tuple[int, ...] = ()) -> Row:
        worst = analytic = numeric = blur = np.nan
        if at:
            analytic, numeric = float(given[at]), float(right[at])
            size = max(abs(analytic), abs(numeric), LEAST * largest)
            worst = _ratio(difference[at], size)
            blur = _ratio(error[at], size)
        return Row(
            layer,
            parameter,
            equation,
            right.size,
            wrong,
            worst,
            at,
            analytic,
            numeric,
            blur,
            verdict,
            reason,
            kinks,
        )

    trouble = shape_trouble(claimed, right.shape)
    if claimed is None or trouble:
        return row(Verdict.DISAGREES, right.size, trouble)
    if not right.size:
        return row(Verdict.AGREES, 0, EMPTY)
    right, given = np.asarray(right, np.float64), np.asarray(claimed, np.float64)
    quick = _agreement(given, right, uncertainty, scale, BLURRED if eps < 1e-12 else BLURRED_SINGLE)
    if quick is not None:
        at, worst, blur = quick
        return Row(
            layer, parameter, equation, right.size, 0, worst, at, float(given[at]), float(right[at]), blur,
            Verdict.AGREES, "", kinks,
        )  # fmt: skip
    if isinstance(uncertainty, Spread):
        uncertainty = uncertainty.full()
    error = np.broadcast_to(np.asarray(uncertainty, np.float64), right.shape)
    magnitude = np.abs(right)
    with np.errstate(all="ignore"):
        difference = np.abs(given - right)
        known = np.isfinite(magnitude + error)
        largest = float(np.max(magnitude, where=known, initial=0.0)) if scale is None else scale
        if not np.isfinite(given).all():
            bad = ~np.isfinite(given)
            count = int(bad.sum())
            return row(
                Verdict.DISAGREES,
                count,
                f"{count:,} {'entry is' if count == 1 else 'entries are'} NaN or infinite",
                _first(bad),
            )
        wrong = known & (difference > np.maximum(MARGIN * error, FLOOR * largest))
        size = np.maximum(np.maximum(np.abs(given), magnitude), LEAST * largest or 1.0)
        ratio = difference / size
    if wrong.any():
        at = _largest(np.where(wrong, difference if scale is not None else ratio, -1.0))
        reason = "" if given.any() else STILL.get(equation, "your gradient is zero everywhere")
        return row(Verdict.DISAGREES, int(wrong.sum()), reason, at)
    if not known.all():
        count = right.size - int(known.sum())
        why = LEAPS if np.isfinite(magnitude).all() else "the loss is not finite near"
        return row(Verdict.UNRESOLVED, 0, f"{why} {count:,} entries", _first(~known))
    at = _largest(ratio)
    blur = float(error.max())
    if not magnitude.any() and not given.any():
        return row(Verdict.AGREES, 0, NOTHING if scale is None else "", at)
    if max(largest, float(np.abs(given).max())) <= MARGIN * blur <= ZERO * reference:
        return row(Verdict.AGREES, 0, f"{NOTHING}, to within rounding", at)
    if resolution is None:
        resolution = BLURRED if eps < 1e-12 else BLURRED_SINGLE
    if blur > resolution * largest:
        share = f"{blur / largest:.0e} of the largest entry" if largest else f"{blur:.0e}"
        return row(Verdict.UNRESOLVED, 0, f"{BLURRED_BY} {share}", at)
    return row(Verdict.AGREES, 0, "", at)


def _agreement(
    given: Array, right: Array, uncertainty: Array | float | Spread, scale: float | None, blurred: float
) -> tuple[tuple[int, ...], float, float] | None:
    """Where the largest relative error is, how large it is, and its own error, if all agrees beyond doubt; else None."""
    difference = given - right
    np.abs(difference, out=difference)
    size = np.abs(right)
    largest = float(size.max()) if scale is None else scale
    bound = uncertainty.bound if isinstance(uncertainty, Spread) else float(np.max(uncertainty))
    # Written so that anything that is not finite fails.
    if not (0 < largest < math.inf and difference.max() <= FLOOR * largest and bound <= blurred * largest):
        return None
    np.maximum(size, np.abs(given), out=size)
    np.maximum(size, LEAST * largest, out=size)
    np.divide(difference, size, out=difference)
    at = _largest(difference)
    if isinstance(uncertainty, Spread):
        error = uncertainty.at(at)
    else:
        error = float(np.broadcast_to(uncertainty, right.shape)[at])
    return at, float(difference[at]), error / float(size[at])


def unresolved(layer: str, parameter: str, equation: str, entries: int, reason: str) -> Row:
    """A row about which nothing can be said."""
    nan = float("nan")
    return Row(layer, parameter, equation, entries, 0, nan, (), nan, nan, nan, Verdict.UNRESOLVED, reason)


def failed(layer: str, parameter: str, equation: str, entries: int, reason: str) -> Row:
    """A row that disagrees because there is nothing to compare."""
    return replace(
        unresolved(layer, parameter, equation, entries, reason), verdict=Verdict.DISAGREES, wrong=entries
    )


def shape_trouble(claimed: Array | None, shape: tuple[int, ...]) -> str:
    """What is wrong with the shape of a gradient, empty if nothing is.

    >>> shape_trouble(np.zeros((1, 30)), (30,))
    'your gradient has shape (1, 30), the parameter (30,)'
    """
    if claimed is None:
        return "the network has no gradient for it"
    if claimed.shape == shape:
        return ""
    message = f"your gradient has shape {claimed.shape}, the parameter {shape}"
    try:
        result = np.broadcast_shapes(claimed.shape, shape)
    except ValueError:
        return message
    if result == shape:
        return f"{message}: an update would broadcast it silently"
    return f"{message}: subtracting one from the other gives {result}"


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float(part)


def _first(mask: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), mask.shape))


def _largest(values: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(values)), values.shape))
