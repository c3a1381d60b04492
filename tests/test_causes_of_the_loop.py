"""Causes in gradient, update, loop, length and evaluation: which finding leads to which, and what stands beside a proof."""

import pytest

from nndebug.causes import Kind, excluded
from nndebug.causes.evidence import CHAIN, PATTERN
from nndebug.diagnosis import candidates, diagnose, weighed
from nndebug.findings import Severity
from nndebug.preflight.result import Preflight
from nndebug.weighing import Table
from tests.rules.runs import SITES, make_run
from tests.test_diagnosis import finding, overshoot


def wrong_gradient(part="loss", name="the sign flipped", site="output", message=""):
    mistakes = [{"name": name, "yours": "a", "should": "b", "residual": 0.0}] if name else []
    found = finding("NND301", site, part=part, equation="BP1", mistakes=mistakes)
    return found if not message else type(found)(**{**found.__dict__, "message": message})


def update(
    mistake, parameters=("hidden1.weight", "hidden1.bias", "output.weight", "output.bias"), equation="update"
):
    return finding(
        "NND406", parameters[0], mistake=mistake, factor=10.0, parameters=list(parameters), equation=equation
    )


def first(*findings, run=None):
    causes, *_ = diagnose(run or make_run(learns=False), list(findings))
    return causes[0]


@pytest.mark.parametrize(
    ("part", "name", "kind"),
    [
        ("loss", "the cost's value (a scalar) in place of its derivative", "cost_for_derivative"),
        ("loss", "the sign flipped", "wrong_gradient_sign"),
        ("loss", "softmax missing", "wrong_loss_gradient"),
        ("activation", "the activation's derivative missing", "activation_derivative"),
        ("input", "the transpose forgotten", "transpose_forgotten"),
        ("input", "a reshape where the transpose belongs", "wrong_error_passed_back"),
        ("weight", "the product transposed", "reversed_product"),
        ("weight", "the last sample only", "wrong_weight_gradient"),
        ("weight", "a division by the batch too many (divided by the batch twice)", "wrong_gradient_scale"),
        ("bias", "one scalar for all units (sum)", "wrong_bias_gradient"),
    ],
)
def test_a_mistake_of_the_catalogue_is_a_word_of_the_vocabulary(part, name, kind):
    found = first(wrong_gradient(part, name))
    assert (found.kind, found.layer) == (kind, "output") and found.certainty > 0.95


@pytest.mark.parametrize(
    ("found", "kind", "layer"),
    [
        (update("the sign flipped"), "wrong_update_sign", None),
        (update("the sign flipped", ("hidden1.bias", "output.bias")), "wrong_update_sign", "hidden1"),
        (update("not divided by the batch"), "wrong_update", None),
        (update("the sign flipped", ("hidden1.weight", "output.weight"), "penalty"), "wrong_penalty", None),
        (finding("NND405", "run", **{"in": "update"}), "wrong_update_sign", None),
        (finding("NND405", "run", **{"in": "gradient"}), "wrong_gradient_sign", None),
        (finding("NND307", "run", ratio=10.0, constant=True), "wrong_gradient_scale", None),
        (finding("NND307", "run", ratio=3.0, constant=False), "wrong_gradient", None),
        (finding("NND404", "run"), "missing_zero_grad", None),
        (finding("NND407", "run", what="order"), "wrong_loop_order", None),
        (finding("NND407", "run", what="cleared"), "wrong_loop_order", None),
        (finding("NND407", "run", what="mode"), "wrong_mode", None),
        (finding("NND308", "run"), "frozen_parameters", None),
        (finding("NND010", "run"), "wrong_update_sign", None),
        (finding("NND412", what="penalty"), "excess_regularisation", "hidden1"),
        (finding("NND412", "drop1", what="dropout"), "excess_regularisation", "drop1"),
        (finding("NND306", "run", batch=1), "wrong_batch_size", None),
        (finding("NND306", "run", batch=8), "lr_too_high", None),
        (
            finding("NND402", "hidden1.weight", falling=True, median=1e-4, at_start=2e-4),
            "lr_too_low",
            None,
        ),
        (finding("NND802", activation="softmax", last=False), "wrong_hidden_activation", "hidden1"),
        (finding("NND802", activation="softmax", last=True), "redundant_output_activation", "hidden1"),
        (finding("NND006", "output", reason="distance", severity=Severity.WARNING), "wrong_loss", "output"),
        (finding("NND509", "run", severity=Severity.WARNING), "too_few_epochs", None),
        (finding("NND601", "run", reported=0.1, accuracy=0.95), "wrong_metric", None),
        (finding("NND606", "run"), "corrupted_labels", None),
        (finding("NND605", "run", mean=[0, 3], std=[1, 9]), "train_test_preprocessing_mismatch", None),
    ],
)
def test_what_the_training_and_its_evaluation_prove(found, kind, layer):
    cause = first(found)
    assert (cause.kind, cause.layer) == (kind, layer)
    assert found.fingerprint in cause.explains and cause.sentence.endswith(".")


