"""Causes before consequences: order, chain, what speaks against, what is ruled out."""

import pytest

from nndebug.diagnosis import CAUSES, diagnose
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
        "The initial weights are too large: 35% of the outputs start saturated on the wrong side"
    )


def test_dying_relu_is_ruled_out_with_figures():
    series = {("hidden1", "probe.zero_share"): [0.57] * 8, ("hidden1", "probe.dead_units"): [0.0] * 8}
    run = make_run(series, learns=False)
    causes, _, _ = diagnose(
        run, [finding("NND204", "output", at_birth=0.35), finding("NND205", "output", std=40.0)]
    )
    assert causes[0].ruled_out == (
        "not dying ReLU: 57% of hidden1's activations are zero, yet every unit fires for some samples",
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


def test_what_learned_in_spite_of_it_speaks_against():
    run = make_run(learns=True)
    causes, _, _ = diagnose(run, [overshoot(deaths=4)])
    assert causes[0].against == ("the run learned in spite of it: probe loss 0.02, chance 0.45",)


def test_an_unexplained_failure_says_so(failed):
    causes, verdict, severity = diagnose(failed, [finding("NND501", "run")])
    assert causes[0].kind == "not_learning" and causes[0].certainty == 0
    assert verdict.endswith("its cause is not known.") and severity is Severity.ERROR


def test_certainty_then_place_orders_causes(failed):
    found = [finding("NND409"), finding("NND403", "hidden1.weight", gradient=0.3), overshoot()]
    causes, _, _ = diagnose(failed, found)
    assert [cause.kind for cause in causes] == ["constant_init", "frozen_parameters", "lr_too_high"]
    assert list(CAUSES).index("constant_init") < list(CAUSES).index("frozen_parameters")


def test_results_round_trip_through_json(failed):
    found = (overshoot(), finding("NND501", "run"))
    causes, verdict, severity = diagnose(failed, found)
    result = CheckResult(verdict, severity, causes, found, passed=("NND101",))
    assert CheckResult.from_json(result.to_json()) == result
    assert Cause.from_json(causes[0].to_json()) == causes[0]
