"""Observers: who is called when and with what; that they change nothing; that they go when they are told, or fail."""

import warnings
from collections import Counter

import numpy as np
import pytest
from core_helpers import DTYPES, samples, small

from network import (
    SGD,
    Adam,
    Dense,
    Flatten,
    Momentum,
    NetworkError,
    Quadratic,
    ReLU,
    Sequential,
    Sigmoid,
    fit,
)
from network.layers import LAYER_EVENTS
from network.model import NETWORK_EVENTS


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def train(network, optimizer=None, epochs=3, **options):
    x, y = samples()
    return fit(
        network,
        (x, y),
        optimizer or Adam(0.01, l2=0.1),
        epochs=epochs,
        batch=8,
        validation=samples(9),
        **options,
    )


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


def observe_everything(network, observer):
    """Attaches to every event of the network and of every layer."""
    handles = [network.hook(kind, observer) for kind in NETWORK_EVENTS]
    return handles + [layer.hook(kind, observer) for layer in network.layers for kind in LAYER_EVENTS]


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


# --- they go when they are told -----------------------------------------------------------------------------------------


def test_a_handle_removes_once_and_for_all():
    network, seen = small(), []
    handle = network.hook("loss", lambda *_: seen.append("one"))
    network.hook("loss", lambda *_: seen.append("other"))
    assert handle.attached
    for _ in range(3):
        handle.remove()
        assert not handle.attached
    assert network.observed["loss"] == 1
    network.differentiate(*samples())
    assert seen == ["other"]


def test_a_handle_is_a_context_manager():
    network, seen = small(), []
    with network.layers[0].hook("forward", lambda *_: seen.append(1)) as handle:
        assert handle.attached
        network.forward(samples()[0])
        handle.remove()
        network.forward(samples()[0])
    with pytest.raises(RuntimeError, match="mine"), network.hook("forward", lambda *_: seen.append(2)):
        raise RuntimeError("mine")
    network.forward(samples()[0])
    assert seen == [1]


def test_the_same_function_twice_is_two_observers():
    network, seen = small(), []

    def observer(*_):
        seen.append(1)

    first, second = network.hook("loss", observer), network.hook("loss", observer)
    network.differentiate(*samples())
    assert len(seen) == 2
    first.remove()
    first.remove()
    network.differentiate(*samples())
    assert len(seen) == 3
    second.remove()
    network.differentiate(*samples())
    assert len(seen) == 3


def test_an_old_handle_does_not_remove_a_new_observer():
    network, seen = small(), []

    def observer(*_):
        seen.append(1)
        if len(seen) == 1:
            raise OSError("once")

    old = network.hook("loss", observer)
    with pytest.warns(RuntimeWarning, match="once"):
        network.differentiate(*samples())
    network.hook("loss", observer)
    old.remove()
    network.differentiate(*samples())
    assert len(seen) == 2


def test_observers_that_compare_equal_are_told_apart():
    class Equal:
        def __init__(self):
            self.calls = 0

        def __eq__(self, other):
            return True

        __hash__ = None

        def __call__(self, *_):
            self.calls += 1

    network, first, second = small(), Equal(), Equal()
    network.hook("loss", first)
    network.hook("loss", second).remove()
    network.differentiate(*samples())
    assert (first.calls, second.calls) == (1, 0)


def test_attached_and_removed_during_an_event():
    network, seen = small(), []

    def first(*_):
        seen.append("first")
        handles[1].remove()
        if len(handles) == 2:
            handles.append(network.hook("loss", lambda *_: seen.append("third")))

    handles = [network.hook("loss", first), network.hook("loss", lambda *_: seen.append("second"))]
    network.differentiate(*samples())
    assert seen == ["first"]
    network.differentiate(*samples())
    assert seen == ["first", "first", "third"]


def test_an_observer_may_remove_itself():
    network, seen = small(), []
    handle = network.hook("forward", lambda *_: (seen.append(1), handle.remove()))
    network.forward(samples()[0])
    assert seen == [1]


def test_the_table_of_counts_goes_back_to_zero_and_the_pass_to_its_short_way(monkeypatch):
    network = small()
    handles = observe_everything(network, lambda *_: None)
    assert dict(network.observed) == {
        kind: 1 + (len(network.layers) if kind in LAYER_EVENTS else 0) for kind in NETWORK_EVENTS
    }

    def refuse(*_):
        raise AssertionError("the observed way is taken")

    monkeypatch.setattr(network, "_observed_forward", refuse)
    with pytest.raises(AssertionError, match="the observed way"):
        network.forward(samples()[0])
    monkeypatch.setattr(network, "_observed_backward", refuse)
    monkeypatch.setattr(network.hooks, "emit", refuse)
    for handle in handles:
        handle.remove()
    assert not any(network.observed.values())
    network.differentiate(*samples())
    SGD(0.1).step(network)