def test_the_layer_of_the_gradient_check_comes_before_the_slope():
    both = first(
        finding("NND307", "run", ratio=3.0, constant=False),
        wrong_gradient("activation", "its derivative missing"),
    )
    assert (both.kind, both.layer) == ("activation_derivative", "output")


def test_beside_a_proof_there_are_no_guesses_at_the_same_consequences():
    run = make_run(learns=False)
    findings = [wrong_gradient(), overshoot(), finding("NND501", "run")]
    causes, *_ = diagnose(run, findings)
    assert [cause.kind for cause in causes] == ["wrong_gradient_sign"]
    assert {f.fingerprint for f in findings} == set(causes[0].explains)


def test_what_a_proof_does_not_explain_keeps_its_own_cause():
    tested = finding("NND605", "run", mean=[0, 3], std=[1, 9], severity=Severity.WARNING)
    causes, *_ = diagnose(make_run(learns=False), [wrong_gradient(), tested])
    assert [cause.kind for cause in causes] == ["wrong_gradient_sign", "train_test_preprocessing_mismatch"]


def test_a_penalty_that_outweighs_the_data_comes_before_the_rate_that_it_made_look_high():
    findings = [overshoot(), finding("NND412", what="penalty"), finding("NND501", "run")]
    causes, *_ = diagnose(make_run(learns=False), findings)
    assert [cause.kind for cause in causes] == ["excess_regularisation", "lr_too_high"]


def test_a_rate_too_low_and_a_training_too_short_stand_side_by_side():
    slow = finding("NND402", "hidden1.weight", severity=Severity.WARNING, falling=True, median=1e-4, at_start=2e-4)  # fmt: skip
    early = finding("NND509", "run", severity=Severity.WARNING)
    causes, *_ = diagnose(make_run(), [slow, early])
    assert [cause.kind for cause in causes] == ["lr_too_low", "too_few_epochs"]
    causes, *_ = diagnose(make_run(), [early, finding("NND402", falling=False, median=1e-6, at_start=1e-5)])
    assert [cause.kind for cause in causes] == ["lr_too_low"]


def test_a_layer_all_of_whose_units_were_killed_is_named_before_one_that_lost_a_few():
    few = finding("NND201", "hidden1", units=30, since_birth=5, died={"3": 10})
    whole = finding("NND201", "hidden2", units=30, since_birth=5, died={"2": 20, "4": 5})
    looks = candidates(make_run(learns=False), [few, whole, finding("NND501", "run")])
    (cause,) = [look for look in looks if look.kind == "lr_too_high"]
    assert (cause.layer, cause.certainty) == ("hidden2", 0.9)
    almost = finding("NND201", "hidden2", units=30, since_birth=5, died={"2": 20, "4": 4})
    looks = candidates(make_run(learns=False), [few, almost, finding("NND501", "run")])
    assert [look.certainty for look in looks if look.kind == "lr_too_high"] == [0.8]
    # What starts with a wrong scale dies of updates that any other network survives.
    scale = finding("NND205", "hidden1", severity=Severity.INFO, std=0.05)
    looks = candidates(make_run(learns=False), [few, whole, scale, finding("NND501", "run")])
    assert [look.certainty for look in looks if look.kind == "lr_too_high"] == [0.8]


