"""What must hold of optimisers: they go downhill, in place, by the rate, and touch nothing else."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st

from ..signals import Array
from ..strategies.arrays import Draw, batches, float_dtypes
from .case import Case
from .comparing import called, number, same
from .failure import Failure
from .registry import check
from .stepping import Steps, of_network

KIND = "optimizer"
Arrays: TypeAlias = dict[str, Array]

STEPS = 60
"""Updates on the quadratic bowl."""


def _shapes(draw: Draw) -> dict[str, tuple[int, ...]]:
    inputs, units = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return {"weight": (inputs, units), "bias": (units,)}


def _arrays(draw: Draw, shapes: dict[str, tuple[int, ...]], dtype: Any, plus: float = 0.0) -> Arrays:
    return {
        name: draw(batches(s[1:], s[0], dtype)) + np.dtype(dtype).type(plus) for name, s in shapes.items()
    }


def _history(draw: Draw, shapes: dict[str, tuple[int, ...]], dtype: Any, most: int = 3) -> list[Arrays]:
    return [_arrays(draw, shapes, dtype) for _ in range(draw(st.integers(1, most)))]


def _given(start: Arrays, history: list[Arrays]) -> dict[str, Any]:
    told: dict[str, Any] = dict(start)
    for count, gradients in enumerate(history, 1):
        told |= {f"gradient of {name}, step {count}": g for name, g in gradients.items()}
    return told


def _run(case: Case, start: Arrays, history: list[Arrays]) -> Steps:
    steps = Steps(case.make(), start)
    for gradients in history:
        called(steps.step, "the update", _given(start, history), {n: g.copy() for n, g in gradients.items()})
    return steps


@check(KIND)
def descends(case: Case, draw: Draw) -> None:
    """On a bowl of curvature 1 or less the loss falls: by the first step, and over sixty."""
    shapes = _shapes(draw)
    start = _arrays(draw, shapes, "float64")
    goal = {name: value + 1 + abs(value) / 4 for name, value in start.items()}
    curvature = draw(st.sampled_from((1.0, 0.25)))
    given = {
        **start,
        "loss": f"sum of {curvature:g} / 2 (w - goal)²",
        "goal": str({n: g.tolist() for n, g in goal.items()}),
    }
    steps = Steps(case.make(), start)

    def loss() -> float:
        return sum(float(curvature / 2 * ((v - goal[n]) ** 2).sum()) for n, v in steps.parameters.items())

    losses = [loss()]
    for _ in range(STEPS):
        slopes = {name: curvature * (value - goal[name]) for name, value in steps.parameters.items()}
        called(steps.step, "the update", given, slopes)
        losses.append(loss())
    if not losses[1] < losses[0]:
        help = "w -= rate * gradient; is the sign right, and does the update reach the array itself?"
        raise Failure(
            "the first step does not lower the loss",
            f"less than {number(losses[0])}",
            number(losses[1], losses[0]),
            help,
            given,
        )
    if not losses[-1] < losses[0]:
        raise Failure(
            f"{STEPS} steps do not lower the loss",
            f"less than {number(losses[0])}",
            number(losses[-1]),
            "is the rate too high?",
            given,
        )


@check(KIND)
def every_entry_descends(case: Case, draw: Draw) -> None:
    """In the first step every entry moves against its own gradient, in every parameter."""
    shapes = _shapes(draw)
    start, gradients = _arrays(draw, shapes, "float64"), _arrays(draw, shapes, "float64", 9)
    sign = {name: draw(st.sampled_from((1.0, -1.0))) for name in shapes}
    gradients = {name: sign[name] * g for name, g in gradients.items()}
    steps, given = _run(case, start, [gradients]), _given(start, [gradients])
    for name, value in steps.parameters.items():
        wrong = np.sign(start[name] - value) != np.sign(gradients[name])
        if wrong.any() and "penalised" not in case.tags:
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            moved = value[at] - start[name][at]
            raise Failure(
                f"an entry of {name} does not move against its gradient",
                f"{name}{list(at)} goes {'down' if sign[name] > 0 else 'up'}",
                f"it moves by {number(moved)}",
                "",
                given,
            )


@check(KIND, unless={"penalised": "it moves parameters without gradient by design"})
def frozen_left_alone(case: Case, draw: Draw) -> None:
    """What has a gradient of 0 from the start is not moved by a bit, and nothing becomes NaN by it."""
    shapes = _shapes(draw)
    start, history = _arrays(draw, shapes, draw(float_dtypes())), _history(draw, shapes, "float64")
    frozen = draw(st.sampled_from(tuple(shapes)))
    history = [
        {n: (0 * g if n == frozen else g).astype(start[n].dtype) for n, g in gs.items()} for gs in history
    ]
    steps = _run(case, start, history)
    help = "0 / 0 where the moments are 0? add epsilon" if np.isnan(steps.parameters[frozen]).any() else ""
    same(
        steps.parameters[frozen],
        start[frozen],
        f"{frozen}, whose gradient is 0,",
        _given(start, history),
        exact=True,
        help=help,
    )


@check(KIND)
def gradients_unchanged(case: Case, draw: Draw) -> None:
    """The gradients are read, not written: a logger that looks at them afterwards sees what backward gave."""
    shapes, dtype = _shapes(draw), draw(float_dtypes())
    start, history = _arrays(draw, shapes, dtype), _history(draw, shapes, dtype)
    steps = Steps(case.make(), start)
    for gradients in history:
        passed = {name: g.copy() for name, g in gradients.items()}
        called(steps.step, "the update", _given(start, history), passed)
        for name, value in steps.gradients(passed).items():
            same(
                value,
                gradients[name],
                f"gradient of {name} after the update",
                _given(start, history),
                exact=True,
            )


@check(KIND)
def in_place(case: Case, draw: Draw) -> None:
    """The update reaches the arrays themselves, and keeps shape and dtype; or it returns the new ones."""
    shapes, dtype = _shapes(draw), draw(float_dtypes())
    start, gradients = _arrays(draw, shapes, dtype), _arrays(draw, shapes, dtype, 9)
    steps, given = _run(case, start, [gradients]), _given(start, [gradients])
    for name, value in steps.parameters.items():
        if value.shape != start[name].shape or value.dtype != dtype:
            raise Failure(
                f"{name} has another form after the update", f"{start[name].shape}, {dtype}",
                f"{value.shape}, {value.dtype}", "a moment or a rate in float64, or a gradient that broadcasts?", given,
            )  # fmt: skip
        if np.array_equal(value, start[name]):
            help = "w = w - rate * g binds a name anew; w -= rate * g changes the array"
            raise Failure(
                f"{name} is not changed by the update", "another array", "the same numbers", help, given
            )


@check(KIND)
def rate_scales_the_step(case: Case, draw: Draw) -> None:
    """Half the rate moves half as far in the first step."""
    from .stepping import rate_of

    made = case.make()
    if rate_of(made) is None:
        return
    shapes = _shapes(draw)
    start, gradients = _arrays(draw, shapes, "float64"), _arrays(draw, shapes, "float64", 9)
    whole, half = Steps(case.make(), start), Steps(case.make(), start, rate=0.5)
    given = _given(start, [gradients])
    for steps in (whole, half):
        called(steps.step, "the update", given, {n: g.copy() for n, g in gradients.items()})
    for name, value in start.items():
        moved, right = (s.parameters[name] - value for s in (half, whole))
        same(
            2 * moved,
            right,
            f"twice the step of {name} at half the rate",
            given,
            scale=float(np.abs(right).max() + 1e-3),
            rounding=2.0**20,
        )


@check(KIND)
def scale_consistent(case: Case, draw: Draw) -> None:
    """Gradients that are four times as large move everything four times as far, or exactly as far: not in between."""
    shapes = _shapes(draw)
    start = _arrays(draw, shapes, "float64")
    gradients = _arrays(draw, shapes, "float64", 9)
    larger = {name: 4 * g for name, g in gradients.items()}
    if "penalised" in case.tags:
        return
    first, second = _run(case, start, [gradients]), _run(case, start, [larger])
    given = _given(start, [gradients])
    ratios = np.concatenate(
        [((second.parameters[n] - v) / (first.parameters[n] - v)).ravel() for n, v in start.items()]
    )
    for expected in (1.0, 4.0):
        if np.allclose(ratios, expected, rtol=1e-3):
            return
    at = int(np.argmax(np.minimum(np.abs(ratios - 1), np.abs(ratios - 4))))
    raise Failure(
        "the step is not consistent in the scale of the gradient", "4 times as far everywhere, or as far",
        f"{ratios[at]:.4g} times as far in entry {at}", "", given,
    )  # fmt: skip


@check(KIND)
def entries_apart(case: Case, draw: Draw) -> None:
    """What an entry does depends on its own gradients alone: alone or beside others, it moves the same."""
    shapes = _shapes(draw)
    start, history = _arrays(draw, shapes, "float64"), _history(draw, shapes, "float64")
    other = draw(st.sampled_from(tuple(shapes)))
    changed = [{n: (g + 1 if n == other else g) for n, g in gs.items()} for gs in history]
    kept = next(name for name in shapes if name != other)
    before, after = _run(case, start, history), _run(case, start, changed)
    given = {**_given(start, history), "changed": f"the gradients of {other}, by 1"}
    same(after.parameters[kept], before.parameters[kept], kept, given)


@check(KIND, when=lambda case: "the network orders its parameters" if of_network(case.make()) else "")
def parameter_order(case: Case, draw: Draw) -> None:
    """Parameters that come in another order move the same: no step is counted for each of them."""
    shapes = _shapes(draw)
    start, history = _arrays(draw, shapes, "float64"), _history(draw, shapes, "float64")
    before = _run(case, start, history)
    after = _run(case, _reversed(start), [_reversed(gradients) for gradients in history])
    help = "count a step once for all parameters, not in the loop over them"
    for name, value in before.parameters.items():
        same(
            after.parameters[name],
            value,
            f"{name}, taken in another order",
            _given(start, history),
            help=help,
        )


def _reversed(arrays: Arrays) -> Arrays:
    return dict(reversed(arrays.items()))


@check(KIND)
def starts_afresh(case: Case, draw: Draw) -> None:
    """Two optimisers of a kind share nothing: what one has seen does not move the parameters of the other."""
    shapes = _shapes(draw)
    start, history = _arrays(draw, shapes, "float64"), _history(draw, shapes, "float64")
    alone = _run(case, start, history)
    one, other = Steps(case.make(), start), Steps(case.make(), start)
    for gradients in history:
        other.step({name: 3 * g + 1 for name, g in gradients.items()})
        one.step({name: g.copy() for name, g in gradients.items()})
    help = "moments belong in the object (self.m = {}), not in the class or in a default argument"
    for name, value in alone.parameters.items():
        same(
            one.parameters[name],
            value,
            f"{name} beside another optimiser",
            _given(start, history),
            exact=True,
            help=help,
        )


@check(KIND)
def deterministic(case: Case, draw: Draw) -> None:
    """The same gradients move the same parameters the same way, to the bit."""
    shapes = _shapes(draw)
    start, history = _arrays(draw, shapes, "float64"), _history(draw, shapes, "float64")
    first, second = (_run(case, start, history) for _ in range(2))
    for name, value in first.parameters.items():
        same(second.parameters[name], value, f"{name}, second run", _given(start, history), exact=True)


@check(KIND)
def extreme_gradients(case: Case, draw: Draw) -> None:
    """Gradients of 0, 1e-12 and 1e4 leave finite parameters."""
    shapes, dtype = _shapes(draw), draw(float_dtypes())
    start = _arrays(draw, shapes, dtype)
    sizes = draw(st.lists(st.sampled_from((0.0, 1e-12, 1e4, -1e4)), min_size=1, max_size=3))
    history = [{n: np.full(s, size, dtype) for n, s in shapes.items()} for size in sizes]
    for name, value in _run(case, start, history).parameters.items():
        if not np.isfinite(value).all():
            raise Failure(
                f"{name} is not finite after the updates",
                "finite numbers",
                str(value.ravel()[0]),
                "add epsilon to what is divided by",
                _given(start, history),
            )


@check(KIND)
def single_precision(case: Case, draw: Draw) -> None:
    """In float32 the parameters go where they go in float64, to rounding."""
    shapes = _shapes(draw)
    start, history = _arrays(draw, shapes, "float64"), _history(draw, shapes, "float64")
    double = _run(case, start, history)
    single = _run(
        case,
        {n: v.astype(np.float32) for n, v in start.items()},
        [{n: g.astype(np.float32) for n, g in gs.items()} for gs in history],
    )
    for name, value in double.parameters.items():
        same(
            single.parameters[name].astype(np.float64),
            value,
            f"{name} in float32",
            _given(start, history),
            rounding=2.0**42,
        )


@check(KIND, when=lambda case: "" if case.reference else "no reference was given")
def reference(case: Case, draw: Draw) -> None:
    """After up to four steps the parameters are where the plain function that was given as reference puts them."""
    shapes = _shapes(draw)
    start, history = _arrays(draw, shapes, "float64"), _history(draw, shapes, "float64", 4)
    assert case.reference is not None
    expected = case.reference({n: v.copy() for n, v in start.items()}, [dict(gs) for gs in history])
    found = _run(case, start, history).parameters
    for name, value in expected.items():
        same(found[name], np.asarray(value), f"{name} after {len(history)} steps", _given(start, history))
