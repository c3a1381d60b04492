"""The weights that are fitted: those of another implementation, and right on evidence that tells."""

import json

import numpy as np
import pytest

from benchmarks.faults import fit
from benchmarks.faults.scoring import averaged, calibration, confusion, report
from nndebug.weighing import HEALTHY, parse


def rows(count=60, seed=0):
    """Two kinds told apart by one statement in nine of ten runs, and health."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        kind = ("lr_too_high", "lr_too_low", HEALTHY)[number % 3]
        tells = rng.random() < 0.9
        names = {"lr_too_high": "NND411", "lr_too_low": "NND402", HEALTHY: "loss quadratic"}
        stated = {names[kind]} if tells else {"NND501"}
        found.append((kind, number, frozenset(stated)))
    return found


def test_the_weights_are_those_of_scikit_learn():
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    some = rows()
    names = fit.vocabulary(some)
    model = fit.fitted(some, names, penalty=1.0, pull=0.0)
    both = [*some, *fit.struck(some)]
    counts = {kind: sum(k == kind for k, _, _ in both) for kind in {k for k, _, _ in both}}
    weight = [len(both) / 4 / len(counts) / counts[kind] for kind, _, _ in both]
    other = linear.LogisticRegression(C=1.0, max_iter=1000, tol=1e-8)
    x = fit.matrix(both, names)[:, 1:]
    other.fit(x, [kind for kind, _, _ in both], sample_weight=weight)
    columns = [fit.KINDS.index(kind) for kind in other.classes_]
    ours = model.scores(both)[:, columns]
    theirs = other.decision_function(x)
    # Only differences between kinds mean something.
    assert ours - ours.mean(axis=1, keepdims=True) == pytest.approx(
        theirs - theirs.mean(axis=1, keepdims=True), abs=0.02
    )


def test_what_tells_is_believed_and_a_look_by_hand_counts_before_anything_is_measured():
    table = fit.table_of(rows(), 0.3, 1.0, 1.0)
    shares = table.certainties({"NND411"})
    assert max(shares, key=shares.get) == "lr_too_high" and shares["lr_too_high"] > 0.6
    unseen = table.certainties({"it looks like wrong_axis", "it looks like wrong_axis, as a chain"})
    assert unseen["wrong_axis"] > 4 * table.certainties(())["wrong_axis"]


def test_the_table_comes_back_from_its_file():
    table = fit.table_of(rows(), 1.0, 1.0, 1.3)
    again = parse(fit.text(table))
    assert (again.start, again.weights) == (table.start, {k: dict(w) for k, w in table.weights.items()})
    assert json.loads(fit.text(table))["schema"] == 1


def test_the_log_loss_is_averaged_over_kinds():
    logits = np.log([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.75, 0.25]])
    assert fit.loss(logits, np.array([0, 0, 0, 1]), 1.0) == pytest.approx((np.log(2) + np.log(4)) / 2)


TOLD = [
    ("a", [("a", 0.95), ("b", 0.03)]),
    ("a", [("b", 0.6), ("a", 0.3)]),
    ("b", [("b", 0.92)]),
    ("b", []),
    ("b", [("b", 0.5)]),
]


def test_shares_are_averaged_over_kinds():
    assert averaged(TOLD, 1) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert averaged(TOLD, 3) == pytest.approx((1 + 2 / 3) / 2)
    assert "| a | 2 | 1 | 2 | b 1 |" in confusion(TOLD) and "| b | 3 | 2 | 2 | nothing 1 |" in confusion(TOLD)
    assert "| 90% to 100% | 2 | 94% | 100% |" in calibration(TOLD)


def test_a_report_counts_what_was_not_fitted_to():
    view = {"facts": ["NND411"], "proof": False, "looks": [], "causes": [], "severity": "error"}
    gathered = [
        {
            "kind": "lr_too_high",
            "number": 1,
            "split": split,
            "shows": True,
            "preflight": view,
            "passive": view,
        }
        for split in ("test", "left out")
    ]
    table = fit.table_of(rows(), 0.3, 1.0, 1.0)
    lines = report({"all": gathered}, "preflight", lambda row: table)
    assert any(line.startswith("| all (2) | by hand | 0.0%") for line in lines)
    assert any(line.startswith("| all (2) | measured | 100.0%") for line in lines)


def test_no_run_is_judged_by_a_table_that_saw_its_part():
    def row(kind, fact, number):
        view = {"facts": [fact], "proof": False, "looks": [], "causes": [], "severity": "error"}
        parts = {"split": "train", "shows": True, "preflight": view, "passive": view}
        return {"kind": kind, "number": number, **parts}

    # In odd experiments the statement means another kind than in even ones.
    told = [row("lr_too_high" if n % 2 else "lr_too_low", "NND501", n) for n in range(20)]
    table_for = fit.crossed(told, lambda r: r["number"] % 2, 0.1, 0.0, 1.0)
    for one in told:
        shares = table_for(one).certainties({"NND501"})
        assert shares[one["kind"]] < 0.1
