"""Dense, Flatten and layers of one's own: what they compute, what they refuse, which memory they use."""

import copy
import warnings

import numpy as np
import pytest
from core_helpers import DTYPES, differences
from hypothesis import given
from hypothesis import strategies as st

from network import (
    SGD,
    CrossEntropy,
    Dense,
    Dropout,
    Flatten,
    Identity,
    Layer,
    LeakyReLU,
    ReLU,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
    Tanh,
    fit,
)

# --- Dense --------------------------------------------------------------------------------------------------------------


def dense(inputs=5, units=3, dtype="float64", **options):
    """A built layer with biases that are not zero."""
    layer = Dense(inputs, units, bias_init="normal", **options)
    layer.build(np.random.default_rng(1), np.dtype(dtype))
    return layer


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("rows", [0, 1, 7])
@given(inputs=st.integers(1, 6), units=st.integers(1, 6), bias=st.booleans(), seed=st.integers(0, 99))
def test_dense_forward_and_backward_in_closed_form(training, rows, inputs, units, bias, seed):
    layer = dense(inputs, units, bias=bias)
    layer.training = training
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=(rows, inputs)), rng.normal(size=(rows, units))
    z = np.array([[row @ layer.parameters["weight"][:, j] for j in range(units)] for row in x]).reshape(
        rows, units
    )
    if bias:
        z += layer.parameters["bias"]
    np.testing.assert_allclose(layer.forward(x), z, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(layer.backward(g), g @ layer.parameters["weight"].T, rtol=1e-12, atol=1e-12)
    right = {"weight": np.einsum("bi,bj->ij", x, g), "bias": g.sum(axis=0)}
    assert set(layer.gradients) == set(layer.parameters) == ({"weight", "bias"} if bias else {"weight"})
    for name, gradient in layer.gradients.items():
        np.testing.assert_allclose(gradient, right[name], rtol=1e-12, atol=1e-12)


def test_dense_gradients_agree_with_differences():
    layer, rng = dense(), np.random.default_rng(2)
    x, g = rng.normal(size=(4, 5)), rng.normal(size=(4, 3))
    layer.forward(x)
    input_gradient = layer.backward(g)

    def total(_):
        return float((copy.copy(layer).forward(x) * g).sum())

    np.testing.assert_allclose(input_gradient, differences(total, x), atol=1e-9)
    for name, value in layer.parameters.items():
        np.testing.assert_allclose(layer.gradients[name], differences(total, value), atol=1e-9)


def test_the_parameter_gradients_alone():
    layer, rng = dense(), np.random.default_rng(2)
    layer.forward(rng.normal(size=(4, 5)))
    g = rng.normal(size=(4, 3))
    layer.backward(g)
    right = {name: value.copy() for name, value in layer.gradients.items()}
    layer.gradients["weight"][...] = layer.gradients["bias"][...] = np.nan
    assert layer.backward_parameters(g) is None
    for name in right:
        np.testing.assert_array_equal(layer.gradients[name], right[name])


def test_a_dense_layer_of_its_own_draws_its_weights_when_they_are_needed():
    layer = Dense(3, 2)
    assert layer.parameters == {}
    assert layer.forward(np.ones((4, 3), np.float32)).shape == (4, 2)
    assert layer.parameters["weight"].dtype == np.float32
    assert Dense(3, 2).forward(np.ones((4, 3))).dtype == np.float64


@pytest.mark.parametrize("widths", [(0, 3), (3, 0), (-1, 3), (3, 2.0), (2.5, 3), ("4", 3), (None, 3)])
def test_widths_that_are_none(widths):
    with pytest.raises(ShapeError) as caught:
        Dense(*widths)
    assert str(caught.value) == f"Dense {widths[0]} -> {widths[1]} has no room for weights"
    assert caught.value.help == "give whole widths of 1 or more"
    Dense(*np.array([3, 2]))  # NumPy's integers are as good


def mnist_sized(**options):
    return Sequential(Dense(784, 30), Sigmoid(), Dense(30, 10), **options)


MISFITS = [
    ((784, 10), ": looks transposed", "rows are samples: pass x.T"),
    ((784,), ": the batch axis is missing", "pass x[None, :] for a single sample"),
    ((10, 28, 28), ": images", "put a Flatten() layer first"),
    ((10, 1, 28, 28), ": images", "put a Flatten() layer first"),
    ((10, 64), "", "rows are samples, columns are the layer's inputs"),
    ((10, 785), "", "rows are samples, columns are the layer's inputs"),
    ((2, 5, 784), "", "rows are samples, columns are the layer's inputs"),
    ((10,), "", "rows are samples, columns are the layer's inputs"),
    ((), "", "rows are samples, columns are the layer's inputs"),
]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize(("shape", "why", "help"), MISFITS)
def test_a_wrong_shape_names_the_layer_what_it_expects_and_what_came(shape, why, help, dtype, training):
    network = mnist_sized()
    network.training = training
    right = network.forward(np.ones((10, 784))).copy()
    with pytest.raises(ShapeError) as caught:
        network.forward(np.zeros(shape, dtype))
    assert str(caught.value) == f"hidden1 (Dense 784 -> 30) expects (batch, 784), got {shape}{why}"
    assert caught.value.help == help
    assert caught.value.__cause__ is None
    np.testing.assert_array_equal(network.forward(np.ones((10, 784))), right)


def test_the_layer_that_is_named_is_the_one_that_does_not_fit():
    class Halve(Layer):
        def forward(self, x):
            return x[:, ::2]

    network = Sequential(Dense(6, 4), Halve(), Dense(3, 2, name="readout"))
    with pytest.raises(ShapeError) as caught:
        network.forward(np.ones((5, 6)))
    assert str(caught.value) == "readout (Dense 3 -> 2) expects (batch, 3), got (5, 2)"


def test_a_lone_layer_is_named_by_its_kind():
    with pytest.raises(
        ShapeError, match=r"^dense \(Dense 5 -> 3\) expects \(batch, 5\), got \(5, 4\): looks transposed$"
    ):
        dense().forward(np.ones((5, 4)))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "given", ["float16", "float32", "float64", "int64", "uint8", "bool", "list", "strided"]
)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "first",
    [[], [ReLU()], [Sigmoid()], [Dropout(0.3)], [Flatten()]],
    ids=["none", "relu", "sigmoid", "dropout", "flatten"],
)
def test_any_numbers_go_in_and_the_networks_dtype_comes_out(first, dtype, given, training):
    network = Sequential(*copy.deepcopy(first), Dense(6, 4), Tanh(), Dense(4, 3), dtype=dtype)
    x = np.random.default_rng(0).integers(0, 2, (5, 6))
    forms = {"list": x.tolist(), "strided": np.repeat(x, 2, axis=1)[:, ::2]}
    network.training = training
    twin = network.copy()
    output = network.forward(forms[given] if given in forms else x.astype(given)).copy()
    assert output.dtype == dtype
    np.testing.assert_array_equal(output, twin.forward(x.astype(dtype)))
    gradient = network.backward(np.ones_like(output, "float64"))
    assert gradient.dtype == dtype
    assert all(value.dtype == dtype for value in network.gradients.values())


