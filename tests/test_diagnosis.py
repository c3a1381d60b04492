"""Causes before consequences: order, chain, what speaks against, what is ruled out."""

import pytest

from nndebug.causes import Kind
from nndebug.diagnosis import diagnose
from nndebug.findings import Cause, CheckResult, Finding, Severity
from tests.rules.runs import make_run


def finding(code, site="hidden1", since=0, severity=Severity.ERROR, **evidence):
    return Finding(code, code.lower(), severity, site, f"{code} at {site}", since, None, evidence)


def overshoot(site="hidden1", step=0, deviations=6.2, deaths=8):
    return finding("NND411", site, step, deviations=deviations, step=step, deaths=deaths)


@pytest.fixture
def failed():
    return make_run(learns=False)


def test_no_finding_is_no_cause():
    causes, verdict, severity = diagnose(make_run(learns=True), [])
    assert (causes, severity) == ((), None)
    assert verdict == "Nothing is wrong."


def test_silence_is_not_health_where_the_loss_has_not_fallen():
    run = make_run({("run", "probe.loss"): [0.45, 0.4, 0.38, 0.36, 0.34, 0.33, 0.32, 0.31]})
    _, verdict, severity = diagnose(run, [])
    assert verdict == "No rule found a fault, but the loss, 0.31, is not half of chance yet (0.45)."
    assert severity is None


@pytest.mark.parametrize(
    ("unrelated", "unseen", "doubtful"),
    [(True, None, True), (True, 0.5, True), (True, 0.1, False), (False, None, False)],
)
def test_what_was_learned_by_heart_is_not_called_right(unrelated, unseen, doubtful):
    held_out = {} if unseen is None else {("run", "validation.loss"): {900: unseen}}
    note = finding("NND705", "run", severity=Severity.INFO, unrelated=unrelated, proof=False)
    _, verdict, severity = diagnose(make_run(held_out, learns=True), [note])
    assert severity is None
    assert ("the targets may not belong to their inputs" in verdict) == doubtful


def test_infos_alone_are_notes():
    causes, verdict, severity = diagnose(
        make_run(learns=True), [finding("NND503", "run", severity=Severity.INFO)]
    )
    assert (causes, severity) == ((), None)
    assert verdict == "Nothing is wrong (1 note)."


def test_the_rate_is_named_with_the_step_and_the_units_it_killed(failed):
    dead = finding("NND201", since=1, died={"1": 8}, since_birth=3, units=30)
    causes, verdict, severity = diagnose(failed, [finding("NND501", "run"), dead, overshoot()])
    assert verdict == "The learning rate is too high: the first step killed 8 of hidden1's 30 ReLU units."
    assert (causes[0].kind, causes[0].layer, causes[0].first_step, severity) == (
        "lr_too_high",
        "hidden1",
        0,
        Severity.ERROR,
    )
    assert "0.1 to 0.01" in causes[0].help


def test_the_chain_goes_from_cause_to_outcome(failed):
    found = [
        finding("NND501", "run", 0),
        finding("NND305", since=200),
        finding("NND201", since=1, died={"1": 8}, since_birth=0, units=30),
        overshoot(),
    ]
    causes, _, _ = diagnose(failed, found)
    codes = {f.fingerprint: f.code for f in found}
    assert [codes[p] for p in causes[0].explains] == ["NND411", "NND201", "NND501", "NND305"]


def test_the_worst_overshoot_is_the_root_of_the_chain(failed):
    found = [overshoot("a", 0, 9.0, 0), overshoot("hidden1", 0, 5.0, 8), finding("NND501", "run")]
    causes, _, _ = diagnose(failed, found)
    assert causes[0].layer == "hidden1" and causes[0].explains[0] == found[1].fingerprint


