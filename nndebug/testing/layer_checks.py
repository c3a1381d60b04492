"""What must hold of every layer: shapes, gradients, independence of samples."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from ..signals import Array
from ..strategies.arrays import Draw, batches, extreme_batches
from .bench import Bench, few_rows, no_evaluation, parameters, set_mode, state
from .case import Case
from .comparing import same
from .failure import Failure
from .gradients import disagreement
from .registry import check
from .shapes import takes as accepts

KIND = "layer"


@check(KIND)
def output_shape(case: Case, draw: Draw) -> None:
    """A batch of n samples gives n rows, of the same shape in every batch."""
    bench = Bench(case, draw)
    more = draw(st.integers(case.claims.get("least_rows", 1), 7))
    for rows, y in (
        (len(bench.x), bench.y),
        (more, bench.forward(bench.fresh(), np.resize(bench.x, (more, *bench.shape)))),
    ):
        expected = (rows, *bench.y.shape[1:])
        if y.shape != expected:
            given = {**bench.given, "": f"{bench.given['']}, {rows} samples"}
            raise Failure("output has the wrong shape", f"shape {expected}", f"shape {y.shape}", "", given)


@check(KIND)
def output_dtype(case: Case, draw: Draw) -> None:
    """float32 stays float32 and float64 float64: in the output, the input gradient and the parameter gradients."""
    bench = Bench(case, draw)
    layer = bench.fresh()
    found = bench.both(layer, bench.x, bench.g)
    own = {f"gradient of {name}": value.dtype for name, value in parameters(layer).items()}
    common = np.result_type(bench.dtype, *own.values())
    for name, value in found.items():
        expected = own.get(name, common)
        if value.dtype != expected:
            help = (
                ""
                if value.dtype.itemsize < expected.itemsize
                else "make new arrays with dtype=x.dtype, or by empty_like"
            )
            raise Failure(
                f"{name} has another dtype", str(expected), str(value.dtype), help, bench.with_gradient()
            )


@check(KIND)
def gradient_shapes(case: Case, draw: Draw) -> None:
    """The input gradient has the input's shape, and every parameter a gradient of its own shape."""
    bench = Bench(case, draw)
    layer = bench.fresh()
    found = bench.both(layer, bench.x, bench.g)
    expected = {f"gradient of {name}": value.shape for name, value in parameters(layer).items()}
    if "input gradient" in found:
        expected["input gradient"] = bench.x.shape
    for name, shape in expected.items():
        if found[name].shape != shape:
            raise Failure(
                f"{name} has the wrong shape", f"shape {shape}", f"shape {found[name].shape}",
                "an update would broadcast it silently" if np.ndim(found[name]) else "", bench.with_gradient(),
            )  # fmt: skip


@check(KIND)
def gradients(case: Case, draw: Draw) -> None:
    """backward is the derivative of forward: the input gradient and every parameter's, against finite differences."""
    bench = Bench(case, draw)
    found = disagreement(bench, draw(st.integers(0, 2**16)))
    if found is not None:
        raise found


@check(KIND)
def backward_linear(case: Case, draw: Draw) -> None:
    """backward is linear in the output gradient: twice the gradient plus another gives twice plus the other."""
    bench = Bench(case, draw)
    other = draw(batches(bench.y.shape[1:], len(bench.x), bench.y.dtype))
    first, second, mixed = (
        bench.both(bench.fresh(), bench.x, g) for g in (bench.g, other, 2 * bench.g + other)
    )
    given = {**bench.with_gradient(), "other": other}
    for name in first:
        if name != "output":
            same(mixed[name], 2 * first[name] + second[name], f"{name} of 2 * output_gradient + other", given)


@check(KIND, when=lambda case: "" if "linear" in case.tags else "it does not claim to be linear")
def linear(case: Case, draw: Draw) -> None:
    """A layer that claims to be linear is, but for a constant: f(2x + y) - f(0) = 2 (f(x) - f(0)) + f(y) - f(0)."""
    bench = Bench(case, draw)
    other = draw(batches(bench.shape, len(bench.x), bench.dtype))
    x, y, both, zero = (
        bench.forward(bench.fresh(), v) for v in (bench.x, other, 2 * bench.x + other, 0 * bench.x)
    )
    same(both, 2 * x + y - 2 * zero, "output of 2 * x + other", {**bench.given, "other": other})