@pytest.mark.parametrize(
    ("kinds", "possible"),
    [(("relu", "gelu"), False), (("relu", "sigmoid"), True), (("relu", None), True), ((None, None), True)],
)
def test_an_activation_is_not_blamed_where_all_of_them_suit(kinds, possible):
    hidden = [{**SITES[0], "name": f"h{i}", "activation": kind} for i, kind in enumerate(kinds)]
    run = make_run(learns=False, sites=[*hidden, SITES[1]])
    assert (Kind.WRONG_HIDDEN_ACTIVATION not in excluded(run)) == possible
    scores = {"healthy": 0.0, "wrong_hidden_activation": 3.0, "lr_too_low": 0.0}
    causes = weighed([], [], ["a"], Table(scores, {kind: {} for kind in scores}), excluded(run))
    assert causes[0].kind == ("wrong_hidden_activation" if possible else "lr_too_low")
    assert possible or causes[0].certainty == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("skill", "learns", "possible"),
    [(0.31, False, False), (0.3, False, True), (0.7, None, True), (0.71, None, False)],
)
def test_targets_are_not_blamed_where_a_probe_learns_from_them(skill, learns, possible):
    run = make_run(learns=learns)
    run.preflight = Preflight({"labels": {"score": 0.4, "baseline": 0.1, "error": 0.01, "skill": skill}})
    assert (Kind.CORRUPTED_LABELS not in excluded(run)) == possible
    scores = {"healthy": 0.0, "corrupted_labels": 3.0, "lr_too_low": 0.0}
    causes = weighed([], [], ["a"], Table(scores, {kind: {} for kind in scores}), excluded(run))
    assert causes[0].kind == ("corrupted_labels" if possible else "lr_too_low")
    assert ("not the targets: " in "".join(causes[0].ruled_out)) != possible


@pytest.mark.parametrize(
    ("changes", "possible"),
    [
        ({}, False),
        ({"outside": 0.01}, True),
        ({"classes": 2}, True),
        ({"takes": "probabilities"}, True),
        ({"activation": "relu"}, True),
    ],
)
def test_a_last_activation_is_not_blamed_where_it_can_give_every_value(changes, possible):
    facts = {"outside": 0.0, "classes": 0, "takes": "values", "activation": "sigmoid"} | changes
    run = make_run(learns=False, sites=[SITES[0], {**SITES[1], "activation": facts["activation"]}])
    run.manifest["classes"] = facts["classes"]
    run.preflight = Preflight({"fit": {"takes": facts["takes"], "target": {"outside": facts["outside"]}}})
    assert (Kind.WRONG_OUTPUT_ACTIVATION not in excluded(run)) == possible
    scores = {"healthy": 0.0, "wrong_output_activation": 3.0, "lr_too_high": 0.0}
    causes = weighed([], [], ["a"], Table(scores, {kind: {} for kind in scores}), excluded(run))
    assert causes[0].kind == ("wrong_output_activation" if possible else "lr_too_high")
    assert ("not the last activation" in "".join(causes[0].ruled_out)) != possible


BUILT = {
    "network": {"regularisation": {}},
    "loss": "cross_entropy",
    "loss_settings": {"takes": "logits"},
    "classes": 10,
}