def test_saturated_at_birth_comes_before_a_rate(failed):
    found = [
        overshoot("output", 3, 5.0, 0),
        finding("NND204", "output", at_birth=0.35),
        finding("NND205", "output", std=40.0),
        finding("NND501", "run"),
    ]
    causes, verdict, _ = diagnose(failed, found)
    assert [cause.kind for cause in causes] == ["init_too_large", "lr_too_high"]
    assert verdict.startswith(
        "The initial weights are too large: 35 % of the outputs start saturated on the wrong side"
    )


def test_dying_relu_is_ruled_out_with_figures():
    series = {("hidden1", "probe.zero_share"): [0.57] * 8, ("hidden1", "probe.dead_units"): [0.0] * 8}
    run = make_run(series, learns=False)
    causes, _, _ = diagnose(
        run, [finding("NND204", "output", at_birth=0.35), finding("NND205", "output", std=40.0)]
    )
    assert causes[0].ruled_out == (
        "not dying ReLU: 57 % of hidden1's activations are zero, yet every unit fires for some samples",
    )


def test_raw_inputs_come_before_what_they_cause():
    run = make_run(learns=False, input={"minimum": 0.0, "maximum": 255.0})
    causes, verdict, _ = diagnose(run, [overshoot(), finding("NND203"), finding("NND501", "run")])
    assert causes[0].kind == "unnormalised_input"
    assert verdict == "The inputs are not scaled: they go from 0 to 255."


def test_a_frozen_parameter_needs_a_gradient(failed):
    _, verdict, _ = diagnose(
        failed, [finding("NND403", "hidden1.weight", gradient=0.0), finding("NND501", "run")]
    )
    assert "not known" in verdict
    causes, verdict, _ = diagnose(
        failed, [finding("NND403", "hidden1.weight", gradient=0.3), finding("NND501", "run")]
    )
    assert causes[0].kind == "frozen_parameters" and "hidden1.weight never changes although" in verdict


@pytest.mark.parametrize("moved", [False, True])
def test_an_update_that_moves_nothing_explains_that_nothing_is_learned_by_heart(failed, moved):
    left = [] if not moved else ["output.weight"]
    unmoved = finding("NND408", "hidden1", moved=left, frozen=False)
    by_heart = finding("NND505", "run")
    causes, _, _ = diagnose(failed, [unmoved, by_heart, finding("NND501", "run")])
    assert causes[0].kind == "frozen_parameters"
    assert (by_heart.fingerprint in causes[0].explains) is not moved


def test_what_learned_in_spite_of_it_speaks_against():
    run = make_run(learns=True)
    causes, _, _ = diagnose(run, [overshoot(deaths=4)])
    assert causes[0].against == ("the run learned in spite of it: probe loss 0.02, chance 0.45",)


def test_an_unexplained_failure_says_so(failed):
    causes, verdict, severity = diagnose(failed, [finding("NND501", "run")])
    assert causes[0].kind == "not_learning" and causes[0].certainty == 0
    assert verdict.endswith("its cause is not known.") and severity is Severity.ERROR


def test_constant_inputs_come_before_what_looks_like_small_weights():
    run = make_run(learns=False, input={"minimum": 0.0, "maximum": 0.0})
    causes, verdict, _ = diagnose(run, [finding("NND205", std=0.0), finding("NND501", "run")])
    assert [cause.kind for cause in causes] == ["wrong_preprocessing"]
    assert verdict == "The inputs are all the same: every entry is 0."


def test_small_weights_are_blamed_only_if_they_are_small():
    for std, kinds in ((0.001, ["init_too_small"]), (0.05, ["not_learning"])):
        run = make_run({("hidden1.weight", "weight.std"): {0: std}}, learns=False)
        causes, _, _ = diagnose(run, [finding("NND205", std=0.01), finding("NND501", "run")])
        assert [cause.kind for cause in causes] == kinds


def test_negative_biases_are_named():
    run = make_run({("hidden1.bias", "weight.mean"): {0: -5.0}}, learns=False)
    causes, verdict, _ = diagnose(run, [finding("NND202", dead=28, units=30), finding("NND501", "run")])
    assert (
        verdict == "The initial biases are too negative (-5 on average): 28 of hidden1's 30 units never fire."
    )
    assert causes[0].kind == "init_too_large"


