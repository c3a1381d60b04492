"""Rules that judge the preflight, on figures made by hand: each fires, is silent on healthy ones, and has its boundary."""

import copy

import numpy as np
import pytest

from nndebug.findings import Severity
from nndebug.gradcheck.result import Fault, GradCheck, Mistake, Row, Verdict
from nndebug.preflight.result import Preflight
from nndebug.registry import find_rule
from tests.rules.runs import make_run, one, symptoms

LAYERS = [
    {"name": "hidden1", "kind": "dense", "parameters": True},
    {"name": "hidden1", "kind": "relu", "parameters": False},
    {"name": "output", "kind": "dense", "parameters": True},
    {"name": "output", "kind": "sigmoid", "parameters": False},
]
START = [
    {
        "name": "hidden1",
        "activation": "relu",
        "inputs": 784,
        "units": 30,
        "gain": 1.41,
        "weight_std": 0.05,
        "units_alike": False,
    },
    {
        "name": "output",
        "activation": "sigmoid",
        "inputs": 30,
        "units": 10,
        "gain": 1.0,
        "weight_std": 0.18,
        "units_alike": False,
    },
]
SAME = {"output": 1e-7, "loss": 1e-7, "gradient": 1e-7, "gradient_ratio": 1.0}
HEALTHY = {
    "fit": {
        "loss": "quadratic",
        "takes": "values",
        "output_activation": "sigmoid",
        "outputs": 10,
        "output_shape": [10],
        "target_shape": [],
        "encoded_shape": [10],
        "layers": LAYERS,
        "linear": [],
        "refusal": "",
        "labels": {"minimum": 0, "maximum": 9, "classes": 10},
        "output": {"minimum": 0.1, "maximum": 0.9, "sums_to_1": False},
        "target": {
            "minimum": 0.0,
            "maximum": 1.0,
            "zero_one": True,
            "row_sum": 1.0,
            "integers": True,
            "distinct": 2,
            "outside": 0.0,
        },
        "edge": None,
    },
    "data": {
        "nonfinite": False,
        "first_bad_row": None,
        "features": 784,
        "samples": 50000,
        "constant_features": 67,
        "rows_equal": False,
        "largest": 1.0,
        "largest_feature": 3,
        "normalised_first": False,
        "image": True,
        "std_maximum": 0.45,
        "std_minimum": 0.01,
        "std_median": 0.2,
        "scale_ratio": 250.0,
        "levels": {"step": 1 / 255, "highest": 255, "distinct": 256},
        "class_counts": [5000] * 10,
    },
    "start": {"layers": START, "outputs_equal": False, "loss": 0.6, "chance": 0.45},
    "optimizer": {"moved": ["hidden1.weight", "output.weight"], "unmoved": [], "frozen": []},
    "batch": {
        "sizes": {"2": SAME, "5": SAME, "10": SAME, "30": SAME},
        "awkward": 5,
        "coupled_layer": None,
        "coupled_loss": False,
    },
    "reduction": {"losses": [0.6] * 3, "gradient_growth": [1.0, 1.0, 1.0], "batch": 10},
    "overfit": {
        "samples": 20,
        "steps": 50,
        "start": 0.6,
        "chance": 0.45,
        "reached": 0.03,
        "share": 0.05,
        "rates": {"0.1": 0.03},
        "rate": 0.1,
        "blind": 0.45,
        "output_variation": 0.8,
    },
    "labels": {"score": 0.83, "baseline": 0.11, "error": 0.01, "skill": 0.8, "held_out": 1000},
    "sweep": {
        "rate": 0.1,
        "start": 1.0,
        "samples": 10,
        "steps": 20,
        "points": [
            {"rate": 0.1 * 10**e, "worst": 1.0, "last": last}
            for e, last in zip(
                (-3, -2, -1, 0, 1, 2, 3), (0.999, 0.995, 0.9, 0.3, 0.1, 5.0, float("nan")), strict=True
            )
        ],
    },
    "overlap": {"held_out": 10000, "shared": 0, "first": None, "repeats": 0.001, "identical": False},
}


def merged(base, changes):
    found = copy.deepcopy(base)
    for key, value in changes.items():
        found[key] = (
            merged(found[key], value)
            if isinstance(value, dict) and isinstance(found.get(key), dict) and value
            else value
        )
    return found


