"""Planting one kind of mistake into a random network, and what the check must say about it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from network import Dense, Layer, Sequential

from .networks import Array, Case, case

SMALLEST = 1e-5
"""Planted mistakes change some gradient by more than this share of its largest entry; others are passed over."""

NOTHING = 1e-9
"""Gradients below this share of the network's largest are zero to within rounding, as of a bias before a norm."""

FIRST = 1_000_000
"""Mistakes are planted into other networks than the correct ones are counted on."""

MOST_TRIES = 3000


@dataclass(frozen=True)
class Place:
    """Where a mistake was planted: the layer and equation that the check must name."""

    layer: str
    equation: str


Plant = Callable[[Case, np.random.Generator], "Place | Sequence[Place] | None"]
"""Changes a case's network, loss or optimiser; None where the mistake has no place in it."""


@dataclass(frozen=True)
class Kind:
    """One kind of mistake.

    Attributes:
        name: short and unique.
        group: row of the table: BP1, BP2, BP3, BP4, images, norms, penalty, update, pairs.
        mistakes: what the name of the mistake must contain, one for each place; alternatives are separated by |.
        plant: plants it.
    """

    name: str
    group: str
    mistakes: tuple[str, ...]
    plant: Plant


@dataclass(frozen=True)
class Planted:
    """A case with a mistake in it.

    Attributes:
        case: its network is wrong.
        places: where, in no order.
    """

    case: Case
    places: tuple[Place, ...]


def planted(kind: Kind, number: int) -> Planted | None:
    """The network of this number with the mistake in it; None if it has no place there, or changes nothing."""
    rng = np.random.default_rng([number, len(kind.name)])
    wrong = case(number)
    places = kind.plant(wrong, rng)
    if places is None:
        return None
    places = (places,) if isinstance(places, Place) else tuple(places)
    if kind.group not in ("penalty", "update") and not _differs(wrong, case(number)):
        return None
    return Planted(wrong, places)


def all_planted(kind: Kind, first: int, count: int) -> Iterator[tuple[int, Planted]]:
    """`count` networks with the mistake, from this number on."""
    found = ((n, planted(kind, n)) for n in range(first, first + MOST_TRIES))
    yield from itertools.islice(((n, p) for n, p in found if p is not None), count)


def gradients(network: Sequential, x: Array, y: Array) -> dict[str, Array]:
    """The network's own gradients of this batch, in training mode."""
    network.training = True
    network.differentiate(x, y, input_gradient=True)
    found = {name: np.array(value) for name, value in network.gradients.items()}
    network.training = False
    return found


def _differs(wrong: Case, right: Case) -> bool:
    rows = max(2, len(right.x) // 2)  # another number than the whole data set
    x, y = right.x[:rows], right.y[:rows]
    fine, bad = right.network.copy(), wrong.network.copy()
    try:
        passes = [(gradients(fine, x, y), gradients(bad, x, y)) for _ in range(2)]
    except Exception:
        return True
    return any(
        found[name].shape != value.shape
        or np.abs(found[name] - value).max(initial=0.0) > SMALLEST * np.abs(value).max(initial=0.0)
        for expected, found in passes
        for name, value in expected.items()
        if np.abs(value).max(initial=0.0)
        > NOTHING * max(np.abs(v).max(initial=0.0) for v in expected.values())
    )


# --- what the kinds share ----------------------------------------------------------------------------------------


def give(layer: Layer, **methods: Callable[..., Any]) -> None:
    """Gives one layer methods of its own, through a class of its own, which copies keep."""
    kept = type(layer)
    layer.__class__ = type(f"Wrong{kept.__name__}", (kept,), {**methods, "base": kept})


def owners(network: Sequential) -> list[int]:
    """Indices of the layers with parameters."""
    return [index for index, layer in enumerate(network.layers) if layer.parameters]


def dense(
    network: Sequential, test: Callable[[Dense], bool] = lambda layer: True, above: int = 0
) -> list[int]:
    """Indices of dense layers for which `test` holds, with so many layers with parameters below them at least."""
    own = owners(network)
    return [
        i for n, i in enumerate(own) if n >= above and isinstance(network.layers[i], Dense) and test(network.layers[i])
    ]  # fmt: skip


def chosen(indices: Sequence[int], rng: np.random.Generator) -> int | None:
    """One of them, None if there are none."""
    return int(rng.choice(indices)) if len(indices) else None


def place(network: Sequential, index: int, equation: str = "") -> Place:
    """Layer `index`; the equation of what it passes back if none is given."""
    if not equation:
        own = bool(network.layers[index].parameters)
        equation = "BP2" if own or any(layer.parameters for layer in network.layers[index + 1 :]) else "BP1"
    return Place(network.layers[index].name, equation)
