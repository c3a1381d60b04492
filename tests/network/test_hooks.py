"""Observers: who is called when and with what; that they change nothing."""

from collections import Counter

import numpy as np
import pytest
from core_helpers import DTYPES, observe_everything, samples, small, train

from network import (
    SGD,
    Adam,
    Dense,
    Flatten,
    Momentum,
    ReLU,
    Sequential,
    fit,
)

pytestmark = pytest.mark.filterwarnings("error")


# --- who is called, when ------------------------------------------------------------------------------------------------


def test_the_order_of_events():
    network, seen = small(dropout=False), []
    for kind in ("forward", "backward"):
        network.hook(kind, lambda layer, *_, kind=kind: seen.append(f"{kind} {layer.name} {layer.kind}"))
    for kind in ("loss", "before_step", "after_step", "begin", "epoch", "end"):
        network.hook(kind, lambda *_, kind=kind: seen.append(kind))
    x, y = samples(4)
    fit(network, (x, y), SGD(0.1), epochs=2, batch=2)
    sites = ["hidden1 dense", "hidden1 relu", "hidden2 dense", "hidden2 sigmoid", "output dense"]
    step = [
        *(f"forward {site}" for site in sites),
        "loss",
        *(f"backward {site}" for site in reversed(sites)),
        "before_step",
        "after_step",
    ]
    assert seen == ["begin", *(step * 2), "epoch", *(step * 2), "epoch", "end"]


def test_observers_are_called_in_the_order_in_which_they_came():
    network, seen = small(), []
    for i in range(5):
        network.layers[0].hook("forward", lambda *_, i=i: seen.append(i))
    network.hook("forward", lambda layer, *_: seen.append("network") if layer is network.layers[0] else None)
    network.forward(samples()[0])
    assert seen == [0, 1, 2, 3, 4, "network"]


def test_a_layers_observers_see_that_layer_alone():
    network, seen = small(), []
    network.layers[1].hook("forward", lambda layer, *_: seen.append(layer))
    network.layers[1].hook("backward", lambda layer, *_: seen.append(layer))
    network.differentiate(*samples())
    assert seen == [network.layers[1]] * 2


# --- with what ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("level", ["layer", "network"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_layer_shows_its_input_output_and_gradients(dtype, level, training):
    network, (x, y) = small(dtype, dropout=False), samples(8)
    forward, backward = [], []
    for owner in [network] if level == "network" else network.layers:
        owner.hook("forward", lambda layer, x, y: forward.append((layer, x.copy(), y.copy())))
        owner.hook(
            "backward",
            lambda layer, g, dx: backward.append(
                (layer, g.copy(), dx.copy(), {name: value.copy() for name, value in layer.gradients.items()})
            ),
        )
    network.training = training
    output = network.differentiate(x, y).copy()

    plain = network.copy()
    plain.training, value = False, x.astype(dtype)
    assert [layer for layer, *_ in forward] == network.layers
    for (_, given, result), layer in zip(forward, plain.layers, strict=True):
        np.testing.assert_array_equal(given, value)
        value = layer.forward(value)
        np.testing.assert_array_equal(result, value)
    np.testing.assert_array_equal(output, value)

    gradient = plain.loss.gradient(value, y)
    assert [layer for layer, *_ in backward] == network.layers[::-1]
    for (_, given, result, parameters), layer in zip(backward, plain.layers[::-1], strict=True):
        np.testing.assert_array_equal(given, gradient)
        gradient = layer.backward(gradient)
        np.testing.assert_array_equal(result, gradient)
        for name, right in layer.gradients.items():
            np.testing.assert_array_equal(parameters[name], right)


