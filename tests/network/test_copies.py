"""Copies of a network are independent; a twin shares the parameters and leaves no trace."""

import copy

import numpy as np
import pytest
from core_helpers import samples, small, state

from network import (
    SGD,
    fit,
)


def arrays(network):
    """Every array that a network holds."""
    for owner in (network, *network.layers):
        for value in vars(owner).values():
            yield from [value] if isinstance(value, np.ndarray) else []
            yield from (
                [v for v in value.values() if isinstance(v, np.ndarray)] if isinstance(value, dict) else []
            )


@pytest.mark.parametrize("make", [lambda n: n.copy(), copy.deepcopy, lambda n: n.copy("float64")])
@pytest.mark.parametrize("training", [True, False])
def test_a_copy_is_independent(make, training):
    network, (x, y) = small(), samples()
    network.training = training
    network.differentiate(x, y)
    other = make(network)
    assert other.training == training
    assert other.describe() == network.describe()
    assert list(other.parameters) == list(network.parameters)
    for mine in (other.flat_parameters, other.flat_gradients, other.weight_mask, *other.parameters.values()):
        assert not any(np.shares_memory(mine, theirs) for theirs in arrays(network))
    before = state(network)
    fit(other, (x, y), SGD(0.5), epochs=2)
    assert state(network) == before
    before = state(other)
    fit(network, (x, y), SGD(0.5), epochs=2)
    assert state(other) == before


def test_a_copy_trains_like_the_original():
    """With the generator of dropout where it stood."""
    network, (x, y) = small(), samples()
    fit(network, (x, y), SGD(0.1), epochs=2, batch=7)
    other = network.copy()
    for one in (network, other):
        fit(one, (x, y), SGD(0.1), epochs=2, batch=7, seed=4)
    assert network.flat_parameters.tobytes() == other.flat_parameters.tobytes()


@pytest.mark.parametrize(("there", "back"), [("float64", "float32"), ("float32", "float64")])
def test_a_copy_in_another_dtype(there, back):
    network, x = small(back), samples()[0]
    other = network.copy(there)
    assert other.dtype == there
    assert network.dtype == back
    assert {value.dtype.name for value in other.parameters.values()} == {there}
    np.testing.assert_array_equal(other.flat_parameters, network.flat_parameters.astype(there))
    assert other.differentiate(*samples()).dtype == there
    assert other.flat_gradients.dtype == there
    np.testing.assert_allclose(other.forward(x), network.forward(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_a_twin_leaves_no_trace(training):
    network, (x, y) = small(), samples(8)
    network.training = training
    network.differentiate(x, y)
    before = state(network)
    twin = network.twin()
    assert not twin.training
    twin.forward(x[:3])
    twin.backward(np.ones((3, 3)))
    twin.differentiate(x, y, input_gradient=False)
    twin.training = True
    for rows in (8, 3):
        twin.differentiate(x[:rows], y[:rows])
    assert state(network) == before
    assert twin.flat_gradients.any()
    assert not any(np.shares_memory(twin.flat_gradients, array) for array in arrays(network))


def test_a_twin_computes_with_the_same_parameters():
    network, x = small(dropout=False), samples()[0]
    twin = network.twin()
    assert twin.flat_parameters is network.flat_parameters
    for name, value in network.parameters.items():
        assert twin.parameters[name] is value
    fit(network, samples(), SGD(0.5))
    np.testing.assert_array_equal(twin.forward(x), network.forward(x))


def test_a_twin_in_the_middle_of_a_step_changes_nothing():
    plain, looked_at = small(), small()

    def look(*_):
        twin = looked_at.twin()
        twin.training = True
        twin.differentiate(*samples(5))

    for kind in ("forward", "backward", "loss", "before_step"):
        looked_at.hook(kind, look)
    for network in (plain, looked_at):
        fit(network, samples(), SGD(0.5), batch=20)
    assert plain.flat_parameters.tobytes() == looked_at.flat_parameters.tobytes()
