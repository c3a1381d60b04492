"""What must hold of the arrays of every layer: what is written, what is kept, how they lie in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..strategies.arrays import LAYOUTS, Draw, batches
from .bench import Bench, no_evaluation, parameters, state
from .case import Case
from .comparing import same
from .registry import check

KIND = "layer"


@check(KIND)
def inputs_unchanged(case: Case, draw: Draw) -> None:
    """forward does not write into x, and backward neither into x nor into the output gradient."""
    bench = Bench(case, draw)
    layer, x, g = bench.fresh(), bench.x.copy(), bench.g.copy()
    bench.forward(layer, x)
    help = "an operation in place (+=, out=, np.maximum(x, 0, out=x)) on an array that is the caller's"
    same(x, bench.x, "x after forward", bench.given, exact=True, help=help)
    bench.backward(layer, g)
    same(x, bench.x, "x after backward", bench.with_gradient(), exact=True, help=help)
    same(g, bench.g, "output_gradient after backward", bench.with_gradient(), exact=True, help=help)


@check(KIND)
def output_kept(case: Case, draw: Draw) -> None:
    """What forward returned is not overwritten by backward, nor by a later pass in evaluation mode."""
    bench = Bench(case, draw)
    layer = bench.fresh()
    y = layer.forward(bench.x)
    before = np.array(y)
    bench.backward(layer, bench.g)
    same(y, before, "output after backward", bench.with_gradient(), exact=True)
    if not bench.training:
        back = layer.backward(bench.g)
        kept = None if back is None else np.array(back)
        other = draw(batches(bench.shape, len(bench.x), bench.dtype))
        layer.forward(other)
        same(y, before, "output after the next forward", {**bench.given, "next": other}, exact=True)
        layer.backward(np.ones_like(bench.g))
        if kept is not None and back is not None:
            same(back, kept, "input gradient after the next pass", {**bench.given, "next": other}, exact=True)


@check(KIND)
def parameters_unchanged(case: Case, draw: Draw) -> None:
    """forward and backward leave the parameters as they are; that is the optimiser's business."""
    bench = Bench(case, draw)
    layer = bench.fresh()
    before = {name: np.array(value) for name, value in parameters(layer).items()}
    bench.both(layer, bench.x, bench.g)
    for name, value in before.items():
        same(parameters(layer)[name], value, f"{name} after a pass", bench.with_gradient(), exact=True)


@check(KIND)
def gradients_fresh(case: Case, draw: Draw) -> None:
    """backward writes the gradients anew: a second backward gives the same, not the sum of both."""
    bench = Bench(case, draw)
    layer = bench.fresh()
    first = bench.both(layer, bench.x, bench.g)
    again = bench.backward(layer, bench.g)
    help = "write gradients[name][...] = …, not +=, or clear them at the start of backward"
    for name, value in bench.gradients(layer).items():
        same(
            value,
            first[f"gradient of {name}"],
            f"gradient of {name}, second time",
            bench.with_gradient(),
            help=help,
        )
    if again is not None:
        same(again, first["input gradient"], "input gradient, second time", bench.with_gradient())


@check(KIND)
def nothing_left_over(case: Case, draw: Draw) -> None:
    """A pass gives the same whatever passed before it, with as many samples or another number of them."""
    bench = Bench(case, draw)
    right = bench.both(bench.fresh(), bench.x, bench.g)
    layer = bench.fresh()
    before = draw(batches(bench.shape, st.integers(case.claims.get("least_rows", 1), 5), bench.dtype))
    kept = {name: np.array(value) for name, value in state(layer).items()}
    y = bench.forward(layer, before)
    bench.backward(layer, np.ones_like(y))
    for name, value in kept.items():
        state(layer)[name][...] = value
    _same_randomness(bench, layer)
    given = {**bench.with_gradient(), "before": before}
    for name, value in bench.both(layer, bench.x, bench.g).items():
        same(
            value,
            right[name],
            f"{name} after another batch",
            given,
            help="something kept from the batch before is used again",
        )


@check(KIND)
def read_only_input(case: Case, draw: Draw) -> None:
    """Arrays that cannot be written to are as good as others."""
    bench = Bench(case, draw)
    right = bench.both(bench.fresh(), bench.x, bench.g)
    x, g = bench.x.copy(), bench.g.copy()
    for value in (x, g):
        value.setflags(write=False)
    found = bench.both(bench.fresh(), x, g)
    for name, value in found.items():
        same(value, right[name], f"{name} of read-only arrays", bench.with_gradient())


@check(KIND, when=no_evaluation)
def non_contiguous_input(case: Case, draw: Draw) -> None:
    """Slices, reversed and transposed arrays are as good as contiguous ones."""
    # Not the mode in which numbers are drawn: generators may fill arrays in the order of memory.
    bench = Bench(case, draw, alone=True, layouts=LAYOUTS[1:])
    right = bench.both(bench.fresh(), np.ascontiguousarray(bench.x), bench.g)
    found = bench.both(bench.fresh(), bench.x, np.asfortranarray(bench.g))
    for name, value in found.items():
        same(value, right[name], f"{name} of arrays that are not contiguous", bench.with_gradient())


def _same_randomness(bench: Bench, layer: Any) -> None:
    """Sets the generators of a layer back to those of a fresh one."""
    for name, value in vars(bench.fresh()).items():
        if isinstance(value, np.random.Generator):
            setattr(layer, name, value)
