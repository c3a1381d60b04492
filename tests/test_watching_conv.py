"""Convolutional networks under watch: sites, channels that fire, dead channels, and not a bit changed."""

import warnings

import numpy as np
import pytest
from conv_networks import conv_network, digits_images

import nndebug
from network import (
    SGD,
    Adam,
    BatchNorm,
    Conv2D,
    CrossEntropy,
    Dense,
    Flatten,
    LayerNorm,
    MaxPool2D,
    ReLU,
    Sequential,
    fit,
)
from nndebug.adapters.sites import describe_sites
from nndebug.deaths import fired, share_fired
from nndebug.probe import Probe, never_fire
from nndebug.report import build, html


def train(network, optimizer=None, epochs=2, **options):
    train, test = digits_images()
    return fit(network, train, optimizer or SGD(0.1), epochs=epochs, batch=16, validation=test, **options)


def state_of(network):
    return {name: value.tobytes() for name, value in (*network.parameters.items(), *network.state.items())}


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("optimizer", [SGD, pytest.param(Adam, marks=pytest.mark.slow)])
def test_weights_and_running_statistics_are_bit_identical_with_and_without_watch(tmp_path, optimizer, norm):
    rate = 0.1 if optimizer is SGD else 1e-3
    watched, alone = conv_network(norm), conv_network(norm)
    with nndebug.watch(watched, tmp_path / "run", strict=True):
        results = train(watched, optimizer(rate))
    expected = train(alone, optimizer(rate))
    assert state_of(watched) == state_of(alone)
    assert [r.train_loss for r in results] == [r.train_loss for r in expected]


