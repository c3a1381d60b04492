"""Dropout: how much it drops, with which generator, and what passes."""

import copy

import numpy as np
import pytest
from core_helpers import DTYPES
from scipy import stats

from network import (
    Dense,
    Dropout,
    NetworkError,
    Sequential,
)


def dropping(rate, seed=0):
    layer = Dropout(rate, seed=seed)
    layer.training = True
    return layer


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.75, 0.9])
def test_dropout_drops_its_share_and_keeps_the_expectation(rate, dtype):
    """One right generator in a million fails; the seed is fixed."""
    layer, x = dropping(rate), np.full((400, 500), 3.0, dtype)
    output = layer.forward(x)
    assert output.dtype == dtype
    dropped = int((output == 0).sum())
    assert stats.binomtest(dropped, x.size, rate).pvalue > 1e-6
    np.testing.assert_allclose(output[output != 0], 3 / (1 - rate), rtol=np.finfo(dtype).eps)
    error = 3 * np.sqrt(rate / (1 - rate) / x.size)
    assert abs(output.mean(dtype="float64") - 3) < stats.norm.isf(5e-7) * error


def test_dropout_drops_rows_columns_and_steps_independently():
    layer = dropping(0.5)
    first, second = (layer.forward(np.ones((300, 300))).copy() for _ in range(2))
    for one, other in ((first, second), (first[1:], first[:-1]), (first[:, 1:], first[:, :-1])):
        assert stats.pearsonr(one.ravel(), other.ravel()).pvalue > 1e-6


@pytest.mark.parametrize("dtype", DTYPES)
def test_dropout_passes_the_gradient_where_it_passed_the_value(dtype):
    layer, rng = dropping(0.4), np.random.default_rng(0)
    x, g = rng.normal(size=(2, 30, 20)).astype(dtype)
    factor = layer.forward(x) / x
    gradient = layer.backward(g)
    np.testing.assert_allclose(gradient, factor * g, rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(gradient == 0, factor == 0)


def test_dropout_in_evaluation_mode_changes_and_draws_nothing():
    layer, x = Dropout(0.5), np.ones((3, 4))
    before = copy.deepcopy(layer.rng.bit_generator.state)
    assert layer.forward(x) is x
    assert layer.backward(x) is x
    assert layer.rng.bit_generator.state == before
    layer.training = True
    layer.forward(x)
    assert layer.rng.bit_generator.state != before
    layer.training = False
    assert layer.forward(x) is x
    assert layer.backward(x) is x


def test_dropout_of_nothing():
    layer, x = dropping(0), np.ones((3, 4))
    assert layer.forward(x) is x
    assert layer.backward(x) is x


@pytest.mark.parametrize("rate", [1, 1.5, -0.1, np.nan])
def test_a_rate_that_is_none(rate):
    with pytest.raises(NetworkError) as caught:
        Dropout(rate)
    assert str(caught.value) == f"Dropout rate {rate} is not in 0 <= rate < 1"
    assert caught.value.help == "0.5 drops half of the units"


def test_dropout_has_a_generator_of_its_own():
    x = np.ones((20, 20))
    np.testing.assert_array_equal(dropping(0.5, seed=3).forward(x), dropping(0.5, seed=3).forward(x))
    assert not np.array_equal(dropping(0.5, seed=3).forward(x), dropping(0.5, seed=4).forward(x))
    before = np.random.get_state()[1].copy()
    layer, other = dropping(0.5, seed=3), dropping(0.5, seed=3)
    other.forward(x)
    np.testing.assert_array_equal(layer.forward(x), dropping(0.5, seed=3).forward(x))
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_a_lone_layer_without_a_seed_is_reproducible():
    x = np.ones((20, 20))
    np.testing.assert_array_equal(dropping(0.5, seed=None).forward(x), dropping(0.5, seed=None).forward(x))


def masks(*layers, seed=0):
    """What every dropout layer of a network drops in its first two training passes."""
    network = Sequential(*layers, dtype="float64", seed=seed)
    network.training, found = True, []
    with network.hook(
        "forward", lambda layer, x, y: found.append(y == 0) if layer.kind == "dropout" else None
    ):
        for _ in range(2):
            network.forward(np.ones((30, 40)))
    return found


def test_dropout_without_a_seed_is_seeded_by_its_network_and_its_place():
    def masks_of(seed, *seeds):
        layers = [
            part for given in seeds for part in (Dense(40, 40, init="constant"), Dropout(0.5, seed=given))
        ]
        return masks(*layers, seed=seed)

    first, second, *_ = masks_of(0, None, None)
    assert 0.4 < np.mean(first == second) < 0.6  # two layers do not drop the same units
    np.testing.assert_array_equal(masks_of(0, None, None), masks_of(0, None, None))
    assert 0.4 < np.mean(np.array(masks_of(0, None, None)) == masks_of(1, None, None)) < 0.6
    np.testing.assert_array_equal(masks_of(0, 5, 5), masks_of(1, 5, 5))
    np.testing.assert_array_equal(*masks_of(0, 5, 5)[:2])
    np.testing.assert_array_equal(masks_of(0, None, 5)[1], masks_of(0, 8, 5)[1])