@pytest.mark.parametrize(
    ("changes", "last", "possible"),
    [
        ({}, {}, set()),
        ({"framework": "torch"}, {}, {"penalty", "summed", "twice", "output", "loss", "target", "guard"}),
        ({"network": {"regularisation": {"h": {"dropout": 0.5}}}}, {}, {"penalty"}),
        ({"optimizer": {"l2": 0.1}}, {}, {"penalty"}),
        ({}, {"activation": "softmax"}, {"twice", "output", "loss"}),
        ({"loss_settings": {"takes": "values"}}, {}, {"twice", "output", "loss"}),
        ({"loss": "quadratic"}, {}, {"output", "loss"}),
        ({"classes": 0}, {}, {"output", "loss", "target"}),
        ({"loss_settings": {"takes": "probabilities"}}, {}, {"twice", "output", "loss", "guard"}),
        ({"loss": "binary_cross_entropy"}, {}, {"output", "loss"}),
        ({"loss": "binary_cross_entropy", "classes": 2}, {"units": 1}, set()),
    ],
)
def test_what_is_not_built_in_is_not_blamed(changes, last, possible):
    names = {
        "penalty": Kind.EXCESS_REGULARISATION,
        "summed": Kind.WRONG_LOSS_REDUCTION,
        "twice": Kind.REDUNDANT_OUTPUT_ACTIVATION,
        "output": Kind.WRONG_OUTPUT_ACTIVATION,
        "loss": Kind.WRONG_LOSS,
        "target": Kind.UNNORMALISED_TARGET,
        "guard": Kind.UNSTABLE_LOSS,
    }
    run = make_run(
        learns=False, sites=[SITES[0], {**SITES[1], "activation": None, **last}], **BUILT | changes
    )
    run.preflight = Preflight({"reduction": {"gradient_growth": [1.0, 1.0, 1.0]}})
    assert {name for name, kind in names.items() if kind not in excluded(run)} == possible
    assert not any(why for kind, why in excluded(run).items() if kind in names.values())  # no note is due


@pytest.mark.parametrize(
    ("growth", "possible"), [([1, 1.4, 1.49], False), ([1, 1.2, 1.5], True), (None, True)]
)
def test_a_sum_is_not_blamed_where_the_gradient_was_seen_to_be_a_mean(growth, possible):
    run = make_run(learns=False, **BUILT)
    run.preflight = Preflight({"reduction": {"gradient_growth": growth}} if growth else {})
    assert (Kind.WRONG_LOSS_REDUCTION not in excluded(run)) == possible


@pytest.mark.parametrize(
    ("kinds", "linear"),
    [(("sigmoid", "relu"), False), (("relu", None), True), (("linear",), True), ((), True)],
)
def test_linear_layers_are_not_blamed_where_each_has_an_activation(kinds, linear):
    hidden = [{**SITES[0], "name": f"h{i}", "activation": kind} for i, kind in enumerate(kinds)]
    run = make_run(sites=[*hidden, SITES[1]])
    assert (Kind.MISSING_HIDDEN_NONLINEARITY not in excluded(run)) == linear


@pytest.mark.parametrize(
    ("changes", "possible"),
    [
        ({}, False),
        ({"takes": "values"}, True),
        ({"output_activation": "softmax"}, True),
        ({"labels": None}, True),
        ({"outputs": 1}, True),
        ({"outputs": 1, "loss": "binary_cross_entropy"}, False),
    ],
)
def test_the_last_activation_is_not_blamed_where_the_loss_gets_the_logits_that_it_takes(changes, possible):
    fit = {
        "loss": "cross_entropy",
        "takes": "logits",
        "outputs": 10,
        "output_activation": "linear",
        "labels": {},
    } | changes
    run = make_run()
    run.preflight = Preflight({"fit": {name: value for name, value in fit.items() if value is not None}})
    kinds = {Kind.WRONG_OUTPUT_ACTIVATION, Kind.REDUNDANT_OUTPUT_ACTIVATION}
    assert bool(kinds & set(excluded(run))) != possible


@pytest.mark.parametrize(
    ("ratio", "kind"),
    [(1.09, "wrong_gradient"), (1.11, "wrong_gradient_scale"), (0.5, "wrong_gradient_scale")],
)
def test_a_slip_near_one_is_no_factor(ratio, kind):
    assert first(finding("NND307", "run", ratio=ratio, constant=True)).kind == kind


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("count", "it says 34 of 359, the accuracy is 342 of 359"),
        ("share", "it says 9.5 %, the accuracy is 95.3 %"),
    ],
)
def test_a_wrong_evaluation_is_told_in_its_own_unit(unit, said):
    found = finding("NND601", "run", reported=34 / 359, accuracy=342 / 359, samples=359, unit=unit)
    assert said in first(found).sentence


