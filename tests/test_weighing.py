"""Certainties from measured weights: they sum to 1, follow the evidence, and come from a table that is what it says."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nndebug import baseline
from nndebug.causes import Kind
from nndebug.checking import check
from nndebug.diagnosis import NOT_HEALTHY, SUREST, diagnose, ranking
from nndebug.errors import UserError
from nndebug.facts import MARKS, facts, known, tells_enough
from nndebug.figures import figures
from nndebug.findings import Finding, Severity
from nndebug.preflight.result import Preflight
from nndebug.run import Run
from nndebug.weighing import HEALTHY, Table, measured, parse
from tests.rules.runs import make_run

NAMES = [f"fact {n}" for n in range(6)]
KINDS = ["lr_too_high", "lr_too_low", "wrong_batch_size", HEALTHY]

weights = st.floats(-20, 20)
tables = st.builds(
    Table,
    st.fixed_dictionaries(dict.fromkeys(KINDS, weights)),
    st.fixed_dictionaries({kind: st.dictionaries(st.sampled_from(NAMES), weights) for kind in KINDS}),
)
stated = st.sets(st.sampled_from(NAMES))


@given(tables, stated)
def test_certainties_are_a_distribution(measured, facts):
    shares = measured.certainties(facts)
    assert set(shares) == set(KINDS) and all(0 <= share <= 1 for share in shares.values())
    assert math.isclose(math.fsum(shares.values()), 1)


@given(tables, stated)
def test_what_the_table_does_not_know_counts_nothing(measured, facts):
    assert measured.certainties(facts | {"the moon is full"}) == measured.certainties(facts)


@given(tables, stated, st.sampled_from(NAMES), st.sampled_from(KINDS), st.floats(0.01, 20))
def test_evidence_for_one_kind_alone_never_makes_it_less_certain(measured, facts, name, kind, weight):
    others = {k: {f: w for f, w in w.items() if f != name} for k, w in measured.weights.items()}
    changed = Table(measured.start, {**others, kind: {**others[kind], name: weight}})
    without, with_it = (changed.certainties(s)[kind] for s in (facts - {name}, facts | {name}))
    assert with_it >= without


def test_odds_are_multiplied():
    # Bayes by hand: odds of 1 to 1, one statement 40 times as likely under the first, another 10 times under the second.
    measured = Table({"a": 0.0, "b": 0.0}, {"a": {"x": math.log(40)}, "b": {"y": math.log(10)}})
    assert measured.certainties({"x"})["a"] == pytest.approx(40 / 41)
    assert measured.certainties({"x", "y"})["a"] == pytest.approx(4 / 5)
    assert measured.reasons("a", {"x", "y"}) == (["x (×40)"], ["y (÷10)"])


def test_marks_of_one_figure_count_together():
    measured = Table({"a": 0.0, "b": 0.0}, {"a": {"z > 0.9": 1.0, "z > 10": 2.0}, "b": {}})
    assert measured.reasons("a", {"z > 10", "z > 0.9"})[0] == [f"z > 10 (×{math.exp(3):.2g})"]
    assert measured.reasons("unheard of", {"z > 10"}) == ([], [])


def test_that_it_looks_like_a_kind_speaks_against_the_others_once_and_is_no_reason_for_itself():
    look = {"it looks like a": 1.0, "it looks like a, as a chain": 1.0, "it looks like a most of all": 2.0}
    measured = Table({"a": 0.0, "b": 0.0}, {"a": look, "b": {}})
    assert measured.reasons("a", look) == ([], [])
    assert measured.reasons("b", look) == ([], ["it looks like a (÷55)"])


def test_reasons_say_what_is_of_a_layer():
    weights = {"last pre-activations, first > 20": 2.0, "last loss / chance > 0.5": 3.0}
    measured = Table({"a": 0.0, "b": 0.0}, {"a": weights, "b": {}})
    assert measured.reasons("a", weights)[0] == [
        "last loss / chance > 0.5 (×20)",
        "last layer's pre-activations, first > 20 (×7.4)",
    ]


GOOD = {"schema": 1, "made": {}, "start": {"a": 0, "b": 1}, "weights": {"a": {"x": 1}}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "[" * 100_000,
        json.dumps({**GOOD, "schema": 2}),
        json.dumps({**GOOD, "start": {"a": 0}}),
        json.dumps({**GOOD, "start": {"a": 0, "b": float("nan")}}),
        json.dumps({**GOOD, "start": [["a", 0]]}),
        json.dumps({**GOOD, "weights": {"c": {"x": 1}}}),
        json.dumps({**GOOD, "weights": {"a": {"x": "1"}}}),
        json.dumps({**GOOD, "weights": {"a": {"x": True}}}),
        json.dumps({**GOOD, "weights": {"a": {"x": 1e300}}}),
        json.dumps({**GOOD, "weights": {"a": {"": 1}}}),
        json.dumps({**GOOD, "weights": {"a": 3}}),
        json.dumps({**GOOD, "made": 3}),
        json.dumps({key: value for key, value in GOOD.items() if key != "made"}),
    ],
)
def test_a_table_that_is_none_is_refused(text):
    with pytest.raises(UserError, match="the table of weights is broken"):
        parse(text)


def test_a_table_is_read():
    assert parse(json.dumps(GOOD)).certainties({"x"})["a"] == pytest.approx(0.5)


# --- statements ---------------------------------------------------------------------------------------------------


def test_figures_are_those_of_the_run():
    run = make_run({("hidden1.weight", "weight.std"): {0: 0.01}}, learns=True, batch=10, samples=100)
    found = figures(run)
    assert found["first loss / chance"] == pytest.approx(0.46 / 0.45)
    assert found["last loss / first"] == pytest.approx(0.02 / 0.46)
    assert found["first weight × √inputs"] == pytest.approx(0.28)
    assert found["batch / samples"] == 0.1
    told = facts(run, [], [])
    assert "last loss / chance > 0.1" not in told and "first loss / chance > 0.97" in told
    assert "first weight × √inputs > 0.1" in told and "first weight × √inputs > 0.4" not in told


def test_a_loss_that_is_not_finite_is_beyond_every_mark():
    run = make_run({("run", "probe.loss"): [0.46, 0.45, math.nan]})
    assert {f"last loss / chance > {mark:g}" for mark in MARKS["last loss / chance"]} <= facts(run, [], [])


def test_findings_are_stated_with_severity_time_and_place():
    found = [
        Finding("NND204", "x", Severity.ERROR, "output", "", 0),
        Finding("NND503", "x", Severity.INFO, "run", ""),
    ]
    told = {fact for fact in facts(make_run(), found, []) if fact.startswith("NND")}
    assert told == {
        *("NND204", "NND204 is a warning", "NND204 is an error", "NND204 at step 0"),
        *("NND204 at the last layer", "NND503"),
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["std", "rate"]), inner),
    max_leaves=4,
)
KEYS = [
    "optimizer",
    "input",
    "inputs",
    "class_shares",
    "loss_at_chance",
    "samples",
    "batch",
    "epochs",
    "loss",
    "classes",
]


@given(st.dictionaries(st.sampled_from(KEYS), json_values))
def test_every_run_can_be_stated_whatever_its_manifest_says(manifest):
    run = make_run(learns=True)
    run.manifest = {**run.manifest, **manifest}
    told = facts(run, [], [])
    assert all(map(known, told))


def test_a_run_that_tells_little_is_not_compared():
    assert not tells_enough(facts(Run({}), [], []))
    assert tells_enough([f"{name} unknown" for name in list(MARKS)[:5]])


def test_only_what_can_be_stated_is_known():
    assert (
        known("last loss / chance > 0.9")
        and known("NND204 at step 0")
        and known("share of one class unknown")
    )
    assert not known("last loss / chance > 0.91") and not known("the moon is full")


# --- the diagnosis ------------------------------------------------------------------------------------------------


def full_run(learns=False):
    """A run that knows enough figures to be weighed."""
    series = {}
    for site in ("hidden1", "output"):
        for name in ("preactivation.std", "variation"):
            series[site, f"probe.{name}"] = [1.0] * 8
        for name in ("update_ratio", "gradient.norm", "gradient.std", "gradient.zero_share", "weight.norm"):
            series[f"{site}.weight", name] = [0.1] * 8
    series |= {
        ("run", "validation.loss"): [0.02 if learns else 0.5] * 8,
        ("run", "probe.accuracy"): [0.1] * 8,
    }
    return make_run(
        series,
        learns=learns,
        batch=10,
        samples=100,
        epochs=None,
        input={"minimum": 0.0, "maximum": 1.0, "std": 1.0},
    )


def finding(code, **evidence):
    return Finding(code, code.lower(), Severity.ERROR, "run", f"{code} fired", 0, None, evidence)


SURE = Table(
    {"wrong_batch_size": 9.0, HEALTHY: 0.0, "lr_too_low": 0.0},
    {k: {} for k in ("wrong_batch_size", HEALTHY, "lr_too_low")},
)


def test_the_table_names_what_no_rule_knows():
    run = full_run()
    assert tells_enough(facts(run, [], []))
    causes, verdict, severity = diagnose(run, [finding("NND501")], SURE, weigh=True)
    assert causes[0].kind == "wrong_batch_size" and causes[0].certainty == SUREST
    assert verdict == "The likeliest cause: a batch size that does not suit." and severity is Severity.ERROR
    assert diagnose(run, [finding("NND501")], weigh=False)[0][0].kind == "not_learning"


def test_a_guess_that_is_more_likely_wrong_than_right_begins_with_what_was_found():
    kinds = ("wrong_batch_size", HEALTHY, "lr_too_low", "wrong_loss")

    def verdict(certainty, *findings):
        other = math.log((1 - certainty) / certainty / 2)
        table = Table(
            {"wrong_batch_size": 0.0, HEALTHY: -99.0, "lr_too_low": other, "wrong_loss": other},
            {kind: {} for kind in kinds},
        )
        causes, verdict, _ = diagnose(full_run(), findings, table)
        assert causes[0].certainty == pytest.approx(certainty) and len(verdict) <= 200
        assert [cause.sentence for cause in causes[1:]] == [
            "Or perhaps: a loss that does not fit the task.",
            "Or perhaps: a learning rate that is too low.",
        ]
        return verdict

    likeliest = "the likeliest: a batch size that does not suit."
    assert verdict(0.51, finding("NND304")) == f"The likeliest cause: {likeliest[15:]}"
    assert verdict(0.49, finding("NND304")) == f"NND304 fired. No cause is sure; {likeliest}"
    # That nothing is learned outweighs what else was found.
    assert (
        verdict(0.49, finding("NND302"), finding("NND501")) == f"NND501 fired. No cause is sure; {likeliest}"
    )
    wordy = replace(finding("NND304"), site="hidden1", message="word " * 80)
    assert verdict(0.49, wordy).endswith(f"word … No cause is sure; {likeliest}")
    assert verdict(0.49, wordy).startswith("hidden1: word word")


@pytest.mark.parametrize(
    ("certainty", "ends"),
    [
        (0.26, "No cause is sure; the likeliest: a batch size that does not suit."),
        (0.24, "No cause is sure."),
    ],
)
def test_one_of_several_that_are_as_likely_is_not_in_the_verdict(certainty, ends):
    others = ("lr_too_low", "wrong_loss", "lr_too_high", "missing_layer", "too_few_epochs")
    scores = {"wrong_batch_size": 0.0, HEALTHY: -99.0} | dict.fromkeys(
        others, math.log((1 - certainty) / certainty / 5)
    )
    causes, verdict, _ = diagnose(
        full_run(), [finding("NND304")], Table(scores, {kind: {} for kind in scores})
    )
    assert causes[0].kind == "wrong_batch_size" and causes[0].certainty == pytest.approx(certainty)
    assert verdict == f"NND304 fired. {ends}"


def test_what_looks_so_by_itself_comes_first_and_is_less_sure_where_the_table_disagrees():
    table = {"lr_too_high": 0.1, "wrong_batch_size": 0.8, HEALTHY: 0.1}
    ranked = ranking({"lr_too_high": 0.95}, table)
    assert ranked[0] == ("lr_too_high", pytest.approx(0.525)) and ranked[1][1] < 0.475
    assert ranking({"lr_too_high": 0.8}, table)[0][0] == "wrong_batch_size"
    assert ranking({"lr_too_high": 0.95, "lr_too_low": 0.95}, table)[0][0] != "lr_too_high"
    # A kind that the table does not have gets what it leaves over, unless nothing looks clearer.
    assert ("class_imbalance", pytest.approx(0.16)) in ranking(
        {"class_imbalance": 0.8, "lr_too_high": 0.85}, table
    )
    assert ranking({"class_imbalance": 0.8}, table)[0] == ("class_imbalance", 0.8)


@pytest.mark.parametrize(
    ("sure", "seeing", "first"),
    [(0.71, True, "lr_too_high"), (0.69, False, "lr_too_high"), (0.71, False, "unnormalised_target")],
)
def test_without_a_preflight_a_table_that_is_sure_outweighs_what_looks_so(sure, seeing, first):
    table = {"lr_too_high": 0.1, "unnormalised_target": sure, HEALTHY: 0.9 - sure}
    assert ranking({"lr_too_high": 0.95}, table, seeing)[0][0] == first


def test_a_proof_decides_alone():
    found = [finding("NND501"), finding("NND404")]
    assert diagnose(full_run(), found, SURE, weigh=True) == diagnose(full_run(), found, weigh=False)
    assert diagnose(full_run(), found, SURE, weigh=True)[0][0].kind == "missing_zero_grad"


def test_a_run_that_tells_little_has_no_cause_from_the_table():
    assert (
        diagnose(make_run(learns=False), [finding("NND501")], SURE, weigh=True)[0][0].kind == "not_learning"
    )


def tried_run():
    """The same with what a preflight finds."""
    run = full_run()
    tried = {"rates": {"0.1": 0.2}, "share": 0.2, "rate": 0.1, "blind": 1.0, "reached": 0.2, "start": 1.0}
    run.preflight = Preflight(measurements={"overfit": tried})
    return run


def test_without_an_alarm_a_cause_is_named_only_far_from_health():
    causes, verdict, severity = diagnose(tried_run(), [], SURE, weigh=True)
    assert causes[0].kind == "wrong_batch_size" and severity is Severity.INFO
    assert verdict.startswith(
        "No rule is sure, but this is unlike a healthy training. The likeliest cause: a batch"
    )
    for health, named in ((0.9 * NOT_HEALTHY, True), (1.1 * NOT_HEALTHY, False)):
        table = Table({**SURE.start, HEALTHY: 9.0 + math.log(health / (1 - health))}, SURE.weights)
        found, _, severity = diagnose(tried_run(), [], table)
        assert bool(found) == named and severity is (Severity.INFO if named else None), health
    assert diagnose(tried_run(), [], SURE, weigh=False)[0] == ()
    assert diagnose(full_run(), [], SURE)[0] == ()  # nothing was tried before training


def test_a_baseline_of_all_findings_leaves_no_cause_to_the_table(monkeypatch):
    monkeypatch.setattr("nndebug.diagnosis.measured", lambda: SURE)
    run = tried_run()
    result = check(run)
    quiet, _ = baseline.without(run, result, {f.fingerprint: f.message for f in result.findings})
    assert result.findings and quiet.causes == () and quiet.verdict.startswith("Nothing new")


def test_health_is_no_cause():
    healthy = Table({HEALTHY: 9.0, "lr_too_low": 0.0}, {HEALTHY: {}, "lr_too_low": {}})
    causes, _, _ = diagnose(full_run(), [finding("NND501")], healthy, weigh=True)
    assert [cause.kind for cause in causes] == ["lr_too_low"] and causes[0].certainty < 0.01


# --- the table that comes with the package ------------------------------------------------------------------------


def test_the_committed_table_is_one_and_says_how_it_was_made():
    table = measured()
    assert set(table.start) - {HEALTHY} <= {kind.value for kind in Kind}
    named = {fact for weights in table.weights.values() for fact in weights}
    assert len(named) > 100 and all(map(known, named))
    made = table.made
    assert made["runs"] >= 200 and made["command"].startswith("python -m benchmarks.faults.fit")
    assert np.datetime64(made["date"]) and len(made["rule set"]) == 12


def test_the_committed_table_knows_a_run_that_learns():
    # What a healthy run states speaks for health, and a loss that stays at chance against it.
    table = measured()
    good, bad = facts(make_run(learns=True), [], []), facts(make_run(learns=False), [], [])
    assert table.certainties(good)[HEALTHY] > table.certainties(bad)[HEALTHY]
