"""Numerical derivatives: as good as they say, near kinks too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nndebug.gradcheck.differences import Points, confirmed, differentiate, roughness, sharpened

EPS = float(np.finfo(float).eps)


class Columns:
    """Scalar functions of one column each, at some base points (batch, columns)."""

    def __init__(self, function, base):
        self.function, self.base, self.count = function, base, base.shape[1]
        self.evaluations = 0

    def losses(self):
        return self.function(self.base)

    def evaluate(self, columns, offsets):
        shifted = self.base[:, columns].T[:, None, :] + offsets[:, :, None]
        self.evaluations += offsets.size
        kinks = (shifted > 0) != (self.base[:, columns].T[:, None, :] > 0)
        flips = (
            kinks.astype(int) if getattr(self.function, "announced", False) else np.zeros(shifted.shape, int)
        )
        return Points(self.function(shifted), flips, shifted - self.base[:, columns].T[:, None, :])


def derivative(function, base, noise=None):
    base = np.atleast_2d(np.asarray(base, float))
    columns = Single(function, base)
    noise = np.full(len(base), EPS) if noise is None else noise
    return columns, differentiate(columns, columns.base_losses, noise, EPS)


class Single(Columns):
    """One column, so that the unshifted loss of a sample is one number."""

    def __init__(self, function, base):
        super().__init__(function, base.reshape(-1, 1))
        self.base_losses = function(self.base[:, 0])


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
    noise = np.full(41, EPS * np.maximum(np.abs(function(x)), np.abs(x * right(x))).max())
    _, result = derivative(function, x, noise)
    error = np.abs(result.value[:, 0] - right(x))
    assert not result.kinked.any()
    assert np.all(error <= 10 * result.error[:, 0])
    assert result.error.max() <= 1e-8 * np.abs(right(x)).max()


@given(st.floats(-3, 3), st.floats(0.1, 30), st.floats(-3, 3))
def test_error_estimate_covers_the_error_of_any_wave(amplitude, frequency, x):
    function = lambda t: amplitude * np.sin(frequency * t)  # noqa: E731
    right = amplitude * frequency * np.cos(frequency * x)
    points = np.array([x, 0.3])
    _, result = derivative(function, points, np.full(2, EPS * abs(amplitude) * (1 + frequency * abs(x))))
    assert abs(result.value[0, 0] - right) <= 10 * result.error[0, 0] + 1e-300


def relu(x):
    return np.where(x > 0, x, 0.0)


def announced_relu(x):
    return relu(x)


announced_relu.announced = True


@pytest.mark.parametrize("function", [relu, announced_relu])
@pytest.mark.parametrize("x", [0.0, 1e-9, -1e-9, 1e-6])
def test_a_kink_is_seen_and_either_side_counts(function, x):
    _, result = derivative(function, [x, 0.5])
    assert result.kinked[:, 0].tolist() == [True, False]
    assert result.right[0, 0] == pytest.approx(1, abs=1e-3) or x < 0
    for claimed in (0.0, 1.0) if x == 0 else (float(x > 0),):
        value, error = result.settled(np.array([[claimed], [1.0]]))
        assert np.abs(value - [[claimed], [1.0]]).max() <= 10 * error.max()
    value, error = result.settled(np.array([[3.0], [1.0]]))
    assert abs(value[0, 0] - 3) > 1
    assert error[0, 0] < 1e-3


@pytest.mark.parametrize("x", [1e-4, -1e-4, 5e-5, 2e-3])
def test_a_kink_nearby_is_stepped_away_from(x):
    _, result = derivative(announced_relu, [x, 0.5])
    assert not result.kinked.any()
    assert result.value[0, 0] == pytest.approx(float(x > 0), abs=1e-9)


def test_several_kinks_at_once_prove_nothing():
    def both(x):
        return relu(x) - relu(-x) * 0.5 + relu(x)

    class Two(Single):
        def evaluate(self, columns, offsets):
            points = super().evaluate(columns, offsets)
            return Points(points.losses, np.ones_like(points.flips), points.offsets)

    columns = Two(both, np.array([[0.0]]))
    result = differentiate(columns, columns.base_losses, np.array([EPS]), EPS)
    _, error = result.settled(np.array([[7.0]]))
    assert error[0, 0] > 1


def test_sharpened_is_better_and_confirmed_is_no_worse():
    function, right = np.sin, np.cos
    x = np.linspace(-1, 1, 21)
    columns, first = derivative(function, x, np.full(21, EPS))
    arguments = (columns, first, columns.base_losses, np.full(21, EPS), EPS)
    sharp = sharpened(*arguments)
    assert np.abs(sharp.value[:, 0] - right(x)).max() < 1e-13
    assert sharp.error.max() < 0.1 * first.error.max()
    assert np.all(np.abs(sharp.value[:, 0] - right(x)) <= 10 * sharp.error[:, 0])
    assert np.array_equal(confirmed(*arguments).value, first.value)


def test_confirmed_covers_what_the_first_look_missed():
    def quantised(x):
        return np.round(np.sin(x), 7)  # as a forward pass that computes in float32 somewhere

    x = np.linspace(0.1, 1, 9)
    columns, first = derivative(quantised, x, np.full(9, EPS))
    second = confirmed(columns, first, columns.base_losses, np.full(9, EPS), EPS)
    off = np.abs(second.value[:, 0] - np.cos(x))
    assert not np.all(off <= 10 * first.error[:, 0])
    assert np.median(off / second.error[:, 0]) < 1


@pytest.mark.parametrize("digits", [5, 6, 7])
def test_roughness_measures_noise_and_not_curvature(digits):
    x = np.linspace(0.1, 1, 50)
    change = np.stack([np.sin(x + 1e-4 * p) - np.sin(x) for p in (-2, -1, 1, 2)])[None]
    assert roughness(change) < 1e-15
    noise = np.random.default_rng(0).normal(0, 10.0**-digits, change.shape)
    assert 0.1 * 10.0**-digits < roughness(change + noise) < 10.0**-digits


def test_four_points_a_column_where_all_is_smooth():
    columns, _ = derivative(np.sin, np.linspace(0.2, 0.9, 5))
    assert columns.evaluations == 4
