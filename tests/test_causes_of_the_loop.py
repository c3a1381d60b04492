"""Causes in gradient, update, loop, length and evaluation: which finding leads to which, and what stands beside a proof."""

import pytest

from nndebug.diagnosis import diagnose
from nndebug.findings import Severity
from tests.rules.runs import make_run
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
        (finding("NND407", "run", what="mode"), "wrong_mode", None),
        (finding("NND412", what="penalty"), "excess_regularisation", None),
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


def test_without_a_proof_the_alternatives_stay():
    findings = [
        overshoot(deaths=0),
        finding("NND509", "run", severity=Severity.WARNING),
        finding("NND501", "run"),
    ]
    assert len(diagnose(make_run(learns=False), findings)[0]) == 2


@pytest.mark.parametrize("code", ["NND605", "NND509"])
def test_an_info_alone_is_no_cause(code):
    found = finding(code, "run", severity=Severity.INFO, mean=[0, 3], std=[1, 9])
    assert diagnose(make_run(learns=True), [found])[0] == ()
