"""An L2 term in the loss of a class of one's own hides no mistake's place and name, and is judged by itself."""

import numpy as np
import pytest

from examples.own_network.bugs import COLUMNS, ROWS, UPDATE, module
from nndebug.gradcheck import Verdict, gradcheck

CROSS_ENTROPY = "        return -np.mean(np.sum(y * np.log(self.forward(x)), axis=1))"
RETURN = "        return self.grads\n"
SIGNATURE = "    def cost_derivative(self, output, y):\n"


def in_loss(strength, names=("W1", "W2"), inside="self.forward(x)"):
    """strength / 2 · (sum of the squares), where `m` is the batch, in the loss of rows.py."""
    squares = " + ".join(f"np.sum(self.params['{name}'] ** 2)" for name in names)
    value = CROSS_ENTROPY.replace("self.forward(x)", inside)
    return CROSS_ENTROPY, f"        m = len(x)\n{value} + ({strength}) / 2 * ({squares})"


def in_gradient(strength, names=("W1", "W2")):
    lines = [
        f'        self.grads["{name}"] = self.grads["{name}"] + ({strength}) * p["{name}"]\n'
        for name in names
    ]
    return RETURN, "".join(lines) + RETURN


def of_columns(strength):
    """A loss with the term, and the term in the gradients, for columns.py."""
    loss = (
        "    def loss(self, x, y):\n"
        "        squares = sum(np.sum(w**2) for w in self.weights)\n"
        f"        return 0.5 * np.sum((self.feedforward(x) - y) ** 2) + {strength} / 2 * squares\n\n"
    )
    added = f"        nabla_w = [g + {strength} * w for g, w in zip(nabla_w, self.weights)]\n        return nabla_b, nabla_w"
    return (SIGNATURE, loss + SIGNATURE), ("        return nabla_b, nabla_w", added)


def checked(*changes, style="rows", **more):
    return gradcheck(*module(style, changes, **more).factory())


def faults_of(result):
    return {(fault.layer, fault.equation) for fault in result.faults}


@pytest.mark.parametrize("strength", ["0.3 / m", "0.01", "1e-3 / m", "1e-5"])
@pytest.mark.parametrize("inside", ["self.forward(x)", "self.forward(x) + 1e-9"])
def test_a_right_term_agrees_and_is_told(strength, inside):
    result = checked(in_loss(strength, inside=inside), in_gradient(strength))
    assert result, result
    if inside == "self.forward(x)":
        value = eval(strength, {"m": 9})
        assert f"plus an L2 term, lambda / (2 n) * sum(w**2) with lambda / n = {value:.4g}." in str(result)
        assert [row.parameter for row in result.rows if "penalty" in row.parameter] == ["weight penalty"] * 2


def test_a_right_term_agrees_in_columns_and_on_biases():
    assert checked(*of_columns("0.02"), style="columns")
    every = ("W1", "b1", "W2", "b2")
    result = checked(in_loss("0.05", every), in_gradient("0.05", every))
    assert result, result
    assert len([row for row in result.rows if "penalty" in row.parameter]) == 4


# A wrong forward and a loss of class numbers are no sums of a known loss and squares.
HIDEABLE = [b for b in ROWS if b.faults[0][1] != "forward" and "labels" not in b.name]


@pytest.mark.parametrize("bug", HIDEABLE, ids=lambda bug: bug.name)
@pytest.mark.parametrize("strength", ["0.3 / m", "1e-5"])
def test_a_bug_in_rows_has_the_place_and_the_name_that_it_has_without_the_term(bug, strength):
    changes = (in_loss(strength), in_gradient(strength), *bug.changes)
    result = checked(*changes, sizes=bug.sizes, samples=bug.samples)
    assert faults_of(result) == set(bug.faults), result
    assert any(bug.mistake in m.name for fault in result.faults for m in fault.mistakes), result


OF_GRADIENTS = [bug for bug in COLUMNS if not any(equation == "update" for _, equation in bug.faults)]


@pytest.mark.parametrize("bug", OF_GRADIENTS, ids=lambda bug: bug.name)
def test_a_bug_in_columns_has_the_place_and_the_name_that_it_has_without_the_term(bug):
    result = checked(*of_columns("0.02"), *bug.changes, style="columns", sizes=bug.sizes)
    assert faults_of(result) == set(bug.faults), result
    assert any(bug.mistake in m.name for fault in result.faults for m in fault.mistakes), result


