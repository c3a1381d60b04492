"""Members as people write them: arrays as attributes, params and grads, losses with forward and backward."""

import numpy as np
import pytest

from nndebug.testing import CheckFailed, adapt, case, check_layer, check_loss, check_member
from nndebug.testing.case import kind_of


class Attributes:
    """W with dW."""

    factor = 1.0

    def __init__(self):
        self.W, self.b = np.random.default_rng(0).normal(size=(3, 2)), np.zeros(2)

    def forward(self, x):
        if x.shape[1:] != (3,):
            raise ValueError(f"expects (batch, 3), got {x.shape}")
        self.x = x
        return x @ self.W + self.b

    def backward(self, d):
        self.dW, self.db = self.x.T @ d * self.factor, d.sum(axis=0)
        return d @ self.W.T


class Tables(Attributes):
    """params with grads, lists as in the books; or dicts."""

    kind_of_table = list

    def __init__(self):
        super().__init__()
        arrays = {"W": self.W, "b": self.b}
        zeros = {name: np.zeros_like(value) for name, value in arrays.items()}
        self.params, self.grads = (
            t if self.kind_of_table is dict else [*t.values()] for t in (arrays, zeros)
        )

    def astype(self, dtype):  # forward reads the attributes: both are the same arrays
        pass

    def backward(self, d):
        back = super().backward(d)
        for key, value in zip(
            ("W", "b") if self.kind_of_table is dict else (0, 1), (self.dW, self.db), strict=True
        ):
            self.grads[key][...] = value
        return back


class Dicts(Tables):
    kind_of_table = dict


@pytest.mark.parametrize("member", [Attributes, Tables, Dicts])
def test_parameters_are_found_whatever_they_are_called(member):
    check_layer(
        member, only=("gradients", "gradients_fresh", "shapes_refused", "gradient_shapes"), examples=8
    )
    wrong = type("Wrong", (member,), {"factor": 2.0})
    with pytest.raises(CheckFailed, match=r"gradient of (W|0) is wrong in 6 of 6 entries"):
        check_layer(wrong, only="gradients")


def test_a_layer_of_attributes_passes_its_whole_battery():
    done = check_layer(Attributes, examples=4)
    assert "output_dtype" in done.passed and "empty_batch" in done.passed


def test_a_gradient_that_is_not_found_is_no_gradient_that_agrees():
    class Returned(Attributes):
        def backward(self, d):
            return d @ self.W.T

    with pytest.raises(CheckFailed) as caught:
        check_layer(Returned, only="gradients")
    assert "backward leaves no gradient of W" in str(caught.value)
    assert "adapt(Returned(...)" in str(caught.value)
    check_layer(lambda: adapt(Returned(), parameters={}), only="gradients")  # who says so has none


def test_what_is_averaged_over_batches_is_state():
    class Follows(Attributes):
        def __init__(self):
            super().__init__()
            self.running_mean = np.zeros(3)

    made = case(Follows).make()
    assert set(made.parameters) == {"W", "b"} and set(made.state) == {"running_mean"}


class Squares:
    """A loss with forward and backward."""

    factor = 1.0

    def forward(self, y, t):
        if y.shape != t.shape:
            raise ValueError(f"{len(y)} outputs for {len(t)} targets")
        self.d = y - t
        return float(np.mean(self.d**2))

    def backward(self):
        return self.factor * 2 * self.d / self.d.size


class TargetFirst(Squares):
    def forward(self, y_true, y_pred):
        return super().forward(y_pred, y_true)

    def backward(self, dout):
        return dout * super().backward()


class BothAgain(Squares):
    def backward(self, y, t):
        return self.factor * 2 * (y - t) / y.size


@pytest.mark.parametrize("member", [Squares, TargetFirst, BothAgain])
def test_a_loss_may_have_forward_and_backward(member):
    assert kind_of(member) == kind_of(member()) == "loss"
    check_loss(
        member, tags={"regression"}, only=("gradient", "zero_at_target", "mean_over_batch"), examples=8
    )
    wrong = type("Wrong", (member,), {"factor": 3.0})
    with pytest.raises(CheckFailed, match="yours is 3 times as large"):
        check_member(wrong, tags={"regression"}, only="gradient")
