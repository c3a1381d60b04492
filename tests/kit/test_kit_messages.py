"""What a failing check prints: member, check, expected against got, smallest input, how to run it again."""

import faulty_layers
import faulty_losses
import hypothesis.core
import numpy as np
import pytest

from nndebug.errors import UserError
from nndebug.testing import (
    CheckFailed,
    adapt,
    case,
    check_layer,
    check_loss,
    check_member,
    parametrize_with_checks,
)
from nndebug.testing.failure import Failure, message


def text(member, monkeypatch, **options):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with pytest.raises(CheckFailed) as caught:
        check_layer(member, **options)
    return str(caught.value)


def test_the_whole_text(monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with pytest.raises(CheckFailed) as caught:
        check_loss(faulty_losses.Negative)
    assert (
        str(caught.value)
        == """\
Negative fails `at_least_its_bound`: the loss falls below its bound.
  expected   0 or more
  got        -1
  smallest   output = np.array([[0., 0.]])
             target = np.array([[0., 0.]])
  again      check_loss(Negative, only="at_least_its_bound")"""
    )


def test_of_a_layer_the_mode_and_what_to_look_at_are_told_too(monkeypatch):
    told = text(faulty_layers.CentresUntagged, monkeypatch, only="sample_independence").splitlines()
    assert told[0].startswith("CentresUntagged fails `sample_independence`: ")
    assert told[3].startswith("  smallest   ") and told[3].endswith("float64")
    assert any(line.startswith("  help       a mean, maximum or norm over axis 0") for line in told)


def test_what_raises_is_told_with_its_line(monkeypatch):
    told = text(faulty_layers.NeedsToWrite, monkeypatch, only="read_only_input")
    assert "NeedsToWrite fails `read_only_input`: forward raises ValueError.\n" in told
    assert "  got        ValueError: output array is read-only   (faulty_layers.py:" in told


def test_in_a_test_the_command_for_it_comes_first(monkeypatch):
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/test_mine.py::test_layer[Scale-gradients] (call)")
    again = "  again      pytest 'tests/test_mine.py::test_layer[Scale-gradients]'"
    for seed, option in ((None, ""), (7, " --hypothesis-seed=7")):
        monkeypatch.setattr(hypothesis.core, "global_force_seed", seed)
        with pytest.raises(CheckFailed) as caught:
            check_layer(faulty_layers.Broadcasts, only="shapes_refused", seed=3)
        lines = str(caught.value).splitlines()
        assert lines[-2] == again + option
    assert lines[-1] == '             check_layer(Broadcasts, only="shapes_refused", seed=3)'


def test_large_arrays_are_told_by_their_shape():
    failure = Failure(
        "it is wrong", "1", "2", given={"x": np.zeros((9, 9)), "y": np.zeros((2, 1), "float32")}
    )
    assert message(failure, "M()", "c", "…").splitlines()[3:5] == [
        "  smallest   x of shape (9, 9), float64",
        "             y = np.array([[0.],",
    ]


def test_the_example_that_is_printed_fails_by_hand():
    """The smallest input is no picture of the failure but the failure itself."""
    with pytest.raises(CheckFailed) as caught:
        check_layer(faulty_layers.ForgetsTheFactor, only="gradients")
    given = caught.value.failure.given
    layer = faulty_layers.ForgetsTheFactor()
    y = layer.forward(given["x"])
    g, step = given["output_gradient"], 1e-6
    slope = ((layer.forward(given["x"] + step) - y) * g).sum() / step
    assert slope == pytest.approx(2 * g.sum())
    assert not np.allclose(layer.backward(g).sum(), slope)


# --- what is expected to fail -------------------------------------------------------------------------------------------


def test_an_expected_failure_is_told_and_one_that_is_mended_is_an_error():
    known = {"gradients_fresh": "it adds up on purpose"}
    result = check_layer(faulty_layers.Accumulates, examples=3, only=known, expected_failures=known)
    assert result.expected == known
    assert "expected to fail, and does: gradients_fresh (it adds up on purpose)" in str(result)
    with pytest.raises(AssertionError, match="Scale passes `gradients_fresh`, which was expected to fail"):
        check_layer(faulty_layers.Scale, examples=3, only=known, expected_failures=known)


@parametrize_with_checks(
    [
        faulty_layers.Scale(2),
        case(
            faulty_layers.Accumulates,
            expected_failures={"gradients_fresh": "on purpose", "nothing_left_over": "on purpose"},
        ),
    ],
    examples=2,
)
def test_a_test_for_every_check(member, check):
    check(member)


def test_ids_and_marks():
    mark = parametrize_with_checks(
        [faulty_layers.Scale(2), faulty_layers.Scale(3)], expected_failures={"gradients": "why"}
    )
    parameters = mark.args[1]
    names = [p.id for p in parameters]
    assert len(set(names)) == len(names)
    assert {"Scale1-gradients", "Scale2-batch_of_one"} <= set(names)
    marked = {p.id: m for p in parameters for m in p.marks}
    assert set(marked) == {"Scale1-gradients", "Scale2-gradients"}
    assert (
        marked["Scale1-gradients"].kwargs["reason"] == "why" and marked["Scale1-gradients"].kwargs["strict"]
    )


# --- mistakes of the caller ---------------------------------------------------------------------------------------------


class Narrow:
    def forward(self, x):
        raise ValueError("no")

    backward = forward


@pytest.mark.parametrize(
    ("call", "told", "help"),
    [
        (lambda: check_member(object()), "nothing says what object is", "a layer has forward and backward"),
        (lambda: check_layer(faulty_layers.Scale, only="gradient"), "there is no check 'gradient' of a layer", "did you mean 'gradients'?"),
        (lambda: check_layer(faulty_layers.Scale, tags={"randm"}), "there is no tag 'randm'", "did you mean 'random'?"),
        (lambda: case(faulty_layers.Scale, kind="layr"), "there is no battery for a 'layr'", "did you mean 'layer'?"),
        (lambda: check_layer(Narrow), "Narrow takes none of the shapes that were tried", "say what it takes"),
        (lambda: case(faulty_layers.Scale, expected_failures={"gradients": ""}), "gradients is expected to fail, and nothing says why", "give a reason"),
    ],
)  # fmt: skip
def test_mistakes_of_the_caller(call, told, help):
    with pytest.raises(UserError) as caught:
        call()
    assert str(caught.value) == told
    assert help in caught.value.help


# --- layers of other interfaces -----------------------------------------------------------------------------------------


class Theirs:
    """As in a book: results are left in attributes."""

    def __init__(self):
        self.weights = np.linspace(-1, 1, 6).reshape(3, 2)

    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs @ self.weights

    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        self.dinputs = dvalues @ self.weights.T


def test_a_layer_of_another_interface_is_adapted():
    layer = adapt(Theirs(), output="output", input_gradient="dinputs", parameters={"weights": "dweights"})
    result = check_layer(case(layer, kind="layer", tags={"linear"}), examples=3)
    assert {"gradients", "linear", "save_and_load"} <= set(result.passed)
    with pytest.raises(CheckFailed, match="no array of numbers"):
        check_loss(case(lambda: WrongKind(), kind="loss"), only="gradient")


class WrongKind:
    def __call__(self, output, target):
        return 0.0

    def gradient(self, output, target):
        return None
