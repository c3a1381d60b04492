"""Networks of float32 whose copy takes no dtype: in float64 where they follow, without a false alarm where they do not."""

import numpy as np
import pytest
from gradcheck_helpers import parameters

from network import CrossEntropy, Dense, ReLU, Sequential, Sigmoid
from network.losses import ProbabilityBinaryCrossEntropy
from nndebug.gradcheck import Verdict, gradcheck
from nndebug.gradcheck.widening import widen

accuracy = pytest.importorskip(
    "benchmarks.gradcheck_accuracy", reason="the benchmarks are not part of the source distribution"
)
networks = pytest.importorskip("benchmarks.accuracy.networks")

FLOAT64 = "Checked on a float64 copy of your float32 network, which is untouched"
FLOAT32 = "Checked on a copy of your float32 network, which is untouched"


def single(*layers, loss=None):
    network = Sequential(*layers, loss=loss or CrossEntropy(), dtype="float32")
    network.__class__ = accuracy.Single
    return network


def test_a_network_whose_copy_takes_no_dtype_is_checked_in_float64():
    network = single(Dense(5, 7), Sigmoid(), Dense(7, 3))
    before = parameters(network)
    check = gradcheck(network)
    assert check, check
    assert check.notes[-1].startswith(FLOAT64)
    assert check.worst < 1e-9
    assert parameters(network) == before
    assert network.dtype == np.float32


@pytest.mark.parametrize("number", [4, 10, 31])
def test_random_networks_of_such_a_class_agree(number):
    made = networks.case(number, "float32")
    made.network.__class__ = accuracy.Single
    assert gradcheck(made.network, made.x, made.y, samples=10)


class Halved(Dense):
    def backward_parameters(self, output_gradient):
        super().backward_parameters(output_gradient)
        self.gradients["bias"] *= 0.5


def test_its_mistake_is_named():
    check = gradcheck(single(Halved(5, 7), ReLU(), Dense(7, 3)))
    (fault,) = check.faults
    assert (fault.layer, fault.equation) == ("hidden1", "BP3")
    assert fault.mistakes[0].name == "a factor 2 missing"
    assert check.notes[-1].startswith(FLOAT64)


class Store:
    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias


class Stored(Dense):
    """Computes with arrays that lie in an object of its own: those that are replaced are not those it reads."""

    def keep(self):
        self.store = Store(self.parameters["weight"], self.parameters["bias"])

    def forward(self, x):
        super().forward(x)
        return x @ self.store.weight + self.store.bias


class Plain:
    """A network of one's own, without copy."""

    def __init__(self, network):
        self.layers, self.loss = list(network.layers), network.loss

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, gradient):
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient)


@pytest.mark.parametrize("kind", [Dense, Stored])
def test_a_layer_that_reads_other_arrays_than_it_shows_is_not_widened(kind):
    network = Plain(Sequential(kind(5, 3), loss=CrossEntropy(), dtype="float32"))
    if kind is Stored:
        network.layers[0].keep()
    check = gradcheck(network)
    assert check, check
    assert check.notes[-1].startswith(FLOAT32 if kind is Stored else FLOAT64)


def test_views_of_a_widened_array_are_views_of_its_twin():
    network = widen(single(Dense(4, 3), Sigmoid(), Dense(3, 2)).copy())
    flat, weight = network.flat_parameters, network.layers[0].parameters["weight"]
    assert flat.dtype == weight.dtype == np.float64
    flat[...] = np.arange(flat.size)
    assert np.array_equal(weight, np.arange(12.0).reshape(4, 3))


@pytest.mark.parametrize("number", [36, 37, 38])
def test_layers_that_stay_in_float32_raise_no_false_alarm(number):
    made = networks.case(number, "float32")
    accuracy.stubborn(made.network)
    check = accuracy.checked(made, optimizer=False, samples=len(made.x))
    assert check.verdict is not Verdict.DISAGREES, check
    assert check.notes[-1].startswith(FLOAT32)


class TwiceTheGradient(ProbabilityBinaryCrossEntropy):
    def gradient_encoded(self, output, target, out):
        return np.multiply(super().gradient_encoded(output, target, out), 2, out=out)


def test_a_mistake_in_float32_is_found():
    network = single(Dense(5, 7), Sigmoid(), Dense(7, 3), Sigmoid(), loss=TwiceTheGradient())
    accuracy.stubborn(network)
    check = gradcheck(network)
    (fault,) = check.faults
    assert fault.part == "loss"
    assert "a factor 2 too many" in [mistake.name for mistake in fault.mistakes]
