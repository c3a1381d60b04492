"""Mistakes planted in real networks: the preflight measures them, and the first cause is the right one with its layer."""

import numpy as np
import pytest

import nndebug
from network import (
    SGD,
    BatchNorm,
    CrossEntropy,
    Dense,
    Dropout,
    Quadratic,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    fit,
)
from network.data import load_digits

DIGITS = load_digits()
X, Y = (part[:600] for part in DIGITS.train)
RNG = np.random.default_rng(0)


class Broadcasting(Quadratic):
    """Targets (n,) against outputs (n, 1), as NumPy spreads them."""

    def encode(self, target, outputs, dtype):
        return np.asarray(target, dtype)

    def _encoded(self, output, target):
        return np.asarray(target)

    def per_sample_encoded(self, output, target):
        return 0.5 * ((output - target) ** 2).mean(axis=1)

    def gradient_encoded(self, output, target, out):
        out[...] = (output - target).mean(axis=1, keepdims=True) / len(output)
        return out


class OverTheBatch(Softmax):
    def value(self, z, out=None):
        e = np.exp(z - z.max(axis=0))
        out = np.empty_like(z) if out is None else out
        out[...] = e / e.sum(axis=0)
        return out


class Transposed(Dense):
    """The reversed product, which only a square layer lets pass."""

    def backward_parameters(self, output_gradient):
        super().backward_parameters(output_gradient)
        self.gradients["weight"][...] = output_gradient.T @ self._input


class CostForDerivative(Quadratic):
    def gradient_encoded(self, output, target, out):
        out[...] = 0.5 * (output - target) ** 2 / len(output)
        return out


class Ascending(SGD):
    def update(self, parameters, gradient):
        parameters += self.rate * gradient


class OnlyTheOutput(SGD):
    def update(self, parameters, gradient):
        kept = parameters[: 64 * 30 + 30].copy()
        super().update(parameters, gradient)
        parameters[: 64 * 30 + 30] = kept


def network(*layers, loss=None, seed=1):
    chosen = layers or (Dense(64, 30), ReLU(), Dense(30, 10))
    return Sequential(*chosen, loss=loss or CrossEntropy(), seed=seed)


def ring():
    """Points within and beyond a circle: nothing for a linear boundary."""
    x = np.random.default_rng(1).normal(size=(600, 2))
    return x, ((x**2).sum(axis=1) < 1.4).astype(int)


VALUES = (X[:, :20] @ np.random.default_rng(2).normal(size=20)) * 0.7
VALUES = VALUES - VALUES.mean()

# what is planted: network, data, optimiser, the cause, its layer (None: the whole run)
PLANTED = {
    "broadcast": (
        lambda: network(Dense(64, 30), ReLU(), Dense(30, 1), loss=Broadcasting()),
        lambda: (X, VALUES), SGD(0.05), "target_shape_broadcast", None),
    "wrong axis": (
        lambda: network(Dense(64, 30), ReLU(), Dense(30, 10), OverTheBatch(), loss=Quadratic()),
        lambda: (X, Y), SGD(0.1), "wrong_axis", "output"),
    "softmax twice": (
        lambda: network(Dense(64, 30), ReLU(), Dense(30, 10), Softmax()),
        lambda: (X, Y), SGD(0.1), "redundant_output_activation", "output"),
    "softmax of one": (
        lambda: network(Dense(64, 30), ReLU(), Dense(30, 1), Softmax(), loss=Quadratic()),
        lambda: (X, (Y > 4)[:, None] * 1.0), SGD(0.1), "wrong_output_activation", "output"),
    "sigmoid for values": (
        lambda: network(Dense(64, 30), ReLU(), Dense(30, 1), Sigmoid(), loss=Quadratic()),
        lambda: (X, VALUES[:, None]), SGD(0.1), "wrong_output_activation", "output"),
    "one sigmoid for ten classes": (
        lambda: network(Dense(64, 30), ReLU(), Dense(30, 1), Sigmoid(), loss=Quadratic()),
        lambda: (X, Y[:, None] * 1.0), SGD(0.1), "wrong_output_units", "output"),
    "reversed product": (
        lambda: network(Dense(64, 30), ReLU(), Transposed(30, 30), ReLU(), Dense(30, 10)),
        lambda: (X, Y), SGD(0.1), "reversed_product", "hidden2"),
    "cost for derivative": (
        lambda: network(Dense(64, 30), Sigmoid(), Dense(30, 10), Sigmoid(), loss=CostForDerivative()),
        lambda: (X, Y), SGD(3.0), "cost_for_derivative", "output"),
    "shuffled labels": (
        network, lambda: (X, np.random.default_rng(3).permutation(Y)), SGD(0.1), "corrupted_labels", None),
    "shifted labels": (network, lambda: (X, np.roll(Y, 3)), SGD(0.1), "corrupted_labels", None),
    "raw targets": (
        lambda: network(Dense(64, 30), ReLU(), Dense(30, 1), loss=Quadratic()),
        lambda: (X, 1000 * VALUES[:, None]), SGD(0.5), "unnormalised_target", "output"),
    "nothing but linear": (
        lambda: network(Dense(2, 30), Dense(30, 30), Dense(30, 2)),
        ring, SGD(0.1), "missing_hidden_nonlinearity", "hidden1"),
    "softmax inside": (
        lambda: network(Dense(64, 30), Softmax(), Dense(30, 30), Softmax(), Dense(30, 10)),
        lambda: (X, Y), SGD(0.1), "wrong_hidden_activation", "hidden1"),
    "hidden layer not trained": (
        network, lambda: (X, np.random.default_rng(3).permutation(Y)[:]), OnlyTheOutput(0.1), "frozen_parameters", "hidden1"),
    "uphill": (network, lambda: (X, Y), Ascending(0.1), "wrong_update_sign", None),
    "rate": (network, lambda: (X, Y), SGD(30.0), "lr_too_high", "hidden1"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_the_planted_mistake_is_the_first_cause(name):
    make, data, optimizer, kind, layer = PLANTED[name]
    with np.errstate(all="ignore"), nndebug.watch(make(), strict=True, preflight=60.0) as watching:
        fit(watching.network, data(), optimizer, epochs=6, batch=10)
    cause = watching.result.causes[0]
    assert (cause.kind, cause.layer) == (kind, layer)
    assert not watching.result.crashed
    assert len(cause.sentence) <= 200 and cause.help


HEALTHY = {
    "logits": network,
    "sigmoids": lambda: network(Dense(64, 30), Sigmoid(), Dense(30, 10), Sigmoid(), loss=Quadratic()),
    "normalised": lambda: network(Dense(64, 30), BatchNorm(30), ReLU(), Dropout(0.2), Dense(30, 10)),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_found_on_a_healthy_network(name):
    rate = 3.0 if name == "sigmoids" else 0.1
    with nndebug.watch(HEALTHY[name](), strict=True, preflight=60.0) as watching:
        fit(watching.network, (X, Y), SGD(rate), epochs=8, batch=10, validation=DIGITS.test)
    assert watching.result.verdict.startswith("Nothing is wrong")
    assert not watching.run.preflight.failed


def test_before_training_alone_the_preflight_names_what_is_certain():
    make, data, optimizer, kind, layer = PLANTED["reversed product"]
    result = nndebug.check(nndebug.preflight(make(), *data(), optimizer=optimizer, seconds=60.0))
    assert (result.causes[0].kind, result.causes[0].layer) == (kind, layer)
    assert result.verdict == "The gradient is wrong: hidden2's backward has the product transposed (BP4)."