def agreeing(*faults):
    row = Row("output", "weight", "BP4", 300, 0, 1e-11, (0, 0), 0.1, 0.1, 1e-11, Verdict.AGREES)
    return GradCheck("784 → 30 → 10", (row,), faults=faults, samples=11)


def flown(changes=None, learns=True, checked=None, **options):
    """A run with a preflight that is healthy but for `changes`."""
    run = make_run(learns=learns, **options)
    run.preflight = Preflight(merged(HEALTHY, changes or {}), agreeing() if checked is None else checked)
    return run


CASES = [
    # code, what makes it fire, the nearest that does not, severities: failed, undecided, learned
    ("NND002", {"fit": {"encoded_shape": [], "output_shape": [1]}, "batch": {"coupled_loss": True}},
     {"fit": {"encoded_shape": [], "output_shape": [1]}}, "eee"),
    ("NND003", {"batch": {"sizes": {"5": {"raises": "ValueError: shapes (5,10) (10,10)"}}}},
     {"batch": {"sizes": {"5": {**SAME, "output": 9e-4}}}}, "eee"),
    ("NND003", {"batch": {"sizes": {"10": {**SAME, "output": 1.1e-3}}}}, {}, "eee"),
    ("NND003", {"batch": {"sizes": {"10": {**SAME, "loss": None}}}}, {}, "eee"),
    ("NND004", {"fit": {"takes": "probabilities", "output_activation": "linear"}},
     {"fit": {"takes": "probabilities", "output_activation": "softmax"}}, "ewi"),
    ("NND004", {"fit": {"takes": "log-probabilities", "output_activation": "linear", "mass": [0.94, 1.0]}},
     {"fit": {"takes": "log-probabilities", "output_activation": "linear", "mass": [0.96, 1.04]}}, "eee"),
    ("NND004", {"fit": {"takes": "log-probabilities", "output_activation": "softmax", "mass": [1.0, 1.06]}},
     {"fit": {"takes": "log-probabilities", "output_activation": "softmax"}}, "eee"),
    ("NND005", {"fit": {"takes": "logits", "output_activation": "softmax", "loss": "cross_entropy"}},
     {"fit": {"takes": "logits", "output_activation": "linear", "loss": "cross_entropy"}}, "ewi"),
    ("NND006", {"fit": {"takes": "probabilities", "target": {"outside": 0.01}}}, {"fit": {"takes": "probabilities", "target": {"outside": 0.009}}}, "ewi"),
    ("NND006", {"fit": {"outputs": 1, "output_activation": "softmax"}}, {"fit": {"takes": "probabilities"}}, "eee"),
    ("NND006", {"fit": {"output_activation": "softmax", "takes": "probabilities", "target": {"row_sum": 2.0}}},
     {"fit": {"output_activation": "softmax", "takes": "probabilities"}}, "ewi"),
    ("NND007", {"fit": {"labels": {"maximum": 10}}}, {"fit": {"labels": {"maximum": 9}}}, "eee"),
    ("NND007", {"fit": {"labels": {"minimum": -1}}}, {}, "eee"),
    ("NND008", {"reduction": {"gradient_growth": [1.0, 2.0, 4.0]}}, {"reduction": {"gradient_growth": [1, 1.2, 1.5]}}, "eii"),
    ("NND009", {"batch": {"coupled_layer": "output"}}, {}, "eee"),
    ("NND009", {"batch": {"coupled_loss": True}},
     {"batch": {"coupled_loss": True}, "fit": {"encoded_shape": [], "output_shape": [1]}}, "eee"),
    ("NND010", {"fit": {"negated": True}}, {"fit": {"negated": False}}, "eee"),
    ("NND105", {"fit": {"edge": {"loss_finite": False, "gradient_finite": True}}},
     {"fit": {"edge": {"loss_finite": True, "gradient_finite": True}}}, "eii"),
    ("NND408", {"optimizer": {"unmoved": ["hidden1.weight"], "moved": ["output.weight"]}}, {}, "ewi"),
    ("NND410", {"sweep": {"rate": 10.0}}, {"sweep": {"rate": 1.0}}, "eii"),
    ("NND410", {"sweep": {"rate": 1e-4}}, {"sweep": {"rate": 1e-2}}, "eii"),
    ("NND505", {"overfit": {"share": 0.91}}, {"overfit": {"share": 0.1}}, "ewi"),
    ("NND505", {"overfit": {"share": 0.9}}, {}, "eii"),
    ("NND508", {"overfit": {"share": 1.0, "reached": 0.4456}}, {"overfit": {"share": 1.0, "reached": 0.445}}, "ewi"),
    ("NND701", {"data": {"largest": 51.0}}, {"data": {"largest": 50.0}}, "eii"),
    ("NND701", {"data": {"std_maximum": 10.1}}, {"data": {"std_maximum": 10.0}}, "eii"),
    ("NND701", {"data": {"scale_ratio": 101.0, "image": False}}, {"data": {"scale_ratio": 100.0, "image": False}}, "eii"),
    ("NND702", {"data": {"nonfinite": True, "first_bad_row": 7}}, {}, "eee"),
    ("NND702", {"data": {"target_nonfinite": 2}}, {"data": {"target_nonfinite": 0}}, "eee"),
    ("NND703", {"data": {"rows_equal": True}}, {"data": {"constant_features": 700}}, "eee"),
    ("NND704", {"data": {"target_std_maximum": 101.0, "target_std_minimum": 101.0, "target_nonfinite": 0, "target_largest": 300.0}},
     {"data": {"target_std_maximum": 100.0, "target_std_minimum": 1e-3, "target_nonfinite": 0, "target_largest": 300.0}}, "eii"),
    ("NND705", {"labels": {"score": 0.11, "skill": 0.0, "other_order": {"name": "shifted by +1", "score": 0.8, "skill": 0.78}}},
     {"labels": {"score": 0.15, "skill": 0.04, "other_order": {"name": "shifted by +1", "score": 0.2, "skill": 0.1}}}, "eee"),
    ("NND705", {"labels": {"score": 0.14, "skill": 0.03}}, {"labels": {"score": 0.141, "skill": 0.03}}, "iii"),
    ("NND706", {"data": {"class_counts": [5000, 499]}}, {"data": {"class_counts": [5000, 500, 0]}}, "iii"),
    ("NND707", {"overlap": {"shared": 100}}, {"overlap": {"shared": 10}}, "www"),
    ("NND707", {"overlap": {"shared": 99}}, {}, "iii"),
    ("NND707", {"overlap": {"shared": 100, "repeats": 0.002}}, {}, "iii"),
    ("NND709", {"data": {"std_maximum": 0.019}}, {"data": {"std_maximum": 0.02}}, "eii"),
    ("NND801", {"fit": {"linear": ["hidden1", "output"]}}, {}, "eii"),
    ("NND801", {"fit": {"linear": ["hidden1", "output"]}, "labels": {"neighbour": 0.87}}, {}, "ewi"),
    ("NND801", {"fit": {"linear": ["hidden1", "output"]}, "labels": {"neighbour": 0.92}}, {}, "eww"),
    ("NND802", {"fit": {"layers": [{"name": "hidden1", "kind": "softmax", "parameters": False}, *LAYERS[2:]]}}, {}, "ewi"),
    ("NND804", {"start": {"layers": [{**START[0], "gain": 7.1}]}}, {"start": {"layers": [{**START[0], "gain": 7.07}]}}, "eii"),
    ("NND804", {"start": {"layers": [{**START[1], "gain": 0.19}]}}, {"start": {"layers": [{**START[1], "gain": 0.2}]}}, "eii"),
    ("NND805", {"overfit": {"share": 0.2}, "start": {"layers": [{**START[1], "units": 6}]}},
     {"overfit": {"share": 0.2}, "start": {"layers": [{**START[1], "units": 7}]}}, "eii"),
]  # fmt: skip
IDS = [f"{code}-{number}" for number, (code, *_) in enumerate(CASES)]
BY_LETTER = {"e": Severity.ERROR, "w": Severity.WARNING, "i": Severity.INFO}


