"""Every classic bug, planted into somebody's own network in two styles, is caught with its equation and by name."""

from pathlib import Path

import pytest

from examples.own_network import bugs
from examples.own_network.bugs import BUGS, module, target
from nndebug.gradcheck import GradCheck, Verdict, gradcheck


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug.style}: {bug.name}")
def test_a_planted_bug_is_caught_with_its_equation_and_by_name(bug):
    result = gradcheck(*target(bug))
    assert result.exit_code == 1, result
    assert {(fault.layer, fault.equation) for fault in result.faults} == set(bug.faults), result
    named = [mistake for fault in result.faults for mistake in fault.mistakes]
    assert any(bug.mistake in mistake.name for mistake in named), result
    assert all(fault.mistakes for fault in result.faults if fault.equation), result
    # A wrong forward leaves arrays whose layers are not known.
    accused = {fault.layer for fault in result.faults if fault.equation != "forward"} - {"the network"}
    assert {row.layer for row in result.rows if row.verdict is Verdict.DISAGREES} >= accused
    assert GradCheck.from_json(result.to_json()).to_json() == result.to_json()


@pytest.mark.parametrize(
    ("maximum", "total", "name"),
    [
        ("scores.max(axis=0)", "e.sum(axis=0)", "the softmax over the samples, not over the classes"),
        ("0", "e.sum(axis=0)", "the softmax over the samples, not over the classes"),
        ("scores.max()", "e.sum()", "the softmax over everything"),  # that of one sample
    ],
)
def test_a_softmax_over_one_wrong_axis_throughout(maximum, total, name):
    changes = (bugs.MAXIMUM, maximum), (bugs.SOFTMAX, f"e / {total}")
    for sizes in ((12, 6, 4), (12, 3, 5)):
        fault, *more = gradcheck(*module("rows", changes, sizes=sizes).factory()).faults
        assert not more and (fault.layer, fault.equation) == ("output", "forward")
        assert fault.mistakes[0].name == name and fault.mistakes[0].yours == f"a = e / {total}"


@pytest.mark.parametrize("style", ["columns", "rows"])
@pytest.mark.parametrize("sizes", [(12, 6, 4), (12, 4, 4), (5, 3, 2)])
def test_the_right_network_agrees(style, sizes):
    for samples in (1, 2, 4, 6, 12, 20):
        result = gradcheck(*module(style, sizes=sizes, samples=samples).factory(), seed=samples)
        assert result, result
        assert len(result.rows) == 8
        assert {row.parameter for row in result.rows} == {"weight", "bias", "weight update", "bias update"}


def test_three_layers_agree():
    assert gradcheck(*module("columns", sizes=(12, 4, 4, 4)).factory())


def test_formulas_are_written_as_the_code_is():
    by_name = {f"{bug.style}: {bug.name}": bug for bug in BUGS}
    columns = gradcheck(*target(by_name["columns: BP2 no derivative"]))
    assert (
        "▲ hidden1: its backward is wrong (BP2). The layers after it agree.\n"
        "  Your gradient equals, entry by entry (residual " in str(columns)
    )
    assert (
        "     yours      delta1 = W2.T @ delta2\n"
        "     should be  delta1 = W2.T @ delta2 * sigmoid'(z1)      (columns are samples, as in your code)\n"
    ) in str(columns)
    rows = gradcheck(*target(by_name["rows: BP2 no ReLU mask"]))
    assert (
        "     yours      delta1 = delta2 @ W2.T\n"
        "     should be  delta1 = delta2 @ W2.T * relu'(z1)      (rows are samples, as in your code)\n"
    ) in str(rows)
    swapped = gradcheck(*target(by_name["columns: BP4 swapped"]))
    assert "yours      dW2 = a1 @ delta2.T\n" in str(swapped)
    assert "should be  dW2 = delta2 @ a1.T " in str(swapped)
    frozen = gradcheck(*target(by_name["columns: only the last layer"]))
    assert (
        "▲ hidden1: the update of its weights and biases is wrong: only the last layer is updated (update)."
        in str(frozen)
    )
    assert "Your update equals" in str(frozen)
    assert "only biases are updated" in str(gradcheck(*target(by_name["columns: rebinds weights only"])))


def test_the_loss_that_was_taken_is_told():
    assert "cost_derivative(output, y) is the derivative of the quadratic one" in str(
        gradcheck(*module("columns").factory())
    )
    assert "Your loss(x, y) is cross-entropy" in str(gradcheck(*module("rows").factory()))


def test_the_page_of_bugs_is_what_the_script_prints(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bugs.py", "--markdown"])
    assert bugs.main() == 0
    printed = capsys.readouterr().out
    assert printed == Path("docs/own-bugs.md").read_text("utf-8")
    rows = [line for line in printed.splitlines() if line.startswith("| ") and " | yes | " in line]
    assert len(rows) == len(BUGS) == 68
    assert f"{len(BUGS)} of {len(BUGS)} are found." in printed and "no name" not in printed
    for page in ("README.md", "examples/own_network/README.md"):
        assert f"{len(BUGS)} " in Path(page).read_text("utf-8")


def test_a_bug_that_is_missed_is_told(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bugs.py"])
    monkeypatch.setattr(bugs, "BUGS", (bugs.Bug("nothing", "rows", (), (), ""), BUGS[0]))
    assert bugs.main() == 1
    out = capsys.readouterr().out
    assert "nothing" in out and "MISSED" in out and out.endswith("1 of 2 caught\n")
