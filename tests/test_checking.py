"""Running rules over a run: selection, what is not applicable, what crashes, order, and the same result twice."""

import json
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nndebug import checking, registry
from nndebug.checking import check
from nndebug.errors import UserError
from nndebug.findings import CheckResult, Severity, Symptom
from nndebug.registry import Rule
from nndebug.run import Run
from nndebug.storage import RunFolder

MANIFEST = {
    "name": "test",
    "loss": "quadratic",
    "sites": [{"name": "hidden1", "kind": "dense", "activation": "relu", "parameters": ["weight", "bias"]}],
}
ROWS = [
    {"kind": "step", "step": k, "epoch": 1, "data": {"run": {"loss": loss}}}
    for k, loss in enumerate([3.0, 2.0, math.nan])
]


def yielding(*symptoms):
    return lambda run: iter(symptoms)


def loss_is_finite(run):
    loss = run.series("loss")
    if not math.isfinite(loss.last):
        yield Symptom(
            "run", f"loss {loss.last}", Severity.ERROR, int(loss.steps[-1]), evidence={"share": 1 / 3}
        )


def crashing(run):
    yield Symptom("run", "half a finding before the crash", Severity.ERROR)
    raise IndexError("list index\nout of range")


RULES = (
    Rule("NND101", "nonfinite", ("loss",), loss_is_finite),
    Rule("NND201", "dead-relu", ("probe.silent_units", "loss"), yielding(Symptom("hidden1", "dead"))),
    Rule("NND203", "saturated", (), yielding()),
    Rule("NND303", "vanishing", ("loss",), crashing),
    Rule("NND411", "overshoots", (), yielding(
        Symptom("output", "late", Severity.WARNING, 7),
        Symptom("hidden1", "early", Severity.WARNING, 1),
        Symptom("hidden1", "of no step", Severity.WARNING),
        Symptom("run", "by the way", Severity.INFO, 0),
    )),
)  # fmt: skip


@pytest.fixture
def rules(monkeypatch):
    monkeypatch.setattr(registry, "all_rules", lambda: RULES)
    monkeypatch.setattr(checking, "diagnose", lambda run, findings: ((), f"{len(findings)} found", None))


@pytest.fixture
def run():
    live = Run(MANIFEST)
    for row in ROWS:
        live.add(row)
    return live


def codes(entries):
    return [entry.code for entry in entries]


def test_every_rule_ends_in_exactly_one_place(rules, run):
    result = check(run)
    assert codes(result.findings) == ["NND101", "NND411", "NND411", "NND411", "NND411"]
    assert result.passed == ("NND203",)
    assert [(s.code, s.reason) for s in result.not_applicable] == [
        ("NND201", "never recorded: probe.silent_units")
    ]
    assert [(s.code, s.reason) for s in result.crashed] == [("NND303", "IndexError: list index out of range")]
    assert result.suppressed == ()
    assert result.verdict == "5 found"


def test_the_worst_comes_first_then_the_earliest(rules, run):
    messages = [finding.message for finding in check(run).findings]
    assert messages == ["loss nan", "early", "late", "of no step", "by the way"]


def test_a_finding_carries_what_its_rule_measured(rules, run):
    (finding, *_) = check(run).findings
    assert (finding.name, finding.site, finding.first_step) == ("nonfinite", "run", 2)
    assert finding.evidence == {"share": 1 / 3}
    assert finding.severity is Severity.ERROR


def test_evidence_becomes_plain_so_that_it_can_be_stored(rules, run, monkeypatch):
    evidence = {
        "units": np.array([3, 5]),
        "share": np.float32(0.5),
        "worst": np.float64("inf"),
        "steps": (1, 2),
    }
    sick = Symptom("hidden1", "x", first_step=np.int64(4), evidence=evidence)
    hopeless = Symptom("hidden1", "x", evidence={"run": object()})
    rules = (
        Rule("NND201", "dead-relu", (), yielding(sick)),
        Rule("NND202", "dead-at-birth", (), yielding(hopeless)),
    )
    monkeypatch.setattr(registry, "all_rules", lambda: rules)
    result = check(run)
    (finding,) = result.findings
    assert finding.evidence == {"units": [3, 5], "share": 0.5, "worst": math.inf, "steps": [1, 2]}
    assert type(finding.first_step) is int
    assert codes(result.crashed) == ["NND202"]