def undecided(changes):
    run = flown(changes, learns=None)
    run.add({"kind": "probe", "step": 0, "data": {"run": {"probe.loss": 0.45}}})
    run.add({"kind": "probe", "step": 900, "data": {"run": {"probe.loss": 0.3}}})
    return run


@pytest.mark.parametrize(("code", "changes", "nearest", "severities"), CASES, ids=IDS)
def test_it_fires_and_is_as_bad_as_what_the_run_became(code, changes, nearest, severities):
    found = [one(code, run) for run in (flown(changes, learns=False), undecided(changes))]
    found += symptoms(code, flown(changes, learns=True))
    assert "".join(symptom.severity.value[0] for symptom in found) == severities
    for symptom in found:
        assert symptom.message and len(symptom.message) <= 200 and "None" not in symptom.message


@pytest.mark.parametrize(("code", "changes", "nearest", "severities"), CASES, ids=IDS)
def test_the_nearest_that_is_no_finding(code, changes, nearest, severities):
    for run in (flown(nearest, learns=False), undecided(nearest)):
        others = {"NND006": "distance"}
        assert [s for s in symptoms(code, run) if s.evidence.get("reason") != others.get(code, "")] == []


@pytest.mark.parametrize("code", sorted({case[0] for case in CASES} | {"NND301"}))
def test_a_healthy_run_has_none(code):
    assert symptoms(code, flown(learns=True)) == []
    assert any(need.startswith("preflight.") for need in find_rule(code).needs)