def test_what_starts_too_large_moves_too_far_at_any_rate(failed):
    found = [
        overshoot(),
        finding("NND205", "hidden2", std=40.0),
        finding("NND503", "run"),
        finding("NND501", "run"),
    ]
    causes, _, _ = diagnose(failed, found)
    assert [cause.kind for cause in causes] == ["init_too_large", "lr_too_high"]


def test_overshoots_that_are_only_notes_are_no_cause():
    note = Finding(
        "NND411", "", Severity.INFO, "output", "", 6, None, {"deviations": 17.0, "step": 6, "deaths": 0}
    )
    causes, _, _ = diagnose(make_run(learns=True), [note, finding("NND304", severity=Severity.WARNING)])
    assert causes[0].kind == "not_learning"


def test_what_diverges_after_it_makes_an_overshoot_surer(failed):
    alone, _, _ = diagnose(failed, [overshoot(deaths=0), finding("NND501", "run")])
    diverged, _, _ = diagnose(failed, [overshoot(deaths=0), finding("NND502", "run")])
    assert alone[0].certainty < diverged[0].certainty


def test_small_updates_are_a_consequence_where_the_gradient_was_cut(failed):
    slow = finding("NND402", "hidden1.weight", at_start=1e-7, median=1e-7)
    causes, _, _ = diagnose(failed, [slow, finding("NND501", "run")])
    assert causes[0].kind == "lr_too_low"
    causes, _, _ = diagnose(failed, [slow, finding("NND305", since=5), finding("NND501", "run")])
    assert causes[0].kind == "not_learning"


def test_a_step_below_the_precision_is_a_rate_too_low(failed):
    still = finding("NND403", "hidden1.weight", gradient=1.0, below_precision=True)
    causes, verdict, _ = diagnose(failed, [still, finding("NND501", "run")])
    assert causes[0].kind == "lr_too_low" and "below the precision of hidden1.weight" in verdict


def test_an_empty_record_is_not_health():
    run = make_run(steps=1)
    run._steps = 0
    assert diagnose(run, [])[1] == "Nothing could be checked: no step was recorded."


def test_a_recording_that_stopped_is_not_health():
    stopped = finding("NND902", "run", severity=Severity.INFO)
    _, verdict, _ = diagnose(make_run(learns=True), [stopped])
    assert verdict == "No rule found a fault in what was recorded, but not all was: NND902 at run."


def test_learning_by_heart_is_not_health():
    run = make_run({("run", "validation.loss"): {100: 0.44, 200: 0.46}}, learns=True)
    assert "no better than chance" in diagnose(run, [])[1]


def test_certainty_then_place_orders_causes(failed):
    found = [finding("NND409"), finding("NND403", "hidden1.weight", gradient=0.3), overshoot()]
    causes, _, _ = diagnose(failed, found)
    assert [cause.kind for cause in causes] == ["constant_init", "frozen_parameters", "lr_too_high"]
    assert list(Kind).index("constant_init") < list(Kind).index("frozen_parameters")


def test_equal_weights_explain_a_dead_layer_and_what_it_cannot_learn(failed):
    found = [
        finding("NND409", value=0.0),
        finding("NND202", dead=30, units=30),
        finding("NND201", died={}, since_birth=30, units=30),
        finding("NND505", "run"),
    ]
    causes, _, _ = diagnose(failed, found)
    assert [cause.kind for cause in causes] == ["constant_init"]
    assert set(causes[0].explains) == {f.fingerprint for f in found}


def test_results_round_trip_through_json(failed):
    found = (overshoot(), finding("NND501", "run"))
    causes, verdict, severity = diagnose(failed, found)
    result = CheckResult(verdict, severity, causes, found, passed=("NND101",))
    assert CheckResult.from_json(result.to_json()) == result
    assert Cause.from_json(causes[0].to_json()) == causes[0]
