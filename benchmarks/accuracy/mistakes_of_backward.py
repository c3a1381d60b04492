"""Mistakes of the loss (BP1), of activations and dropout (BP1, BP2) and of dense layers (BP2, BP3, BP4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from network import Dropout
from network.activations import ACTIVATIONS
from nndebug.gradcheck.probe import MOST_SAMPLES

from .networks import Array, Case
from .planting import Kind, Place, Plant, chosen, dense, give, owners, place

Change = Callable[[Any, Array], Array]


# --- BP1: the loss -----------------------------------------------------------------------------------------------


def loss(kinds: tuple[str, ...], change: Callable[[Any, Array, Array], Array]) -> Plant:
    """A loss whose gradient is change(loss, output, target) / batch."""

    def plant(case: Case, rng: np.random.Generator) -> Place | None:
        network = case.network
        if kinds and network.loss.kind not in kinds:
            return None
        base = type(network.loss)

        class Wrong(base):  # type: ignore[valid-type,misc]
            def gradient_encoded(self, output: Array, target: Array, out: Array | None = None) -> Array:
                return np.asarray(change(self, output, target)) / len(output)

        network.loss = Wrong()
        return Place(network.layers[owners(network)[-1]].name, "BP1")

    return plant


def right(loss: Any, output: Array, target: Array) -> Array:
    """The right gradient times the batch."""
    return np.asarray(type(loss).__mro__[1]().gradient(output, target) * len(output))


CROSS = ("cross_entropy",)
LOGITS = ("cross_entropy", "binary_cross_entropy")

LOSSES = {
    "cost for its derivative": ((), lambda s, a, y: np.full_like(a, s(a, y)), "the cost's value (a scalar)"),
    "cost of each sample": ((), lambda s, a, y: s.per_sample(a, y)[:, None] + 0 * a, "each sample's cost"),
    "cost of each output": (("quadratic",), lambda s, a, y: 0.5 * (a - y) ** 2, "the cost (entry by entry)"),
    "loss: sign": ((), lambda s, a, y: -right(s, a, y), "the sign flipped"),
    "loss: factor 2": ((), lambda s, a, y: 2 * right(s, a, y), "a factor 2 too many"),
    "loss: factor ½": ((), lambda s, a, y: right(s, a, y) / 2, "a factor 2 missing"),
    "loss: batch twice": ((), lambda s, a, y: right(s, a, y) / len(a), "divided by the batch twice"),
    "loss: batch never": ((), lambda s, a, y: right(s, a, y) * len(a), "the division by the batch missing"),
    "loss: mean of outputs": ((), lambda s, a, y: right(s, a, y) / a.shape[1], "the mean over the outputs as well"),
    "softmax or sigmoid missing": (LOGITS, lambda s, a, y: a - y, "softmax missing|sigmoid missing"),
    "target missing": (LOGITS, lambda s, a, y: s.probabilities(a), "the target missing"),
    "derivative too many": (
        LOGITS, lambda s, a, y: right(s, a, y) * s.probabilities(a) * (1 - s.probabilities(a)), "derivative too many",
    ),
}  # fmt: skip


# --- BP1 and BP2: activations ------------------------------------------------------------------------------------

SMOOTH = ("sigmoid", "tanh", "gelu")
ELEMENTWISE = (*SMOOTH, "relu", "leaky_relu")


def activation(kinds: tuple[str, ...], change: Change) -> Plant:
    """An activation whose backward is change(layer, output gradient)."""

    def plant(case: Case, rng: np.random.Generator) -> Place | None:
        layers = case.network.layers
        index = chosen([i for i, layer in enumerate(layers) if layer.kind in kinds], rng)
        if index is None:
            return None
        give(layers[index], backward=lambda self, u: np.asarray(change(self, u)))
        return place(case.network, index)

    return plant


def slope(layer: Any, z: Array) -> Array:
    return np.asarray(layer.base.derivative(layer, z, layer.value(z)))


def other_slope(layer: Any, z: Array) -> Array:
    """The derivative of another function than the layer's."""
    other = ACTIVATIONS["tanh" if layer.kind == "sigmoid" else "sigmoid"]()
    return other.derivative(z, other.value(z))