@pytest.mark.parametrize(
    ("last", "severity"), [(2.29, Severity.INFO), (2.3, Severity.ERROR), (9.0, Severity.ERROR)]
)
def test_a_negated_loss_that_falls_all_the_same_is_a_note(last, severity):
    run = flown({"fit": {"negated": True}})
    for step, loss in ((0, 2.3), (500, last)):
        run.add({"kind": "step", "step": step, "data": {"run": {"loss": loss}}})
    found = one("NND010", run)
    assert found.severity is severity and ("which rose from 2.3 to 9" in found.message) == (last == 9.0)


@pytest.mark.parametrize(
    ("std", "diverges", "fires"),
    [(31.0, True, True), (30.0, True, False), (31.0, False, False), (101.0, False, True)],
)
def test_targets_of_a_lower_scale_are_told_where_the_run_diverges(std, diverges, fires):
    run = flown(
        {
            "data": {
                "target_std_maximum": std,
                "target_std_minimum": std,
                "target_nonfinite": 0,
                "target_largest": 300.0,
            }
        }
    )
    for step, loss in zip((0, 100, 200, 300, 400), [0.5, 0.4, *[0.9 if diverges else 0.4] * 3], strict=True):
        run.add({"kind": "probe", "step": step, "data": {"run": {"probe.loss": loss}}})
    found = symptoms("NND704", run)
    assert [f.severity for f in found] == ([Severity.ERROR if diverges else Severity.INFO] if fires else [])


def test_a_wrong_gradient_is_named_with_the_mistake_and_the_entries():
    mistake = Mistake("the activation's derivative missing", "delta1 = delta2 @ W2.T", "delta1 = …", 1e-15)
    fault = Fault("hidden1", "BP2", "activation", "its backward is wrong", (mistake,), True)
    wrong = Row("hidden1", "weight", "BP4", 23520, 23500, 0.8, (1, 2), 0.1, 0.2, 1e-9, Verdict.DISAGREES)
    checked = GradCheck("784 → 30 → 10", (wrong,), faults=(fault,), samples=11)
    symptom = one("NND301", flown(checked=checked))
    assert symptom.severity is Severity.ERROR and symptom.site == "hidden1"
    assert symptom.message == (
        "its backward is wrong: the activation's derivative missing (23,500 of 23,520 entries disagree)"
    )
    assert symptom.evidence["mistakes"][0]["yours"] == "delta1 = delta2 @ W2.T"


def test_what_is_wrong_with_the_update_is_not_the_gradients():
    fault = Fault("hidden1", "penalty", "weight", "the L2 penalty on its weight is wrong")
    assert symptoms("NND301", flown(checked=agreeing(fault))) == []


def test_a_capacity_is_not_blamed_where_a_gradient_is_wrong():
    fault = Fault("hidden1", "BP2", "activation", "its backward is wrong")
    changes = {"overfit": {"share": 0.2}, "start": {"layers": [{**START[1], "units": 6}]}}
    assert symptoms("NND805", flown(changes, checked=agreeing(fault))) == []


def test_layers_frozen_on_purpose_are_no_more_than_a_note():
    changes = {"optimizer": {"unmoved": ["hidden1.weight"], "frozen": ["hidden1"]}}
    assert one("NND408", undecided(changes)).severity is Severity.INFO


