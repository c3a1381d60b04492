"""What experiments build: the same meaning as written, against outside oracles, or a refusal by name."""

import numpy as np
import pytest
from experiment_specs import (
    COLUMN,
    TABLE,
    THREE_LABELS,
    built,
    dense,
    hidden_and,
    layers,
    spec,
    words,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from network import SGD, Adam, Dropout, Momentum, evaluate, fit
from network.errors import DataError, ExperimentError, NetworkError
from network.experiment import Experiment
from network.experiment_build import initializer

# --- meanings, by the definitions of the vocabulary in PyTorch ----------------------------------------------------------


def torch_loss(torch, loss, out, y):
    """The vocabulary's losses on the outputs as they are: means over rows, then over outputs or classes."""
    name, clip = loss["name"], loss.get("clip", 1e-7)
    if name == "mse":
        each = ((out - y) ** 2).mean(1)
    elif name in ("bce", "bce_logits"):
        p = out.clamp(clip, 1 - clip) if name == "bce" else torch.sigmoid(out)
        each = -(y * p.log() + (1 - y) * (1 - p).log())
        each = each.sum(1) if loss.get("over_outputs") == "sum" else each.mean(1)
    else:
        p = out / out.sum(1, keepdim=True) if name == "cce" else torch.softmax(out, 1)
        each = -(y * p.clamp(clip, 1 - clip).log()).sum(1)
    return each.mean() * loss.get("scale", 1.0)


ACTIVATIONS = {"linear": lambda z: z, "tanh": "tanh", "sigmoid": "sigmoid", "softmax": lambda z: z.softmax(1), "relu": "relu",
               "leaky_relu": lambda z: z.where(z > 0, 0.3 * z)}  # fmt: skip
SGD_, MOMENTUM, ADAM = (
    {"name": "sgd", "lr": 0.5},
    {"name": "sgd", "lr": 0.1, "momentum": 0.9},
    {"name": "adam", "lr": 0.05},
)


@pytest.mark.parametrize(
    ("change", "targets"),
    [
        ({"loss": {"name": "cce"}, **hidden_and(2, "softmax")}, "one-hot"),
        ({"loss": {"name": "cce", "renormalise": False}, **hidden_and(2, "softmax", l2=0.05)}, "one-hot"),
        ({"loss": {"name": "cce_logits"}, "optimizer": MOMENTUM, **hidden_and(2)}, "one-hot"),
        ({"loss": {"name": "cce_logits"}, **hidden_and(2, "softmax")}, "one-hot"),
        ({"loss": {"name": "cce_logits"}, **hidden_and(2, "relu", bias_init={"kind": "constant", "value": 1})}, "one-hot"),
        ({"loss": {"name": "mse"}, "optimizer": ADAM, **hidden_and(2, "softmax", l2=0.01)}, "one-hot"),
        ({"loss": {"name": "mse", "scale": 0.5}, "preprocess": COLUMN, **hidden_and(1, "leaky_relu")}, "column"),
        ({"loss": {"name": "bce"}, "preprocess": COLUMN, "optimizer": ADAM, **hidden_and(1, "sigmoid")}, "column"),
        ({"loss": {"name": "bce_logits"}, "preprocess": COLUMN, **hidden_and(1, l2=0.1)}, "column"),
        ({"loss": {"name": "bce_logits"}, "preprocess": COLUMN, **hidden_and(1, "sigmoid")}, "column"),
        ({"loss": {"name": "bce", "over_outputs": "sum"}, **hidden_and(2, "sigmoid")}, "one-hot"),
        ({"loss": {"name": "bce_logits", "scale": 3}, "data": THREE_LABELS, "preprocess": {}, **hidden_and(3)}, "as given"),
        ({"loss": {"name": "bce", "scale": 2}, "optimizer": {**ADAM, "eps": 1e-3}, **hidden_and(2, "sigmoid")}, "one-hot"),
    ],
)  # fmt: skip
def test_training_means_what_is_written(change, targets):
    torch = pytest.importorskip("torch")
    train = {"epochs": 6, "batch_size": 3, "shuffle": False}
    network, optimizer, data = built(**change, train=train)
    given = spec(**{"data": TABLE, **change})
    params = {
        name: torch.tensor(value.copy(), requires_grad=True) for name, value in network.parameters.items()
    }
    rows = given["data"]["params"]
    x, labels = torch.tensor(rows["x"], dtype=torch.float64), torch.tensor(rows["y"])
    y = {
        "one-hot": lambda: torch.eye(2)[labels],
        "column": lambda: labels[:, None],
        "as given": lambda: labels,
    }[targets]()

    def loss_and_penalty():
        out = x_batch
        for layer in given["model"]["layers"]:
            out = out @ params[f"{layer['name']}.weight"] + params[f"{layer['name']}.bias"]
            activation = ACTIVATIONS[layer.get("activation", "linear")]
            out = getattr(torch, activation)(out) if isinstance(activation, str) else activation(out)
        loss = torch_loss(torch, given["loss"], out, y_batch.double())
        l2 = given["model"]["layers"][0].get("l2", 0)
        return loss, l2 * sum((w**2).sum() for name, w in params.items() if name.endswith("weight"))

    how = given["optimizer"]
    make = {"sgd": lambda: torch.optim.SGD(params.values(), how["lr"], momentum=how.get("momentum", 0)),
            "adam": lambda: torch.optim.Adam(params.values(), how["lr"], eps=how.get("eps", 1e-7))}  # fmt: skip
    theirs = make[how["name"]]()
    x_batch, y_batch = x, y
    loss, penalty = loss_and_penalty()
    assert evaluate(network, data.train).loss == pytest.approx(float(loss.detach()), rel=1e-9)
    assert optimizer.penalty(network) == pytest.approx(float(penalty.detach()), rel=1e-9)
    fit(network, data.train, optimizer, **Experiment.from_dict(spec(train=train)).fit_options(data))
    for _ in range(train["epochs"]):
        for start in range(0, len(x), 3):
            x_batch, y_batch = x[start : start + 3], y[start : start + 3]
            theirs.zero_grad()
            sum(loss_and_penalty()).backward()
            theirs.step()
    for name, value in network.parameters.items():
        np.testing.assert_allclose(value, params[name].detach().numpy(), rtol=1e-7, atol=1e-9, err_msg=name)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (layers({"name": "c", "type": "conv", "filters": 8, "kernel": 4, "padding": "same"}),
         "padding same of an even kernel: not supported yet (model.layers[0], 'c')"),
        (layers(dense(activation="elu")), "elu: not supported yet"),
        (layers(dense(activation="softmax_over_batch")), "softmax_over_batch: not supported yet"),
        (layers(dense(l1=0.1)), "l1: not supported yet"),
        (layers(dense(l2=0.1), dense(name="b")), "l2 that differs between layers (0, 0.1): not supported yet"),
        (layers(dense(bias_init="he")), "bias_init he: not supported yet"),
        ({"loss": "hinge"}, "hinge: not supported yet"),
        ({"loss": "mae"}, "mae: not supported yet"),
        ({"loss": {"name": "cce", "axis": 0}}, "cce over axis 0: not supported yet"),
        ({"loss": {"name": "cce", "reduction": "sum"}}, "cce summed over the rows: not supported yet"),
        ({"loss": {"name": "cce", "clip": 0}}, "cce with clip 0, a logarithm without a guard: not supported yet"),
        ({"loss": {"name": "cce", "clip": 0.01}}, "cce with clip 0.01: not supported yet"),
        ({"loss": {"name": "cce", "scale": 2}}, "cce over 2 outputs, which is 2 x cross_entropy: not supported yet"),
        ({"loss": "cce", **hidden_and(2, "relu")}, "cce on relu outputs: not supported yet"),
        ({"loss": "cce", **hidden_and(1, "softmax")}, "cce over a single output: not supported yet"),
        ({"loss": "cross_entropy", **hidden_and(2, "sigmoid")}, "cross_entropy after sigmoid: not supported yet"),
        ({"loss": "binary_cross_entropy"}, "binary_cross_entropy after softmax: not supported yet"),
        ({"loss": "bce", **hidden_and(1, "softmax")}, "bce on softmax outputs: not supported yet"),
        ({"loss": "bce", **hidden_and(2, "sigmoid")}, "bce over 2 outputs, which is 0.5 x binary_cross_entropy: not supported"),
        ({"loss": "mse", **hidden_and(10)}, "mse over 10 outputs, which is 0.2 x quadratic: not supported yet"),
        ({"loss": "mse", "preprocess": {}, **hidden_and(2)}, "mse of targets (4,) against outputs (4, 2): not supported yet"),
        ({"loss": "bce", "preprocess": {}, **hidden_and(1, "sigmoid")}, "bce of targets (4,) against outputs (4, 1): not supported"),
        ({"loss": "cce_logits", **hidden_and(3)}, "cce_logits of targets (4, 2) against outputs (4, 3): not supported yet"),
        ({"loss": "cce_logits", "data": THREE_LABELS, "preprocess": {}, **hidden_and(3)}, "cce_logits on targets whose rows do not sum"),
        ({"optimizer": {"name": "rmsprop", "lr": 1}}, "rmsprop: not supported yet"),
        ({"optimizer": {"name": "adadelta", "lr": 1}}, "adadelta: not supported yet"),
        ({"optimizer": {**MOMENTUM, "nesterov": True}}, "nesterov: not supported yet"),
        ({"optimizer": {**SGD_, "clipnorm": 1.0}}, "clipnorm: not supported yet"),
        ({"optimizer": {**SGD_, "decay": 1e-6}}, "decay of the learning rate: not supported yet"),
        ({"optimizer": {**SGD_, "l2": 1}, **hidden_and(2, "softmax", l2=1)}, "l2 of the optimizer beside l2 of the layers: not"),
        ({"train": {"epochs": 1, "batch_size": 1, "zero_grad": False}}, "gradients that are never set to zero: not supported"),
        ({"train": {"epochs": 1, "batch_size": 1, "frozen": ["h1"]}}, "frozen layers: not supported yet"),
        ({"train": {"epochs": 1, "batch_size": 1, "gradient_sign": -1}}, "updates uphill: not supported yet"),
        ({"train": {"epochs": 1, "batch_size": 1, "shuffle_inputs_only": True}}, "shuffling inputs without their targets: not"),
        ({"train": {"epochs": 2, "batch_size": 3, "max_steps": 3}}, "stopping within an epoch: not supported yet"),
        ({"data": {"kind": "cars", "params": {}}}, "cars: not supported yet (data.kind)"),
        (layers({"type": "dropout", "rate": 0.5}), "model.layers: no dense layer"),

    ],
)  # fmt: skip
def test_what_the_core_cannot_do_is_refused_by_name(change, message):
    with pytest.raises(ExperimentError) as error:
        built(**change)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_what_changes_nothing_is_not_refused():
    built(
        train={
            "epochs": 2,
            "batch_size": 3,
            "max_steps": 4,
            "zero_grad": True,
            "frozen": [],
            "gradient_sign": 1,
        }
    )
    built(optimizer={**SGD_, "decay": 0, "nesterov": False})
    built(loss={"name": "cce", "reduction": "mean", "axis": 1, "scale": 1, "clip": 1e-7})


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


def test_notes_say_where_the_fused_loss_differs():
    assert "logits" in Experiment.from_dict(spec()).notes[0]
    assert Experiment.mlp().notes == ()


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
    # A layer's l2 Σ w² is λ/(2n) Σ w² with λ = 2 n l2.
    assert built(**hidden_and(2, "softmax", l2=0.25))[1].l2 == 2 * 4 * 0.25


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
        assert np.isfinite(network.flat_parameters).all()