@check(KIND, when=no_evaluation)
def sample_independence(case: Case, draw: Draw) -> None:
    """Changing one sample changes no other sample's output or input gradient."""
    bench = Bench(case, draw, alone=True, rows=st.integers(2, 4))
    at = draw(st.integers(0, len(bench.x) - 1))
    x, g = bench.x.copy(), bench.g.copy()
    x[at] = draw(batches(bench.shape, 1, bench.dtype))[0]
    g[at] = draw(batches(bench.y.shape[1:], 1, bench.y.dtype))[0]
    before, after = bench.both(bench.fresh(), bench.x, bench.g), bench.both(bench.fresh(), x, g)
    help = (
        "a mean, maximum or norm over axis 0 ties samples together; if that is meant: tags={'batch_coupled'}"
    )
    given = {**bench.with_gradient(), "changed": f"sample {at}, to {x[at].tolist()}"}
    for name in ("output", "input gradient"):
        if name in before:
            others = np.arange(len(x)) != at
            same(after[name][others], before[name][others], f"{name} of the other samples", given, help=help)


@check(KIND, when=no_evaluation)
def batch_of_one(case: Case, draw: Draw) -> None:
    """A sample by itself gives what it gives in a batch, forward and backward."""
    bench = Bench(case, draw, alone=True)
    at = draw(st.integers(0, len(bench.x) - 1))
    whole = bench.both(bench.fresh(), bench.x, bench.g)
    single = bench.both(bench.fresh(), bench.x[at : at + 1], bench.g[at : at + 1])
    given = {**bench.with_gradient(), "alone": f"sample {at}"}
    for name in ("output", "input gradient"):
        if name in whole:
            same(single[name], whole[name][at : at + 1], f"{name} of one sample", given)


@check(KIND)
def empty_batch(case: Case, draw: Draw) -> None:
    """No samples give no rows, and parameter gradients of zero."""
    bench = Bench(case, draw, rows=2, training=None if few_rows(case) else False)
    layer = bench.fresh()
    x, g = bench.x[:0], bench.g[:0]
    given = {**bench.given, "x": x}
    with warnings.catch_warnings():  # NumPy warns of the mean of nothing
        warnings.simplefilter("ignore", RuntimeWarning)
        y = bench.forward(layer, x)
        same(y, bench.y[:0], "output", given)
        back = bench.backward(layer, g)
    if back is not None:
        same(back, x, "input gradient", given)
    for name, value in bench.gradients(layer).items():
        same(value, np.zeros_like(value), f"gradient of {name}", given)


@check(KIND, when=no_evaluation)
def sample_order(case: Case, draw: Draw) -> None:
    """Samples in another order give the same outputs in that order, and the same parameter gradients."""
    bench = Bench(case, draw, alone=True, rows=st.integers(2, 5))
    order = np.array(draw(st.permutations(range(len(bench.x)))))
    before = bench.both(bench.fresh(), bench.x, bench.g)
    after = bench.both(bench.fresh(), bench.x[order], bench.g[order])
    given = {**bench.with_gradient(), "order": order.tolist()}
    for name, value in before.items():
        expected = value if name.startswith("gradient of") else value[order]
        same(after[name], expected, f"{name} of the samples in another order", given)


@check(KIND)
def extreme_values(case: Case, draw: Draw) -> None:
    """Zeros, constant samples, tiny and large entries (up to 1e4) give finite outputs and gradients."""
    bench = Bench(case, draw, training=None if few_rows(case) else False, x=extreme_batches)
    for name, value in bench.both(bench.fresh(), bench.x, bench.g).items():
        bad = ~np.isfinite(value)
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            help = "subtract the maximum before exp; guard divisions and square roots by an epsilon"
            raise Failure(
                f"{name} is not finite",
                "finite numbers",
                f"{name}{list(at)} = {value[at]}",
                help,
                bench.with_gradient(),
            )


