"""What must hold of whole networks: forward, a loss, gradients by name."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from ..gradcheck import gradcheck
from ..signals import Array
from ..strategies.arrays import Draw, batches, extreme_batches
from .bench import NUDGE, set_mode
from .case import Case
from .comparing import array, called, same
from .failure import Failure
from .loss_checks import aims
from .registry import check

KIND = "network"
RATES = 10.0 ** np.arange(-9, 0)


class Example:
    """A network, a batch and its targets.

    Args:
        case: the network.
        draw: given by Hypothesis.
        rows: samples; 1 to 5 if None.
        training: the mode.
        x: strategy of the batch by shape and dtype.
    """

    def __init__(
        self, case: Case, draw: Draw, rows: Any = None, training: bool = False, x: Any = None
    ) -> None:
        assert case.takes is not None
        self.case, self.training = case, training
        self.shape = draw(case.takes)
        self._prototype = case.make()
        set_mode(self._prototype, training)
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        for value in dict(self._prototype.parameters).values():
            value += (NUDGE * rng.normal(size=value.shape)).astype(value.dtype)
        if dict(
            getattr(self._prototype, "state", None) or {}
        ):  # what is kept is not at its first values any more
            set_mode(self._prototype, True)
            self._prototype.forward(rng.normal(1.0, 2.0, (4, *self.shape)))
            set_mode(self._prototype, training)
        self.dtype = next((v.dtype for v in dict(self._prototype.parameters).values()), np.dtype("float64"))
        strategy = batches(self.shape, rows, self.dtype) if x is None else x(self.shape, self.dtype)
        self.x: Array = draw(strategy)
        self.given: dict[str, Any] = {
            "": f"{'training' if training else 'evaluation'} mode, {self.dtype}",
            "x": self.x,
        }
        self.output = self.forward(self.fresh(), self.x)
        self.y: Array = draw(aims(case, len(self.x), self.output.shape[1], self.output.dtype))
        self.given["y"] = self.y

    def fresh(self) -> Any:
        """A network like all others of this example."""
        return copy.deepcopy(self._prototype)

    def forward(self, network: Any, x: Array) -> Array:
        """The output, a copy."""
        return array(called(network.forward, "forward", {**self.given, "x": x}, x), "output", self.given)

    def gradients(self, network: Any, x: Array, y: Array) -> dict[str, Array]:
        """Gradients by name, copies, after one forward and backward."""
        called(lambda: differentiate(network, x, y), "backward", {**self.given, "x": x, "y": y})
        return {name: np.array(value) for name, value in dict(network.gradients).items()}


def differentiate(network: Any, x: Array, y: Array) -> None:
    """Forward, loss gradient, backward."""
    if hasattr(network, "differentiate"):
        network.differentiate(x, y)
    else:
        output = network.forward(x)
        network.backward(network.loss.gradient(output, y))


@check(KIND)
def gradients(case: Case, draw: Draw) -> None:
    """Every parameter's gradient is the derivative of the loss (`nndebug.gradcheck`, every entry)."""
    example = Example(case, draw, rows=st.integers(2, 4), training=True)
    x = np.random.default_rng(draw(st.integers(0, 99))).normal(size=example.x.shape)
    network = example.fresh()
    found = (
        gradcheck(network, x, example.y)
        if hasattr(network, "layers")
        else _by_function(network, x, example.y)
    )
    if not found.failures and not found.faults:
        return
    row = found.failures[0] if found.failures else None
    where = f"{row.layer}.{row.parameter}".strip(".") if row else found.faults[0].layer
    lines = str(found).splitlines()
    raise Failure(
        f"the gradient of {where} is not the derivative of the loss",
        f"{row.numeric:.6g} at {list(row.index)}, by differences" if row else "the derivative",
        f"{row.analytic:.6g}" if row else found.faults[0].sentence,
        "\n".join(line.strip() for line in lines if line.startswith(("▲", "  Your", "     "))),
        {"": f"{len(x)} samples of shape {x.shape[1:]}"},
    )


def _by_function(network: Any, x: Array, y: Array) -> Any:
    set_mode(network, False)
    if hasattr(network, "astype"):
        network.astype(np.dtype("float64"))
    held = dict(network.parameters)

    def put(values: Mapping[str, Array]) -> None:
        for name, value in values.items():
            held[name][...] = value

    def loss(values: Mapping[str, Array]) -> float:
        put(values)
        return float(network.loss(network.forward(x), y))

    def grads(values: Mapping[str, Array]) -> dict[str, Array]:
        put(values)
        differentiate(network, x, y)
        return dict(network.gradients)

    return gradcheck(loss, {name: np.array(v, np.float64) for name, v in held.items()}, grads)


@check(KIND)
def descends(case: Case, draw: Draw) -> None:
    """A step against the gradient, if it is small enough, lowers the loss."""
    example = Example(case, draw, rows=st.integers(2, 5))
    network = example.fresh()
    before = float(network.loss(network.forward(example.x), example.y))
    slopes = example.gradients(network, example.x, example.y)
    size = sum(float((g.astype(np.float64) ** 2).sum()) for g in slopes.values())
    assume(np.isfinite(before) and size > 0.1)  # nearer to the bottom rounding decides
    visible = 64 * float(np.finfo(example.dtype).eps) * max(1.0, abs(before))
    for rate in RATES:
        moved = example.fresh()
        for name, value in dict(moved.parameters).items():
            value -= (rate * slopes[name]).astype(value.dtype)
        change = float(moved.loss(moved.forward(example.x), example.y)) - before
        if abs(change) > visible:  # the smallest step that shows: larger ones may overshoot
            break
    if not change <= visible:
        raise Failure(
            "a small step against the gradient does not lower the loss",
            f"less than {before:.6g}",
            f"{change:.2g} more, after a step at rate {rate:.0e}",
            "gradcheck tells which layer is wrong",
            example.given,
        )