def test_an_observer_from_before_the_layer_joined_a_network():
    layer, seen = Dense(6, 3), []
    handle = layer.hook("forward", lambda *_: seen.append(1))
    network = Sequential(layer)
    assert network.observed["forward"] == 1
    network.forward(samples()[0])
    handle.remove()
    network.forward(samples()[0])
    assert seen == [1]
    assert network.observed["forward"] == 0


@pytest.mark.parametrize("make", [lambda n: n.copy(), lambda n: n.twin()])
def test_copies_have_no_observers(make):
    network, seen = small(), []
    observe_everything(network, lambda *_: seen.append(1))
    other = make(network)
    other.differentiate(*samples())
    assert not seen
    assert not any(other.observed.values())
    before = dict(network.observed)
    other.hook("forward", lambda *_: None)
    other.layers[0].hook("forward", lambda *_: None)
    assert dict(network.observed) == before
    assert other.observed["forward"] == 2


def test_an_unknown_event():
    network = small()
    with pytest.raises(NetworkError) as caught:
        network.hook("step", print)
    assert str(caught.value) == "the network has no event 'step'"
    assert caught.value.help == "events: forward, backward, loss, before_step, after_step, begin, epoch, end"
    with pytest.raises(NetworkError) as caught:
        network.layers[2].hook("loss", print)
    assert str(caught.value) == "dropout1 has no event 'loss'"
    assert caught.value.help == "events: forward, backward"
    with pytest.raises(NetworkError, match="dense has no event 'loss'"):
        Dense(2, 2).hook("loss", print)
    assert not any(network.observed.values())


# --- they go when they fail ---------------------------------------------------------------------------------------------


def fail(*_):
    raise ZeroDivisionError("mine")


@pytest.mark.parametrize("kind", NETWORK_EVENTS)
def test_an_observer_that_raises_is_detached_and_reported_once(kind):
    plain, watched, seen = small(), small(), []
    handle = watched.hook(kind, fail)
    watched.hook(kind, lambda *_: seen.append(1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(watched)
    (warning,) = caught
    assert warning.category is RuntimeWarning
    assert str(warning.message) == (
        f"the {kind} observer of the network raised ZeroDivisionError: mine; it is detached and training goes on"
    )
    assert not handle.attached
    assert seen  # the others stay
    assert watched.observed[kind] == 1
    train(plain)
    assert plain.flat_parameters.tobytes() == watched.flat_parameters.tobytes()


@pytest.mark.parametrize("kind", LAYER_EVENTS)
@pytest.mark.parametrize("late", [0, 5])
def test_a_layers_observer_that_raises(kind, late):
    plain, watched, calls = small(), small(), []

    def observer(*_):
        calls.append(1)
        if len(calls) > late:
            raise KeyError("mine")

    watched.layers[2].hook(kind, observer)
    with pytest.warns(RuntimeWarning) as caught:
        train(watched)
    assert [str(warning.message) for warning in caught] == [
        f"the {kind} observer of dropout1 raised KeyError: 'mine'; it is detached and training goes on"
    ]
    assert len(calls) == late + 1
    assert not any(watched.observed.values())
    train(plain)
    assert plain.flat_parameters.tobytes() == watched.flat_parameters.tobytes()


def test_an_observer_with_the_wrong_arguments_is_only_reported():
    network = small()
    network.hook("forward", lambda layer: None)
    with pytest.warns(RuntimeWarning, match="raised TypeError"):
        network.forward(samples()[0])


def test_an_interruption_is_not_an_error_of_the_observer():
    network = small()

    def interrupt(*_):
        raise KeyboardInterrupt

    network.hook("loss", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(network)
    assert not network.training


def test_a_single_layer():
    network, seen = Sequential(Dense(6, 3), loss=Quadratic()), []
    network.hook("backward", lambda layer, g, dx: seen.append(dx is None))
    network.differentiate(samples()[0], samples()[1], input_gradient=False)
    network.differentiate(*samples())
    assert seen == [True, False]


def test_a_network_without_parameters():
    network, seen = Sequential(Flatten(), Sigmoid()), []
    network.hook("backward", lambda layer, g, dx: seen.append((layer.kind, dx is None)))
    network.differentiate(np.ones((2, 3)), np.ones((2, 3)), input_gradient=False)
    assert seen == [("sigmoid", False), ("flatten", True)]