@pytest.mark.parametrize(
    ("falls_at", "low", "learns", "named"),
    [
        (500, 9e-5, False, True),
        (501, 9e-5, False, False),
        (500, 1.1e-4, False, False),
        (500, 9e-5, True, False),
    ],
)
def test_a_rate_that_a_schedule_takes_away_is_named(falls_at, low, learns, named):
    rates = {step: 0.1 if step < falls_at else low for step in (0, 100, 400, falls_at, 900, 999)}
    run = make_run(learns=learns)
    for step, rate in rates.items():
        run.add({"kind": "step", "step": step, "data": {"run": {"learning_rate": rate}}})
    looks = [
        c
        for c in candidates(run, [finding("NND402", "hidden1.weight", median=1e-9, at_start=1e-3)])
        if c.kind == "wrong_optimizer"
    ]
    assert bool(looks) == named
    if named:
        assert (
            looks[0].sentence.startswith("The learning rate falls away: from 0.1 to 9e-5")
            and looks[0].first_step == 500
        )


def test_what_is_no_multiple_is_given_no_factor():
    found = finding(
        "NND406",
        "hidden1.weight",
        mistake="no multiple of the right one",
        factor=0.118,
        equation="update",
        parameters=["hidden1.weight"],
    )
    assert "×" not in first(found).sentence


@pytest.mark.parametrize("coupled", [False, True, None])
def test_a_broadcast_is_not_blamed_where_samples_do_not_meet(coupled):
    run = make_run(learns=False)
    run.preflight = Preflight({} if coupled is None else {"batch": {"coupled_loss": coupled}})
    assert (Kind.TARGET_SHAPE_BROADCAST in excluded(run)) == (coupled is False)


def test_sigmoids_in_a_row_are_named_beside_small_weights():
    sigmoids = [{**SITES[0], "name": name, "activation": "sigmoid"} for name in ("h1", "h2")]
    run = make_run(learns=False, sites=[*sigmoids, SITES[1]])
    causes, *_ = diagnose(run, [finding("NND207", "h2"), finding("NND501", "run")])
    assert [(cause.kind, cause.layer) for cause in causes] == [("wrong_hidden_activation", "h2")]


@pytest.mark.parametrize(
    ("severity", "share", "certainty"),
    [
        (Severity.WARNING, 0.09, 0.9),
        (Severity.WARNING, 0.1, 0.8),
        (Severity.ERROR, 0.0, 0.9),
        (Severity.INFO, 0.0, None),
    ],
)
def test_batches_of_one_class_each_are_a_cause_where_the_training_suffers(severity, share, certainty):
    sorted_ = finding("NND708", "run", severity=severity, share=share)
    early = finding("NND509", "run", severity=Severity.WARNING)
    named = {look.kind: look for look in candidates(make_run(), [sorted_, early])}
    assert ("not_shuffled" in named) == (certainty is not None)
    if certainty:
        assert named["not_shuffled"].certainty == certainty
        assert set(named["not_shuffled"].explains) == {sorted_.fingerprint, early.fingerprint}
        assert diagnose(make_run(), [sorted_, early])[0][0].kind == "not_shuffled"


def kinds_of(*findings):
    return {look.kind for look in candidates(make_run(learns=False), findings)}


@pytest.mark.parametrize("instead", ["NND202", "NND409"])
def test_signals_that_dead_or_equal_units_made_small_are_not_laid_at_the_initial_weights(instead):
    small = [finding("NND205", std=0.001), finding("NND501", "run")]
    assert "init_too_small" in kinds_of(*small)
    assert "init_too_small" not in kinds_of(*small, finding(instead, dead=20, units=30, value=0.0))


