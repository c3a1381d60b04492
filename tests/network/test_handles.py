"""Observers go: when they are told by their handle, or when they fail."""

import warnings

import numpy as np
import pytest
from core_helpers import observe_everything, samples, small, train

from network import (
    SGD,
    Dense,
    Flatten,
    NetworkError,
    Quadratic,
    Sequential,
    Sigmoid,
)
from network.layers import LAYER_EVENTS
from network.model import NETWORK_EVENTS

pytestmark = pytest.mark.filterwarnings("error")


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