@check(KIND)
def shapes_refused(case: Case, draw: Draw) -> None:
    """A batch of another width is refused with a message that names both: what is expected and what came."""
    bench = Bench(case, draw, rows=st.integers(2, 5))
    axis = _fixed_axis(bench.fresh, bench.shape)
    width = bench.shape[axis]
    if not parameters(bench.fresh()) and accepts(
        bench.fresh, (*bench.shape[:axis], width + 1, *bench.shape[axis + 1 :])
    ):
        return  # it takes any width, and means it
    others = [n for n in (width + 1, 1, width + 3) if n != width]
    wrong = draw(st.sampled_from(others))
    x = np.resize(bench.x, (len(bench.x), *bench.shape[:axis], wrong, *bench.shape[axis + 1 :]))
    given = {**bench.given, "x": x}
    expected = f"an error that names {x.shape} and {width}"
    try:
        y = bench.fresh().forward(x)
    except Exception as error:
        said = str(error)
        if str(width) not in said or str(wrong) not in said:
            raise Failure(
                "the error for a wrong shape does not name both shapes", expected, f"{type(error).__name__}: {said}",
                "say what is expected and what came: expects (batch, 4), got (2, 5)", given,
            ) from None  # fmt: skip
        return
    raise Failure(
        f"x with {wrong} in place of {width} on axis {axis + 1} is not refused", expected,
        f"output of shape {np.shape(y)}, by silent broadcasting", "compare x.shape with what the parameters need", given,
    )  # fmt: skip


def _fixed_axis(make: Any, shape: tuple[int, ...]) -> int:
    """The axis of a sample whose size the layer fixes: its only one, or the first that may not be larger."""
    for axis, size in enumerate(shape[:-1]):
        if not accepts(make, (*shape[:axis], size + 1, *shape[axis + 1 :])):
            return axis
    return len(shape) - 1 if len(shape) > 1 and not accepts(make, (*shape[:-1], shape[-1] + 1)) else 0


@check(KIND)
def save_and_load(case: Case, draw: Draw) -> None:
    """Parameters and state, written into a new layer of the same kind, make it the same layer."""
    bench = Bench(case, draw, training=False)
    trained = bench.fresh()
    saved = {name: np.array(value) for name, value in (*parameters(trained).items(), *state(trained).items())}
    other = bench._prepared(3)
    set_mode(other, False)
    held = {**parameters(other), **state(other)}
    for name, value in saved.items():
        if name not in held or held[name].shape != value.shape:
            shape = f"shape {held[name].shape}" if name in held else "nothing of that name"
            raise Failure(
                f"{name} of a new layer does not fit", f"shape {value.shape}", shape, "", bench.given
            )
        held[name][...] = value
    if "random" not in case.tags or hasattr(other, "training"):
        help = "keep everything that is learnt in parameters or state, as the arrays that forward uses"
        same(
            bench.forward(other, bench.x),
            bench.forward(trained, bench.x),
            "output of the loaded layer",
            bench.given,
            help=help,
        )


@check(KIND, when=lambda case: "" if case.reference else "no reference was given")
def reference(case: Case, draw: Draw) -> None:
    """forward equals the plain function that was given as reference: in evaluation mode, and in both if it takes the
    layer as a third argument."""
    assert case.reference is not None
    both = len(inspect.signature(case.reference).parameters) == 3 and "random" not in case.tags
    far = case.kind == "activation" and draw(st.booleans())
    bench = Bench(case, draw, training=None if both else False, x=extreme_batches if far else None)
    layer = bench.fresh()
    assume(np.isfinite(bench.y).all())
    same(bench.y, _referred(case, layer, bench.x), "output", bench.given, rounding=2.0**14)


def _referred(case: Case, layer: Any, x: Array) -> Array:
    assert case.reference is not None
    if case.kind == "activation":
        return np.asarray(case.reference(x.astype(np.float64)))
    values = {
        name: np.array(v, np.float64) for name, v in (*parameters(layer).items(), *state(layer).items())
    }
    wanted = len(inspect.signature(case.reference).parameters)
    return np.asarray(case.reference(*(x.astype(np.float64), values, layer)[:wanted]))