def test_a_lone_single_precision_layer_takes_double_precision():
    layer, x = dense(dtype="float32"), np.random.default_rng(0).normal(size=(4, 5))
    np.testing.assert_array_equal(layer.forward(x), layer.forward(x.astype("float32")), strict=True)
    layer.backward(np.ones((4, 3), "float32"))


# --- Flatten ------------------------------------------------------------------------------------------------------------


def test_flatten_is_a_view_and_backward_undoes_it():
    x = np.random.default_rng(0).normal(size=(5, 2, 3, 4))
    layer = Flatten()
    flat = layer.forward(x)
    np.testing.assert_array_equal(flat, x.reshape(5, 24))
    assert np.shares_memory(flat, x)
    np.testing.assert_array_equal(layer.backward(flat), x)


def test_images_go_through_a_network_that_flattens_them():
    x, y = np.random.default_rng(0).normal(size=(20, 4, 4)), np.arange(20) % 3
    images = Sequential(Flatten(), Dense(16, 5), ReLU(), Dense(5, 3), loss=CrossEntropy(), dtype="float64")
    rows = Sequential(Flatten(), Dense(16, 5), ReLU(), Dense(5, 3), loss=CrossEntropy(), dtype="float64")
    fit(images, (x, y), SGD(0.1), epochs=2, batch=6)
    fit(rows, (x.reshape(20, 16), y), SGD(0.1), epochs=2, batch=6)
    np.testing.assert_array_equal(images.flat_parameters, rows.flat_parameters)


