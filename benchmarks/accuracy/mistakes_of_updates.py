"""Mistakes of the L2 penalty and of the update, and pairs of mistakes in one network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from network import SGD, Sequential

from .mistakes_of_backward import ELEMENTWISE, activation, gradient, many, passing_back, slope
from .networks import Array, Case
from .planting import Kind, Place, Plant, owners

Step = Callable[[Any, Array, Array], None]
Penalised = Callable[[Any, Sequential], Array]


def penalty(change: Penalised, weights: bool = True) -> Plant:
    """An optimiser whose penalised gradient is change(optimiser, network)."""

    def plant(case: Case, rng: np.random.Generator) -> list[Place] | None:
        network = case.network

        class Wrong(SGD):
            def gradient(self, network: Sequential) -> Array:
                return np.asarray(change(self, network)) if self.l2 else network.flat_gradients

        case.optimizer = Wrong(10 ** rng.uniform(-2, 0), l2=10 ** rng.uniform(-1, 1))
        case.optimizer.samples = int(rng.integers(100, 60_000))
        touched = [
            layer.name
            for layer in network.layers
            for name in layer.parameters
            if (name not in layer.unpenalised) == weights
        ]
        return [Place(name, "penalty") for name in dict.fromkeys(touched)] or None

    return plant


def decay(s: Any, n: Sequential, factor: float = 1.0, mask: Array | float | None = None) -> Array:
    mask = n.weight_mask if mask is None else mask
    return np.asarray(n.flat_gradients + factor * s.l2 / s.samples * mask * n.flat_parameters)


def update(step: Step, left: Callable[[Sequential], set[tuple[str, str]]] | None = None) -> Plant:
    """An optimiser whose update is step(optimiser, parameters, gradient).

    Args:
        step: as above.
        left: (layer, parameter) that the mistake leaves as they should be; None: the mistake is everywhere.
    """

    def plant(case: Case, rng: np.random.Generator) -> list[Place] | None:
        network = case.network
        fine = left(network) if left else set()
        layers = [
            layer.name
            for layer in network.layers
            for name in layer.parameters
            if (layer.name, name) not in fine
        ]
        if not layers or (left and not fine):
            return None

        class Wrong(SGD):
            last: Array | None = None

            def step(self, network: Sequential) -> None:
                self.network = network
                super().step(network)

            def update(self, parameters: Array, gradient: Array) -> None:
                step(self, parameters, gradient)

        case.optimizer = Wrong(10 ** rng.uniform(-3, -0.3))
        case.optimizer.samples = int(rng.integers(100, 60_000))
        return [Place(name, "update") for name in dict.fromkeys(layers)]

    return plant


def move(parameters: Array, change: Array | float) -> None:
    parameters -= change


def masked(s: Any, keep: Callable[[Any, str], bool]) -> Array:
    """1 at the entries of parameters for which keep(layer, name) holds."""
    return np.concatenate(
        [np.full(v.size, float(keep(a, n))) for a in s.network.layers for n, v in a.parameters.items()]
    )


def biases(network: Sequential) -> set[tuple[str, str]]:
    return {(a.name, n) for a in network.layers for n in a.parameters if n in a.unpenalised}


def last_layer(network: Sequential) -> set[tuple[str, str]]:
    own = owners(network)
    layer = network.layers[own[-1]]
    return {(layer.name, n) for n in layer.parameters} if len(own) > 1 else set()


def never_cleared(s: Any, p: Array, g: Array) -> None:
    s.last = g.copy() if s.last is None else s.last + g
    move(p, s.rate * s.last)


PENALTIES: dict[str, tuple[Penalised, str, bool]] = {
    "penalty missing": (lambda s, n: n.flat_gradients, "the penalty missing", True),
    "penalty: sign": (lambda s, n: decay(s, n, -1), "the sign flipped", True),
    "penalty twice": (lambda s, n: decay(s, n, 2), "a factor 2 too many, or the penalty applied twice", True),
    "penalty: half": (lambda s, n: decay(s, n, 0.5), "a factor 2 missing", True),
    "penalty: not divided by n": (lambda s, n: decay(s, n, s.samples), "l2 not divided by the number of samples", True),
    "penalty: divided by n twice": (lambda s, n: decay(s, n, 1 / s.samples), "divided by the number of samples twice", True),
    "penalty on biases": (lambda s, n: decay(s, n, mask=1.0), "the penalty applied to biases", False),
}  # fmt: skip

UPDATES: dict[str, tuple[Step, str, Any]] = {
    "update: ascent": (lambda s, p, g: move(p, -s.rate * g), "gradient ascent", None),
    "update: rate missing": (lambda s, p, g: move(p, g), "the rate missing", None),
    "update of a copy": (lambda s, p, g: move(p.copy(), s.rate * g), "nothing changed", None),
    "update twice": (lambda s, p, g: move(p, 2 * s.rate * g), "a factor 2 too many, or the update applied twice", None),
    "update: only biases": (
        lambda s, p, g: move(p, s.rate * g * masked(s, lambda a, n: n in a.unpenalised)), "only the biases updated|only the last layer updated", biases,
    ),
    "update: only last layer": (
        lambda s, p, g: move(p, s.rate * g * masked(s, lambda a, n: (a.name, n) in last_layer(s.network))),
        "only the last layer updated|only the biases updated", last_layer,
    ),
    "update: never cleared": (never_cleared, "never cleared", None),
    "update: divided by n": (lambda s, p, g: move(p, s.rate * g / s.samples), "divided by the number of samples", None),
}  # fmt: skip


# --- pairs ---------------------------------------------------------------------------------------------------------


def both(*plants: Plant) -> Plant:
    """Two mistakes at two places."""

    def plant(case: Case, rng: np.random.Generator) -> list[Place] | None:
        places: list[Place] = []
        for one in plants:
            where = one(case, rng)
            if not isinstance(where, Place) or where in places:
                return None
            places.append(where)
        return places

    return plant


MEAN = gradient("bias", lambda s, u, g: u.mean(0))
REPEATED = "the mean over the batch in place of the sum"

PAIRS: dict[str, tuple[Plant, tuple[str, ...]]] = {
    "pair: BP1 derivative and BP3 mean": (
        both(activation(ELEMENTWISE, lambda s, u: u.copy()), MEAN), ("derivative missing|derivative) missing", REPEATED),
    ),
    "pair: BP2 sign and BP4 batch": (
        both(passing_back(lambda s, u: -u @ s.parameters["weight"].T, many), gradient("weight", lambda s, u, g: g / len(u))),
        ("the sign flipped", "divided by the batch twice"),
    ),
    "pair in one place: derivative twice, sign": (
        activation(("sigmoid", "tanh"), lambda s, u: -u * slope(s, s._z) ** 2), ("derivative applied twice, and the sign flipped",),
    ),
    "pair in one place: axis and batch": (
        gradient("bias", lambda s, u, g: u.sum(1) / len(u), many), ("wrong axis",),
    ),
    "pair in one place: transpose, factor 2": (
        passing_back(lambda s, u: 2 * u @ s.parameters["weight"], lambda s: s.inputs == s.units > 1),
        ("the transpose forgotten, and a factor 2 too many",),
    ),
    "pair in one place: batch twice, penalty": (
        gradient("weight", lambda s, u, g: g / len(u) + 0.03 * s.parameters["weight"], lambda s: s.inputs * s.units > 5),
        ("and a penalty's term in the gradient",),
    ),
}  # fmt: skip

KINDS = (
    *(
        Kind(n, "penalty", (said,), penalty(change, weights))
        for n, (change, said, weights) in PENALTIES.items()
    ),
    *(Kind(n, "update", (said,), update(step, left)) for n, (step, said, left) in UPDATES.items()),
    *(Kind(n, "pairs", said, plant) for n, (plant, said) in PAIRS.items()),
)