def test_the_first_layer_with_parameters_has_no_input_gradient_in_training():
    network = Sequential(Flatten(), Dense(4, 3), ReLU(), Dense(3, 2))
    seen = []
    network.hook("backward", lambda layer, g, dx: seen.append((layer.name, layer.kind, dx is None)))
    x, target = np.ones((5, 2, 2)), np.zeros((5, 2))
    network.differentiate(x, target, input_gradient=False)
    observed = {name: value.copy() for name, value in network.gradients.items()}
    assert seen == [("output", "dense", False), ("hidden1", "relu", False), ("hidden1", "dense", True)]
    seen.clear()
    network.differentiate(x, target)
    assert seen[2:] == [("hidden1", "dense", False), ("flatten1", "flatten", False)]
    for name, value in network.gradients.items():
        np.testing.assert_array_equal(value, observed[name])


def test_the_loss_shows_output_target_and_gradient():
    network, (x, y), seen = small(), samples(8), []
    network.hook("loss", lambda *values: seen.append([value.copy() for value in values]))
    output = network.differentiate(x, y)
    ((shown, target, gradient),) = seen
    np.testing.assert_array_equal(shown, output)
    np.testing.assert_array_equal(target, y)
    np.testing.assert_array_equal(gradient, network.loss.gradient(output, y))


def test_the_step_shows_the_parameters_before_and_after():
    network, optimizer, seen = small(), SGD(0.5), []
    for kind in ("before_step", "after_step"):
        network.hook(
            kind, lambda given, kind=kind: seen.append((kind, given, network.flat_parameters.copy()))
        )
    network.differentiate(*samples())
    optimizer.step(network)
    (before, first, old), (after, second, new) = seen
    assert (before, after) == ("before_step", "after_step")
    assert first is second is optimizer
    np.testing.assert_array_equal(new, old - np.float32(0.5) * network.flat_gradients)


def test_the_training_shows_itself():
    network, seen = small(), []
    for kind in ("begin", "epoch", "end"):
        network.hook(kind, seen.append)
    optimizer, (x, y) = SGD(0.1), samples()
    results = fit(network, (x, y), optimizer, epochs=2, batch=8, seed=5, validation=samples(9))
    begin, first, second, end = seen
    assert begin is end
    assert [first, second] == results == begin.results
    assert (begin.network, begin.optimizer, begin.epochs, begin.batch, begin.seed) == (
        network,
        optimizer,
        2,
        8,
        5,
    )
    np.testing.assert_array_equal(begin.x, x.astype("float32"), strict=True)
    np.testing.assert_array_equal(begin.y, y)
    assert len(begin.validation[0]) == 9


# --- they change nothing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer", [lambda: SGD(0.1), lambda: Momentum(0.1, l2=0.1), lambda: Adam(0.01, l2=0.1)]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_training_is_bit_identical_whatever_observers_return(dtype, optimizer):
    plain, watched = small(dtype), small(dtype)
    observe_everything(watched, lambda *values: np.full(3, np.nan))
    assert _without_time(train(plain, optimizer())) == _without_time(train(watched, optimizer()))
    assert plain.flat_parameters.tobytes() == watched.flat_parameters.tobytes()
    assert plain.flat_gradients.tobytes() == watched.flat_gradients.tobytes()


def _without_time(results):
    return [(r.epoch, r.steps, r.train_loss, r.train_accuracy, r.validation_loss) for r in results]


@pytest.mark.parametrize("training", [True, False])
def test_arrays_are_read_only(training):
    network, refused = small(), Counter()

    def write(*values):
        for value in values:
            if isinstance(value, np.ndarray):
                assert not value.flags.writeable
                with pytest.raises(ValueError, match="read-only"):
                    value[...] = 0
                refused["arrays"] += 1

    observe_everything(network, write)
    network.training = training
    network.differentiate(*samples())
    # Two per layer and pass, for the layer and for the network; three for the loss.
    assert refused["arrays"] == 2 * 2 * 2 * len(network.layers) + 3


def test_the_networks_own_arrays_stay_writeable():
    network, outputs = small(), []
    network.hook("forward", lambda layer, x, y: None)
    x = samples()[0].astype("float32")
    outputs = network.forward(x), network.backward(network.forward(x))
    assert all(array.flags.writeable for array in (*outputs, x))
