"""What must hold of every layer over its modes and its randomness."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from ..strategies.arrays import Draw, batches
from ..wording import percent
from .bench import COUPLED, Bench, has_modes, parameters, set_mode, state
from .case import Case
from .comparing import same
from .failure import Failure
from .registry import check

KIND = "layer"


def _moded(case: Case) -> str:
    return "" if has_modes(case) else "it has no modes (an attribute `training`)"


@check(KIND)
def deterministic(case: Case, draw: Draw) -> None:
    """Two layers that are alike, random generator included, give the same to the bit; one that draws nothing, twice."""
    bench = Bench(case, draw)
    first, second = (bench.both(bench.fresh(), bench.x, bench.g) for _ in range(2))
    help = "draw from a generator of the layer's own (self.rng = np.random.default_rng(seed)), and say tags={'random'}"
    for name, value in first.items():
        same(second[name], value, f"{name} of an equal layer", bench.with_gradient(), exact=True, help=help)
    if "random" in case.tags:
        return
    layer = bench.fresh()
    if "stateful" in case.tags or state(layer):
        set_mode(layer, False)
    once = bench.forward(layer, bench.x)
    same(bench.forward(layer, bench.x), once, "output of the second call", bench.given, exact=True, help=help)


@check(KIND, when=_moded)
def evaluation_mode(case: Case, draw: Draw) -> None:
    """In evaluation mode the same batch gives the same twice, and nothing that the layer keeps is changed."""
    bench = Bench(case, draw, training=False)
    layer = bench.fresh()
    before = {name: np.array(value) for name, value in (*state(layer).items(), *parameters(layer).items())}
    once = bench.forward(layer, bench.x)
    same(bench.forward(layer, bench.x), once, "output of the second call", bench.given, exact=True)
    for name, value in {**state(layer), **parameters(layer)}.items():
        same(value, before[name], f"{name} after evaluating", bench.given, exact=True)


@check(
    KIND,
    when=_moded,
    unless=dict.fromkeys((*COUPLED, "stateful"), "training differs from evaluation by design"),
)
def training_mode(case: Case, draw: Draw) -> None:
    """Training mode computes what evaluation mode does, in two passes in a row, forward and backward."""
    bench = Bench(case, draw, training=True)
    plain = bench.fresh()
    set_mode(plain, False)
    layer = bench.fresh()
    bench.both(layer, draw(batches(bench.shape, len(bench.x), bench.dtype)), np.ones_like(bench.g))
    right = bench.both(plain, bench.x, bench.g)
    for name, value in bench.both(layer, bench.x, bench.g).items():
        same(value, right[name], f"{name} in training mode", bench.with_gradient())


@check(KIND, when=lambda case: _moded(case) or ("" if "random" in case.tags else "it draws nothing"))
def keeps_the_mean(case: Case, draw: Draw) -> None:
    """A random layer changes no mean: over many draws its training output averages to its evaluation output.

    False alarms: the mean of 4,000 draws is compared with 8 of its standard errors, which a right layer misses once
    in 1e15 entries.
    """
    bench = Bench(case, draw, training=True, rows=1)
    count = 4000
    x = np.repeat(bench.x, count, axis=0)
    layer, quiet = bench.fresh(), bench.fresh()
    set_mode(quiet, False)
    y = bench.forward(layer, x).astype(np.float64)
    right = bench.forward(quiet, bench.x)[0].astype(np.float64)
    error = 8 * y.std(axis=0) / np.sqrt(count) + 1e-4 * (1 + np.abs(right))
    off = np.abs(y.mean(axis=0) - right) > error
    if off.any():
        at = tuple(int(i) for i in np.argwhere(off)[0])
        raise Failure(
            "the mean output in training is not the output in evaluation mode",
            f"mean output{list(at)} = {right[at]:.4g} ± {error[at]:.1g}",
            f"mean output{list(at)} = {y.mean(axis=0)[at]:.4g} over {count:,} draws",
            "dropout divides what it keeps by the share that it keeps",
            bench.given,
        )


@check(KIND, when=lambda case: _moded(case) or ("" if "random" in case.tags else "it draws nothing"))
def draws_anew(case: Case, draw: Draw) -> None:
    """A random layer draws for every sample, and anew in every pass, unless it is set to draw nothing at all."""
    bench = Bench(case, draw, training=True, rows=1)
    x = np.ones((64, *bench.shape), bench.dtype) * (1 + draw(st.integers(0, 3)))
    layer, quiet = bench.fresh(), bench.fresh()
    set_mode(quiet, False)
    first = bench.forward(layer, x)
    if np.array_equal(first, bench.forward(quiet, x)):
        return  # a rate of 0
    second = bench.forward(layer, x)
    for found, what in (
        (np.array_equal(first, second), "a second pass draws the same numbers"),
        (bool((first == first[:1]).all()), "all samples of a batch get the same numbers"),
    ):
        if found:
            help = "make the generator once, in __init__, and draw an array of the shape of x"
            raise Failure(what, "other numbers", "the same", help, {**bench.given, "x": x})


@check(
    KIND,
    when=lambda case: (
        _moded(case) or ("" if {"stateful", "batch_coupled"} <= case.tags else "it keeps no statistics")
    ),
)
def evaluation_follows_training(case: Case, draw: Draw) -> None:
    """After many passes over one batch in training, evaluation mode gives what training mode gives, to 5 %."""
    bench = Bench(case, draw, rows=2, training=True)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.normal(1, 2, (64, *bench.shape)).astype(bench.dtype)
    layer = bench.fresh()
    for _ in range(300):
        trained = bench.forward(layer, x)
    set_mode(layer, False)
    evaluated = bench.forward(layer, x)
    off = float(np.abs(evaluated - trained).max()) / float(np.abs(trained).max() + 1e-3)
    if not off <= 0.05:
        given = {**bench.given, "x": f"np.random.default_rng(…).normal(1, 2, {x.shape}), 300 times"}
        help = (
            "running = (1 - momentum) * running + momentum * batch, for mean and variance, in training only"
        )
        raise Failure(
            "the running statistics do not follow the batch's",
            "the same output to 5 %",
            f"{percent(off, 0)} apart",
            help,
            given,
        )
