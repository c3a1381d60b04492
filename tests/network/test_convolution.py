"""Convolution and pooling: against loops and differences; sizes, messages, blocks of rows."""

import tracemalloc

import numpy as np
import pytest
from core_helpers import differences
from hypothesis import given, settings
from hypothesis import strategies as st
from window_cases import cases, made, pads

from network import (
    SGD,
    AvgPool2D,
    Conv2D,
    CrossEntropy,
    Dense,
    Flatten,
    MaxPool2D,
    NetworkError,
    ReLU,
    Sequential,
    ShapeError,
    Tanh,
    convolution,
    evaluate,
    fit,
)
from network.initializers import fans, he, lecun, xavier


def windows(x, kernel, stride, padding, fill):
    """Every output place (i, j) with the padded entries it sees: the slow way."""
    padded = np.pad(x, ((0, 0), (0, 0), *pads(x, kernel, stride, padding)), constant_values=fill)
    (kh, kw), (sh, sw) = kernel, stride
    for i in range((padded.shape[2] - kh) // sh + 1):
        for j in range((padded.shape[3] - kw) // sw + 1):
            yield i, j, padded[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw]


@given(cases())
def test_a_convolution_is_what_loops_over_places_give(case):
    x, kernel, stride, padding, _ = case
    layer = made(case)
    z, weight, bias = layer.forward(x), layer.parameters["weight"], layer.parameters["bias"]
    places = list(windows(x, kernel, stride, padding, 0.0))
    assert z.shape[2:] == (places[-1][0] + 1, places[-1][1] + 1)
    for i, j, seen in places:
        expected = [[(part * w).sum() for w in weight] for part in seen] + bias
        np.testing.assert_allclose(z[:, :, i, j], expected, rtol=1e-12, atol=1e-12)


@given(cases(pooling=True))
def test_pooling_is_what_loops_over_places_give(case):
    x, kernel, stride, padding, _ = case
    largest = MaxPool2D(kernel, stride, padding).forward(x)
    mean = AvgPool2D(kernel, stride, padding).forward(x)
    for i, j, seen in windows(x, kernel, stride, padding, np.nan):
        np.testing.assert_array_equal(largest[:, :, i, j], np.nanmax(seen, axis=(2, 3)))
        np.testing.assert_allclose(mean[:, :, i, j], np.nanmean(seen, axis=(2, 3)), atol=1e-14)


@given(cases(), st.sampled_from([1, 40, 10**9]), st.booleans())
@settings(max_examples=30)
def test_gradients_of_a_convolution_are_those_of_differences(case, most, training):
    x, *_, rng = case
    x = x.copy()
    layer, before = made(case, training), convolution.MOST_ENTRIES
    convolution.MOST_ENTRIES = most  # many blocks of rows, or one
    try:
        g = rng.normal(size=layer.forward(x).shape)
        given_back = np.array(layer.backward(g))
        gradients = {name: value.copy() for name, value in layer.gradients.items()}

        def total(_):
            return float((layer.forward(x) * g).sum())

        np.testing.assert_allclose(given_back, differences(total, x), atol=1e-8)
        for name, value in layer.parameters.items():
            np.testing.assert_allclose(gradients[name], differences(total, value), atol=1e-8)
    finally:
        convolution.MOST_ENTRIES = before


@pytest.mark.parametrize("make", [MaxPool2D, AvgPool2D])
@given(case=cases(pooling=True))
@settings(max_examples=30)
def test_gradients_of_pooling_are_those_of_differences(make, case):
    x, kernel, stride, padding, rng = case
    x = rng.permutation(x.size).reshape(x.shape) * 1.0  # no ties, which have no derivative
    layer = make(kernel, stride, padding)
    g = rng.normal(size=layer.forward(x).shape)
    np.testing.assert_allclose(
        layer.backward(g), differences(lambda x: float((layer.forward(x) * g).sum()), x), atol=1e-8
    )


def test_of_equal_largest_entries_the_first_gets_the_gradient():
    layer = MaxPool2D(2)
    layer.forward(np.zeros((1, 1, 2, 4)))
    np.testing.assert_array_equal(
        layer.backward(np.array([[[[3.0, 5.0]]]])), [[[[3, 0, 5, 0], [0, 0, 0, 0]]]]
    )


def test_the_winners_of_max_pooling_are_the_places_that_get_the_gradient():
    x, layer = np.round(np.random.default_rng(0).normal(size=(3, 2, 7, 5))), MaxPool2D((2, 3), 2, "same")
    layer.training = True
    y = layer.forward(x).copy()
    winners = layer.winners(-x), layer.winners(x)
    np.testing.assert_array_equal(layer._a, y)  # a look at other inputs leaves the last pass as it was
    for i, j, seen in windows(x, (2, 3), (2, 2), "same", -np.inf):
        np.testing.assert_array_equal(winners[1][:, :, i, j], seen.reshape(3, 2, -1).argmax(axis=2))


def test_average_pooling_of_ones_is_one_at_the_border_too():
    np.testing.assert_array_equal(AvgPool2D(3, 2, 1).forward(np.ones((2, 3, 8, 5))), np.ones((2, 3, 4, 3)))


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
def test_same_padding_gives_one_output_per_stride(kernel, stride, size):
    shape = (1, 1, size, size + 1)
    z = Conv2D(1, 2, kernel, stride, "same").forward(np.ones(shape))
    assert z.shape == (1, 2, -(-size // stride), -(-(size + 1) // stride))


# --- buffers, dtypes, memory ------------------------------------------------------------------------------------


@given(cases(pooling=True))
@settings(max_examples=30)
def test_training_mode_reuses_buffers_and_computes_the_same(case):
    x, kernel, stride, padding, rng = case
    for layer in (made(case), MaxPool2D(kernel, stride, padding), AvgPool2D(kernel, stride, padding)):
        layer.training = False
        y = layer.forward(x)
        g = rng.normal(size=y.shape)
        dx = layer.backward(g)
        layer.training = True
        for _ in range(2):
            again, back = layer.forward(x), layer.backward(g)
            np.testing.assert_array_equal(again, y)
            np.testing.assert_array_equal(back, dx)
        assert layer.forward(x) is again
        layer.training = False
        assert not np.shares_memory(layer.forward(x), again)


def test_a_layer_passes_back_without_the_input_gradient_what_it_does_with_it():
    rng = np.random.default_rng(0)
    layer, x = Conv2D(2, 3, 3), rng.normal(size=(4, 2, 6, 5))
    g = rng.normal(size=layer.forward(x).shape)
    layer.backward(g)
    expected = {name: value.copy() for name, value in layer.gradients.items()}
    layer.backward_parameters(g)
    for name, value in expected.items():
        np.testing.assert_array_equal(layer.gradients[name], value)


def test_single_precision_stays_single():
    network = Sequential(
        Conv2D(1, 2, 3), ReLU(), AvgPool2D(2), MaxPool2D(2, 1), Flatten(), Dense(2 * 2 * 2, 3)
    )
    x = np.random.default_rng(0).normal(size=(5, 1, 8, 8))
    network.training = True
    assert network.forward(x).dtype == np.float32
    back = network.backward(np.ones((5, 3)))
    assert back.dtype == np.float32
    assert back.shape == x.shape


def test_many_images_need_no_matrix_of_all_columns():
    layer, x = Conv2D(1, 2, 5), np.zeros((2000, 1, 28, 28), np.float32)
    layer.forward(x[:1])
    tracemalloc.start()
    layer.forward(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80e6  # all columns: 2000 · 576 · 25 · 4 bytes = 115 MB; the output itself: 9 MB


# --- in a network -----------------------------------------------------------------------------------------------


def digits_network(dtype="float32", seed=0):
    layers = [Conv2D(1, 4, 3, padding="same"), ReLU(), MaxPool2D(2), Conv2D(4, 6, 3), Tanh(), Flatten()]
    return Sequential(*layers, Dense(24, 3), loss=CrossEntropy(), dtype=dtype, seed=seed)


def test_names_widths_and_description():
    network = digits_network()
    assert [layer.name for layer in network.layers] == [
        *("conv1", "conv1", "pool1", "conv2", "conv2", "flatten1", "output"),
    ]
    assert list(network.parameters) == [
        *("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "output.weight", "output.bias"),
    ]
    assert network.parameters["conv2.weight"].shape == (6, 4, 3, 3)
    assert (network.inputs, network.outputs) == (1, 3)
    assert network.describe() == (
        "conv2d 1 -> 4 3x3 padding same relu → maxpool2d 2x2 → conv2d 4 -> 6 3x3 tanh → flatten → 24 → 3"
    )
    assert Sequential(Conv2D(1, 4, 3), Flatten()).outputs is None
    assert Sequential(Conv2D(1, 4, 3), MaxPool2D()).outputs == 4


def test_a_saved_network_is_the_same_after_loading(tmp_path):
    layers = [Conv2D(2, 3, (3, 2), (1, 2), (1, 0), bias=False), AvgPool2D(2, 1, "same"), MaxPool2D((2, 1))]
    network = Sequential(*layers, Flatten(), Dense(12, 2), seed=3)
    x = np.random.default_rng(0).normal(size=(4, 2, 4, 4)).astype(np.float32)
    network.save(tmp_path / "net.npz")
    loaded = Sequential.load(tmp_path / "net.npz")
    assert loaded.describe() == network.describe()
    np.testing.assert_array_equal(loaded(x), network(x))


def test_the_penalty_is_on_kernels_and_not_on_biases():
    network = digits_network("float64")
    for name, value in network.parameters.items():
        value[...] = 1 if name.endswith("weight") else 100
    assert SGD(0.1, l2=2.0).penalty(network) == network.flat_parameters.size - 4 - 6 - 3


def test_a_small_network_learns_where_a_bar_lies():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 1, 8, 8)) * 0.3, rng.integers(0, 3, 300)
    for image, label in zip(x, y):
        row = rng.integers(0, 7)
        image[0, row : row + 2] += label == 1
        image[0, :, row : row + 2] += label == 2
    result = fit(digits_network(), (x, y), SGD(0.1), epochs=4, batch=10)[-1]
    assert result.train_accuracy > 0.95


def test_initial_values_count_every_place_of_the_kernel():
    shape, rng = (64, 32, 3, 5), np.random.default_rng(0)
    assert fans(shape) == (32 * 15, 64 * 15)
    assert np.std(he(rng, shape)) == pytest.approx(np.sqrt(2 / 480), rel=0.02)
    assert np.std(lecun(rng, shape)) == pytest.approx(np.sqrt(1 / 480), rel=0.02)
    assert np.abs(xavier(rng, shape)).max() == pytest.approx(np.sqrt(6 / (480 + 960)), rel=0.01)


# --- messages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "said", "help"),
    [
        ((4, 8, 8, 1), "(batch, 1, height, width), got (4, 8, 8, 1): channels are last", "transpose(0, 3, 1, 2)"),
        ((4, 64), "got (4, 64): rows of numbers", "x.reshape(-1, 1, 8, 8)"),
        ((4, 8, 8), "got (4, 8, 8): the channel axis is missing", "x[:, None]"),
        ((1, 8, 8), "got (1, 8, 8): the batch axis is missing", "x[None]"),
        ((4, 3, 8, 8), "got (4, 3, 8, 8)", "images are (batch, channels, height, width)"),
        ((4, 1, 2, 8), "expects images of 3x3 or more with their padding, got (4, 1, 2, 8)", "smaller kernel"),
    ],
)  # fmt: skip
def test_a_wrong_input_is_named_with_what_was_expected(shape, said, help):
    network = Sequential(Conv2D(1, 2, 3), Flatten())
    with pytest.raises(ShapeError) as caught:
        network(np.zeros(shape))
    assert str(caught.value).startswith("conv1 (Conv2D 1 -> 2 3x3) expects")
    assert said in str(caught.value)
    assert help in caught.value.help


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Conv2D(0, 3, 3), "Conv2D 0 -> 3 has no room for weights"),
        (lambda: Conv2D(1, 2.5, 3), "Conv2D 1 -> 2.5 has no room for weights"),
        (lambda: Conv2D(1, 3, 0), "Conv2D: kernel is 0"),
        (lambda: Conv2D(1, 3, (3, 3, 3)), "Conv2D: kernel is (3, 3, 3)"),
        (lambda: Conv2D(1, 3, 3, stride=0), "Conv2D: stride is 0"),
        (lambda: Conv2D(1, 3, 3, padding=-1), "Conv2D: padding is -1"),
        (lambda: Conv2D(1, 3, 3, padding="full"), "Conv2D: padding is 'full'"),
        (lambda: MaxPool2D(2, padding=2), "MaxPool2D 2x2 padding 2 has windows that lie in the padding only"),
    ],
)
def test_a_layer_that_cannot_be_is_refused(make, said):
    with pytest.raises(ShapeError) as caught:
        make()
    assert str(caught.value) == said
    assert caught.value.help


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ((Conv2D(1, 4, 3), Dense(4, 2)), "output (Dense 4 -> 2) gets images from conv1"),
        ((Conv2D(1, 4, 3), Conv2D(3, 4, 3)), "conv2 (Conv2D 3 -> 4 3x3) gets 4 channels from the layer before"),
        ((Dense(9, 4), Conv2D(4, 4, 1)), "conv1 (Conv2D 4 -> 4 1x1) gets rows of numbers from output"),
        ((Conv2D(1, 4, 3), Flatten(), MaxPool2D()), "pool1 (MaxPool2D 2x2) gets rows of numbers from flatten1"),
    ],
)  # fmt: skip
def test_neighbours_that_do_not_fit_are_refused(layers, said):
    with pytest.raises(NetworkError) as caught:
        Sequential(*layers)
    assert str(caught.value).startswith(said)
    assert caught.value.help


def test_images_are_evaluated_few_at_a_time():
    seen = []

    class Watched(Conv2D):
        def forward(self, x):
            seen.append(len(x))
            return super().forward(x)

    network = Sequential(Watched(1, 2, 3), Flatten(), Dense(8, 3), loss=CrossEntropy())
    rng = np.random.default_rng(0)
    data = rng.normal(size=(1100, 1, 4, 4)), rng.integers(0, 3, 1100)
    by_parts, at_once = evaluate(network, data), evaluate(network, data, rows=2000)
    assert max(seen[: len(seen) // 2]) == 512
    assert by_parts.loss == pytest.approx(at_once.loss, rel=1e-6)
    assert by_parts.accuracy == at_once.accuracy
