"""`Sequential`: names, the flat vectors, passes, and what a network says of itself."""

import copy

import numpy as np
import pytest
from core_helpers import DTYPES, differences, samples, small

from network import (
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    NetworkError,
    Quadratic,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from network.activations import ACTIVATIONS
from network.losses import LOSSES


def names(*layers):
    return [layer.name for layer in Sequential(*layers).layers]


# --- names --------------------------------------------------------------------------------------------------------------


def test_automatic_names():
    layers = [
        Flatten(),
        Dense(4, 3),
        ReLU(),
        Dropout(0.1),
        Dense(3, 3),
        Tanh(),
        Dropout(0.1),
        Dense(3, 2),
        Softmax(),
    ]
    shared = ["hidden2", "hidden2", "dropout2", "output", "output"]
    assert names(*layers) == ["flatten1", "hidden1", "hidden1", "dropout1", *shared]


def test_an_activation_shares_a_name_only_with_the_dense_layer_right_before_it():
    assert names(Dense(3, 3), ReLU(), ReLU(), Dense(3, 2)) == ["hidden1", "hidden1", "relu1", "output"]
    assert names(Dense(3, 3), Dropout(0.5), ReLU(), Dense(3, 2)) == ["hidden1", "dropout1", "relu1", "output"]
    assert names(Sigmoid(), Tanh(), Sigmoid()) == ["sigmoid1", "tanh1", "sigmoid2"]
    assert names(Dense(3, 2)) == ["output"]


def test_names_of_ones_own():
    layers = [
        Dense(4, 3, name="encoder"),
        ReLU(),
        Dense(3, 3),
        Sigmoid(name="squash"),
        Dropout(0.1, name="noise"),
    ]
    assert names(*layers, Dense(3, 2)) == ["encoder", "encoder", "hidden2", "squash", "noise", "output"]
    assert list(Sequential(Dense(4, 2, name="b"), Dense(2, 2, name="a")).parameters) == [
        "b.weight",
        "b.bias",
        "a.weight",
        "a.bias",
    ]


@pytest.mark.parametrize(
    "layers",
    [
        lambda: (Dense(3, 3, name="a"), Dense(3, 3, name="a")),
        lambda: (Dense(3, 3, name="output"), Dense(3, 3)),
        lambda: (Dense(3, 3), Dense(3, 3, name="hidden1"), Dense(3, 3)),
        lambda: (Dense(3, 3, name="a"), ReLU(name="a")),
        lambda: (Dropout(0.1), Dropout(0.1, name="dropout1")),
    ],
)
def test_names_that_are_taken(layers):
    with pytest.raises(NetworkError, match=r"^two layers are called '\w+'$") as caught:
        Sequential(*layers())
    assert caught.value.help == "give each its own name="


# --- what is refused ----------------------------------------------------------------------------------------------------


def test_widths_that_do_not_fit():
    with pytest.raises(NetworkError) as caught:
        Sequential(Dense(784, 30), ReLU(), Dropout(0.1), Dense(20, 10))
    assert str(caught.value) == "output (Dense 20 -> 10) gets 30 inputs from the layer before"
    assert caught.value.help == "use Dense(30, 10)"


def test_no_layers():
    with pytest.raises(NetworkError, match="a network needs at least one layer") as caught:
        Sequential()
    assert caught.value.help == "Sequential(Dense(784, 10), ...)"


def test_a_layer_in_two_places():
    layer = Dense(3, 3)
    with pytest.raises(NetworkError, match="the same layer object stands twice in the network") as caught:
        Sequential(layer, ReLU(), layer)
    assert caught.value.help == "make a layer for each place"
    Sequential(layer)
    with pytest.raises(NetworkError, match="a layer belongs to another network already") as caught:
        Sequential(layer, ReLU())
    assert caught.value.help == "make new layers, or net.copy()"


@pytest.mark.parametrize("dtype", ["float16", "int64", "nonsense", ">f4", np.complex128, object, 7])
def test_a_dtype_that_is_none(dtype):
    for make in (lambda: Sequential(Dense(2, 2), dtype=dtype), lambda: small().copy(dtype)):
        with pytest.raises(NetworkError) as caught:
            make()
        assert str(caught.value) == f"dtype {dtype} is not supported"
        assert caught.value.help == "float32 or float64"


@pytest.mark.parametrize("dtype", ["float64", np.float64, np.dtype("float64"), float])
def test_a_dtype_by_any_of_its_names(dtype):
    assert Sequential(Dense(2, 2), dtype=dtype).dtype == np.float64


# --- the flat vectors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_are_views_of_one_vector(dtype):
    network = small(dtype)
    assert network.flat_parameters.size == 6 * 5 + 5 + 5 * 4 + 4 + 4 * 3 + 3
    flat = np.concatenate([value.ravel() for value in network.parameters.values()])
    np.testing.assert_array_equal(network.flat_parameters, flat, strict=True)
    assert flat.dtype == dtype

    network.flat_parameters[...] = np.arange(flat.size)
    start = 0
    for name, value in network.parameters.items():
        np.testing.assert_array_equal(value.ravel(), np.arange(start, start + value.size), err_msg=name)
        start += value.size
    network.layers[0].parameters["weight"][0, 1] = -7
    assert network.flat_parameters[1] == network.parameters["hidden1.weight"][0, 1] == -7


def test_writing_through_parameters_changes_what_the_network_computes():
    network, x = small(dropout=False), samples()[0]
    before = network.forward(x)
    network.parameters["output.bias"][...] += 1
    np.testing.assert_allclose(network.forward(x), before + 1, rtol=1e-5)


def test_gradients_are_views_of_another():
    network = small("float64")
    assert not network.flat_gradients.any()
    network.differentiate(*samples())
    flat = np.concatenate([value.ravel() for value in network.gradients.values()])
    np.testing.assert_array_equal(network.flat_gradients, flat)
    assert list(network.gradients) == list(network.parameters)
    for name, value in network.gradients.items():
        assert value.shape == network.parameters[name].shape
        assert value.any()
        assert np.shares_memory(value, network.flat_gradients)


def test_arrays_cannot_be_replaced_by_mistake():
    network = small()
    for mapping in (network.parameters, network.gradients):
        with pytest.raises(TypeError, match="does not support item assignment"):
            mapping["hidden1.weight"] = np.zeros((6, 5))


def test_the_mask_of_weights():
    network = small()
    expected = [np.full(value.size, name.endswith("weight")) for name, value in network.parameters.items()]
    np.testing.assert_array_equal(network.weight_mask, np.concatenate(expected))


# --- passes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gradient_of_a_whole_network_agrees_with_differences(activation, loss):
    act = ACTIVATIONS[activation]
    layers = [Dense(4, 5, bias_init="normal"), act(), Dense(5, 4), act(), Dense(4, 3)]
    layers += [Sigmoid()] * (LOSSES[loss].takes == "probabilities")
    network = Sequential(*layers, loss=LOSSES[loss](), dtype="float64", seed=3)
    x, y = samples(6, 4)
    output = network.differentiate(x, y)
    np.testing.assert_array_equal(output, network.forward(x))
    numeric = differences(lambda _: network.loss(network.forward(x), y), network.flat_parameters, 1e-4)
    np.testing.assert_allclose(network.flat_gradients, numeric, atol=1e-9)
    input_gradient = network.backward(network.loss.gradient(network.forward(x), y))
    numeric = differences(lambda x: network.loss(network.forward(x), y), x, 1e-4)
    np.testing.assert_allclose(input_gradient, numeric, atol=1e-9)


@pytest.mark.parametrize("training", [True, False])
def test_the_input_gradient_is_left_out_where_nobody_needs_it(training):
    network, (x, y) = small(dropout=False), samples()
    network.training = training
    g = network.loss.gradient(network.forward(x), y)
    assert network.backward(g).shape == x.shape
    right = network.flat_gradients.copy()
    network.flat_gradients[...] = np.nan
    assert network.backward(g, input_gradient=False) is None
    np.testing.assert_array_equal(network.flat_gradients, right)


def test_a_network_is_called_like_a_function():
    network, x = small(), samples()[0]
    np.testing.assert_array_equal(network(x), network.forward(x))


def test_lists_are_taken():
    network, (x, y) = small(), samples(4)
    right = network.differentiate(x, y)
    np.testing.assert_array_equal(network.differentiate(x.tolist(), y.tolist()), right)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("training", [True, False])
def test_targets_of_any_dtype_give_the_same_gradients(dtype, training):
    network, (x, y) = small(dtype, dropout=False), samples()
    network.training = training
    network.differentiate(x, y)
    right = network.flat_gradients.copy()
    for target in (np.eye(3)[y], np.eye(3, dtype="float32")[y], np.eye(3, dtype=int)[y], y.astype("uint8")):
        network.differentiate(x, target)
        np.testing.assert_array_equal(network.flat_gradients, right)


def test_backward_before_forward():
    for network in (small(), Sequential(ReLU(), Dense(2, 2))):
        with pytest.raises(NetworkError, match="backward before any forward") as caught:
            network.backward(np.zeros((2, 3)))
        assert caught.value.help == "call net.forward(x) first"


def test_the_mode_reaches_every_layer():
    network = small()
    assert not network.training
    for mode in (True, False):
        network.training = mode
        assert [layer.training for layer in network.layers] == [mode] * len(network.layers)


def test_what_a_network_returns_is_kept_in_evaluation_and_used_again_in_training():
    network, (x, y) = small(), samples(8)
    first = network.forward(x)
    kept = first.copy()
    network.training = True
    for _ in range(2):
        network.differentiate(x, y)
    np.testing.assert_array_equal(first, kept)
    assert network.differentiate(x, y) is network.differentiate(x, y)
    assert network.differentiate(x[:3], y[:3]).shape == (3, 3)


# --- what it says of itself -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ((Dense(784, 30), ReLU(), Dense(30, 10), Sigmoid()), "784 → 30 relu → 10 sigmoid"),
        ((Dense(4, 3), LeakyReLU(), Dropout(0.25), Dense(3, 2)), "4 → 3 leaky_relu → dropout 0.25 → 2"),
        ((Flatten(), Dense(4, 2)), "flatten → 4 → 2"),
        ((ReLU(), Dense(4, 2)), "relu → 4 → 2"),
        ((Dense(4, 2),), "4 → 2"),
    ],
)
def test_describe(layers, said):
    network = Sequential(*(copy.copy(layer) for layer in layers))
    assert network.describe() == said


def test_repr():
    network = Sequential(Dense(784, 30), ReLU(), Dense(30, 10), loss=CrossEntropy())
    assert repr(network) == "Sequential(784 → 30 relu → 10, loss=cross_entropy, 23,860 parameters)"
    assert (network.inputs, network.outputs) == (784, 10)
    assert (Sequential(ReLU()).inputs, Sequential(ReLU()).outputs) == (None, None)


def test_the_loss_is_quadratic_unless_given():
    assert type(Sequential(Dense(2, 1)).loss) is Quadratic
    assert type(Sequential(Dense(2, 1), loss=BinaryCrossEntropy()).loss) is BinaryCrossEntropy
