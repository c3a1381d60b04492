"""What must hold of initialisers: `init(rng, shape)` gives independent values of the claimed spread.

The statistical checks are tests of normal approximations at `ERROR_RATE`: a right initialiser fails one of them once
in a hundred million examples, so that ten thousand examples in each of a hundred runs are likely to see none.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..signals import Array
from ..strategies.arrays import Draw, Shape
from .case import Case
from .comparing import array, called, same
from .failure import Failure
from .registry import check

KIND = "initializer"
ERROR_RATE = 1e-8
LIMIT = NormalDist().inv_cdf(1 - ERROR_RATE / 2)
"""How many standard errors are too many, 5.7."""

FIXED = {"constant": "it draws nothing"}
LARGE = st.sampled_from(((60, 50), (40, 90), (90, 30), (12, 10, 5, 4)))
"""Shapes with enough entries for statistics: of dense layers, and of a convolution."""


def _drawn(case: Case, shape: Shape, seed: Any) -> Array:
    given = {"shape": shape, "seed": seed}
    function: Callable[..., Any] = case.make()
    return array(
        called(function, "the initialiser", given, np.random.default_rng(seed), shape),
        "what it returns",
        given,
    )


def _seeds() -> st.SearchStrategy[int]:
    return st.integers(0, 2**32 - 1)


@check(KIND)
def shape_and_numbers(case: Case, draw: Draw) -> None:
    """It gives finite floating-point numbers in the shape that was asked for."""
    shape = draw(st.one_of(st.tuples(st.integers(1, 6), st.integers(1, 6)), st.tuples(st.integers(1, 6)),
                           st.tuples(*[st.integers(1, 3)] * 4)))  # fmt: skip
    seed = draw(_seeds())
    values, given = _drawn(case, shape, seed), {"shape": shape, "seed": seed}
    if values.shape != shape:
        raise Failure("it gives another shape", f"shape {shape}", f"shape {values.shape}", "", given)
    if values.dtype.kind != "f" or not np.isfinite(values).all():
        raise Failure("it gives no finite floats", "finite floats", str(values.ravel()[:4]), "", given)


@check(KIND)
def deterministic(case: Case, draw: Draw) -> None:
    """The same seed gives the same values, whatever was drawn elsewhere in between."""
    shape, seed = (5, 4), draw(_seeds())
    first = _drawn(case, shape, seed)
    np.random.default_rng(1).random(3)
    help = "draw from the generator that is given, not from np.random"
    same(_drawn(case, shape, seed), first, "values", {"shape": shape, "seed": seed}, exact=True, help=help)


@check(KIND, unless=FIXED)
def seed_decides(case: Case, draw: Draw) -> None:
    """Other seeds give other values, and a second draw from the same generator goes on."""
    seed = draw(_seeds())
    given = {"seed": seed}
    if np.array_equal(_drawn(case, (5, 4), seed), _drawn(case, (5, 4), seed + 1)):
        raise Failure(
            "two seeds give the same values",
            "other values",
            "the same",
            "draw from the generator that is given",
            given,
        )
    rng, init = np.random.default_rng(seed), case.make()
    if np.array_equal(init(rng, (5, 4)), init(rng, (5, 4))):
        raise Failure(
            "two draws from one generator are the same",
            "other values",
            "the same",
            "do not make a generator inside",
            given,
        )


@check(KIND, unless=FIXED)
def global_state_kept(case: Case, draw: Draw) -> None:
    """It leaves NumPy's global generator alone."""
    before = np.random.get_state()[1].copy()  # type: ignore[index]
    position = np.random.get_state()[2]  # type: ignore[index]
    seed = draw(_seeds())
    _drawn(case, (3, 3), seed)
    after = np.random.get_state()
    if position != after[2] or not np.array_equal(before, after[1]):  # type: ignore[index]
        raise Failure(
            "it draws from NumPy's global generator", "the generator given", "np.random", "", {"seed": seed}
        )


@check(KIND, unless=FIXED)
def mean(case: Case, draw: Draw) -> None:
    """The values have the claimed mean, 0 if none is claimed (z-test)."""
    shape, seed = draw(LARGE), draw(_seeds())
    values = _drawn(case, shape, seed).astype(np.float64).ravel()
    claimed = float(case.claims["mean"](shape)) if "mean" in case.claims else 0.0
    error = values.std() / np.sqrt(values.size)
    if not abs(values.mean() - claimed) <= LIMIT * error:
        raise Failure(
            "the mean is not the one that is claimed", f"{claimed:g} ± {LIMIT * error:.2g}", f"{values.mean():.4g}",
            "", {"shape": shape, "seed": seed},
        )  # fmt: skip


@check(KIND, unless=FIXED, when=lambda case: "" if "variance" in case.claims else "no variance is claimed")
def variance(case: Case, draw: Draw) -> None:
    """The values have the claimed variance (z-test with the kurtosis of the sample)."""
    shape, seed = draw(LARGE), draw(_seeds())
    values = _drawn(case, shape, seed).astype(np.float64).ravel()
    claimed = float(case.claims["variance"](shape))
    kurtosis = float(np.mean((values - values.mean()) ** 4) / (values.var() ** 2 or 1.0))
    error = claimed * np.sqrt(max(kurtosis - 1, 0.5) / values.size)
    if not abs(values.var() - claimed) <= LIMIT * error:
        raise Failure(
            "the variance is not the one that is claimed", f"{claimed:.4g} ± {LIMIT * error:.2g}",
            f"{values.var():.4g}, which is {values.var() / claimed:.3g} times as large",
            "which is the fan-in, and is it the standard deviation or the variance that is divided by it?",
            {"shape": shape, "seed": seed},
        )  # fmt: skip


@check(KIND, unless=FIXED)
def independence(case: Case, draw: Draw) -> None:
    """Neighbours in a row and in a column, and the two halves, are not correlated (z-test of Pearson's r)."""
    shape, seed = draw(LARGE), draw(_seeds())
    values = _drawn(case, shape, seed).astype(np.float64).reshape(shape[0], -1)
    half = len(values) // 2
    pairs = {
        "rows": (values[:-1], values[1:]),
        "columns": (values[:, :-1], values[:, 1:]),
        "halves": (values[:half], values[half : 2 * half]),
        "a row and its reverse": (
            values[:, : values.shape[1] // 2],
            values[:, ::-1][:, : values.shape[1] // 2],
        ),
    }
    for name, (one, other) in pairs.items():
        r = float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
        z = np.arctanh(min(abs(r), 1 - 1e-12)) * np.sqrt(one.size - 3)
        if not z <= LIMIT:
            raise Failure(
                f"neighbouring {name} are correlated", f"|r| below {np.tanh(LIMIT / np.sqrt(one.size - 3)):.2g}", f"r = {r:.3g}",
                "one number for all, or one row that is repeated?", {"shape": shape, "seed": seed},
            )  # fmt: skip
