"""Experiments with conv, pool, flatten and batchnorm: built by their meaning, trained as PyTorch trains them."""

import numpy as np
import pytest
from experiment_specs import layers, spec

from network import AvgPool2D, BatchNorm, Conv2D, Dense, Flatten, MaxPool2D, ReLU, fit
from network.errors import ExperimentError
from network.experiment import Experiment

DIGITS = {"kind": "digits", "image": True}
CONV = {"name": "c1", "type": "conv", "filters": 4, "kernel": 3}
FLAT, OUT = {"name": "f", "type": "flatten"}, {"name": "out", "type": "dense", "units": 10}
LOGITS = {"loss": {"name": "cce_logits"}, "preprocess": {"y": [["one_hot", 10]]}}


def images(*items, **changes):
    """An experiment on the digits as images, up to the last dense layer."""
    given = spec(data=DIGITS, **LOGITS, **layers(*items, FLAT, OUT), **changes)
    given["model"]["dtype"] = "float64"
    return Experiment.from_dict(given)


def test_layers_are_those_that_are_written_with_the_defaults_of_the_vocabulary():
    items = [
        {**CONV, "activation": "relu"},
        {"name": "p", "type": "pool", "size": 2},
        {"name": "b", "type": "batchnorm"},
    ]
    second = {"name": "c2", "type": "conv", "filters": 6, "kernel": 3, "padding": "same", "bias": False}
    network, _, data = images(*items, second).build()
    assert [type(layer) for layer in network.layers] == [
        Conv2D,
        ReLU,
        MaxPool2D,
        BatchNorm,
        Conv2D,
        Flatten,
        Dense,
    ]
    assert [layer.name for layer in network.layers] == ["c1", "c1", "p", "b", "c2", "f", "out"]
    first, pool, norm, same = (network.layers[i] for i in (0, 2, 3, 4))
    assert (first.padding, first.stride, pool.stride, norm.features) == ("valid", (1, 1), (2, 2), 4)
    assert (same.in_channels, same.padding, list(same.parameters)) == (4, "same", ["weight"])
    assert network.layers[-1].inputs == 6 * 3 * 3
    assert data.train[0].shape[1:] == (1, 8, 8)
    assert network(data.test[0][:5]).shape == (5, 10)
    assert not any(isinstance(layer, AvgPool2D) for layer in network.layers)