def of_another_layer(case: Case, rng: np.random.Generator) -> Place | None:
    """The derivative, or the mask, taken at another layer's pre-activation of the same width."""
    layers, own = case.network.layers, owners(case.network)
    pairs = [
        (i, j)
        for i, layer in enumerate(layers)
        for j in own
        if layer.kind in ELEMENTWISE and i and abs(i - j) > 1 and layers[j + 1 : j + 2]
        if layers[j].kind == layers[i - 1].kind == "dense" and layers[i - 1].units == layers[j].units
        if layers[j + 1].kind in ACTIVATIONS
    ]
    if not pairs:
        return None
    at, other = pairs[int(rng.integers(len(pairs)))]
    layer, elsewhere = layers[at], layers[other + 1]
    layer.backward = lambda u: u * slope_of(layer, elsewhere._z)  # type: ignore[method-assign,attr-defined]
    return place(case.network, at)


def slope_of(layer: Any, z: Array) -> Array:
    return np.asarray(layer.derivative(z, layer.value(z)))


def dropout(change: Change) -> Plant:
    def plant(case: Case, rng: np.random.Generator) -> Place | None:
        layers = case.network.layers
        index = chosen([i for i, layer in enumerate(layers) if isinstance(layer, Dropout)], rng)
        if index is None:
            return None
        give(layers[index], backward=lambda self, u: np.asarray(change(self, u)))
        return place(case.network, index)

    return plant


ACTIVATED = {
    "derivative missing": (ELEMENTWISE, lambda s, u: u.copy(), "derivative missing|derivative) missing"),
    "derivative at the activation": (SMOOTH, lambda s, u: u * slope(s, s._a), "taken at the activation"),
    "formula given z": (("sigmoid",), lambda s, u: u * s._z * (1 - s._z), "formula given z where it needs a"),
    "formula given z (tanh)": (("tanh",), lambda s, u: u * (1 - s._z**2), "formula given z where it needs a"),
    "activation for derivative": (ELEMENTWISE, lambda s, u: u * s._a, "the activation in place of its derivative"),
    "derivative twice": (SMOOTH, lambda s, u: u * slope(s, s._z) ** 2, "derivative applied twice"),
    "derivative of another function": (
        ELEMENTWISE, lambda s, u: u * other_slope(s, s._z), "the derivative of sigmoid in|the derivative of tanh in",
    ),
    "mask inverted": (
        ("relu", "leaky_relu"), lambda s, u: u * s.derivative(-s._z, s.value(-s._z)), "the mask inverted",
    ),
    "relu's mask for leaky_relu": (("leaky_relu",), lambda s, u: u * (s._z > 0), "the derivative of relu in"),
    "approximate gelu": (
        ("gelu",), lambda s, u: u * by_tanh(s._z), "the derivative of gelu (by tanh) in place of gelu's",
    ),
    "softmax elementwise": (("softmax",), lambda s, u: u * s._a * (1 - s._a), "softmax treated as if it were elementwise"),
    "activation: sign": (tuple(ACTIVATIONS), lambda s, u: -s.base.backward(s, u), "the sign flipped"),
    "activation: cut": (tuple(ACTIVATIONS), lambda s, u: 0 * u, "nothing computed"),
}  # fmt: skip


def by_tanh(z: Array) -> Array:
    """The derivative of GELU's approximation by tanh."""
    inner = np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))
    slope = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * z**2)
    return np.asarray(0.5 * (1 + inner) + 0.5 * z * (1 - inner**2) * slope)


# --- BP2, BP3, BP4: dense layers ----------------------------------------------------------------------------------


