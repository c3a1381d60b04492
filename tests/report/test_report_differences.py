"""The settings in which two runs differ: each once, by the name that people use."""

from __future__ import annotations

import math

import pytest

import nndebug
from nndebug.core import load_core
from nndebug.manifest import of_experiment
from nndebug.report.differences import differences
from nndebug.run import Run


def recorded(folder, **changes):
    """The manifest of one epoch of an experiment, as `nndebug train` leaves it."""
    experiment = load_core("experiment").Experiment.mlp(**{"layers": [64, 12, 10], "epochs": 1, **changes})
    network, optimizer, dataset = experiment.build()
    with nndebug.watch(network, folder, report=False, strict=True, preflight=0):
        load_core().fit(network, dataset.train, optimizer, **experiment.fit_options(dataset))
    return {**Run.load(folder).manifest, **of_experiment(experiment)}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("base") / "run")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lr": 0.3}, [("learning rate", "0.1", "0.3")]),
        ({"batch": 20}, [("batch size", "10", "20")]),
        ({"seed": 4}, [("seed", "0", "4")]),
        ({"l2": 0.001}, [("L2 penalty", "0", "0.001")]),
        ({"init": "xavier"}, [("initial weights", "he", "xavier")]),
        ({"activation": "tanh"}, [("network", "64 → 12 relu → 10", "64 → 12 tanh → 10")]),
        (
            {"layers": [64, 12, 12, 10]},
            [
                ("network", "64 → 12 relu → 10", "64 → 12 relu → 12 relu → 10"),
                ("number of parameters", "910", "1066"),
            ],
        ),
        (
            {"optimizer": "adam"},
            [
                ("optimiser", "sgd", "adam"),
                ("beta1", "–", "0.9"),
                ("beta2", "–", "0.999"),
                ("epsilon", "–", "1e-8"),
            ],
        ),
        ({}, []),
    ],
    ids=["lr", "batch", "seed", "l2", "init", "activation", "layers", "adam", "none"],
)
def test_every_change_of_an_experiment_is_told_once(base, tmp_path, changes, told):
    assert sorted(differences(base, recorded(tmp_path / "run", **changes))) == sorted(told)


def test_the_order_is_that_of_the_manifests():
    one = {"network": {"description": "a"}, "optimizer": {"rate": 1.0}, "seed": 1}
    two = {"network": {"description": "b"}, "optimizer": {"rate": 2.0}, "seed": 2}
    assert [name for name, _, _ in differences(one, two)] == ["network", "learning rate", "seed"]


@pytest.mark.parametrize(
    ("one", "two", "told"),
    [
        (0.1001, 0.1002, [("learning rate", "0.1001", "0.1002")]),
        (0.1, 0.1 + 1e-12, []),
        (math.nan, math.nan, []),
        (1.0, math.nan, [("learning rate", "1", "NaN")]),
        (1.0, "auto", [("learning rate", "1", "auto")]),
        (1, 1.0, []),
    ],
)
def test_values_are_shown_as_far_as_they_differ(one, two, told):
    assert list(differences({"optimizer": {"rate": one}}, {"optimizer": {"rate": two}})) == told


def test_what_is_recorded_nowhere_else_is_told_of_an_experiment():
    spec = {"data": {"kind": "digits", "params": {"scale": 255}}, "train": {"patience": 3}}
    other = {"data": {"kind": "mnist", "params": {"scale": 1}}, "train": {"patience": 4}}
    assert list(differences({"experiment": {"spec": spec}}, {"experiment": {"spec": other}})) == [
        ("data", "digits", "mnist"),
        ("data params scale", "255", "1"),
        ("train patience", "3", "4"),
    ]


def test_a_layer_of_another_kind_is_told_where_the_description_is_the_same():
    one, two = ({"network": {"description": "a"}, "sites": [{"activation": a}]} for a in ("relu", "tanh"))
    assert list(differences(one, two)) == [("layer activation", "relu", "tanh")]


def test_initial_weights_of_single_layers_keep_the_layers_name():
    one, two = ({"network": {"init": {"hidden1": a, "output": "he"}}} for a in ("he", "zeros"))
    assert list(differences(one, two)) == [("initial weights of hidden1", "he", "zeros")]
