"""Slopes: as good as they say, near kinks too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nndebug.gradcheck.differences import measured, settled

EPS = float(np.finfo(float).eps)


def derivative(function, points):
    """The slopes of a scalar function at some points, all shifted at once."""
    x = np.asarray(points, float)
    return measured(lambda shifts: function(x + shifts[:, None])[None], function(x), EPS, np.abs(x), 1)


SMOOTH = {
    "sin": (np.sin, np.cos),
    "exp": (np.exp, np.exp),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "sharp": (lambda x: np.tanh(50 * x), lambda x: 50 / np.cosh(50 * x) ** 2),
    "flat": (lambda x: np.sin(1e-3 * x), lambda x: 1e-3 * np.cos(1e-3 * x)),
    "large": (lambda x: 1e6 * np.sin(x), lambda x: 1e6 * np.cos(x)),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_error_estimate_covers_the_error_and_is_small(name):
    function, right = SMOOTH[name]
    x = np.linspace(-0.9, 1.1, 41)
    result = derivative(function, x)
    error = np.abs(result.value[0] - right(x))
    assert not result.kinked.any()
    assert np.all(error <= 10 * result.error[0])
    assert result.error.max() <= 1e-8 * np.abs(right(x)).max()


def test_of_a_smooth_function_the_large_step_is_taken():
    x = np.linspace(-1, 1, 21)
    result = derivative(np.sin, x)
    assert np.abs(result.value[0] - np.cos(x)).max() < 1e-13


@given(st.floats(-3, 3), st.floats(0.1, 30), st.floats(-3, 3))
def test_error_estimate_covers_the_error_of_any_wave(amplitude, frequency, x):
    def wave(t):
        return amplitude * np.sin(frequency * t)

    right = amplitude * frequency * np.cos(frequency * x)
    result = derivative(wave, [x, 0.3])
    # An argument of the sine is rounded in its own size.
    rounding = EPS * abs(amplitude) * (1 + frequency * abs(x)) / 1e-2 + 1e-300
    assert abs(result.value[0, 0] - right) <= 10 * result.error[0, 0] + rounding


def relu(x):
    return np.where(x > 0, x, 0.0)


@pytest.mark.parametrize("x", [0.0, 1e-9, -1e-9])
def test_a_kink_is_seen_and_either_side_counts(x):
    result = derivative(relu, [x, 0.5])
    assert result.kinked[0].tolist() == [True, False]
    assert result.right[0, 0] == pytest.approx(1, abs=1e-3) or x != 0
    for claimed in (0.0, 0.5, 1.0) if x == 0 else (float(x > 0),):
        value = settled(result.left, result.right, np.array([[claimed, 1.0]]))
        assert np.abs(value - [[claimed, 1.0]]).max() <= 10 * result.side_error.max()
    value = settled(result.left, result.right, np.array([[3.0, 1.0]]))
    assert abs(value[0, 0] - 3) > 1
    assert result.side_error.max() < 1e-3


@pytest.mark.parametrize("x", [1e-6, 1e-4, -1e-4, 5e-5, 2e-3, 0.03, -0.07])
def test_a_kink_nearby_is_stepped_away_from(x):
    result = derivative(relu, [x, 0.5])
    assert not result.kinked.any()
    assert result.value[0] == pytest.approx([float(x > 0), 1.0], abs=1e-9)


@given(st.floats(-0.1, 0.1), st.floats(1e-3, 0.99))
def test_a_kink_anywhere_is_seen_or_does_no_harm(x, other):
    result = derivative(lambda t: np.where(t > 0, t, other * t), [x, 0.5, -0.4])
    if not result.kinked[0, 0]:
        assert abs(result.value[0, 0] - (1.0 if x > 0 else other)) <= 10 * result.error[0, 0]
        assert result.error[0, 0] < 1e-6


@pytest.mark.parametrize("digits", [5, 6, 7])
def test_noise_is_heard_and_is_no_kink(digits):
    def quantised(x):
        return np.round(np.sin(x), digits)  # as a forward pass that computes in float32 somewhere

    x = np.linspace(0.1, 1, 50)
    result = derivative(quantised, x)
    off = np.abs(result.value[0] - np.cos(x))
    assert np.all(off <= 10 * result.error[0])
    assert not result.kinked.any()
    assert 0.1 * 10.0**-digits < result.noise.max() < 10 * 10.0**-digits


def test_where_everything_is_a_kink_nothing_is_noise():
    result = derivative(np.abs, np.zeros(9))
    assert result.kinked.all()
    assert result.noise.max() < 1e-14
    assert result.left[0] == pytest.approx(-1)
    assert result.right[0] == pytest.approx(1)


def test_what_has_no_second_derivative_errs_no_more_than_it_says():
    def evaluate(shifts):
        x = np.array([0.0, 0.4, -0.7]) + shifts[:, None]
        return (x / (1 + np.abs(x)))[None]

    base = evaluate(np.zeros(1))[0, 0]
    result = measured(evaluate, base, EPS, 0.7, 1)
    off = np.abs(result.value[0] - 1 / (1 + np.abs([0.0, 0.4, -0.7])) ** 2)
    assert np.all(off <= 10 * result.error[0])
    assert result.error.max() < 1e-6


def test_the_logarithm_of_a_small_number_is_approached():
    probabilities = np.array([0.3, 1e-3, 1e-5])
    result = measured(
        lambda shifts: np.log(probabilities + shifts[:, None])[None], np.log(probabilities), EPS, 1.0, 3
    )
    off = np.abs(result.value[0] * probabilities - 1)
    assert np.all(off <= 10 * result.error[0] * probabilities)
    assert off.max() < 1e-8


@pytest.mark.parametrize("seed", range(20))
def test_an_output_that_is_the_small_difference_of_large_numbers_has_their_rounding(seed):
    rng = np.random.default_rng(seed)
    x, large = rng.normal(size=4), np.array([0, 0, 0, 0, 0, 0, 0, 100])
    weight = rng.normal(size=(4, 8))

    def outputs(x):
        return (np.sin(x) @ weight + large) - large

    base = outputs(x)
    base_at_zero = np.array([0, 0, 0, 0, 0, 0, 0, base[7]])  # the last one's own size says nothing

    def evaluate(shifts):
        return outputs(x + shifts[:, None] * np.eye(4)[:, None]) - base_at_zero

    found = measured(evaluate, base - base_at_zero, EPS, np.abs(x).max(), 1)
    right = weight * np.cos(x)[:, None]
    assert np.all(np.abs(found.value - right) <= 10 * found.error)
    assert found.error[:, :7].max() < 1e-9


def test_a_batch_norm_of_a_nearly_constant_unit_is_known_as_well_as_is_said():
    """Its slopes bend within the usual steps, and two of its differences may be near to each other by chance."""
    worst = 0.0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        x = -0.3 + rng.uniform(5e-3, 2e-2) * rng.normal(size=11)

        def normalised(x):
            centred = x - x.mean(axis=-1, keepdims=True)
            return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)

        y, scale = normalised(x), 1 / np.sqrt(x.var() + 1e-5)
        right = scale * (np.eye(11) - 1 / 11 - np.outer(y, y) / 11)
        each = np.eye(11)[:, None, :]
        found = measured(lambda shifts: normalised(x + shifts[:, None] * each), y, EPS, 0.35, 11)  # noqa: B023
        assert not found.kinked.any()
        worst = max(worst, float((np.abs(found.value - right) / found.error).max()))
    assert worst < 10