def passing_back(change: Change, test: Callable[[Any], bool] = lambda layer: True) -> Plant:
    """A dense layer that passes back change(layer, output gradient)."""

    def plant(case: Case, rng: np.random.Generator) -> Place | None:
        index = chosen(dense(case.network, test, above=1), rng)
        if index is None:
            return None

        def backward(self: Any, u: Array) -> Any:
            self.backward_parameters(u)
            return change(self, u)

        give(case.network.layers[index], backward=backward)
        return place(case.network, index)

    return plant


def weights_of_another_layer(case: Case, rng: np.random.Generator) -> Place | None:
    layers = case.network.layers
    pairs = [
        (i, j) for i in dense(case.network, above=1) for j in dense(case.network)
        if i != j and layers[i].parameters["weight"].shape == layers[j].parameters["weight"].shape
    ]  # fmt: skip
    if not pairs:
        return None
    at, other = pairs[int(rng.integers(len(pairs)))]
    layer, elsewhere = layers[at], layers[other]

    def backward(u: Array) -> Array:
        layer.backward_parameters(u)
        return np.asarray(u @ elsewhere.parameters["weight"].T)

    layer.backward = backward  # type: ignore[method-assign]
    return place(case.network, at)


def updated_already(layer: Any, u: Array) -> Array:
    weight = layer.parameters["weight"]
    weight -= 0.1 * layer.gradients["weight"]
    return np.asarray(u @ weight.T)


def gradient(
    name: str,
    change: Callable[[Any, Array, Array], Any],
    test: Callable[[Any], bool] | None = None,
    needs: int = 0,
) -> Plant:
    """A dense layer whose gradient of a parameter is change(layer, output gradient, right gradient).

    Args:
        name: of the parameter.
        change: as above.
        test: which layers it may be.
        needs: the data set has more rows than this.
    """

    def plant(case: Case, rng: np.random.Generator) -> Place | None:
        layers = case.network.layers
        fits = dense(case.network, lambda layer: name in layer.parameters and (test is None or test(layer)))
        index = chosen(fits, rng)
        if index is None:
            return None
        size = len(case.x)
        if size <= needs:
            return None

        def backward_parameters(self: Any, u: Array) -> None:
            if any(np.shape(self.gradients.get(n)) != v.shape for n, v in self.parameters.items()):
                self.gradients = {}
            self.size, before = size, np.array(self.gradients.get(name, 0.0))
            self.base.backward_parameters(self, u)
            self.left = before
            value = change(self, u, np.array(self.gradients[name]))
            if np.shape(value) in ((), self.gradients[name].shape):
                self.gradients[name][...] = value
            else:
                self.gradients = {**self.gradients, name: value}

        give(layers[index], backward_parameters=backward_parameters)
        return place(case.network, index, {"bias": "BP3", "weight": "BP4"}[name])

    return plant


def activation_of_another_layer(case: Case, rng: np.random.Generator) -> Place | None:
    layers = case.network.layers
    pairs = [
        (i, j) for i in dense(case.network) for j in dense(case.network)
        if i != j and layers[i].inputs == layers[j].inputs
    ]  # fmt: skip
    if not pairs:
        return None
    at, other = pairs[int(rng.integers(len(pairs)))]
    layer, elsewhere, kept = layers[at], layers[other], type(layers[at]).backward_parameters

    def backward_parameters(u: Array) -> None:
        kept(layer, u)
        layer.gradients["weight"][...] = elsewhere._input.T @ u  # type: ignore[attr-defined]

    layer.backward_parameters = backward_parameters  # type: ignore[method-assign]
    return place(case.network, at, "BP4")


def square(layer: Any) -> bool:
    return bool(layer.inputs == layer.units > 1)


def oblong(layer: Any) -> bool:
    return bool(layer.inputs != layer.units and min(layer.inputs, layer.units) > 1)


def many(layer: Any) -> bool:
    return bool(layer.units > 1)