@pytest.mark.parametrize(
    ("select", "ran"),
    [
        (["NND2"], {"NND203"}),
        (["NND101", "overshoots"], {"NND101", "NND411"}),
        (["nnd101"], {"NND101"}),
        (["4"], {"NND411"}),
        (["411"], {"NND411"}),
        (["Dead-ReLU"], set()),
    ],
)
def test_rules_are_selected_by_code_prefix_and_name(rules, run, select, ran):
    result = check(run, select=select)
    assert set(codes(result.findings)) | set(result.passed) == ran
    reasons = {entry.reason for entry in result.suppressed}
    assert reasons == {"not among the rules selected"}


def test_what_is_ignored_is_listed_as_suppressed(rules, run):
    result = check(run, select=["NND1", "NND4"], ignore=["nonfinite"])
    assert set(codes(result.findings)) == {"NND411"}
    assert [s.code for s in result.suppressed if s.reason == "ignored by the caller"] == ["NND101"]


@pytest.mark.parametrize(
    ("word", "help"),
    [
        ("NND412", "did you mean 'NND411'?"),
        ("dead-rlu", "did you mean 'dead-relu'?"),
        ("", "nndebug rule lists them all"),
        ("qqq", "nndebug rule lists them all"),
    ],
)
def test_a_word_that_names_no_rule_is_refused(rules, run, word, help):
    for keywords in ({"select": [word]}, {"ignore": [word]}):
        with pytest.raises(UserError, match="there is no rule") as caught:
            check(run, **keywords)
        assert caught.value.help == help


def test_a_diagnosis_that_crashes_hurts_nothing_else(rules, run, monkeypatch):
    def broken(run, findings):
        raise KeyError("hidden1")

    monkeypatch.setattr(checking, "diagnose", broken)
    result = check(run)
    assert ("diagnosis", "KeyError: 'hidden1'") in [(s.name, s.reason) for s in result.crashed]
    assert len(result.findings) == 5
    assert (result.verdict, result.severity) == ("loss nan", Severity.ERROR)
    assert check(run, select=["NND203"]).severity is None


def test_live_and_reloaded_give_the_same_result(rules, run, tmp_path):
    folder = RunFolder.create(tmp_path / "run", MANIFEST)
    for row in ROWS:
        folder.append(row)
    folder.close()
    live, replayed = check(run), check(tmp_path / "run")
    assert json.dumps(live.to_json()) == json.dumps(replayed.to_json())
    assert CheckResult.from_json(live.to_json()) == live
    assert live.run == {"name": "test", "loss": "quadratic", "steps": 3, "epochs": 0}


def test_a_folder_that_holds_no_run_is_refused(rules, tmp_path):
    with pytest.raises(UserError):
        check(tmp_path)
    with pytest.raises(UserError):
        check(str(tmp_path / "nothing"))


@given(st.permutations(range(4)), st.randoms())
def test_the_order_of_findings_is_that_of_no_input(order, shuffle: random.Random):
    symptoms = [
        Symptom("a", "x", Severity.ERROR, 3),
        Symptom("b", "x", Severity.ERROR, 3),
        Symptom("a", "x", Severity.INFO),
        Symptom("a", "w", Severity.INFO),
    ]
    bound = [checking._bind(RULES[i % 2], symptoms[i]) for i in order]
    expected = sorted(bound, key=checking._order)
    shuffle.shuffle(bound)
    assert sorted(bound, key=checking._order) == expected
    assert [finding.severity.rank for finding in expected] == [2, 2, 0, 0]