@pytest.mark.parametrize("norm", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_healthy_convolutional_network_has_no_finding_and_a_report(tmp_path, norm):
    network = conv_network(norm)
    with nndebug.watch(network, tmp_path / "run", strict=True) as watching:
        results = train(network, epochs=4)
    assert results[-1].validation_accuracy > 0.9
    found = [f for f in watching.result.findings if f.severity.value in ("error", "warning")]
    assert not found, [f.message for f in found]
    again = nndebug.check(tmp_path / "run")
    assert again.to_json()["findings"] == watching.result.to_json()["findings"]
    report = build(watching.run, watching.result)
    html.write(report, tmp_path / "report.html")
    assert "conv1" in (tmp_path / "report.html").read_text("utf-8")


def test_sites_have_their_kind_channels_and_parameters():
    layers = [Conv2D(1, 6, 3), BatchNorm(6), ReLU(), MaxPool2D(), Conv2D(6, 4, (3, 2)), ReLU(), Flatten()]
    sites = describe_sites(Sequential(*layers, Dense(8, 5), LayerNorm(5), Dense(5, 3)))
    assert [(s.name, s.kind, s.activation, s.inputs, s.units, s.parameters) for s in sites] == [
        ("conv1", "conv", None, 9, 6, ("weight", "bias")),
        ("norm1", "batch_norm", "relu", 0, 6, ("weight", "bias")),
        ("pool1", "max_pool", None, 0, 0, ()),
        ("conv2", "conv", "relu", 36, 4, ("weight", "bias")),
        ("flatten1", "flatten", None, 0, 0, ()),
        ("hidden1", "dense", None, 8, 5, ("weight", "bias")),
        ("norm2", "layer_norm", None, 0, 5, ("weight", "bias")),
        ("output", "dense", None, 5, 3, ("weight", "bias")),
    ]


def test_a_channel_fires_where_any_of_its_places_does():
    a = np.zeros((4, 3, 2, 5))
    a[2, 1, 1, 4] = 1e-30
    a[:, 2] = -1
    np.testing.assert_array_equal(fired(a), [False, True, False])
    np.testing.assert_array_equal(share_fired(a), np.float32([0, 0.25, 0]))
    rows = np.array([[1.0, 0, -1], [0, 0, 2]])
    np.testing.assert_array_equal(fired(rows), [True, False, True])
    np.testing.assert_array_equal(share_fired(rows), np.float32([0.5, 0, 0.5]))


def with_dead_channels():
    """A network whose first and third kernels fire for nothing, and whose second one fires in one image only."""
    network = conv_network()
    network.parameters["conv1.bias"][[0, 2]] = -1000
    (x, y), _ = digits_images()
    network.parameters["conv1.weight"][1] = -1
    network.parameters["conv1.bias"][1] = -0.5
    x = x.copy()
    x[900] = -1  # pixels are 0 and more everywhere else
    return network, x, y


def test_dead_channels_are_counted_on_all_images_and_no_other_one(tmp_path):
    network, x, y = with_dead_channels()
    z = network.layers[0].forward(x)
    truth = ~(z > 0).any(axis=(0, 2, 3))
    assert truth[:3].tolist() == [True, False, True]
    with nndebug.watch(network, tmp_path / "run", strict=True) as watching:
        fit(network, (x, y), SGD(1e-6), epochs=1, batch=16)
    np.testing.assert_array_equal(watching.run.last_array("conv1/dead"), truth)
    assert watching.run.last_array("conv1/died_at")[truth].tolist() == [0] * truth.sum()
    assert watching.run.series("probe.dead_units", "conv1").last == truth.sum()
    activity = watching.run.last_array("conv1/activity")
    assert activity.shape == (8,)
    assert activity[0] == activity[2] == 0
    assert (activity[3:] > 0).any()


def test_channels_killed_in_training_are_told_with_their_step(tmp_path):
    network = conv_network()
    (x, y), _ = digits_images()
    # Whatever the gradient does afterwards: from step 6 on nothing brings these channels back.
    steps = []

    def kill(optimizer):
        steps.append(optimizer)
        if len(steps) == 5:
            network.parameters["conv1.bias"][[1, 4, 5, 6, 7]] = -1000

    network.hook("after_step", kill)
    with nndebug.watch(network, tmp_path / "run", strict=True) as watching:
        fit(network, (x, y), SGD(0.01), epochs=1, batch=16)
    died = watching.run.last_array("conv1/died_at")
    assert died[[1, 4, 5, 6, 7]].tolist() == [5] * 5
    dead = {f.site: f.message for f in watching.result.findings if f.name == "dead-relu"}
    assert "of 8 units never fire on the training set" in dead["conv1"]


def test_the_search_agrees_with_a_look_at_everything():
    network, x, _ = with_dead_channels()
    found = never_fire(network.twin(), x, {"conv1": np.arange(8), "conv2": np.arange(16)})
    value, truth = x, {}
    for layer in network.layers:
        value = layer.forward(value)
        if layer.kind == "relu":
            truth[layer.name] = np.flatnonzero(~(value > 0).any(axis=(0, 2, 3)))
    for site, units in truth.items():
        np.testing.assert_array_equal(found.get(site, []), units)


def test_channels_behind_young_running_statistics_are_not_called_dead(tmp_path):
    # In evaluation mode with statistics of 0 and 1 nothing here would fire; in training half of all do.
    layers = [Conv2D(1, 8, 3), BatchNorm(8), ReLU(), Flatten()]
    network = Sequential(*layers, Dense(288, 10), loss=CrossEntropy(), seed=1)
    network.parameters["conv1.bias"][...] = -50
    with nndebug.watch(network, tmp_path / "run", strict=True) as watching:
        train(network, epochs=2)
    silent = watching.run.series("probe.silent_units", "norm1")
    assert silent.steps[0] >= 50
    assert silent.last == 0
    assert not [
        f for f in watching.result.findings if "never fire" in f.message or "fire for no" in f.message
    ]


def test_scales_of_a_normalisation_are_not_units_that_are_copies(tmp_path):
    layers = [Dense(64, 16), BatchNorm(16), ReLU()]
    network = Sequential(*layers, Dense(16, 10), loss=CrossEntropy(), seed=1)
    (x, y), _ = digits_images()
    with nndebug.watch(network, tmp_path / "run", strict=True) as watching:
        fit(network, (x.reshape(len(x), -1), y), SGD(0.1), epochs=1, batch=16)
    assert not [f for f in watching.result.findings if "copies" in f.message]


def test_the_shift_of_a_batch_is_left_out_where_training_and_evaluation_differ(tmp_path):
    network = conv_network(norm=True)
    with nndebug.watch(network, tmp_path / "run", strict=True) as watching:
        train(network, epochs=1)
    assert not watching.run.has("shift", "conv1")
    assert watching.run.has("probe.shift", "conv1")


def test_a_probe_of_images_leaves_no_trace():
    network = conv_network(norm=True)
    (x, y), _ = digits_images()
    before = state_of(network)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probe = Probe(network, x, np.eye(10)[y], y)
        probe.measure(60)
        probe.arrays(probe.dead_units(), (8, 8))
    assert state_of(network) == before
