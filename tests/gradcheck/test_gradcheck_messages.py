"""Randomness, wrong shapes, losses, numbers far from 1: what is said about each."""

from dataclasses import replace

import numpy as np
import pytest
from gradcheck_helpers import batch

from network import (
    GELU,
    CrossEntropy,
    Dense,
    Dropout,
    Layer,
    LayerNorm,
    Loss,
    Quadratic,
    ReLU,
    Sequential,
    Sigmoid,
)
from nndebug.errors import UserError
from nndebug.gradcheck import GradCheck, Verdict, gradcheck
from nndebug.gradcheck.comparing import compare
from nndebug.gradcheck.result import Row
from nndebug.gradcheck.text import row_cells


def rows(result):
    return {f"{row.layer}.{row.parameter}": row for row in result.rows}


# --- randomness -------------------------------------------------------------------------------------------------------


def test_dropout_is_checked_with_its_mask_frozen():
    network = Sequential(Dense(6, 20), Dropout(0.5), Dense(20, 3), loss=Quadratic())
    result = gradcheck(network)
    assert result, result
    dropped = rows(result)["output.weight"]
    assert dropped.entries == 60

    class Leaks(Dropout):
        def backward(self, output_gradient):
            return output_gradient

    leaking = Sequential(Dense(6, 20), Leaks(0.5), Dense(20, 3), loss=Quadratic())
    assert [(f.layer, f.part) for f in gradcheck(leaking).faults] == [("dropout1", "dropout")]


def test_randomness_that_cannot_be_frozen_is_told():
    class Noise(Layer):
        kind = "noise"

        def forward(self, x):
            return x + np.random.normal(size=x.shape)

        def backward(self, output_gradient):
            return output_gradient

    result = gradcheck(Sequential(Dense(4, 5), Noise(), Dense(5, 3), loss=Quadratic()))
    assert result.exit_code == 3
    assert "the loss is random: same parameters gave" in str(result)


def test_a_random_loss_is_told():
    class Random(Quadratic):
        def per_sample_encoded(self, output, target):
            return super().per_sample_encoded(output, target) + np.random.normal()

    assert "the loss is random" in str(gradcheck(Sequential(Dense(4, 3), loss=Random())))


# --- shapes, missing gradients, losses --------------------------------------------------------------------------------


def leaving(gradient):
    class Leaves(Dense):
        def backward_parameters(self, output_gradient):
            super().backward_parameters(output_gradient)
            self.gradients = {**self.gradients, "bias": gradient(output_gradient)}
            if self.gradients["bias"] is None:
                del self.gradients["bias"]

    return Sequential(Dense(5, 6), Sigmoid(), Leaves(6, 3), loss=Quadratic())


@pytest.mark.parametrize(
    ("gradient", "reason", "mistake"),
    [
        (
            lambda u: u.sum(axis=1),
            "your gradient has shape (10,), the parameter (3,)",
            "the sum over the wrong axis",
        ),
        (
            lambda u: u.sum(0, keepdims=True),
            "shape (1, 3), the parameter (3,): subtracting one",
            "an axis kept",
        ),
        (
            lambda u: u.sum(keepdims=True)[0],
            "shape (1,), the parameter (3,): an update would broadcast",
            None,
        ),
        (
            lambda u: u,
            "shape (10, 3), the parameter (3,): subtracting one from the other gives (10, 3)",
            "no sum",
        ),
        (lambda u: None, "the network has no gradient for it", None),
    ],
)
def test_a_gradient_of_another_shape_is_told_and_named(gradient, reason, mistake):
    result = gradcheck(leaving(gradient))
    assert reason in rows(result)["output.bias"].reason
    fault = next(f for f in result.faults if f.part == "bias")
    assert (fault.layer, fault.equation) == ("output", "BP3")
    assert reason in fault.sentence
    if mistake:
        assert mistake in fault.mistakes[0].name


def test_a_gradient_that_is_zero_everywhere_is_told():
    class Never(Dense):
        def backward_parameters(self, output_gradient):
            pass

    result = gradcheck(Sequential(Dense(5, 6), Sigmoid(), Never(6, 3), loss=Quadratic()))
    assert rows(result)["output.weight"].reason == "your gradient is zero everywhere"
    assert result.faults[0].mistakes[0].name == "nothing computed (it stays zero)"


def test_a_gradient_that_is_not_finite_is_told():
    class Infinite(Dense):
        def backward_parameters(self, output_gradient):
            super().backward_parameters(output_gradient)
            self.gradients["weight"][1, 2] = np.nan

    row = rows(gradcheck(Sequential(Dense(5, 6), Sigmoid(), Infinite(6, 3), loss=Quadratic())))[
        "output.weight"
    ]
    assert (row.verdict, row.wrong, row.index) == (Verdict.DISAGREES, 1, (1, 2))
    assert "NaN or infinite" in row.reason


