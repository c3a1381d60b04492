"""Normalisation: against the formulas, against differences; running statistics in copies, twins and files; GELU."""

import math

import numpy as np
import pytest
from core_helpers import differences, state
from hypothesis import given, settings
from hypothesis import strategies as st

from network import (
    GELU,
    SGD,
    BatchNorm,
    Conv2D,
    CrossEntropy,
    DataError,
    Dense,
    Flatten,
    LayerNorm,
    NetworkError,
    ReLU,
    Sequential,
    ShapeError,
    evaluate,
    fit,
)
from network.error_function import normal_cdf

SHAPES = [(6, 3), (2, 1), (3, 2, 4, 5), (2, 3, 1, 1)]


def built(layer, seed=0):
    rng = np.random.default_rng(seed)
    layer.build(rng, np.dtype("float64"))
    for value in layer.parameters.values():
        value[...] = rng.normal(size=value.shape)
    return layer, rng


def others(ndim):
    return tuple(axis for axis in range(ndim) if axis != 1)


def per_feature(value, ndim):
    return value.reshape((1, -1) + (1,) * (ndim - 2))


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_is_its_formula_and_running_statistics_follow(shape):
    layer, rng = built(BatchNorm(shape[1], momentum=0.3, epsilon=1e-3))
    layer.training = True
    axes, running = others(len(shape)), [np.zeros(shape[1]), np.ones(shape[1])]
    for _ in range(3):
        x = rng.normal(5, 2, shape)
        mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
        expected = (x - mean) / np.sqrt(variance + 1e-3)
        expected = expected * per_feature(layer.parameters["weight"], len(shape))
        expected = expected + per_feature(layer.parameters["bias"], len(shape))
        np.testing.assert_allclose(layer.forward(x), expected, atol=1e-12)
        running[0] = 0.7 * running[0] + 0.3 * x.mean(axes)
        running[1] = 0.7 * running[1] + 0.3 * x.var(axes, ddof=1)
        np.testing.assert_allclose(layer.state["running_mean"], running[0], atol=1e-12)
        np.testing.assert_allclose(layer.state["running_var"], running[1], atol=1e-12)
    layer.training = False
    x = rng.normal(size=shape)
    expected = (x - per_feature(running[0], len(shape))) / np.sqrt(per_feature(running[1], len(shape)) + 1e-3)
    expected = expected * per_feature(layer.parameters["weight"], len(shape))
    expected = expected + per_feature(layer.parameters["bias"], len(shape))
    np.testing.assert_allclose(layer.forward(x), expected, atol=1e-12)
    np.testing.assert_allclose(layer.state["running_mean"], running[0], atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_layer_norm_is_its_formula(shape):
    layer, rng = built(LayerNorm(shape[1] if len(shape) == 2 else shape[1:], epsilon=1e-3))
    x = rng.normal(5, 2, shape)
    rows = x.reshape(len(x), -1)
    normal = (rows - rows.mean(1, keepdims=True)) / np.sqrt(rows.var(1, keepdims=True) + 1e-3)
    expected = normal.reshape(shape) * layer.parameters["weight"] + layer.parameters["bias"]
    np.testing.assert_allclose(layer.forward(x), expected, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("make", [BatchNorm, LayerNorm])
def test_gradients_are_those_of_differences(make, shape, training):
    features = shape[1] if make is BatchNorm or len(shape) == 2 else shape[1:]
    # A generous epsilon: a batch of two differs too strongly from a straight line else.
    layer, rng = built(make(features, epsilon=0.5))
    layer.training = training
    x, g = rng.normal(size=shape), rng.normal(size=shape)
    layer.forward(x)
    dx = layer.backward(g).copy()
    gradients = {name: value.copy() for name, value in layer.gradients.items()}

    def total(_):
        kept = {name: value.copy() for name, value in layer.state.items()}
        value = float((layer.forward(x) * g).sum())
        for name, before in kept.items():
            layer.state[name][...] = before
        return value

    np.testing.assert_allclose(dx, differences(total, x), atol=1e-8)
    for name, value in layer.parameters.items():
        np.testing.assert_allclose(gradients[name], differences(total, value), atol=1e-8)


def test_a_single_value_per_feature_gives_the_shift_and_no_news():
    layer, rng = built(BatchNorm(3))
    layer.training = True
    y = layer.forward(rng.normal(size=(1, 3)))
    np.testing.assert_array_equal(y[0], layer.parameters["bias"])
    np.testing.assert_array_equal(layer.backward(np.ones((1, 3))), np.zeros((1, 3)))
    np.testing.assert_array_equal(layer.state["running_mean"], np.zeros(3))
    np.testing.assert_array_equal(layer.state["running_var"], np.ones(3))


def test_a_constant_feature_is_no_division_by_zero():
    layer, _ = built(BatchNorm(2))
    layer.training = True
    y = layer.forward(np.full((5, 2), 7.0))
    np.testing.assert_allclose(y, np.tile(layer.parameters["bias"], (5, 1)))


# --- in a network -----------------------------------------------------------------------------------------------


def normalised(dtype="float64", seed=0):
    layers = [
        Conv2D(1, 4, 3),
        BatchNorm(4),
        ReLU(),
        Flatten(),
        Dense(16, 6),
        LayerNorm(6),
        GELU(),
        Dense(6, 3),
    ]
    return Sequential(*layers, loss=CrossEntropy(), dtype=dtype, seed=seed)


def data(count=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(3, 2, size=(count, 1, 4, 4)), rng.integers(0, 3, count)


def statistics(network):
    return {name: value.copy() for name, value in network.state.items()}


def test_names_and_parameters():
    network = normalised()
    assert [layer.name for layer in network.layers] == [
        *("conv1", "norm1", "norm1", "flatten1", "hidden1", "norm2", "norm2", "output"),
    ]
    assert [name for name in network.parameters if name.startswith("norm")] == [
        *("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"),
    ]
    assert list(network.state) == ["norm1.running_mean", "norm1.running_var"]
    assert network.describe() == (
        "conv2d 1 -> 4 3x3 → batchnorm 4 relu → flatten → 16 → 6 → layernorm 6 gelu → 3"
    )
    assert (network.inputs, network.outputs) == (1, 3)


def test_twins_and_evaluation_follow_running_statistics_and_leave_no_trace():
    network, (x, y) = normalised(), data()
    twin = network.twin()
    fit(network, (x, y), SGD(0.1), epochs=2, batch=8)
    assert not np.allclose(network.state["norm1.running_mean"], 0)
    before = state(network), statistics(network)
    np.testing.assert_array_equal(twin(x), network(x))  # it looks through the same statistics
    after_fit = statistics(network)
    network.twin().forward(x * 5)
    evaluate(network, (x * 5, y))
    for name, value in before[1].items():
        np.testing.assert_array_equal(network.state[name], value)
        np.testing.assert_array_equal(after_fit[name], value)


def test_a_copy_has_running_statistics_of_its_own_in_its_own_dtype():
    network, (x, y) = normalised("float32"), data()
    fit(network, (x, y), SGD(0.1), batch=8)
    copy, before = network.copy("float64"), statistics(network)
    np.testing.assert_allclose(copy(x), network(x), rtol=1e-4, atol=1e-4)
    assert {value.dtype.name for value in copy.state.values()} == {"float64"}
    fit(copy, (x * 2, y), SGD(0.1), batch=8)
    for name, value in before.items():
        np.testing.assert_array_equal(network.state[name], value)
        assert not np.array_equal(copy.state[name], value)


def test_a_saved_network_evaluates_the_same_and_goes_on_training_the_same(tmp_path):
    network, (x, y) = normalised("float32"), data()
    fit(network, (x, y), SGD(0.1), batch=8)
    network.save(tmp_path / "net.npz")
    loaded = Sequential.load(tmp_path / "net.npz")
    np.testing.assert_array_equal(loaded(x), network(x))
    for other in (network, loaded):
        fit(other, (x, y), SGD(0.1), batch=8)
    np.testing.assert_array_equal(loaded.flat_parameters, network.flat_parameters)
    for name, value in network.state.items():
        np.testing.assert_array_equal(loaded.state[name], value)


def test_a_file_without_running_statistics_is_refused(tmp_path):
    network = normalised()
    network.save(tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz") as file:
        kept = {name: file[name] for name in file.files if name != "norm1.running_var"}
    np.savez(tmp_path / "net.npz", **kept)
    with pytest.raises(DataError, match=r"running_var"):
        Sequential.load(tmp_path / "net.npz")


def test_the_penalty_leaves_scale_and_shift_out():
    network = normalised()
    for name, value in network.parameters.items():
        value[...] = 1 if name in ("conv1.weight", "hidden1.weight", "output.weight") else 100
    assert SGD(0.1, l2=2.0).penalty(network) == 4 * 9 + 16 * 6 + 6 * 3


@pytest.mark.parametrize(
    ("layer", "shape", "said"),
    [
        (BatchNorm(3), (4, 5), "batch_norm (BatchNorm 3) expects (batch, 3) or (batch, 3, height, width), got (4, 5)"),
        (BatchNorm(3), (4, 3, 2), "got (4, 3, 2)"),
        (LayerNorm(3), (4, 5), "layer_norm (LayerNorm 3) expects (batch, 3), got (4, 5)"),
        (LayerNorm((3, 2, 2)), (4, 12), "layer_norm (LayerNorm 3x2x2) expects (batch, 3, 2, 2), got (4, 12)"),
    ],
)  # fmt: skip
def test_a_wrong_input_is_named_with_what_was_expected(layer, shape, said):
    with pytest.raises(ShapeError) as caught:
        layer.forward(np.zeros(shape))
    assert said in str(caught.value)
    assert caught.value.help


@pytest.mark.parametrize(
    "make",
    [
        lambda: BatchNorm(0),
        lambda: BatchNorm(2.5),
        lambda: BatchNorm(3, momentum=2),
        lambda: BatchNorm(3, epsilon=0),
        lambda: LayerNorm(()),
        lambda: Sequential(Dense(4, 3), BatchNorm(4)),
        lambda: Sequential(Conv2D(1, 3, 3), BatchNorm(4)),
        lambda: Sequential(Dense(4, 3), LayerNorm(3), Dense(4, 2)),
    ],
)
def test_what_cannot_be_is_refused(make):
    with pytest.raises(NetworkError) as caught:
        make()
    assert caught.value.help


# --- GELU and the normal distribution ---------------------------------------------------------------------------


def test_the_normal_distribution_is_right_to_double_precision_everywhere():
    z = np.concatenate([np.linspace(-37, 37, 7401), [0.0, 1e-300, 1e308, -1e308, np.inf, -np.inf]])
    expected = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in z])
    np.testing.assert_allclose(normal_cdf(z), expected, rtol=1e-12, atol=0)
    inner = np.abs(z) < 6
    np.testing.assert_allclose(normal_cdf(z)[inner], expected[inner], rtol=1e-14, atol=0)
    assert np.isnan(normal_cdf(np.array([np.nan]))).all()
    single = normal_cdf(z[:7401].astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected[:7401], atol=2e-7)


@given(st.floats(-1e300, 1e300))
@settings(max_examples=200)
def test_gelu_is_z_times_phi_by_the_error_function_of_the_standard_library(z):
    layer = GELU()
    expected = z * 0.5 * (1 + math.erf(z / math.sqrt(2)))
    with np.errstate(all="raise", under="ignore"):
        a = layer.value(np.array([z]))
        slope = layer.derivative(np.array([z]), a)
    assert a[0] == pytest.approx(expected, rel=1e-13, abs=1e-13)
    density = math.exp(-0.5 * min(z * z, 2000)) / math.sqrt(2 * math.pi) if abs(z) < 1e3 else 0.0
    assert slope[0] == pytest.approx(0.5 * math.erfc(-z / math.sqrt(2)) + z * density, rel=1e-13, abs=1e-13)


def test_the_derivative_of_gelu_is_that_of_differences_in_both_dtypes():
    z, layer = np.linspace(-8, 8, 321), GELU()
    by_differences = differences(lambda z: float(layer.value(z).sum()), z.copy())
    np.testing.assert_allclose(layer.derivative(z, layer.value(z)), by_differences, atol=1e-9)
    single = z.astype(np.float32)
    slopes = layer.derivative(single, layer.value(single))
    assert slopes.dtype == np.float32
    np.testing.assert_allclose(slopes, by_differences, atol=1e-6)
