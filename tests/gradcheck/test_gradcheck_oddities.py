"""What is odd about a network has its own message: aliases, whole numbers, kinks, passes that change parameters, nothing."""

import numpy as np
import pytest

from network import Dense, Hinge, Layer, Quadratic, ReLU, Sequential, Sigmoid
from nndebug.gradcheck import Verdict, gradcheck


def rows(result):
    return {f"{row.layer}.{row.parameter}": row for row in result.rows}


class Updates(Dense):
    """Updates its own weights in backward, before or after the error is passed back."""

    early = False

    def backward(self, output_gradient):
        self.backward_parameters(output_gradient)
        weight, passed = self.parameters["weight"], None
        if not self.early:
            passed = output_gradient @ weight.T
        weight -= 0.1 * self.gradients["weight"]
        return output_gradient @ weight.T if passed is None else passed


class Early(Updates):
    early = True


@pytest.mark.parametrize(("layer", "code"), [(Updates, 0), (Early, 1)])
def test_a_backward_that_updates_is_told_and_its_weights_are_put_back(layer, code):
    network = Sequential(Dense(5, 6), Sigmoid(), layer(6, 4), Sigmoid(), Dense(4, 3), loss=Quadratic())
    before = network.flat_parameters.copy()
    result = gradcheck(network)
    assert result.exit_code == code, result
    assert "hidden2 changes its weight in its own pass" in str(result)
    assert np.array_equal(network.flat_parameters, before)
    if code:
        (fault,) = result.faults
        assert (fault.layer, fault.equation) == ("hidden2", "BP2")
        assert "weights that were updated already" in [m.name for m in fault.mistakes]


def test_parameters_that_share_memory_are_told():
    network = Sequential(Dense(5, 5), Sigmoid(), Dense(5, 5), loss=Quadratic())
    network.layers[2].parameters["weight"] = network.layers[0].parameters["weight"]
    assert "hidden1.weight and output.weight share memory" in str(gradcheck(network))


class Counts(Layer):
    """Adds whole numbers, which no gradient moves."""

    kind = "counts"

    def build(self, rng, dtype):
        self.parameters["shift"] = np.arange(4)

    def forward(self, x):
        return x + self.parameters["shift"]

    def backward(self, output_gradient):
        return output_gradient


def test_whole_numbers_as_parameters_are_told():
    class Own:
        loss = Quadratic()

        def __init__(self):
            self.layers = [Dense(5, 4), Counts(), Dense(4, 3)]
            for number, layer in enumerate(self.layers):
                layer.build(np.random.default_rng(number), np.dtype("float64"))
                layer.name = f"layer{number}"

        def forward(self, x):
            for layer in self.layers:
                x = layer.forward(x)
            return x

        def backward(self, gradient):
            for layer in reversed(self.layers):
                gradient = layer.backward(gradient)
            return gradient

    row = rows(gradcheck(Own(), np.random.default_rng(0).normal(size=(7, 5))))["layer1.shift"]
    assert row.verdict is Verdict.UNRESOLVED
    assert "only floating-point parameters have gradients" in row.reason


def test_units_on_their_kinks_are_told():
    network = Sequential(Dense(5, 6), ReLU(), Dense(6, 3), loss=Quadratic())
    for value in network.layers[0].parameters.values():
        value[...] = 0
    result = gradcheck(network)
    assert result.exit_code != 1, result
    assert "kink" in str(result)


def test_a_network_that_is_constant_is_told():
    network = Sequential(Dense(5, 6), ReLU(), Dense(6, 3), loss=Quadratic())
    network.layers[0].parameters["bias"][...] = -100  # all units are dead
    found = rows(gradcheck(network))
    for name in ("hidden1.weight", "hidden1.bias"):
        assert found[name].verdict is Verdict.AGREES
        assert found[name].reason.startswith("zero everywhere: nothing flows here")


class Forgetful(Quadratic):
    """Compares the targets with themselves."""

    def per_sample_encoded(self, output, target):
        return super().per_sample_encoded(target, target) + 3.0

    def gradient_encoded(self, output, target, out):
        return super().gradient_encoded(target, target, out)


CONSTANT = "The loss is the same whatever the network gives, so that nothing can be learned: does it read its output?"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loss_that_does_not_read_the_output_is_told(dtype):
    network = Sequential(Dense(5, 6), Sigmoid(), Dense(6, 3), loss=Forgetful(), dtype=dtype)
    result = gradcheck(network)
    assert CONSTANT in result.notes
    assert CONSTANT in str(result)
    assert {row.reason for row in result.rows} == {"zero everywhere: nothing flows here"}
    assert result  # its gradient is 0, as the network says


def test_a_gradient_of_a_constant_loss_is_wrong():
    class Dreaming(Forgetful):
        def gradient_encoded(self, output, target, out):
            return Quadratic.gradient_encoded(self, output, target, out)

    result = gradcheck(Sequential(Dense(5, 3), loss=Dreaming()))
    assert CONSTANT in result.notes
    assert result.exit_code == 1
    assert result.faults[0].part == "loss"


def test_a_hinge_that_is_satisfied_everywhere_is_no_constant_loss():
    network = Sequential(Dense(5, 1, bias_init="zeros"), loss=Hinge(), dtype="float64")
    network.parameters["output.bias"][...] = 100
    result = gradcheck(network, np.random.default_rng(0).normal(size=(7, 5)), np.ones((7, 1)))
    assert result, result
    assert {row.reason for row in result.rows} == {"zero everywhere: nothing flows here"}
    assert CONSTANT not in result.notes