def test_an_unguarded_logarithm_that_lost_a_number_is_an_error():
    changes = {"fit": {"edge": {"loss_finite": False, "gradient_finite": True}}}
    event = {"event": "nonfinite", "step": 3, "site": "output"}
    assert one("NND105", flown(changes, events=[event])).severity is Severity.ERROR


def test_a_rare_class_that_is_never_predicted_is_a_warning():
    confusion = np.array([[90, 0], [8, 0]])
    run = flown(
        {"data": {"class_counts": [900, 80]}}, learns=None, epochs={1: (900, {"run/confusion": confusion})}
    )
    symptom = one("NND706", run)
    assert symptom.severity is Severity.WARNING and "never gets it right" in symptom.message


def test_deep_sigmoids_need_three_and_no_normalisation():
    def stack(*kinds):
        layers = [{"name": f"hidden{i}", "kind": kind, "parameters": False} for i, kind in enumerate(kinds)]
        return {"fit": {"layers": [*layers, *LAYERS[2:]]}}

    assert "1/64" in one("NND802", flown(stack("sigmoid", "sigmoid", "sigmoid"), learns=False)).message
    assert symptoms("NND802", flown(stack("sigmoid", "sigmoid"), learns=False)) == []
    normalised = stack("sigmoid", "batch_norm", "sigmoid", "sigmoid")
    assert symptoms("NND802", flown(normalised, learns=False)) == []


def test_classes_under_a_squared_loss_are_a_note_unless_the_run_learned():
    assert one("NND006", flown(learns=False)).severity is Severity.INFO
    assert symptoms("NND006", flown(learns=True)) == []


def on_its_way(changes=None, end=0.3):
    """A run that ended while its loss was still falling."""
    run = flown(changes, learns=None)
    for step, share in zip(range(0, 1000, 180), np.linspace(0, 1, 6)):
        loss = 0.45 + share * (end - 0.45)
        run.add({"kind": "probe", "step": step, "data": {"run": {"probe.loss": float(loss)}}})
    return run


@pytest.mark.parametrize(("end", "severity"), [(0.3, "w"), (0.091, "w"), (0.089, None)])
def test_softmax_under_a_squared_loss_is_a_warning_where_the_training_was_not_done(end, severity):
    found = symptoms("NND006", on_its_way({"fit": {"output_activation": "softmax"}}, end))
    assert [symptom.severity.value[0] for symptom in found] == ([severity] if severity else [])
    assert not [s for s in symptoms("NND006", on_its_way(end=end)) if s.severity is not Severity.INFO]


def test_a_rate_below_the_interval_is_a_warning_where_the_training_was_not_done():
    assert one("NND410", on_its_way({"sweep": {"rate": 1e-4}})).severity is Severity.WARNING
    assert one("NND410", on_its_way({"sweep": {"rate": 10.0}})).severity is Severity.INFO
    assert one("NND410", on_its_way({"sweep": {"rate": 1e-4}}, end=0.2)).severity is Severity.INFO


def test_linear_layers_that_cannot_learn_a_few_samples_are_too_little():
    def tried(share, layers=("hidden1", "output")):
        return {"fit": {"linear": list(layers)}, "overfit": {"share": share}}

    found = one("NND801", undecided(tried(0.11)))
    assert found.evidence["needed"] and found.severity is Severity.WARNING
    assert not one("NND801", undecided(tried(0.1))).evidence["needed"]
    fault = Fault("hidden1", "BP2", "activation", "its backward is wrong")
    assert not one("NND801", flown(tried(0.5), checked=agreeing(fault))).evidence["needed"]
    assert not one("NND801", flown(tried(0.5, ["hidden1"]))).evidence["needed"]


@pytest.mark.parametrize(
    ("neighbour", "layers", "severity"),
    [(0.915, ["hidden1", "output"], "w"), (0.914, ["hidden1", "output"], "i"), (0.95, ["hidden1"], "i")],
)
def test_a_linear_network_that_learned_is_too_little_where_neighbours_make_half_its_mistakes(
    neighbour, layers, severity
):
    changes = {"fit": {"linear": layers}, "labels": {"neighbour": neighbour}}  # the linear probe has 0.83
    assert one("NND801", flown(changes, learns=True)).severity.value[0] == severity