@check(KIND)
def sample_independence(case: Case, draw: Draw) -> None:
    """In evaluation mode a sample's output is the same alone, in a batch, and in another order."""
    example = Example(case, draw, rows=st.integers(2, 5))
    at = draw(st.integers(0, len(example.x) - 1))
    order = np.array(draw(st.permutations(range(len(example.x)))))
    alone = example.forward(example.fresh(), example.x[at : at + 1])
    same(
        alone, example.output[at : at + 1], "output of one sample", {**example.given, "alone": f"sample {at}"}
    )
    mixed = example.forward(example.fresh(), example.x[order])
    same(
        mixed,
        example.output[order],
        "output of the samples in another order",
        {**example.given, "order": order.tolist()},
    )


@check(KIND)
def gradient_is_the_mean(case: Case, draw: Draw) -> None:
    """The gradient of a batch is the mean of its samples' gradients."""
    example = Example(case, draw)
    whole = example.gradients(example.fresh(), example.x, example.y)
    alone = [
        example.gradients(example.fresh(), example.x[i : i + 1], example.y[i : i + 1])
        for i in range(len(example.x))
    ]
    help = "divide by the batch size once: in the loss, and nowhere else"
    for name, value in whole.items():
        expected = np.mean([each[name] for each in alone], axis=0)
        scale = max(1.0, float(np.abs([each[name] for each in alone]).max()))
        same(value, expected, f"gradient of {name}", example.given, help=help, scale=scale)


@check(KIND)
def gradients_fresh(case: Case, draw: Draw) -> None:
    """A second forward and backward gives the same gradients, not the sum of both."""
    example = Example(case, draw)
    network = example.fresh()
    first = example.gradients(network, example.x, example.y)
    for name, value in example.gradients(network, example.x, example.y).items():
        same(value, first[name], f"gradient of {name}, second time", example.given)


@check(KIND)
def inputs_unchanged(case: Case, draw: Draw) -> None:
    """Neither pass writes into x or y, and none moves a parameter."""
    example = Example(case, draw, training=draw(st.booleans()))
    network, x, y = example.fresh(), example.x.copy(), example.y.copy()
    before = {name: np.array(value) for name, value in dict(network.parameters).items()}
    example.gradients(network, x, y)
    same(x, example.x, "x", example.given, exact=True)
    same(y, example.y, "y", example.given, exact=True)
    for name, value in dict(network.parameters).items():
        same(value, before[name], name, example.given, exact=True)


@check(KIND)
def deterministic(case: Case, draw: Draw) -> None:
    """Two networks that are alike give the same outputs and gradients, to the bit."""
    example = Example(case, draw, training=draw(st.booleans()))
    first, second = (example.gradients(example.fresh(), example.x, example.y) for _ in range(2))
    for name, value in first.items():
        same(second[name], value, f"gradient of {name}", example.given, exact=True)


@check(KIND)
def copy_is_independent(case: Case, draw: Draw) -> None:
    """A copy computes the same, and what happens to it does not happen to the original."""
    example = Example(case, draw)
    network = example.fresh()
    other = copy.deepcopy(network)
    same(example.forward(other, example.x), example.output, "output of the copy", example.given, exact=True)
    for value in dict(other.parameters).values():
        value += 1
    same(
        example.forward(network, example.x),
        example.output,
        "output after the copy was changed",
        example.given,
        exact=True,
    )


@check(KIND)
def save_and_load(case: Case, draw: Draw) -> None:
    """`save` and `load`, where there are any, or else its parameters in another network of its kind, give it back."""
    example = Example(case, draw)
    network = example.fresh()
    if hasattr(network, "save") and hasattr(type(network), "load"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.npz"
            called(network.save, "save", example.given, path)
            other = called(type(network).load, "load", example.given, path)
    else:
        other = example.case.make()
        set_mode(other, False)
        for kind in ("parameters", "state"):
            mine = dict(getattr(network, kind, {}) or {})
            for name, value in dict(getattr(other, kind, {}) or {}).items():
                value[...] = mine[name]
    same(example.forward(other, example.x), example.output, "output of the loaded network", example.given)


@check(KIND)
def extreme_inputs(case: Case, draw: Draw) -> None:
    """Inputs of 0, of ±1e4 and constant samples give finite outputs."""
    example = Example(case, draw, x=extreme_batches)
    if not np.isfinite(example.output).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(example.output))[0])
        raise Failure(
            "the output is not finite",
            "finite numbers",
            f"output{list(at)} = {example.output[at]}",
            "",
            example.given,
        )


@check(KIND)
def shapes_refused(case: Case, draw: Draw) -> None:
    """A batch of another width is refused with a message that names both widths."""
    example = Example(case, draw, rows=st.integers(2, 4))
    width = example.shape[0]
    if not dict(example.fresh().parameters):
        return  # it takes any width, and means it
    wrong = width + draw(st.integers(1, 3))
    x = np.resize(example.x, (len(example.x), wrong, *example.shape[1:]))
    given = {**example.given, "x": x}
    try:
        example.fresh().forward(x)
    except Exception as error:
        if str(width) not in str(error) or str(wrong) not in str(error):
            raise Failure(
                "the error for a wrong shape does not name both shapes",
                f"an error that names {width} and {wrong}",
                f"{type(error).__name__}: {error}",
                "",
                given,
            ) from None
        return
    raise Failure(
        "x of another width is not refused",
        f"an error that names {width} and {wrong}",
        "an output",
        "",
        given,
    )
