"""The metrics of experiments, by hand."""

import numpy as np
import pytest

from network import CrossEntropy, Dense, Quadratic, Sequential
from network.experiment.metric import ROWS, measure


def network(weights, loss=None):
    weights = np.array(weights, float)
    net = Sequential(Dense(*weights.shape, bias=False), loss=loss, dtype="float64")
    net.parameters["output.weight"][...] = weights
    return net


def test_accuracy_of_classes_and_of_a_threshold():
    x = np.array([[1.0, 0], [0, 1], [2, 3], [3, 2]])
    labels = np.array([0, 1, 0, 0])
    assert measure({"name": "accuracy"}, network(np.eye(2)), x, labels, labels) == 0.75
    single = network([[1.0], [0.0]])  # outputs 1, 0, 2, 3
    assert measure({"name": "accuracy"}, single, x, labels, np.array([1, 0, 1, 0])) == 0.75
    assert measure({"name": "accuracy", "threshold": 2.5}, single, x, labels, np.array([0, 0, 0, 1])) == 1
    # The largest of one column is always the first: right wherever the label is 0.
    assert measure({"name": "argmax_accuracy"}, single, x, labels, np.array([0, 0, 1, 1])) == 0.5
    bits = np.array([[1, 0], [0, 1], [1, 0], [1, 1]])
    assert measure({"name": "bit_accuracy"}, network(np.eye(2)), x, bits, bits) == 7 / 8


def test_r2_and_loss():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(ROWS + 7, 3)), rng.normal(size=(ROWS + 7, 1))
    net = network(rng.normal(size=(3, 1)), Quadratic(over_outputs="mean", scale=2))
    output = x @ net.parameters["output.weight"]
    r2 = 1 - ((y - output) ** 2).mean() / y.var()
    for target in (y, y[:, 0]):
        assert measure({"name": "r2"}, net, x, target, target) == pytest.approx(r2)
        assert measure({"name": "loss"}, net, x, target, target) == pytest.approx(((y - output) ** 2).mean())


def test_outputs_that_are_not_finite_have_no_metric():
    net = network(np.eye(2), CrossEntropy())
    net.parameters["output.weight"][0, 0] = np.nan
    labels = np.array([0, 1])
    assert measure({"name": "accuracy"}, net, np.eye(2), labels, labels) is None