def test_a_backward_that_raises_is_a_fault_of_its_layer():
    class Raises(Sigmoid):
        def backward(self, output_gradient):
            raise RuntimeError("not written yet")

    result = gradcheck(Sequential(Dense(5, 6), Raises(), Dense(6, 3), loss=Quadratic()))
    assert result.exit_code == 1
    (fault,) = result.faults
    assert fault.layer == "hidden1"
    assert "raises RuntimeError: not written yet" in fault.sentence
    assert rows(result)["output.weight"].verdict is Verdict.AGREES
    assert rows(result)["hidden1.weight"].verdict is Verdict.UNRESOLVED


def test_a_forward_that_raises_is_a_user_error():
    class Raises(Sigmoid):
        def forward(self, x):
            raise RuntimeError("not written yet")

    with pytest.raises(UserError, match="hidden1 raises RuntimeError: not written yet"):
        gradcheck(Sequential(Dense(5, 6), Raises(), Dense(6, 3)), np.zeros((3, 5)), np.zeros((3, 3)))


class Summed(Quadratic):
    """The sum over the batch, with the gradient of the mean."""

    def __call__(self, output, target):
        return float(self.per_sample(output, target).sum())


def test_a_summed_loss_with_a_means_gradient():
    network = Sequential(Dense(5, 6), Sigmoid(), Dense(6, 3), loss=Summed())
    (fault,) = gradcheck(network).faults
    assert (fault.equation, fault.part) == ("BP1", "loss")
    assert "divided by the batch twice" in fault.mistakes[0].name


def test_a_summed_loss_with_its_own_gradient_agrees():
    class Right(Summed):
        def gradient_encoded(self, output, target, out=None):
            return output - target

    assert gradcheck(Sequential(Dense(5, 6), Sigmoid(), Dense(6, 3), loss=Right()))


def test_a_loss_that_is_neither_mean_nor_sum_is_a_user_error():
    class Odd(Quadratic):
        def __call__(self, output, target):
            return 0.3 * super().__call__(output, target)

    with pytest.raises(UserError, match="have mean"):
        gradcheck(Sequential(Dense(5, 3), loss=Odd()))


def test_a_loss_without_per_sample_is_a_user_error():
    class Bare:
        kind = "bare"

        def __call__(self, output, target):
            return float(np.mean(output))

        def gradient(self, output, target, out=None):
            return np.ones_like(output) / output.size

    with pytest.raises(UserError, match="no per_sample"):
        gradcheck(Sequential(Dense(5, 3), loss=Bare()), np.ones((4, 5)), np.ones((4, 3)))


def test_a_loss_of_ones_own_is_checked():
    class Quartic(Loss):
        kind = "quartic"
        factor = 4.0

        def per_sample_encoded(self, output, target):
            return ((output - target) ** 4).sum(axis=1)

        def gradient_encoded(self, output, target, out=None):
            return self.factor * (output - target) ** 3 / len(output)

    class WrongQuartic(Quartic):
        factor = 2.0

    assert gradcheck(Sequential(Dense(5, 6), Sigmoid(), Dense(6, 3), loss=Quartic()))
    (fault,) = gradcheck(Sequential(Dense(5, 6), Sigmoid(), Dense(6, 3), loss=WrongQuartic())).faults
    assert fault.mistakes[0].name == "a factor 2 missing"


def test_a_forward_that_changes_its_input_is_noted():
    class InPlace(ReLU):
        def forward(self, x):
            x[x < 0] = 0
            return super().forward(x)

    assert any(
        "changes its input in place" in n
        for n in gradcheck(Sequential(Dense(5, 6), InPlace(), Dense(6, 3))).notes
    )


# --- numbers far from 1 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-4, 1e-2, 1e2, 1e4])
def test_inputs_of_any_scale(scale):
    network = Sequential(Dense(6, 7), ReLU(), Dense(7, 3), loss=Quadratic(), dtype="float64")
    x, y = batch(network, 9)
    result = gradcheck(network, scale * x, y)
    assert result, result


@pytest.mark.parametrize("size", [1e-3, 1e-1, 10.0, 30.0])
def test_weights_of_any_scale(size):
    network = Sequential(Dense(6, 7), Sigmoid(), Dense(7, 6), Sigmoid(), Dense(6, 3), loss=CrossEntropy())
    for value in network.parameters.values():
        value *= size
    result = gradcheck(network)
    assert result.verdict is not Verdict.DISAGREES, result
    assert all(row.worst < 1e-4 for row in result.rows if row.verdict is Verdict.AGREES)