# --- memory -------------------------------------------------------------------------------------------------------------

LAYERS = [
    lambda: Dense(8, 8),
    Sigmoid,
    Tanh,
    ReLU,
    LeakyReLU,
    Identity,
    Softmax,
    lambda: Dropout(0.5),
]


@pytest.mark.parametrize("make", LAYERS)
def test_training_uses_the_same_memory_again(make):
    layer, rng = make(), np.random.default_rng(0)
    layer.training = True

    def step(rows):
        y = layer.forward(rng.normal(size=(rows, 8)))
        return y, layer.backward(rng.normal(size=(rows, 8)))

    for first, second in zip(step(5), step(5), strict=True):
        assert first is second
    for small, large in zip(step(3), step(5), strict=True):
        assert small.shape == (3, 8)
        assert not np.shares_memory(small, large)


@pytest.mark.parametrize("make", LAYERS)
def test_evaluation_never_overwrites_what_it_returned(make):
    layer, rng = make(), np.random.default_rng(0)
    seen = []
    for _ in range(3):
        y = layer.forward(rng.normal(size=(5, 8)))
        dx = layer.backward(rng.normal(size=(5, 8)))
        seen += [(y, y.copy()), (dx, dx.copy())]
    layer.training = True
    layer.forward(rng.normal(size=(5, 8)))
    for array, then in seen:
        np.testing.assert_array_equal(array, then)


# --- layers of one's own --------------------------------------------------------------------------------------------------


class Double(Layer):
    """The least a layer of one's own needs."""

    def forward(self, x):
        return 2 * x

    def backward(self, output_gradient):
        return 2 * output_gradient


class Scale(Layer):
    """One with parameters."""

    kind = "scale"

    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, rng, dtype):
        self.parameters["factor"] = np.ones(self.units, dtype)

    def forward(self, x):
        self.x = x
        return x * self.parameters["factor"]

    def backward(self, output_gradient):
        (output_gradient * self.x).sum(axis=0, out=self.gradients["factor"])
        return output_gradient * self.parameters["factor"]


def test_layers_of_ones_own_are_trained_like_the_others():
    network = Sequential(Scale(4), Dense(4, 5), Double(), Dense(5, 3), loss=CrossEntropy(), dtype="float64")
    assert [layer.name for layer in network.layers] == ["scale1", "hidden1", "layer1", "output"]
    assert next(iter(network.parameters)) == "scale1.factor"
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 4)), rng.integers(0, 3, 6)
    network.differentiate(x, y, input_gradient=False)
    for name, value in network.parameters.items():
        right = differences(lambda _: network.loss(network.forward(x), y), value)
        np.testing.assert_allclose(network.gradients[name], right, atol=1e-9)
    before = network.parameters["scale1.factor"].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(network, (x, y), SGD(0.1), epochs=2)
    assert (network.parameters["scale1.factor"] != before).all()


def test_a_layer_without_a_body_says_so():
    for call in ("forward", "backward"):
        with pytest.raises(NotImplementedError, match=f"Layer has no {call}"):
            getattr(Layer(), call)(np.zeros((1, 1)))
