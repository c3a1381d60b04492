"""What must hold of activations beside what holds of every layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..strategies.arrays import Draw, batches, extreme_batches
from .bench import Bench
from .case import Case
from .comparing import array, called, same
from .failure import Failure
from .registry import check

KIND = "activation"
STEP = 1e-5
MIXES = {"mixes_units": "its outputs depend on all units"}


def _functions(case: Case) -> str:
    made = case.make()
    if "mixes_units" in case.tags:
        return MIXES["mixes_units"]
    return (
        ""
        if hasattr(made, "value") and hasattr(made, "derivative")
        else "it has no functions value and derivative"
    )


@check(KIND, unless=MIXES)
def elementwise(case: Case, draw: Draw) -> None:
    """Every output depends on its own input alone, whatever its place in the array."""
    bench = Bench(case, draw)
    flat = bench.x.reshape(-1, 1)
    at = draw(st.integers(0, len(flat) - 1))
    layer = bench.fresh()
    found = (
        np.array(called(layer.value, "value", bench.given, flat))
        if hasattr(layer, "value")
        else bench.forward(layer, flat)
    )
    same(found.reshape(bench.y.shape), bench.y, "output of the entries in a column", bench.given)
    changed = bench.x.copy()
    changed.reshape(-1)[at] += 1
    others = np.arange(len(flat)) != at
    after = bench.forward(bench.fresh(), changed).reshape(-1)[others]
    help = "if outputs are meant to depend on each other, as in softmax: tags={'mixes_units'}"
    same(
        after,
        bench.y.reshape(-1)[others],
        "output of the other entries",
        {**bench.given, "changed": f"entry {at}"},
        help=help,
    )


@check(KIND, when=_functions)
def derivative(case: Case, draw: Draw) -> None:
    """derivative(z, value(z)) is the slope of value; at a kink it lies between the slopes of both sides."""
    layer = case.make()
    assert case.takes is not None
    z = draw(batches(case.takes, None, "float64"))
    given = {"z": z}
    a = array(called(layer.value, "value", given, z.copy()), "value", given)
    found = array(called(layer.derivative, "derivative", given, z.copy(), a.copy()), "derivative", given)
    if found.shape != z.shape:
        raise Failure("derivative has the wrong shape", f"shape {z.shape}", f"shape {found.shape}", "", given)
    right, left = ((np.asarray(layer.value(z + s * STEP)) - a) / (s * STEP) for s in (1, -1))
    low, high = np.minimum(left, right), np.maximum(left, right)
    slack = 1e-6 + 2 * STEP * (1 + np.abs(a))
    wrong = (found < low - slack) | (found > high + slack) | ~np.isfinite(found)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise Failure(
            f"derivative is not the slope of value in {int(wrong.sum())} of {wrong.size} entries",
            f"derivative at z = {z[at]:g} between {low[at]:.6g} and {high[at]:.6g}",
            f"{found[at]:.6g}",
            "is it meant as a function of z, or of a = value(z)?",
            given,
        )


@check(KIND, when=_functions)
def out_is_written(case: Case, draw: Draw) -> None:
    """value and derivative write into `out` where they take it, return it, and write into nothing else."""
    import inspect

    layer = case.make()
    if "out" not in inspect.signature(layer.value).parameters:
        return
    assert case.takes is not None
    z = draw(batches(case.takes, None, draw(st.sampled_from(("float64", "float32")))))
    given: dict[str, Any] = {"z": z}
    kept, a = z.copy(), np.asarray(layer.value(z))
    for name, arguments, right in (
        ("value", (z,), a),
        ("derivative", (z, a), np.asarray(layer.derivative(z, a))),
    ):
        out = np.full_like(right, 7)
        before = right.copy()
        returned = called(
            lambda *v, out=out, name=name: getattr(layer, name)(*v, out=out), name, given, *arguments
        )
        if returned is not out:
            raise Failure(
                f"{name} does not return the out that it was given", "out itself", "another array", "", given
            )
        same(out, before, f"out of {name}", given, exact=True)
        same(z, kept, f"z after {name}", given, exact=True)
    same(np.asarray(layer.value(z)), a, "a after derivative", given, exact=True)


@check(KIND)
def not_a_number_stays(case: Case, draw: Draw) -> None:
    """NaN in gives NaN out: an activation that hides it hides where it came from."""
    bench = Bench(case, draw)
    x = bench.x.copy()
    at = draw(st.integers(0, x.size - 1))
    x.reshape(-1)[at] = np.nan
    y = bench.forward(bench.fresh(), x)
    if not np.isnan(y.reshape(-1)[at]):
        help = "comparisons with NaN are False: np.where(x > 0, x, 0) gives 0, np.maximum(x, 0) gives NaN"
        raise Failure("NaN is hidden", "nan", f"{y.reshape(-1)[at]:g}", help, {**bench.given, "x": x})


@check(KIND, unless=MIXES)
def flat_ends_are_finite(case: Case, draw: Draw) -> None:
    """Far out, forward and backward neither overflow nor warn."""
    bench = Bench(case, draw, x=extreme_batches)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        bench.both(bench.fresh(), bench.x, bench.g)