def test_probabilities_that_are_made_so_once_more():
    softmax = {"name": "output", "kind": "softmax", "parameters": False}
    layers = [*LAYERS[:3], softmax, {**softmax, "name": "again"}]
    assert one("NND802", flown({"fit": {"layers": layers}}, learns=False)).evidence["last"]
    inside = [LAYERS[0], softmax, *LAYERS[2:]]
    assert not one("NND802", flown({"fit": {"layers": inside}}, learns=False)).evidence["last"]


@pytest.mark.parametrize(("right", "neglected"), [(23, True), (24, False)])
def test_rare_classes_that_are_recognised_half_as_often(right, neglected):
    trial = {"event": "evaluation", "step": 900, "value": 0.5, "accuracy": 0.5, "samples": 150, "mistakes": [],
             "labels": [100, 50, 0], "right": [96, right, 0], "predicted": [100, 50, 0]}  # fmt: skip
    run = flown({"data": {"class_counts": [900, 80, 90]}}, events=[trial])
    found = one("NND706", run)
    assert (found.severity is Severity.WARNING) == found.evidence["ignored"] == neglected


@pytest.mark.parametrize(("other", "proof"), [(0.58, False), (0.62, False), (0.63, True)])
def test_another_order_must_be_better_than_knowing_nothing_too(other, proof):
    figures = {"score": 0.32, "baseline": 0.5, "skill": -0.36, "error": 0.02, "neighbour": 0.9}
    order = {"name": "shifted by +12", "score": other, "skill": (other - 0.5) / 0.5}
    found = one("NND705", flown({"labels": {**figures, "other_order": order}}))
    assert found.evidence["proof"] == proof


@pytest.mark.parametrize(("baseline", "fires"), [(0.79, True), (0.81, False)])
def test_of_labels_that_are_mostly_one_class_nothing_is_said_without_proof(baseline, fires):
    changes = {"labels": {"baseline": baseline, "score": baseline + 0.02, "neighbour": baseline}}
    assert bool(symptoms("NND705", flown(changes))) == fires


def test_a_rule_without_its_part_is_not_applicable():
    from nndebug import check

    run = flown()
    del run.preflight.measurements["labels"]
    run.preflight.not_checked["labels"] = "the budget of 1 s was spent"
    result = check(run, select=["NND705"])
    assert [s.reason for s in result.not_applicable if s.code == "NND705"] == [
        "labels: the budget of 1 s was spent"
    ]


def test_numbers_near_the_limit_that_still_grow():
    points = {"hidden1": [1e20, 1e30, 4e35]}
    series = {("hidden1", "preactivation.maximum"): points["hidden1"], ("hidden1", "preactivation.minimum"): [0, 0, 0],
              ("run", "loss"): [1.0, 1.0, 1.0]}  # fmt: skip
    symptom = one("NND102", make_run(series, learns=False))
    assert symptom.first_step == 10 and symptom.severity is Severity.ERROR
    series["hidden1", "preactivation.maximum"] = [1e20, 4e35, 1e30]  # it shrank again
    assert symptoms("NND102", make_run(series)) == []
    series["hidden1", "preactivation.maximum"] = [1e20, 1e30, 3e35]
    assert symptoms("NND102", make_run(series)) == []


def failing_on_held_out(changes, losses=(2.4, 2.5)):
    run = flown(changes, learns=None, loss_at_chance=2.3)
    for epoch, loss in enumerate(losses, 1):
        run.add(
            {"kind": "epoch", "epoch": epoch, "step": 300 * epoch, "data": {"run": {"validation.loss": loss}}}
        )
    return run


UNRELATED = {"labels": {"score": 0.1, "skill": 0.0, "neighbour": 0.1}}


def test_unrelated_labels_are_a_warning_where_nothing_is_learned_for_held_out_data():
    assert one("NND705", failing_on_held_out(UNRELATED)).severity is Severity.WARNING
    assert one("NND705", failing_on_held_out(UNRELATED, (2.4, 2.2))).severity is Severity.INFO
    seen = {"labels": {**UNRELATED["labels"], "neighbour": 0.5}}
    assert one("NND705", failing_on_held_out(seen)).severity is Severity.INFO


