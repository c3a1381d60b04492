"""A disagreement has to stand up to the loss itself, with the entry shifted."""

import numpy as np
import pytest

import nndebug
from network import AbsoluteError, BatchNorm, Dense, Dropout, Sequential, Tanh
from nndebug.gradcheck.confirming import by_shifting
from nndebug.gradcheck.tape import Tape

X = np.array(
    [
        [-1.6479093, -0.25462015, 0.67080381, 0.72289964, -0.80873965],
        [0.51022097, 0.3950654, 0.11043056, 0.22358986, -1.34462063],
    ]
)
Y = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
WEIGHT = [-0.08114138, -0.26990265, -0.6753307, -1.3800933, 1.4240981]


class WrongBias(Dense):
    """Its gradient is off by a ten-thousandth of the error it is given."""

    def backward(self, output_gradient):
        below = super().backward(output_gradient)
        self.gradients["bias"] += 1e-4 * np.abs(output_gradient).max()
        return below


def network(first=Dense):
    """A norm of two almost equal numbers: it bends within the steps, and lets a fiftieth through.

    Hypothesis found it among 10,000 networks: the slopes say -7e-10 ± 6e-11 where the bias' gradient is 0.
    """
    net = Sequential(
        first(5, 1), BatchNorm(1), Tanh(), Dropout(0.3), Dense(1, 3), loss=AbsoluteError(), dtype="float64"
    )
    for layer, parameter, values in [
        (0, "weight", np.reshape(WEIGHT, (5, 1))),
        (0, "bias", [1.0310131]),
        (1, "weight", [1.1076214]),
        (1, "bias", [0.06273314]),
        (4, "weight", [[0.18289751, 0.14766587, -1.6429982]]),
        (4, "bias", [-0.38498276, -0.51623726, -1.4301906]),
    ]:
        net.layers[layer].parameters[parameter][...] = values
    return net


@pytest.mark.parametrize("seed", range(4))
def test_an_estimate_that_is_too_good_is_no_false_alarm(seed):
    found = nndebug.gradcheck(network(), X, Y, seed=seed)
    assert found, str(found)


def test_a_small_mistake_there_is_found():
    found = nndebug.gradcheck(network(WrongBias), X, Y)
    assert [(f.layer, f.equation) for f in found.faults] == [("hidden1", "BP3")], str(found)


def test_the_derivative_of_the_loss_by_one_entry_and_nothing_is_left_behind():
    net = network()
    tape = Tape(net, X, Y)
    before = {name: value.copy() for name, value in net.parameters.items()}
    # A numerical derivative of another make, at a step that suits a loss of straight pieces.
    for index, parameter, entry in [
        (0, "weight", (2, 0)),
        (1, "weight", (0,)),
        (4, "weight", (0, 2)),
        (0, "bias", (0,)),
    ]:
        values, sides = net.layers[index].parameters[parameter], []
        for step in (1e-6, -1e-6):
            values[entry] += step
            x = X
            for layer in range(5):
                x = np.array(tape.forward(layer, x))
            sides.append(float(tape.losses(x[None]).sum()))
            values[entry] -= step
        value, error = by_shifting(tape, index, parameter, entry)
        assert value == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-6, abs=1e-8)
        assert error < 1e-8
        for name, old in before.items():
            np.testing.assert_allclose(net.parameters[name], old, rtol=1e-15)
