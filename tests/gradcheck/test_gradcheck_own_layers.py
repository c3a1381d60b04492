"""Layers of one's own, samples that depend on each other, and units on their kinks."""

import numpy as np
import pytest
from gradcheck_helpers import batch

from network import CrossEntropy, Dense, Layer, LeakyReLU, Quadratic, ReLU, Sequential, Sigmoid
from nndebug.gradcheck import Verdict, gradcheck


def rows(result):
    return {f"{row.layer}.{row.parameter}": row for row in result.rows}


# --- layers of one's own --------------------------------------------------------------------------------------------


class Scale(Layer):
    """a = x * scale + shift, entry by entry: parameters, but no matrix."""

    kind = "scale"
    factor = 1.0

    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, rng, dtype):
        self.parameters = {
            "scale": rng.normal(1, 0.3, self.units).astype(dtype),
            "shift": np.zeros(self.units, dtype),
        }

    def forward(self, x):
        self._x = x
        return x * self.parameters["scale"] + self.parameters["shift"]

    def backward(self, output_gradient):
        self.gradients["scale"][...] = self.factor * (output_gradient * self._x).sum(axis=0)
        self.gradients["shift"][...] = output_gradient.sum(axis=0)
        return output_gradient * self.parameters["scale"]


def with_scale(layer):
    return Sequential(Dense(5, 6), layer, Sigmoid(), Dense(6, 3), loss=CrossEntropy())


def test_a_layer_of_ones_own_is_checked_entry_by_entry():
    result = gradcheck(with_scale(Scale(6)))
    assert result, result
    assert rows(result)["scale1.scale"].entries == 6
    assert result.worst < 1e-6


def test_a_wrong_layer_of_ones_own_is_found_and_its_factor_named():
    class Wrong(Scale):
        factor = 2.0

    result = gradcheck(with_scale(Wrong(6)))
    (fault,) = result.faults
    assert (fault.layer, fault.part) == ("scale1", "scale")
    assert [m.name for m in fault.mistakes] == ["a factor 2 too many"]
    assert rows(result)["scale1.scale"].wrong == 6
    assert rows(result)["scale1.shift"].verdict is Verdict.AGREES


class Swish(Layer):
    """a = z sigmoid(z), of no known kind."""

    kind = "swish"

    def forward(self, x):
        self._x = x
        return x / (1 + np.exp(-x))

    def backward(self, output_gradient):
        s = 1 / (1 + np.exp(-self._x))
        return output_gradient * (s + self._x * s * (1 - s))


class WrongSwish(Swish):
    def backward(self, output_gradient):
        return output_gradient


def test_an_activation_of_ones_own():
    assert gradcheck(Sequential(Dense(5, 6), Swish(), Dense(6, 3), loss=CrossEntropy()))
    (fault,) = gradcheck(Sequential(Dense(5, 6), WrongSwish(), Dense(6, 3), loss=CrossEntropy())).faults
    assert fault.layer == "swish1"
    assert [m.name for m in fault.mistakes] == ["the activation's derivative missing"]


class Square(Dense):
    """Calls itself dense, but is (x W + b)²: the shortcut dL/dW = xᵀ dL/dz does not hold."""

    def forward(self, x):
        self._root = super().forward(x).copy()
        return self._root**2

    def backward(self, output_gradient):
        return super().backward(2 * self._root * output_gradient)


class WrongSquare(Square):
    def backward(self, output_gradient):
        return Dense.backward(self, output_gradient)


def test_a_dense_layer_that_is_not_linear_is_noticed_and_checked_entry_by_entry():
    result = gradcheck(Sequential(Dense(5, 4), Square(4, 6), Sigmoid(), Dense(6, 3), loss=CrossEntropy()))
    assert result, result
    assert "hidden2: its forward is not x @ weight + bias." in result.notes
    wrong = gradcheck(Sequential(Dense(5, 4), WrongSquare(4, 6), Sigmoid(), Dense(6, 3), loss=CrossEntropy()))
    assert rows(wrong)["hidden2.weight"].wrong == 24
    assert {f.layer for f in wrong.faults} == {"hidden2"}


class Stale(Dense):
    """Multiplies with a copy of its weights: right at this point, yet its output does not depend on them."""

    def forward(self, x):
        if not hasattr(self, "_kept"):
            self._kept = self.parameters["weight"].copy()
        self._input = x
        return x @ self._kept + self.parameters["bias"]


def test_a_forward_that_is_linear_at_one_point_only_is_noticed():
    result = gradcheck(Sequential(Stale(5, 6), Sigmoid(), Dense(6, 3), loss=CrossEntropy()))
    row = rows(result)["hidden1.weight"]
    assert (row.verdict, row.wrong, row.numeric) == (Verdict.DISAGREES, 30, 0)
    assert "hidden1: its forward is not x @ weight + bias." in result.notes


class Absolute(Layer):
    """|x|: a kink that no kind announces."""

    kind = "absolute"

    def forward(self, x):
        self._x = x
        return np.abs(x)

    def backward(self, output_gradient):
        return output_gradient * np.sign(self._x)


class Center(Layer):
    """Subtracts the mean of the batch: samples depend on each other."""

    kind = "center"

    def forward(self, x):
        return x - x.mean(axis=0)

    def backward(self, output_gradient):
        return output_gradient - output_gradient.mean(axis=0)


