"""Optimisers: against loops over plain numbers, against the closed form of ridge regression."""

import math

import numpy as np
import pytest
from core_helpers import DTYPES, samples, small
from hypothesis import given
from hypothesis import strategies as st

from network import (
    SGD,
    Adadelta,
    Adam,
    Dense,
    Momentum,
    NetworkError,
    Quadratic,
    RMSprop,
    Sequential,
    fit,
)
from network.optimizers import OPTIMIZERS, Optimizer

KINDS = {
    "sgd": lambda **more: SGD(0.1, **more),
    "momentum": lambda **more: Momentum(0.1, 0.8, **more),
    "adam": lambda **more: Adam(0.01, 0.8, 0.95, 1e-6, **more),
    "rmsprop": lambda **more: RMSprop(0.01, 0.8, 1e-6, **more),
    "adadelta": lambda **more: Adadelta(0.5, 0.8, 1e-6, **more),
}


def plain(kind, w, gradients, decay):
    """The textbook's update of one number, step by step, in Python floats."""
    v = m = s = 0.0
    for t, g in enumerate(gradients, 1):
        g = g + decay * w
        if kind == "sgd":
            w -= 0.1 * g
        elif kind == "momentum":
            v = 0.8 * v + g
            w -= 0.1 * v
        elif kind == "rmsprop":
            s = 0.8 * s + 0.2 * g * g
            w -= 0.01 * g / (math.sqrt(s) + 1e-6)
        elif kind == "adadelta":
            s = 0.8 * s + 0.2 * g * g
            step = math.sqrt((m + 1e-6) / (s + 1e-6)) * g
            m = 0.8 * m + 0.2 * step * step
            w -= 0.5 * step
        else:
            m, s = 0.8 * m + 0.2 * g, 0.95 * s + 0.05 * g * g
            w -= 0.01 * (m / (1 - 0.8**t)) / (math.sqrt(s / (1 - 0.95**t)) + 1e-6)
    return w