def test_a_network_whose_copy_takes_no_dtype_is_checked():
    class Single(Sequential):
        def copy(self, dtype=None):
            return super().copy()

    network = Single(Dense(6, 7), Sigmoid(), Dense(7, 3), loss=Quadratic(), dtype="float32")
    result = gradcheck(network)
    assert result.verdict is not Verdict.DISAGREES, result

    class Double(Dense):
        def backward_parameters(self, output_gradient):
            super().backward_parameters(output_gradient)
            self.gradients["weight"] *= 2

    wrong = gradcheck(Single(Double(6, 7), Sigmoid(), Dense(7, 3), loss=Quadratic(), dtype="float32"))
    assert wrong.exit_code == 1
    assert wrong.faults[0].layer == "hidden1"


@pytest.mark.parametrize(
    ("inside", "outside"), [(np.float32, None), (np.float32, np.float64), (np.float16, None)]
)
def test_a_layer_that_computes_in_lower_precision_is_no_false_alarm(inside, outside):
    class Lower(Layer):
        kind = "lower"

        def forward(self, x):
            self._a = np.tanh(x.astype(inside))
            return self._a.astype(outside or inside)

        def backward(self, output_gradient):
            return output_gradient * (1 - self._a.astype(np.float64) ** 2)

    for seed in range(10):
        network = Sequential(Dense(6, 7), Lower(), Dense(7, 3), Sigmoid(), loss=Quadratic(), seed=seed)
        result = gradcheck(network, seed=seed)
        assert result.verdict is not Verdict.DISAGREES, result
        if inside is np.float16:
            assert "half precision" in str(result)


# --- numbers and words that say nothing ------------------------------------------------------------------------------


def test_a_number_that_is_all_rounding_is_not_shown_beside_agrees():
    made = Row("a", "weight", "BP4", 3, 0, 1.0, (0,), 1e-17, 2e-17, 2e3, Verdict.AGREES)
    assert row_cells(made)[3:] == ("–", "○ agrees: only to within rounding")
    told = replace(made, reason="zero everywhere")
    assert row_cells(told)[3:] == ("–", "○ agrees: zero everywhere")
    assert row_cells(replace(made, worst=1e-3, error=1e-2))[3:] == ("1.0e-03 ± 1e-02", "○ agrees")


def test_a_parameter_without_entries_says_so():
    assert (
        compare("a", "spare", "BP4", np.zeros((0, 2)), np.zeros((0, 2)), 0.0).reason
        == "it has no entries (size 0)"
    )
    params = {"w": np.ones(3), "e": np.zeros((0, 3))}
    result = gradcheck(
        lambda p: float((p["w"] ** 2).sum()), params, lambda p: {k: 2 * v for k, v in p.items()}
    )
    assert "nan" not in str(result)
    assert "○ agrees: it has no entries (size 0)" in str(result)
    assert result.to_json()["samples"] is None
    assert GradCheck.from_json(result.to_json()).samples == 0


def test_an_update_that_does_nothing_is_no_gradient_of_zeros():
    still = compare("a", "weight update", "update", np.zeros(3), np.ones(3), 1e-12)
    assert still.reason == "nothing moves"
    missing = compare("a", "weight penalty", "penalty", np.zeros(3), np.ones(3), 1e-12)
    assert row_cells(missing)[4] == "▲ disagrees: the λ term is missing"


def test_one_entry_is_and_two_are():
    right = np.ones(4)
    for count, said in ((1, "1 entry is NaN or infinite"), (2, "2 entries are NaN or infinite")):
        given = np.where(np.arange(4) < count, np.nan, 1.0)
        assert compare("a", "weight", "BP4", given, right, 1e-12).reason == said


def test_a_missing_penalty_is_told_as_such_and_not_as_so_many_entries():
    w = np.random.default_rng(0).normal(size=(40, 30))
    w[::7, 3] = 1e-9  # where the weight is nothing its penalty is nothing
    result = gradcheck(lambda w: float(np.sin(w).sum() + 0.005 * (w**2).sum()), w, np.cos(w))
    assert result.exit_code == 1
    assert "▲ disagrees: the λ term is missing" in str(result)
    assert "▲ params: the λ term is missing from its gradient; at [" in str(result)


def test_the_fault_of_an_activation_after_a_norm_is_not_the_norms():
    class Twice(GELU):
        def backward(self, output_gradient):
            return 2 * super().backward(output_gradient)

    for layers, whose in (
        ([Dense(4, 5), LayerNorm(5), Twice()], "its gelu's"),
        ([Dense(4, 5), Twice()], "its"),
    ):
        (fault,) = gradcheck(Sequential(*layers, Dense(5, 3), loss=Quadratic(), dtype="float64")).faults
        assert fault.sentence == f"{whose} backward is wrong"