BACK = {
    "transpose forgotten": (lambda s, u: u @ s.parameters["weight"], square, "the transpose forgotten"),
    "reshape for transpose": (
        lambda s, u: u @ s.parameters["weight"].reshape(s.units, s.inputs), oblong, "a reshape where the transpose belongs",
    ),
    "weights missing": (lambda s, u: u.copy(), square, "the weights missing"),
    "weights updated already": (updated_already, many, "weights that were updated already"),
    "passed back: sign": (lambda s, u: -u @ s.parameters["weight"].T, many, "the sign flipped"),
    "passed back: zero": (lambda s, u: 0 * u @ s.parameters["weight"].T, many, "nothing computed"),
    "passed back: None": (lambda s, u: None, many, "the error not passed on"),
}  # fmt: skip

BIASES = {
    "bias: mean for sum": (lambda s, u, g: u.mean(0), None, "the mean over the batch in place of the sum"),
    "bias: wrong axis": (lambda s, u, g: u.sum(1), many, "the sum over the wrong axis"),
    "bias: one scalar": (lambda s, u, g: u.sum(), many, "one scalar for all units (sum)"),
    "bias: last sample": (lambda s, u, g: u[-1], None, "the last sample only"),
    "bias: never": (lambda s, u, g: 0.0, None, "nothing computed"),
    "bias: sign": (lambda s, u, g: -g, None, "the sign flipped"),
}  # fmt: skip

WEIGHTS = {
    "weight: reshape": (
        lambda s, u, g: s._input.reshape(s._input.shape[::-1]) @ u, lambda s: s.inputs > 1, "a reshape where the transpose belongs",
    ),
    "weight: transposed": (lambda s, u, g: g.T, square, "the product transposed"),
    "weight: last sample": (lambda s, u, g: np.outer(s._input[-1], u[-1]), None, "the last sample only"),
    "weight: leftovers": (lambda s, u, g: s.left + g, None, "the gradients of the last batch left in"),
    "weight: batch twice": (lambda s, u, g: g / len(u), None, "divided by the batch twice"),
    "weight: batch never": (lambda s, u, g: g * len(u), None, "the division by the batch missing"),
    "weight: sign": (lambda s, u, g: -g, None, "the sign flipped"),
    "weight: penalty in the gradient": (
        lambda s, u, g: g + 0.03 * s.parameters["weight"], lambda s: s.inputs * s.units > 5, "a penalty's term in the gradient",
    ),
}  # fmt: skip

KINDS = (
    *(Kind(n, "BP1", (said,), loss(kinds, change)) for n, (kinds, change, said) in LOSSES.items()),
    *(Kind(n, "BP1/BP2", (said,), activation(kinds, change)) for n, (kinds, change, said) in ACTIVATED.items()),
    Kind("derivative at another layer", "BP1/BP2", ("of another layer|at another layer",), of_another_layer),
    Kind("dropout: mask missing", "BP1/BP2", ("the dropout mask missing",), dropout(lambda s, u: u.copy())),
    Kind(
        "dropout: scale missing", "BP1/BP2", ("the mask without its scale",),
        dropout(lambda s, u: u * (s._mask > 0) if s._mask is not None else u),
    ),
    *(Kind(n, "BP2", (said,), passing_back(change, test)) for n, (change, test, said) in BACK.items()),
    Kind("weights of another layer", "BP2", ("the weights of another layer",), weights_of_another_layer),
    *(Kind(n, "BP3", (said,), gradient("bias", change, test)) for n, (change, test, said) in BIASES.items()),
    *(Kind(n, "BP4", (said,), gradient("weight", change, test)) for n, (change, test, said) in WEIGHTS.items()),
    *(
        Kind(f"{name}: data-set size", group, ("a division by the size of the data set",),
             gradient(name, lambda s, u, g: g * len(u) / s.size, needs=MOST_SAMPLES))
        for name, group in (("bias", "BP3"), ("weight", "BP4"))
    ),
    Kind("activation of another layer", "BP4", ("the activation of another layer",), activation_of_another_layer),
)  # fmt: skip
