"""Initial values: their distributions by statistical tests, their independence, their seeds.

A right generator fails a statistical test here for one seed in a million; the seeds are fixed, so it never fails
by chance from one run to the next.
"""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from network import Dense, Dropout, NetworkError, ReLU, Sequential, ShapeError
from network.initializers import INITIALIZERS, constant, he, lecun, normal, xavier, zeros

ERROR_RATE = 1e-6

INPUTS, UNITS = 250, 160

DISTRIBUTIONS = {
    "normal": stats.norm(0, 1),
    "he": stats.norm(0, np.sqrt(2 / INPUTS)),
    "lecun": stats.norm(0, np.sqrt(1 / INPUTS)),
    "xavier": stats.uniform(-np.sqrt(6 / (INPUTS + UNITS)), 2 * np.sqrt(6 / (INPUTS + UNITS))),
}

RANDOM = list(DISTRIBUTIONS)


def generator(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", RANDOM)
def test_the_distribution(name, seed):
    values = INITIALIZERS[name](generator(seed), (INPUTS, UNITS))
    assert values.shape == (INPUTS, UNITS)
    assert values.dtype == np.float64
    assert stats.kstest(values.ravel(), DISTRIBUTIONS[name].cdf).pvalue > ERROR_RATE


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", RANDOM)
def test_mean_and_variance(name, seed):
    values = INITIALIZERS[name](generator(seed), (INPUTS, UNITS)).ravel()
    variance, n = DISTRIBUTIONS[name].var(), values.size
    limit = stats.norm.isf(ERROR_RATE / 2)
    assert abs(values.mean()) < limit * np.sqrt(variance / n)
    # Standard error of a variance: sqrt((kurtosis - 1) / n) of it, kurtosis 3 for normal and 9/5 for uniform values.
    kurtosis = 1.8 if name == "xavier" else 3.0
    assert abs(values.var() / variance - 1) < limit * np.sqrt((kurtosis - 1) / n)


@pytest.mark.parametrize(("name", "wrong"), [("he", "lecun"), ("lecun", "xavier"), ("normal", "he")])
def test_the_tests_above_can_tell_them_apart(name, wrong):
    values = INITIALIZERS[wrong](generator(), (INPUTS, UNITS)).ravel()
    assert stats.kstest(values, DISTRIBUTIONS[name].cdf).pvalue < ERROR_RATE


def test_xavier_stays_within_its_limit_and_is_the_variance_of_glorot():
    values = xavier(generator(), (INPUTS, UNITS))
    limit = np.sqrt(6 / (INPUTS + UNITS))
    assert 0.999 * limit < np.abs(values).max() <= limit
    assert DISTRIBUTIONS["xavier"].var() == pytest.approx(2 / (INPUTS + UNITS))


def test_the_spread_of_normal_is_what_is_asked_for():
    np.testing.assert_allclose(
        normal(generator(), (9, 9), std=0.01), 0.01 * normal(generator(), (9, 9)), rtol=1e-15
    )


@pytest.mark.parametrize("name", RANDOM)
def test_rows_columns_and_neighbours_are_independent(name):
    values = INITIALIZERS[name](generator(1), (INPUTS, UNITS))
    for one, other in (
        (values[:-1], values[1:]),
        (values[:, :-1], values[:, 1:]),
        (values[:125], values[125:]),
    ):
        assert stats.pearsonr(one.ravel(), other.ravel()).pvalue > ERROR_RATE


def test_constants():
    np.testing.assert_array_equal(zeros(generator(), (3, 2)), np.zeros((3, 2)), strict=True)
    np.testing.assert_array_equal(constant(generator(), (3,), value=7), np.full(3, 7.0), strict=True)
    np.testing.assert_array_equal(constant(generator(), (3,)), np.full(3, 0.1))


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_decides(name):
    make = INITIALIZERS[name]
    np.testing.assert_array_equal(make(generator(5), (7, 3)), make(generator(5), (7, 3)))
    assert not np.array_equal(make(generator(5), (7, 3)), make(generator(6), (7, 3)))


def test_the_scale_of_he_survives_ten_relu_layers():
    """What it is for: the mean square of the pre-activations stays, where lecun's halves in every layer."""
    x = generator(3).normal(size=(200, 300))
    for name, kept in (("he", 1.0), ("lecun", 2.0**-9)):
        h = x
        for layer in range(10):
            z = h @ INITIALIZERS[name](generator([4, layer]), (300, 300))
            h = np.maximum(z, 0)
        start = 2.0 if name == "he" else 1.0  # the first layer sees x itself, not half of it
        assert np.log2(np.mean(z**2) / (start * kept)) == pytest.approx(0, abs=0.6)


# --- in a network -------------------------------------------------------------------------------------------------------


def drawn(*layers, seed=0, **options):
    return {
        name: value.copy() for name, value in Sequential(*layers, seed=seed, **options).parameters.items()
    }


def test_layers_of_the_same_shape_get_different_values():
    network = Sequential(*(Dense(200, 200) for _ in range(3)), seed=0)
    first, second, third = (layer.parameters["weight"].ravel() for layer in network.layers)
    for one, other in ((first, second), (first, third), (second, third)):
        assert stats.pearsonr(one, other).pvalue > ERROR_RATE


def test_neighbouring_seeds_give_independent_values():
    """In every layer: the second layer of one network is not the first of the next."""
    values = []
    for seed in (0, 1, 2):
        values += drawn(Dense(150, 150, bias=False), Dense(150, 150, bias=False), seed=seed).values()
    for one, other in combinations(values, 2):
        assert stats.pearsonr(one.ravel(), other.ravel()).pvalue > ERROR_RATE


@pytest.mark.parametrize(
    "changed",
    [{"init": "zeros"}, {"init": "xavier"}, {"bias_init": "normal"}, {"bias": False}, {"units": 5}],
    ids=str,
)
def test_one_layers_settings_leave_the_others_draws_alone(changed):
    def layers(init="he", bias_init="zeros", bias=True, units=4):
        middle = Dense(3, 4, init=init, bias_init=bias_init, bias=bias)
        if units == 5:
            middle = Dense(3, 4, init=lambda rng, shape: rng.normal(size=(50, *shape))[-1])
        return Dense(6, 3), ReLU(), middle, Dropout(0.5), Dense(4, 2, bias_init="normal")

    plain, other = drawn(*layers()), drawn(*layers(**changed))
    for name in ("hidden1.weight", "output.weight", "output.bias"):
        np.testing.assert_array_equal(plain[name], other[name])
    assert any(
        not np.array_equal(plain[name], other.get(name)) for name in ("hidden2.weight", "hidden2.bias")
    )


def test_a_network_of_either_precision_starts_from_the_same_values():
    single, double = (drawn(Dense(6, 3), dtype=dtype, seed=4) for dtype in ("float32", "float64"))
    np.testing.assert_array_equal(single["output.weight"], double["output.weight"].astype(np.float32))


def test_an_initialiser_by_name_by_function_and_by_mistake():
    rng = generator([0, 0])
    np.testing.assert_array_equal(
        drawn(Dense(4, 2, init=lecun), dtype="float64")["output.weight"], lecun(rng, (4, 2))
    )
    assert Dense(4, 2).init is he
    assert Dense(4, 2).bias_init is zeros
    with pytest.raises(NetworkError) as caught:
        Dense(4, 2, init="glorot")
    assert str(caught.value) == "no initialiser is called 'glorot'"
    assert caught.value.help == "known: normal, he, xavier, lecun, zeros, constant"
    with pytest.raises(NetworkError, match=r"no initialiser is called 0\.5"):
        Dense(4, 2, bias_init=0.5)


def test_an_initialiser_that_returns_another_shape():
    with pytest.raises(ShapeError) as caught:
        Sequential(Dense(4, 3), Dense(3, 2, init=lambda rng, shape: np.zeros((2, 3))))
    assert str(caught.value) == "output (Dense 3 -> 2) expects initial values (3, 2), got (2, 3)"
    assert caught.value.help == "an initialiser returns an array of the shape that it is given"
