"""Activations: values against decimal arithmetic, derivatives against differences, nothing that overflows."""

from decimal import Decimal

import numpy as np
import pytest
from core_helpers import DTYPES, differences, exactly
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from network import (
    ELU,
    SELU,
    Identity,
    LeakyReLU,
    NetworkError,
    ReLU,
    Sigmoid,
    Softmax,
    Softsign,
    Tanh,
)
from network.activations import ACTIVATIONS, softmax

ELEMENTWISE = [Identity, Sigmoid, Tanh, ReLU, LeakyReLU, lambda: LeakyReLU(0.3), ELU, SELU, Softsign]
ALL = [*ELEMENTWISE, Softmax]

# Klambauer et al. 2017, to the places that the authors publish.
SCALE, ALPHA = Decimal("1.0507009873554804934193349852946"), Decimal("1.6732632423543772848170429916717")

EXACT = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + (-z).exp()),
    "tanh": lambda z: 1 - 2 / ((2 * z).exp() + 1),
    "relu": lambda z: max(z, 0),
    "elu": lambda z: z if z > 0 else z.exp() - 1,
    "selu": lambda z: SCALE * (z if z > 0 else ALPHA * (z.exp() - 1)),
    "softsign": lambda z: z / (1 + abs(z)),
}
EXACT_DERIVATIVE = {
    "identity": lambda z: 1,
    "sigmoid": lambda z: (-z).exp() / (1 + (-z).exp()) ** 2,
    "tanh": lambda z: 4 * (2 * z).exp() / ((2 * z).exp() + 1) ** 2,
    "relu": lambda z: int(z > 0),
    "elu": lambda z: 1 if z > 0 else z.exp(),
    "selu": lambda z: SCALE * (1 if z > 0 else ALPHA * z.exp()),
    "softsign": lambda z: 1 / (1 + abs(z)) ** 2,
}

SIZES = np.concatenate([[0.0], np.logspace(-3, 4, 57), [1000.0, 87.0, 89.0, 709.0, 710.0, 745.0]])
Z = np.concatenate([SIZES, -SIZES])[:, None] * np.array([1.0, 0.97])


pytestmark = pytest.mark.filterwarnings("error")


def rounding(dtype):
    """Four units in the last place, and what the sigmoid keeps where exp would overflow."""
    return {"rtol": 4 * np.finfo(dtype).eps, "atol": 2e-35 if dtype == "float32" else 1e-303}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", EXACT)
