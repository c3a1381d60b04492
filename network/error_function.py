"""The distribution function of the standard normal to double precision, which NumPy lacks: for GELU.

W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23 (1969),
631-637: three rational functions, one each for small, middle and large arguments. Coefficients from his program
CALERF (netlib, specfun), highest power first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .arrays import Array

SMALL, LARGE = 0.46875, 4.0
"""Where one approximation ends and the next begins."""

# erf(x) / x in x² below SMALL; exp(x²) erfc(x) in x up to LARGE; beyond it 1/√π - x exp(x²) erfc(x) in 1/x², over 1/x².
ERF_SMALL = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)  # fmt: skip
ERFC_MIDDLE = (
    (
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
        2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
        3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
    ),
)  # fmt: skip
ERFC_LARGE = (
    (
        1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
        1.60837851487422766e-2, 6.58749161529837803e-4,
    ),
    (
        1.0, 2.56852019228982242, 1.87295284992346047, 5.27905102951428412e-1, 6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)  # fmt: skip


def normal_cdf(z: Array) -> Array:
    """Φ(z) = erfc(-z / √2) / 2 of every entry: the probability that a standard normal variable is below z.

    Args:
        z: of any shape, float32 or float64; the result has its shape and dtype.

    Returns:
        Accurate relative to the value itself, also far out on the left, to 1e-12 in float64 until it underflows.
    """
    x = np.abs(z) * float(np.sqrt(0.5))
    tail = np.empty_like(x)
    small, large = x < SMALL, x > LARGE
    # Every entry goes through one of the three only, which costs less than all three for all entries.
    _fill(tail, small, x, _tail_small)
    _fill(tail, ~(small | large), x, _tail_middle)
    _fill(tail, large, x, _tail_large)
    return np.where(z < 0, tail, 1 - tail)


def _fill(out: Array, where: Array, x: Array, function: Callable[[Array], Array]) -> None:
    if where.all():
        out[...] = function(x)
    elif where.any():
        out[where] = function(x[where])


def _tail_small(x: Array) -> Array:
    return 0.5 - 0.5 * x * _ratio(ERF_SMALL, x * x)


def _tail_middle(x: Array) -> Array:
    tail: Array = 0.5 * np.exp(-x * x) * _ratio(ERFC_MIDDLE, x)
    return tail


def _tail_large(x: Array) -> Array:
    x = np.minimum(x, 1e9)  # beyond, the tail is 0 and x² would overflow
    inverse = 1 / (x * x)
    tail: Array = (
        0.5 * np.exp(-x * x) / x * (float(1 / np.sqrt(np.pi)) - inverse * _ratio(ERFC_LARGE, inverse))
    )
    return tail


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> Array:
    """The quotient of two polynomials, by Horner's rule."""
    above, below = coefficients
    numerator, denominator = np.full_like(x, above[0]), np.full_like(x, below[0])
    for p, q in zip(above[1:], below[1:], strict=True):
        numerator *= x
        numerator += p
        denominator *= x
        denominator += q
    numerator /= denominator
    return numerator
