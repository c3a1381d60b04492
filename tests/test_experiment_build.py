"""What experiments build: the same meaning as written, against outside oracles, or a refusal by name."""

import numpy as np
import pytest
from experiment_specs import (
    TABLE,
    built,
    dense,
    hidden_and,
    layers,
    spec,
    words,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from network import SGD, Adam, Dropout, Momentum, evaluate
from network.errors import DataError, ExperimentError, NetworkError
from network.experiment import Experiment
from network.experiment.initial import initializer

# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": {"name": "cce", "axis": 0}}, "cce over axis 0: not supported yet (loss.axis)"),
        ({"loss": "cross_entropy", **hidden_and(2, "sigmoid")}, "cross_entropy after sigmoid: not supported yet"),
        ({"loss": "binary_cross_entropy"}, "binary_cross_entropy after softmax: not supported yet"),
        ({"loss": "mse", "preprocess": {}, **hidden_and(2)}, "mse of targets (4,) against outputs (4, 2): not supported yet"),
        ({"loss": "bce_logits", "preprocess": {}, **hidden_and(1)}, "bce_logits of targets (4,) against outputs (4, 1): not"),
        ({"loss": "cce_logits", **hidden_and(3)}, "cce_logits of targets (4, 2) against outputs (4, 3): not supported yet"),
        ({"loss": "cce", "preprocess": {}, **hidden_and(1)}, "cce of targets (4,) against outputs (4, 1): not supported yet"),
        ({"data": {"kind": "cars", "params": {}}}, "cars: not supported yet (data.kind)"),
        (layers({"type": "dropout", "rate": 0.5}), "model.layers: no dense layer"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused_by_name(change, message):
    with pytest.raises(ExperimentError) as error:
        built(**change)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_widths_and_classes_must_fit_the_data():
    with pytest.raises(ExperimentError, match=r"model.inputs: expected 64, the features of digits, got 784"):
        Experiment.mlp(layers=(784, 30, 10)).build()
    with pytest.raises(DataError, match="label 9 is out of range 0 to 4"):
        Experiment.mlp(layers=(64, 30, 5)).build()
    with pytest.raises(DataError, match="label 1 is out of range 0 to 0"):
        built(preprocess={"y": [["one_hot", 1]]})
    with pytest.raises(ExperimentError, match="cross_entropy on targets whose rows do not sum to 1"):
        built(data=TABLE, preprocess={"y": [["one_hot", 3], ["multiply", 2]]},
              loss="cross_entropy", **hidden_and(3))  # fmt: skip


# --- the parts ----------------------------------------------------------------------------------------------------------


def test_network_optimizer_and_data_are_as_written():
    network, optimizer, data = Experiment.mlp(
        layers=(64, 20, 10),
        activation="tanh",
        output_activation="softmax",
        optimizer="momentum",
        l2=0.5,
        seed=3,
    ).build()
    assert network.describe() == "64 → 20 tanh → 10"  # the softmax is inside the loss
    assert network.loss.kind == "cross_entropy"
    assert isinstance(optimizer, Momentum)
    assert (optimizer.rate, optimizer.momentum, optimizer.l2, optimizer.samples) == (
        0.1,
        0.9,
        0.5,
        len(data.train[0]),
    )
    assert isinstance(Experiment.mlp().build()[1], SGD)
    adam = Experiment.mlp(optimizer="adam", lr=0.01).build()[1]
    assert isinstance(adam, Adam)
    assert adam.epsilon == 1e-8
    network = built(**hidden_and(2, "softmax", l2=0.25, l1=0.5))[0]
    assert [(layer.l1, layer.l2) for layer in network.layers if layer.kind == "dense"] == [(0.5, 0.25)] * 2
    assert network.loss.kind == "probability_cross_entropy"
    assert network.layers[-1].kind == "softmax"


def test_layer_names_are_kept_and_seeds_decide():
    def weights(seed):
        return (
            Experiment.from_dict(spec(train={"epochs": 1, "batch_size": 5, "seed": seed}))
            .build()[0]
            .parameters
        )

    assert list(weights(0)) == ["h1.weight", "h1.bias", "out.weight", "out.bias"]
    np.testing.assert_array_equal(weights(0)["h1.weight"], weights(0)["h1.weight"])
    assert not np.array_equal(weights(0)["h1.weight"], weights(1)["h1.weight"])
    two = [
        {"type": "dropout", "rate": 0.5},
        dense(units=64),
        {"type": "dropout", "rate": 0.5},
        dense(name="o", units=2),
    ]
    network = built(loss="cross_entropy", **layers(*two))[0]
    first, second = (layer for layer in network.layers if isinstance(layer, Dropout))
    assert not np.array_equal(first.rng.random(10), second.rng.random(10))


@pytest.mark.parametrize(
    ("init", "std", "limit"),
    [
        ("he", np.sqrt(2 / 400), np.inf),
        ("he_normal", np.sqrt(2 / 400), 2 * np.sqrt(2 / 400) / 0.8796),
        ("he_uniform", np.sqrt(2 / 400), np.sqrt(6 / 400)),
        ("glorot_uniform", np.sqrt(2 / 500), np.sqrt(6 / 500)),
        ("xavier", np.sqrt(2 / 500), np.sqrt(6 / 500)),
        ("lecun", np.sqrt(1 / 400), np.inf),
        ("normal", 1.0, np.inf),
        ({"kind": "normal", "std": 0.05}, 0.05, np.inf),
        ({"kind": "trunc_normal", "std": 0.1}, 0.1 * 0.8796, 0.2),
        ({"kind": "uniform", "low": -0.05, "high": 0.05}, 0.1 / np.sqrt(12), 0.05),
    ],
)
def test_initial_values_have_the_spread_they_should(init, std, limit):
    given = {"kind": init} if isinstance(init, str) else init
    values = initializer(given)(np.random.default_rng(0), (400, 100))
    assert values.shape == (400, 100)
    assert values.std() == pytest.approx(std, rel=0.02)
    assert abs(values.mean()) < 0.02 * std
    assert np.abs(values).max() <= limit
    if np.isfinite(limit):
        assert np.abs(values).max() > 0.99 * limit


def test_given_initial_values():
    rng = np.random.default_rng(0)
    assert (initializer({"kind": "constant", "value": 3})(rng, (2, 2)) == 3).all()
    assert initializer({"kind": "normal", "std": 0.1, "mean": 5})(rng, (99, 99)).mean() == pytest.approx(
        5, abs=0.01
    )
    network = built(**hidden_and(2, "softmax", bias_init={"kind": "constant", "value": 0.5}))[0]
    assert (network.parameters["out.bias"] == 0.5).all()


# --- running ------------------------------------------------------------------------------------------------------------


def test_running_is_reproducible_and_observed():
    experiment, seen = Experiment.mlp(epochs=2, seed=1), []
    network, results = experiment.run(epoch=seen.append)
    assert seen == results
    held_out = evaluate(network, experiment.build()[2].test)
    assert (results[-1].validation_loss, results[-1].validation_accuracy) == (
        held_out.loss,
        held_out.accuracy,
    )
    assert results[-1].validation_accuracy > 0.85
    again, _ = experiment.run()
    np.testing.assert_array_equal(network.flat_parameters, again.flat_parameters)
    with pytest.raises(NetworkError, match="no event 'epochs'"):
        experiment.run(epochs=print)


def test_full_batches_are_the_whole_training_part():
    experiment = Experiment.from_dict(spec(train={"epochs": 3, "batch_size": "full"}))
    assert experiment.fit_options(experiment.build()[2])["batch"] == 80
    _, results = experiment.run()
    assert results[-1].steps == 3


@pytest.mark.filterwarnings("ignore:(invalid value|divide by zero)")
@settings(max_examples=60)
@given(
    data=st.sampled_from(
        [{"kind": "blobs", "n": 40}, {"kind": "xor", "n": 40}, {"kind": "line", "n": 40}, TABLE]
    ),
    activation=st.sampled_from(["linear", "relu", "softmax", "sigmoid", "tanh", "leaky_relu"]),
    units=st.integers(1, 3),
    loss=st.sampled_from(
        words("mse bce cce bce_logits cce_logits quadratic cross_entropy binary_cross_entropy")
    ),
    steps=st.lists(
        st.sampled_from([["one_hot", 3], ["column"], ["flatten"], ["minmax"], ["divide", 2]]), max_size=2
    ),
)
def test_whatever_builds_trains(data, activation, units, loss, steps):
    """A file is refused with a word on why, or it trains: nothing in between."""
    given = spec(data=data, loss=loss, preprocess={"y": steps}, train={"epochs": 1, "batch_size": 16})
    given["model"]["layers"][-1].update(units=units, activation=activation)
    try:
        network, results = Experiment.from_dict(given).run()
    except NetworkError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert len(results) == 1
        # A logarithm of outputs that are no probabilities, or a division by their sum, may give anything.
        assert np.isfinite(network.flat_parameters).all() or loss == "cce"