@pytest.mark.parametrize("strength", ["0.3 / m", "1e-5"])
@pytest.mark.parametrize(
    "bug", [None, ROWS[0], ROWS[2], ROWS[6]], ids=lambda bug: bug.name if bug else "nothing else"
)
def test_a_backward_without_the_losses_term_is_called_that(bug, strength):
    result = checked(in_loss(strength), *(bug.changes if bug else ()))
    assert faults_of(result) == {("the network", "penalty"), *(bug.faults if bug else ())}, result
    text = str(result)
    assert (
        "▲ the network: the gradient of its weights lacks the L2 term that the loss has, lambda / n * w"
        in text
    )
    assert "Your gradient equals, entry by entry" in text and "the L2 term missing, lambda / n * w:" in text
    assert "should be  dw = dC/dw + lambda / n * w" in text
    if bug:
        assert any(bug.mistake in m.name for fault in result.faults for m in fault.mistakes), result


@pytest.mark.parametrize(
    ("given", "names", "where", "name"),
    [
        ("0.6 / m", ("W1", "W2"), "the network", "a factor 2 too many in the L2 term"),
        ("0.15 / m", ("W1", "W2"), "the network", "a factor 2 missing in the L2 term"),
        ("-0.3 / m", ("W1", "W2"), "the network", "the sign of the L2 term flipped"),
        ("0.3", ("W1", "W2"), "the network", "the L2 term not divided by the batch"),
        ("0.3 / m / m", ("W1", "W2"), "the network", "divided by the batch once too often"),
        ("0.3 / m", ("W2",), "hidden1", "the L2 term missing"),
        ("0.3 / m", ("W1", "W2", "b1", "b2"), "the network", "an L2 term too many"),
        ("1.1 / m", ("W1", "W2"), "the network", "a factor of 3.66667"),
    ],
)
def test_a_wrong_term_is_named(given, names, where, name):
    result = checked(in_loss("0.3 / m"), in_gradient(given, names))
    assert faults_of(result) == {(where, "penalty")}, result
    (fault,) = result.faults
    assert fault.mistakes[0].name.startswith(name) or name in fault.mistakes[0].name
    data = [row for row in result.rows if row.parameter in ("weight", "bias")]
    assert all(row.verdict is Verdict.AGREES for row in data)


def test_a_term_that_only_the_gradient_has_is_a_mistake_where_there_is_a_loss_and_else_taken_to_be_meant():
    result = checked(in_gradient("0.3 / m"))
    assert "has an L2 term that the loss does not have" in str(result)
    assert "yours      dw = dC/dw + 0.0333333 * w" in str(result)
    _, added = of_columns("0.02")
    meant = checked(added, style="columns")
    assert meant, meant
    assert "its gradients hold an L2 term, lambda / n * w with lambda / n = 0.02: taken to be meant" in str(
        meant
    )
    one = checked(("        return nabla_b, nabla_w", added[1].replace("in zip(nabla_w", "in zip(nabla_w[:1]").replace(
        "self.weights)]", "self.weights)] + nabla_w[1:]")), style="columns")  # fmt: skip
    assert one.exit_code == 1, one


def test_a_loss_that_is_no_sum_of_a_known_one_and_squares_is_taken_as_it_is():
    lasso = (CROSS_ENTROPY, CROSS_ENTROPY + " + 0.1 * np.sum(np.abs(self.params['W1']))")
    gradient = (RETURN, '        self.grads["W1"] = self.grads["W1"] + 0.1 * np.sign(p["W1"])\n' + RETURN)
    result = checked(lasso, gradient)
    assert result, result
    assert "The loss is what loss(x, y) gives." in str(result)
    assert checked(lasso).exit_code == 1


def test_updates_beside_it_are_the_updates_still():
    assert UPDATE == ("the network", "update")
    wrong = ("            value -= lr * self.grads[name]", "            value += lr * self.grads[name]")
    assert faults_of(checked(in_loss("0.1"), in_gradient("0.1"), wrong)) == {UPDATE}
    assert np.isfinite(checked(in_loss("0.1"), in_gradient("0.1")).worst)