def test_a_loss_of_distances_is_no_cause_where_another_reason_has_shown_itself():
    legal = [finding("NND006", "output", reason="distance", severity=Severity.INFO), finding("NND501", "run")]
    assert "wrong_loss" in kinds_of(*legal)
    other = finding("NND701", "run", largest=255.0)
    assert "wrong_loss" not in kinds_of(*legal, other)
    assert "wrong_loss" in kinds_of(*legal, finding("NND701", "run", severity=Severity.INFO, largest=51.0))


def test_what_came_before_a_cause_is_not_its_consequence():
    cleared = finding("NND404", "run", 0)
    early, late = finding("NND207", "run", 50), finding("NND305", "hidden1", 400)
    overshot = finding("NND411", "hidden1", 300, deviations=6.0, step=300, deaths=8)
    (rate,) = [
        c for c in candidates(make_run(learns=False), [early, late, overshot]) if c.kind == "lr_too_high"
    ]
    assert early.fingerprint not in rate.explains and late.fingerprint in rate.explains
    (cause,) = [
        c for c in candidates(make_run(learns=False), [cleared, early]) if c.kind == "missing_zero_grad"
    ]
    assert early.fingerprint in cause.explains


def test_a_training_that_diverged_was_not_too_short():
    early = finding("NND509", "run", severity=Severity.WARNING)
    assert "too_few_epochs" in kinds_of(early)
    assert "too_few_epochs" not in kinds_of(early, finding("NND502", "run"))


@pytest.mark.parametrize(("needed", "certainty"), [(True, CHAIN), (False, PATTERN)])
def test_linear_layers_are_surer_where_the_task_is_seen_not_to_be_linear(needed, certainty):
    stack = finding("NND801", layers=["hidden1", "output"], needed=needed)
    (linear,) = candidates(make_run(learns=False), [stack])
    assert (linear.kind, linear.certainty) == ("missing_hidden_nonlinearity", certainty)
    assert ("the task is not linear" in linear.sentence) == needed


def test_without_a_proof_the_alternatives_stay():
    findings = [
        overshoot(deaths=0),
        finding("NND509", "run", severity=Severity.WARNING),
        finding("NND501", "run"),
    ]
    assert len(diagnose(make_run(learns=False), findings)[0]) == 2


@pytest.mark.parametrize(
    ("proof", "kinds"),
    [
        (finding("NND409", value=0.0), ["constant_init"]),
        (finding("NND404", "run"), ["missing_zero_grad"]),
        (finding("NND601", "run", reported=0.1, accuracy=0.9), ["wrong_metric", "too_few_epochs"]),
    ],
)
@pytest.mark.parametrize("code", ["NND509", "NND306"])
def test_the_pace_of_a_training_with_a_proven_fault_is_no_cause_of_its_own(proof, kinds, code):
    pace = finding(code, "run", severity=Severity.WARNING, batch=32)
    causes, *_ = diagnose(make_run(), [proof, pace])
    kinds = [kind if code == "NND509" else kind.replace("too_few_epochs", "lr_too_high") for kind in kinds]
    assert [cause.kind for cause in causes] == kinds
    assert (pace.fingerprint in causes[0].explains) == (len(kinds) == 1)


@pytest.mark.parametrize("code", ["NND605", "NND509"])
def test_an_info_alone_is_no_cause(code):
    found = finding(code, "run", severity=Severity.INFO, mean=[0, 3], std=[1, 9])
    assert diagnose(make_run(learns=True), [found])[0] == ()


def test_a_broadcast_tells_why_another_batch_size_fails():
    """A target (N,) beside outputs (N, 1) makes the loss depend on N: one bug, not a shape that does not fit as well."""
    broadcast, by_size = finding("NND002", "run"), finding("NND003", "run")
    causes, *_ = diagnose(make_run(learns=False), [broadcast, by_size])
    assert [cause.kind for cause in causes] == ["target_shape_broadcast"]
    assert {broadcast.fingerprint, by_size.fingerprint} <= set(causes[0].explains)