class WrongCenter(Center):
    def backward(self, output_gradient):
        return output_gradient


def test_below_samples_that_depend_on_each_other_all_entries_are_checked(monkeypatch):
    result = gradcheck(Sequential(Dense(5, 6), Center(), Sigmoid(), Dense(6, 3), loss=CrossEntropy()))
    assert result, result
    assert all(row.verdict is Verdict.AGREES for row in (*result.rows, *result.parts))
    large = Sequential(Dense(3000, 7), Center(), Sigmoid(), Dense(7, 3), loss=CrossEntropy())
    assert sum(row.entries for row in gradcheck(large).rows) == 21_031
    assert gradcheck(large)
    wrong = gradcheck(Sequential(Dense(5, 6), WrongCenter(), Sigmoid(), Dense(6, 3), loss=CrossEntropy()))
    assert wrong.exit_code == 1
    assert [(f.layer, f.equation) for f in wrong.faults] == [("center1", "BP2")]
    monkeypatch.setattr("nndebug.gradcheck.columns.MOST_NUMBERS", 100)
    given_up = gradcheck(large)
    assert given_up.exit_code == 3
    assert (
        "center1 above it has 7 inputs: too many to shift one by one"
        in rows(given_up)["hidden1.weight"].reason
    )
    assert rows(given_up)["output.bias"].verdict is Verdict.AGREES


class Skip:
    """Adds what went into it to what comes out of `Sum`: the two share an array behind the chain's back."""

    def __init__(self):
        self.kept = None


class Keep(Layer):
    kind = "keep"

    def __init__(self, shared):
        super().__init__()
        self.shared = shared

    def forward(self, x):
        self.shared.kept = x
        return x.copy()

    def backward(self, output_gradient):
        return output_gradient


class Sum(Keep):
    kind = "sum"

    def forward(self, x):
        kept = self.shared.kept
        return x + np.tile(kept, (len(x) // len(kept), 1))


def test_layers_that_share_something_behind_the_chains_back_are_told():
    shared = Skip()
    network = Sequential(
        Dense(5, 6), Keep(shared), Dense(6, 6), Sigmoid(), Sum(shared), Dense(6, 3), loss=Quadratic()
    )
    result = gradcheck(network)
    assert result.exit_code == 3, result
    assert "do they share something beside x?" in rows(result)["hidden1.weight"].reason


# --- kinks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", [ReLU, LeakyReLU, Absolute])
def test_a_unit_exactly_on_its_kink_agrees_with_either_side(activation):
    network = Sequential(Dense(4, 5), activation(), Dense(5, 3), loss=Quadratic(), dtype="float64")
    x, y = batch(network, 7)
    x[2] = 0  # biases are 0, so all five units of that sample sit at 0
    result = gradcheck(network, x, y)  # |x| has the derivative 0 there: neither side, but between the two
    assert result, result
    assert rows(result)["hidden1.bias"].kinks == 5
    assert "5 at a kink" in str(result)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_relu_may_have_any_derivative_between_its_sides_at_zero_but_no_other(value):
    class AtZero(ReLU):
        def backward(self, output_gradient):
            return output_gradient * np.where(self._z == 0, value, self._z > 0)

    network = Sequential(Dense(4, 5), AtZero(), Dense(5, 3), loss=Quadratic(), dtype="float64")
    x, y = batch(network, 7)
    x[2] = 0
    assert gradcheck(network, x, y)
    value = -3.0
    result = gradcheck(network, x, y)
    assert rows(result)["hidden1.bias"].verdict is Verdict.DISAGREES
    assert rows(result)["hidden1.weight"].verdict is Verdict.AGREES  # that sample's input is 0


def test_relu_mask_that_is_wrong_at_kinks_only_of_a_zero_network_is_moved_off_them():
    network = Sequential(
        Dense(4, 5, init="zeros"), ReLU(), Dense(5, 6, init="zeros"), LeakyReLU(), Dense(6, 3, init="zeros"),
        loss=CrossEntropy(),
    )  # fmt: skip
    result = gradcheck(network)
    assert result, result
    assert not any(value.any() for value in network.parameters.values())


def test_what_is_wrong_at_the_kinks_of_most_units_is_wrong():
    class AtZero(ReLU):
        def backward(self, output_gradient):
            return output_gradient * np.where(self._z == 0, self.at_zero, self._z > 0)

    network = Sequential(Dense(4, 5, init="zeros"), AtZero(), Dense(5, 3), loss=Quadratic(), dtype="float64")
    for value, code in ((0.0, 0), (0.5, 0), (1.0, 0), (-3.0, 1)):
        AtZero.at_zero = value
        assert gradcheck(network).exit_code == code, value


def test_state_of_a_layer_of_ones_own_stays_as_it_was():
    class Counts(Layer):
        kind = "counts"

        def __init__(self):
            super().__init__()
            self.mean, self.calls, self.seen = np.zeros(6), [], {}

        def forward(self, x):
            self.mean *= 0.9
            self.mean += 0.1 * x.mean(axis=0)
            self.calls.append(len(x))
            self.seen["x"] = x
            return x + 0

        def backward(self, output_gradient):
            return output_gradient

    layer = Counts()
    assert gradcheck(Sequential(Dense(5, 6), layer, Dense(6, 3), loss=Quadratic()))
    assert not layer.mean.any()
    assert (layer.calls, layer.seen) == ([], {})