def test_an_imbalance_is_a_warning_where_nothing_is_learned_for_held_out_data():
    changes = {"data": {"class_counts": [146, 2, 2]}}
    symptom = one("NND706", failing_on_held_out(changes))
    assert symptom.severity is Severity.WARNING and "no better than chance" in symptom.message
    assert one("NND706", failing_on_held_out(changes, (2.0, 1.0))).severity is Severity.INFO


def test_held_out_labels_that_count_from_another_start():
    def held(**figures):
        return {"labels": {"held_out_labels": {"as_they_are": 0.02, "score": 0.9, "offset": 1, **figures}}}

    symptom = one("NND705", flown(held()))
    assert symptom.severity is Severity.ERROR and "90 % on the held-out labels +1" in symptom.message
    assert symptoms("NND705", flown(held(as_they_are=0.61))) == []
    assert symptoms("NND705", flown(held(offset=0))) == []


@pytest.mark.parametrize(("learns", "rate", "severity"), [(False, 0, "e"), (True, 0, "w"), (True, 0.2, "i")])
def test_units_that_are_copies_of_one_another(learns, rate, severity):
    start = {"start": {"layers": [{**START[0], "units_alike": True}, {**START[1], "units_alike": False}]}}
    own = {"drop1": {"dropout": rate}} if rate else {}
    run = flown(start, learns=learns, network={"description": "", "dtype": "float32", "regularisation": own})
    for step in (0, 5):
        row = {"weight.std": 0.05, "weight.mean": 0.0, "update.std": 0.01}
        run.add({"kind": "step", "step": step, "data": {"hidden1.weight": row}})
    symptom = one("NND409", run)
    assert symptom.site == "hidden1" and "copies of one another" in symptom.message
    assert symptom.severity.value[0] == severity


def test_targets_that_are_all_alike():
    symptom = one("NND710", flown({"data": {"class_counts": [0, 50, 0]}}))
    assert symptom.severity is Severity.ERROR and "all 50,000 training targets are class 1" in symptom.message
    assert (
        "the same value"
        in one("NND710", flown({"data": {"class_counts": None, "target_std_maximum": 0.0}})).message
    )
    assert symptoms("NND710", flown({"data": {"class_counts": [0, 49, 1]}})) == []


def batches(name, values, learns=False):
    return make_run({("run", name): dict(enumerate(values))}, learns=learns)


def test_torn_pairs_need_three_batches():
    symptom = one("NND711", batches("batch.paired", [0.1, 0.2, 0.0, 1.0]))
    assert symptom.severity is Severity.ERROR and "15 % of the inputs" in symptom.message
    assert symptoms("NND711", batches("batch.paired", [0.1, 0.2, 1.0, 1.0])) == []
    assert symptoms("NND711", batches("batch.paired", [1.0] * 6)) == []


def test_unmixed_batches_are_as_bad_as_what_the_run_became():
    assert one("NND708", batches("batch.mixed", [0.1] * 9)).severity is Severity.ERROR
    assert one("NND708", batches("batch.mixed", [0.49] * 9, learns=True)).severity is Severity.INFO
    assert one("NND708", batches("batch.mixed", [0.49] * 9, learns=None)).severity is Severity.WARNING
    assert symptoms("NND708", batches("batch.mixed", [0.5] * 9)) == []
    assert symptoms("NND708", batches("batch.mixed", [0.1] * 4)) == []


def test_samples_that_only_a_higher_rate_learns_say_that_the_rate_is_too_low():
    from nndebug.diagnosis import diagnose
    from nndebug.findings import Finding

    stuck = Finding("NND501", "not-learning", Severity.ERROR, "run", "probe loss 24", 0)
    overfit = {"share": 0.05, "rate": 10.0, "rates": {"0.1": 0.5, "1": 0.3, "10": 0.03}, "steps": 40}
    causes, verdict, _ = diagnose(flown({"overfit": overfit}, learns=False), [stuck])
    assert causes[0].kind == "lr_too_low"
    assert verdict == (
        "The learning rate is too low: twenty samples are learned by heart in 40 steps at 10, and not in 200 at 0.1."
    )
    for changes in ({"rate": 0.1}, {"rates": {"0.1": 0.2}}, {"share": 0.2}):
        causes, _, _ = diagnose(flown({"overfit": {**overfit, **changes}}, learns=False), [stuck])
        assert causes[0].kind == "not_learning"