@pytest.mark.parametrize(
    ("init", "spread"),
    [
        ("glorot_uniform", np.sqrt(2 / (36 + 180))),
        ("he_uniform", np.sqrt(2 / 36)),
        ("he_normal", np.sqrt(2 / 36)),
        ("he", np.sqrt(2 / 36)),
    ],
)
def test_initial_kernels_have_the_spread_of_their_fans(init, spread):
    wide = {"name": "c2", "type": "conv", "filters": 20, "kernel": 3, "init": {"kind": init}}
    values = [
        images(CONV, wide, train={"epochs": 1, "batch_size": 10, "seed": seed})
        .build()[0]
        .parameters["c2.weight"]
        for seed in range(5)
    ]
    assert np.std(values) == pytest.approx(spread, rel=0.05)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([{"type": "flatten"}, CONV], "model.layers[1]: conv expects images (channels, height, width), got samples of shape (64,)"),
        ([{"type": "pool", "size": 9}], "model.layers[0]: max_pool (MaxPool2D 9x9) expects images of 9x9 or more"),
        ([CONV, {"type": "dense", "units": 3}], "model.layers[1]: dense expects rows of numbers"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_place(items, message):
    with pytest.raises(ExperimentError) as caught:
        images(*items).build()
    assert message in str(caught.value)
    assert caught.value.help


def test_digits_as_images_are_the_digits():
    flat = Experiment.from_dict(
        spec(data={"kind": "digits"}, **layers({**OUT, "activation": "softmax"}))
    ).build()[2]
    image = images(CONV).build()[2]
    np.testing.assert_array_equal(image.test[0].reshape(len(image.test[0]), -1), flat.test[0])
    raw = Experiment.from_dict(
        spec(data={**DIGITS, "pixels": "raw"}, **LOGITS, **layers(CONV, FLAT, OUT))
    ).build()[2]
    np.testing.assert_array_equal(raw.train[0], image.train[0] * 16)
    assert raw.train[0].shape[1:] == (1, 8, 8)


CASES = [
    [{**CONV, "padding": "same", "activation": "tanh"}, {"name": "p", "type": "pool", "size": 3}],
    [CONV, {"name": "b", "type": "batchnorm", "activation": "relu"}, {"name": "p", "type": "pool", "size": 4}],
    [{**CONV, "kernel": 5, "activation": "softmax"}],
    [{**CONV, "activation": "sigmoid", "l2": 0.01}, {"name": "p", "type": "pool", "size": 2}],
]  # fmt: skip


@pytest.mark.parametrize("items", CASES)
@pytest.mark.parametrize("optimizer", [{"name": "sgd", "lr": 0.1}, {"name": "adam", "lr": 0.01}])
def test_training_is_that_of_pytorch_step_by_step(items, optimizer):
    """The layers of the reference runner: Conv2d with kernel // 2 for same, MaxPool2d(size), BatchNorm2d."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")
    l2 = items[0].get("l2", 0.0)
    train = {"epochs": 1, "batch_size": 60, "shuffle": False}
    experiment = images(*items, optimizer=optimizer, train=train)
    if l2:
        given = experiment.to_dict()
        given["model"]["layers"][-1]["l2"] = l2
        experiment = Experiment.from_dict(given)
    network, optimizer_, data = experiment.build()
    nn, modules, channels = torch.nn, [], 1
    for item in items:
        if item["type"] == "conv":
            padding = item["kernel"] // 2 if item.get("padding") == "same" else 0
            modules.append(nn.Conv2d(channels, item["filters"], item["kernel"], padding=padding))
            channels = item["filters"]
        else:
            modules.append(nn.MaxPool2d(item["size"]) if item["type"] == "pool" else nn.BatchNorm2d(channels))
        kinds = {"tanh": nn.Tanh(), "relu": nn.ReLU(), "sigmoid": nn.Sigmoid(), "softmax": nn.Softmax(1)}
        modules += [kinds[item["activation"]]] if "activation" in item else []
    theirs = nn.Sequential(*modules, nn.Flatten(), nn.Linear(network.layers[-1].inputs, 10)).double()
    own = [layer for layer in network.layers if layer.parameters]
    weighted = [module for module in theirs if list(module.parameters())]
    for layer, module in zip(own, weighted, strict=True):
        weight = layer.parameters["weight"]
        module.weight.data = torch.tensor(weight.T if isinstance(layer, Dense) else weight)
        module.bias.data = torch.tensor(layer.parameters["bias"])
    make = {"sgd": torch.optim.SGD, "adam": lambda p, lr: torch.optim.Adam(p, lr, eps=1e-7)}[
        optimizer["name"]
    ]
    stepper = make(theirs.parameters(), optimizer["lr"])
    x, y = (torch.tensor(np.asarray(part)) for part in data.train)
    fit(network, data.train, optimizer_, **experiment.fit_options(data))
    for start in range(0, len(x), 60):
        stepper.zero_grad()
        loss = nn.functional.cross_entropy(theirs(x[start : start + 60].double()), y[start : start + 60])
        if l2:
            loss = loss + l2 * sum((m.weight**2).sum() for m in weighted)
        loss.backward()
        stepper.step()
    for layer, module in zip(own, weighted, strict=True):
        for name, value in layer.parameters.items():
            found = getattr(module, name).detach().numpy()
            expected = found.T if isinstance(layer, Dense) and name == "weight" else found
            np.testing.assert_allclose(value, expected, rtol=1e-8, atol=1e-9, err_msg=layer.name)
    theirs.eval()
    outputs = theirs(torch.tensor(data.test[0]).double()).detach().numpy()
    np.testing.assert_allclose(network(data.test[0]), outputs, rtol=1e-7, atol=1e-8)
