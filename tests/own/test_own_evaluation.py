"""The evaluation of a class of one's own on trial, and its preflight."""

from contextlib import nullcontext

import numpy as np
import pytest

import nndebug
from examples.own_network import bugs, training


def trained(evaluate=None, style="columns", epochs=2, changes=(), **options):
    base = bugs.module(style, changes).Network
    mixin = training.Network if style == "columns" else training.BatchNetwork
    members = {name: value for name, value in vars(mixin).items() if not name.startswith("__")}
    members |= {"evaluate" if style == "columns" else "accuracy": evaluate} if evaluate else {}
    net = type("Network", (base,), members)([64, 30, 10])
    train, test = training.column_data()
    train, test = train[:700], test[:300]
    with nndebug.watch(net, strict=True, **options) as watching:
        if style == "columns":
            net.SGD(train, epochs, 10, 3.0, test_data=test)
        else:
            x, y = (np.hstack([pair[part] for pair in train]).T for part in (0, 1))
            held_out = np.hstack([a for a, _ in test]).T, np.array([b for _, b in test])
            net.fit(x, y, epochs, 10, 0.1, held_out)
    return watching, net, test


def counting(right):
    return lambda self, test_data: int(sum(bool(right(self.feedforward(x), y)) for x, y in test_data))


WRONG = {
    "argmax of the label too": (counting(lambda o, y: np.argmax(o) == np.argmax(y)), "columns", "argmax_of_label"),
    "argmin": (counting(lambda o, y: np.argmin(o) == y), "columns", "argmin"),
    "column against row": (lambda self, x, y: np.mean(self.forward(x).argmax(axis=1)[:, None] == y), "rows", "column_against_row"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_evaluation_is_named(name):
    evaluate, style, mistake = WRONG[name]
    watching, _, _ = trained(evaluate, style)
    assert [c.kind for c in watching.result.causes][:1] == ["wrong_metric"]
    named = [f.evidence for f in watching.result.findings if f.code == "NND602"]
    assert mistake in [named[0]["mistake"], *named[0]["others"]]


SAID = {
    "a count": lambda right, n: int(right),
    "a share": lambda right, n: right / n,
    "a percentage": lambda right, n: 100 * (right / n) + 1e-9,
    "a loss": None,
}


@pytest.mark.parametrize("times", ["percent", "one too many", "array"])
def test_a_wrong_number_is_told_whatever_its_form(times):
    def evaluate(self, test_data):
        right = sum(int(np.argmax(self.feedforward(x)) == 0) for x, _ in test_data)
        return {"percent": 100 * right / 300, "one too many": 301, "array": np.ones(2)}[times]

    if times == "percent":
        watching, _, _ = trained(evaluate)
        named = [f.evidence["mistake"] for f in watching.result.findings if f.code == "NND602"]
        assert named == ["argmax_of_label"]
        return
    with pytest.warns(RuntimeWarning, match="is not compared with the accuracy") as told:
        watching, _, _ = trained(evaluate)
    assert len(told) == 1 and watching.run.steps == 140
    assert [f.code for f in watching.result.findings].count("NND902") == 1


@pytest.mark.parametrize("form", SAID)
def test_a_right_evaluation_is_recounted_whatever_its_form(form):
    say = SAID[form]

    def evaluate(self, test_data):
        out = [self.feedforward(x) for x, _ in test_data]
        if say is None:
            return float(
                np.mean([0.5 * np.sum((o - np.eye(10)[:, [y]]) ** 2) for o, (_, y) in zip(out, test_data)])
            )
        return say(sum(int(np.argmax(o) == y) for o, (_, y) in zip(out, test_data)), len(test_data))

    with pytest.warns(RuntimeWarning, match="is the loss") if say is None else nullcontext():
        watching, net, test = trained(evaluate)
    run = watching.run
    assert not [f for f in watching.result.findings if f.code.startswith("NND6")]
    true = np.mean([np.argmax(net.feedforward(x)) == y for x, y in test])
    reported = run.series("validation.accuracy").values
    if form == "a loss":
        assert not len(reported)
    else:
        assert len(reported) == 2 and reported[-1] == pytest.approx(true, abs=1e-6)
        assert run.series("evaluation.accuracy").values[-1] == pytest.approx(true)
    judged = watching.evaluated(float(true), *zip(*test)) if form == "a share" else True
    assert judged


def test_the_preflight_checks_gradient_update_and_batches_of_the_class_itself():
    before = np.random.get_state()[1].copy()
    watching, _, _ = trained(preflight=20.0)
    assert np.array_equal(before, np.random.get_state()[1])
    found = watching.run.preflight
    assert found.gradcheck and {row.parameter for row in found.gradcheck.rows} >= {"weight", "bias update"}
    assert {"fit", "data", "start", "batch", "labels"} <= set(found.measurements)
    assert not found.failed


def test_a_shape_that_fits_the_batch_by_accident_is_found_before_training():
    changes = next(bug.changes for bug in bugs.ROWS if bug.name == "targets transposed")
    watching, _, _ = trained(style="rows", epochs=1, changes=changes, preflight=20.0)
    assert watching.run.steps == 70
    sizes = watching.run.preflight.measurements["batch"]["sizes"]
    assert "raises" not in sizes["10"] and all("raises" in sizes[size] for size in ("2", "30"))
    assert [c.kind for c in watching.result.causes][:1] == ["shape_mismatch"]


def test_a_mistake_in_backprop_is_named_while_it_trains():
    changes = bugs.COLUMNS[0].changes
    watching, _, _ = trained(changes=changes, epochs=1)
    slope = {f.code for f in watching.result.findings}
    assert "NND307" in slope
    proved, _, _ = trained(changes=changes, epochs=1, preflight=20.0)
    assert proved.result.causes[0].kind == "cost_for_derivative" and proved.result.causes[0].layer == "output"