@pytest.mark.parametrize("kind", KINDS)
@given(l2=st.sampled_from([0.0, 0.5, 5.0]), samples=st.integers(1, 100), seed=st.integers(0, 99))
def test_updates_agree_with_a_loop_over_plain_numbers(kind, l2, samples, seed):
    network = small("float64", dropout=False)
    optimizer, rng = KINDS[kind](l2=l2), np.random.default_rng(seed)
    optimizer.samples = samples
    start = network.flat_parameters.copy()
    gradients = rng.normal(size=(12, start.size))
    for gradient in gradients:
        network.flat_gradients[...] = gradient
        optimizer.step(network)
    weights = np.concatenate(
        [np.full(value.size, name.endswith("weight")) for name, value in network.parameters.items()]
    )
    for i in range(0, start.size, 7):
        decay = l2 / samples * weights[i]
        right = plain(kind, start[i], gradients[:, i].tolist(), decay)
        assert network.flat_parameters[i] == pytest.approx(right, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_step_changes_the_parameters_in_place_and_nothing_else(kind, dtype):
    network, optimizer = small(dtype), KINDS[kind](l2=0.1)
    network.differentiate(*samples())
    arrays, flat = dict(network.parameters), network.flat_parameters
    gradients, before = network.flat_gradients.copy(), flat.copy()
    optimizer.step(network)
    np.testing.assert_array_equal(network.flat_gradients, gradients)
    assert network.flat_parameters is flat
    assert flat.dtype == dtype
    assert not np.array_equal(flat, before)
    for name, value in network.parameters.items():
        assert value is arrays[name]


@pytest.mark.parametrize("kind", KINDS)
def test_the_penalty_moves_weights_and_no_biases(kind):
    network, optimizer = small("float64"), KINDS[kind](l2=3.0)
    network.flat_parameters[...] = 1.0
    optimizer.step(network)  # all gradients are 0
    for name, value in network.parameters.items():
        assert (value < 1).all() if name.endswith("weight") else (value == 1).all()


def test_the_value_of_the_penalty():
    network, optimizer = small("float64"), SGD(0.1, l2=0.6)
    optimizer.samples = 20
    weights = [value for name, value in network.parameters.items() if name.endswith("weight")]
    right = 0.6 / 40 * sum(float((w**2).sum()) for w in weights)
    assert optimizer.penalty(network) == pytest.approx(right, rel=1e-12)
    network.parameters["output.bias"][...] = 99
    assert optimizer.penalty(network) == pytest.approx(right, rel=1e-12)
    assert SGD(0.1).penalty(network) == 0


@pytest.mark.parametrize("l2", [0.0, 30.0])
def test_descent_ends_where_ridge_regression_says(l2):
    """Mean of ½(a − y)² plus λ/(2n) w² is least where (XᵀX + λ) w = Xᵀy, with centred data for the free bias."""
    rng = np.random.default_rng(0)
    x = rng.normal(0.5, 1, size=(40, 3))
    y = x @ [1.0, -2.0, 0.5] + 4 + rng.normal(size=40)
    centred = x - x.mean(axis=0)
    weight = np.linalg.solve(centred.T @ centred + l2 * np.eye(3), centred.T @ (y - y.mean()))
    for optimizer in (SGD(0.1, l2=l2), Momentum(0.05, l2=l2)):
        network = Sequential(Dense(3, 1), loss=Quadratic(), dtype="float64")
        fit(network, (x, y), optimizer, epochs=1500, batch=40)
        np.testing.assert_allclose(network.parameters["output.weight"][:, 0], weight, rtol=1e-8)
        bias = y.mean() - x.mean(axis=0) @ weight
        np.testing.assert_allclose(network.parameters["output.bias"], bias, rtol=1e-8)
        assert optimizer.samples == 40


def test_the_first_step_of_adam_is_the_rate_whatever_the_gradient():
    network = Sequential(Dense(3, 2), dtype="float64")
    before = network.flat_parameters.copy()
    network.flat_gradients[...] = [1e-3, -5, 1e4, -1e-2, 0.3, 7, 0, -2]
    Adam(0.01).step(network)
    moved = before - network.flat_parameters
    np.testing.assert_allclose(moved, 0.01 * np.sign(network.flat_gradients), rtol=1e-4)


def test_adam_leaves_a_unit_without_gradient_alone():
    network = Sequential(Dense(3, 2))
    before = network.flat_parameters.copy()
    for _ in range(5):
        Adam().step(network)
    np.testing.assert_array_equal(network.flat_parameters, before)


@pytest.mark.parametrize("kind", ["momentum", "adam"])
def test_another_network_starts_afresh(kind):
    x, y = samples()

    def train(network, optimizer):
        fit(network, (x, y), optimizer, epochs=1, batch=10)
        return network.flat_parameters

    optimizer = KINDS[kind]()
    train(small(seed=1), optimizer)
    np.testing.assert_array_equal(train(small(seed=2), optimizer), train(small(seed=2), KINDS[kind]()))


@pytest.mark.parametrize("kind", ["momentum", "adam"])
def test_a_second_training_goes_on_where_the_first_ended(kind):
    x, y = samples()
    halves, whole = small(dropout=False), small(dropout=False)
    optimizer = KINDS[kind]()
    for _ in range(2):
        fit(halves, (x, y), optimizer, epochs=3, batch=50, shuffle=False)
    fit(whole, (x, y), KINDS[kind](), epochs=6, batch=50, shuffle=False)
    np.testing.assert_array_equal(halves.flat_parameters, whole.flat_parameters)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_rate_may_be_changed_between_steps(kind, dtype):
    network, optimizer = small(dtype), KINDS[kind]()
    network.differentiate(*samples())
    before = network.flat_parameters.copy()
    optimizer.rate = 0.0
    optimizer.step(network)
    np.testing.assert_array_equal(network.flat_parameters, before)


USUAL = "0.1 is a usual start for SGD"


@pytest.mark.parametrize(
    ("make", "message", "help"),
    [
        (lambda: SGD(0), "learning rate 0 is not a positive number", USUAL),
        (lambda: Momentum(-1.0), "learning rate -1.0 is not a positive number", USUAL),
        (lambda: Adam(math.nan), "learning rate nan is not a positive number", USUAL),
        (lambda: SGD(math.inf), "learning rate inf is not a positive number", USUAL),
        (lambda: SGD(0.1, l2=-1), "l2 -1 is not zero or a positive number", "0 switches the penalty off"),
        (
            lambda: SGD(0.1, l2=math.nan),
            "l2 nan is not zero or a positive number",
            "0 switches the penalty off",
        ),
        (lambda: Momentum(0.1, 1.0), "momentum 1.0 is not in 0 <= momentum < 1", "0.9 is usual"),
        (lambda: Momentum(0.1, -0.1), "momentum -0.1 is not in 0 <= momentum < 1", "0.9 is usual"),
        (lambda: Adam(beta1=1), "betas 1, 0.999 are not in 0 <= beta < 1", "0.9 and 0.999 are usual"),
        (lambda: Adam(beta2=-0.5), "betas 0.9, -0.5 are not in 0 <= beta < 1", "0.9 and 0.999 are usual"),
        (lambda: Adam(epsilon=0), "epsilon 0 is not a positive number", "1e-8 is usual"),
        (lambda: Adam(epsilon=math.nan), "epsilon nan is not a positive number", "1e-8 is usual"),
    ],
)
def test_settings_that_are_none(make, message, help):
    with pytest.raises(NetworkError) as caught:
        make()
    assert str(caught.value) == message
    assert caught.value.help == help


def test_the_table_of_optimisers():
    assert {kind: make.kind for kind, make in OPTIMIZERS.items()} == {kind: kind for kind in KINDS}
    with pytest.raises(NotImplementedError, match="Optimizer has no update"):
        Optimizer(0.1).step(small())
