"""Members of the network core, found in the core itself: a layer that is added tomorrow is drawn tomorrow."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st

from ..core import load_core
from ..errors import UserError
from .arrays import Draw, widths

PAIRS = st.one_of(st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3)))

ARGUMENTS: Mapping[str, st.SearchStrategy[Any]] = {
    "inputs": widths(),
    "units": widths(),
    "outputs": widths(),
    "in_channels": widths(most=3),
    "out_channels": widths(most=3),
    "channels": widths(most=3),
    "features": widths(),
    "kernel": PAIRS,
    "stride": PAIRS,
    "padding": st.one_of(st.sampled_from((0, "same", 1))),
    "bias": st.booleans(),
    "nesterov": st.booleans(),
    "slope": st.sampled_from((0.01, 0.3)),
    "momentum": st.sampled_from((0.5, 0.9, 0.1)),
    "epsilon": st.sampled_from((1e-5, 1e-3)),
    "seed": st.just(3),
}
"""What the arguments of constructors may be, by the name that the core gives them; others keep their default."""

CALLS: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
"""Member that was drawn → the call that makes it. Not an attribute of the member, which may save what it has."""

OF_LAYERS = {"rate": st.sampled_from((0.5, 0.0, 0.2))}
OF_OPTIMIZERS = {"rate": st.sampled_from((0.1, 0.01)), "epsilon": st.sampled_from((1e-8, 1e-4))}


def members(base: str) -> dict[str, type[Any]]:
    """The core's classes below one of its base classes, by name; the abstract ones are left out.

    Args:
        base: `Layer`, `Activation`, `Loss` or `Optimizer`.
    """
    core = load_core()
    root = getattr(core, base)
    tables = {
        "Activation": "activations.ACTIVATIONS",
        "Loss": "losses.LOSSES",
        "Optimizer": "optimizers.OPTIMIZERS",
    }
    found = {name: getattr(core, name) for name in core.__all__}
    if base in tables:
        module, table = tables[base].split(".")
        found |= {c.__name__: c for c in getattr(load_core(module), table).values()}
    activation = core.Activation
    return {
        name: c
        for name, c in sorted(found.items())
        if inspect.isclass(c)
        and issubclass(c, root)
        and c not in (core.Layer, core.Activation, core.Loss, core.Optimizer)
        and (base != "Layer" or not issubclass(c, activation))
    }


def build(
    kind: type[Any], more: Mapping[str, st.SearchStrategy[Any]] | None = None
) -> st.SearchStrategy[Any]:
    """Objects of a class of the core, with every argument drawn that `ARGUMENTS` knows.

    Args:
        kind: the class.
        more: further arguments, or others.

    Raises:
        UserError: a required argument has a name that is not known.
    """
    known = {**ARGUMENTS, **(more or {})}
    chosen: dict[str, st.SearchStrategy[Any]] = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if name in known:
            chosen[name] = known[name]
        elif parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        ):
            raise UserError(
                f"nothing is known about the argument {name!r} of {kind.__name__}",
                help="add what it may be to ARGUMENTS in nndebug/strategies/members.py",
            )
    error = load_core().NetworkError

    def make(arguments: dict[str, Any]) -> Any:
        try:
            return named(kind(**arguments), arguments)
        except error:  # arguments that do not fit together, as more padding than kernel
            reject()

    return st.fixed_dictionaries(chosen).map(make)


def named(member: Any, arguments: Mapping[str, Any]) -> Any:
    """The member, and the call that makes it noted in `CALLS`, for messages."""
    shown = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    CALLS[member] = f"{type(member).__name__}({shown})"
    return member


def layers(*kinds: str) -> st.SearchStrategy[Any]:
    """A layer of the core, activations left out; or one of the classes named."""
    return _one_of(members("Layer"), kinds, OF_LAYERS)


def activations(*kinds: str) -> st.SearchStrategy[Any]:
    """An activation of the core; or one of the classes named."""
    return _one_of(members("Activation"), kinds)


def losses(*kinds: str) -> st.SearchStrategy[Any]:
    """A loss of the core; or one of the classes named."""
    return _one_of(members("Loss"), kinds)


def optimizers(*kinds: str) -> st.SearchStrategy[Any]:
    """An optimiser of the core without penalty; or one of the classes named."""
    return _one_of(members("Optimizer"), kinds, OF_OPTIMIZERS)


def initializers() -> st.SearchStrategy[Callable[[np.random.Generator, tuple[int, ...]], Any]]:
    """An initialiser of the core."""
    return st.sampled_from(tuple(load_core("initializers").INITIALIZERS.values()))


@st.composite
def networks(draw: Draw, dtype: Any = None, inputs: int | None = None, outputs: int | None = None) -> Any:
    """A `Sequential` of dense layers with activations, now and then with dropout or normalisation, and a loss.

    Args:
        draw: given by Hypothesis.
        dtype: of the network; either if None.
        inputs: width of the input; any if None.
        outputs: width of the output; any if None, and 2 or more.
    """
    core = load_core()
    sizes = [inputs or draw(widths()), *draw(st.lists(widths(), max_size=2)), outputs or draw(widths(2, 5))]
    parts: list[Any] = []
    for position, (before, after) in enumerate(itertools.pairwise(sizes)):
        parts.append(core.Dense(before, after, bias_init="normal"))
        if position == len(sizes) - 2:
            break
        if draw(st.integers(0, 3)) == 3:
            parts.append(draw(st.sampled_from((core.LayerNorm, core.BatchNorm)))(after))
        parts.append(draw(activations()))
        if draw(st.integers(0, 3)) == 3:
            parts.append(core.Dropout(0.3, seed=7))
    return core.Sequential(
        *parts,
        loss=draw(losses()),
        dtype=dtype or draw(st.sampled_from(("float64", "float32"))),
        seed=draw(st.integers(0, 99)),
    )


TASKS = {"xor": (2, 2), "circles": (2, 2), "spiral": (2, 3)}
"""Small sets of the core with two features, and their classes."""


@st.composite
def experiments(draw: Draw, epochs: int = 2) -> Any:
    """A whole small experiment: data, network, loss, optimiser and seed, trained in well under a second.

    Args:
        draw: given by Hypothesis.
        epochs: passes over the data.
    """
    data = draw(st.sampled_from(tuple(TASKS)))
    inputs, classes = TASKS[data]
    return load_core("experiment").Experiment.mlp(
        data=data,
        layers=(inputs, *draw(st.lists(widths(2, 8), min_size=1, max_size=2)), classes),
        activation=draw(st.sampled_from(("relu", "tanh", "sigmoid"))),
        loss=draw(st.sampled_from(("cross_entropy", "quadratic"))),
        optimizer=draw(st.sampled_from(("sgd", "momentum", "adam"))),
        lr=draw(st.sampled_from((0.1, 0.01))),
        l2=draw(st.sampled_from((0.0, 0.1))),
        batch=draw(st.sampled_from((10, 7, 64))),
        epochs=epochs,
        seed=draw(st.integers(0, 99)),
    )


def _one_of(
    known: Mapping[str, type[Any]],
    kinds: Iterable[str],
    more: Mapping[str, st.SearchStrategy[Any]] | None = None,
) -> st.SearchStrategy[Any]:
    chosen = tuple(kinds) or tuple(known)
    return st.one_of(*(build(known[name], more) for name in chosen))