def test_values_are_right_to_the_last_places_up_to_ten_thousand(kind, dtype):
    z = Z.astype(dtype)
    a = ACTIVATIONS[kind]().value(z)
    assert a.dtype == dtype
    np.testing.assert_allclose(a, exactly(EXACT[kind], z), **rounding(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", EXACT_DERIVATIVE)
def test_derivatives_are_right_up_to_ten_thousand(kind, dtype):
    z = Z.astype(dtype)
    layer = ACTIVATIONS[kind]()
    derivative = layer.derivative(z, layer.value(z))
    assert derivative.dtype == dtype
    # 1 − a of an a close to 1 has lost its small digits, which no gradient misses.
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(derivative, exactly(EXACT_DERIVATIVE[kind], z), rtol=4 * eps, atol=2 * eps)


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3, 1.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_leaky_relu(slope, dtype):
    layer, z = LeakyReLU(slope), Z.astype(dtype)
    expected = np.where(z > 0, z, z * np.dtype(dtype).type(slope))
    np.testing.assert_array_equal(layer.value(z), expected)
    np.testing.assert_array_equal(
        layer.derivative(z, expected), np.where(z > 0, 1, slope).astype(dtype), strict=True
    )


@pytest.mark.parametrize("slope", [-0.1, 1.5, np.nan])
def test_a_slope_that_is_none(slope):
    with pytest.raises(NetworkError, match=rf"LeakyReLU slope {slope} is not in 0 <= slope <= 1") as caught:
        LeakyReLU(slope)
    assert caught.value.help == "0.01 is usual"


def test_the_derivative_at_the_kink():
    z = np.array([[0.0, -0.0]])
    np.testing.assert_array_equal(ReLU().derivative(z, z), [[0, 0]])
    np.testing.assert_array_equal(LeakyReLU(0.2).derivative(z, z), [[0.2, 0.2]])
    for layer, right in ((ReLU(), 0), (LeakyReLU(0.2), 0.2)):
        layer.forward(z)
        np.testing.assert_array_equal(layer.backward(np.ones((1, 2))), [[right, right]])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("make", ALL)
def test_a_layer_passes_ten_thousand_forward_and_back(make, dtype, training):
    layer, z = make(), Z.astype(dtype)
    layer.training = training
    output = layer.forward(z)
    gradient = layer.backward(np.full_like(output, 2.0))
    for array in (output, gradient):
        assert array.dtype == dtype
        assert array.shape == z.shape
        assert np.isfinite(array).all()


@pytest.mark.parametrize("make", ELEMENTWISE)
@pytest.mark.parametrize("training", [True, False])
def test_backward_is_the_derivative_times_the_output_gradient(make, training):
    layer = make()
    layer.training = training
    z, g = np.random.default_rng(0).normal(size=(2, 7, 4))
    a = layer.forward(z)
    np.testing.assert_array_equal(layer.backward(g), layer.derivative(z, a) * g)


# --- softmax ------------------------------------------------------------------------------------------------------------

logits = arrays(np.float64, (3, 5), elements=st.floats(-1e4, 1e4))


def exact_softmax(row):
    """Softmax of one row in 60 digits."""
    numerators = [lambda z, i=i: (z - int(row[i])).exp() for i in range(len(row))]
    return [float(1 / sum(exactly(n, [v])[0] for v in row)) for n in numerators]


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_against_decimal_arithmetic(dtype):
    rows = np.array([[0, 0, 0], [1, 2, 3], [-50, 40, 41], [300, 302, 310], [-10000, -9999, -9997]], dtype)
    expected = [exact_softmax(row) for row in rows]
    np.testing.assert_allclose(softmax(rows), expected, rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_of_ten_thousand(dtype):
    np.testing.assert_array_equal(softmax(np.array([[1e4, -1e4, 0]], dtype)), [[1, 0, 0]])
    np.testing.assert_array_equal(softmax(np.full((2, 4), -1e4, dtype)), np.full((2, 4), 0.25))


@given(z=logits)
def test_softmax_rows_are_probabilities(z):
    a = softmax(z)
    assert (a >= 0).all()
    np.testing.assert_allclose(a.sum(axis=1), 1, rtol=1e-14)
    rows = np.arange(len(z))
    np.testing.assert_array_equal(a[rows, z.argmax(axis=1)], a.max(axis=1))


@given(z=arrays(np.float64, (2, 4), elements=st.integers(-500, 500)), shift=st.integers(-500, 500))
def test_softmax_does_not_see_a_shift(z, shift):
    np.testing.assert_array_equal(softmax(z + shift), softmax(z))


@given(z=arrays(np.float64, (2, 4), elements=st.floats(-30, 30)), seed=st.integers(0, 99))
def test_softmax_backward_is_the_jacobian(z, seed):
    g = np.random.default_rng(seed).normal(size=z.shape)
    layer = Softmax()
    a = layer.forward(z)
    jacobians = np.array([np.diag(row) - np.outer(row, row) for row in a])
    np.testing.assert_allclose(layer.backward(g), np.einsum("bij,bj->bi", jacobians, g), atol=1e-14)
    by_differences = differences(lambda z: float((softmax(z) * g).sum()), z)
    np.testing.assert_allclose(layer.backward(g), by_differences, atol=1e-9)


def test_softmax_has_no_elementwise_derivative():
    with pytest.raises(NotImplementedError, match="Softmax has no derivative"):
        Softmax().derivative(np.zeros((1, 2)), np.zeros((1, 2)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [2, 2000])  # both ways of selecting
@pytest.mark.parametrize("training", [False, True])
def test_an_error_that_is_not_finite_does_not_pass_a_silent_relu(dtype, rows, training):
    rng = np.random.default_rng(0)
    z = rng.standard_normal((rows, 5)).astype(dtype)
    error = rng.standard_normal((rows, 5)).astype(dtype)
    error[z <= 0] = rng.choice([np.nan, np.inf, -np.inf, -1.0], np.count_nonzero(z <= 0))
    layer = ReLU()
    layer.training = training
    for _ in range(2):  # kept buffers are written anew
        layer.forward(z)
        kept = error.copy()
        np.testing.assert_array_equal(layer.backward(error), np.where(z > 0, error, 0))
        np.testing.assert_array_equal(error, kept)
