"""Contract, numerics, evaluation and the tool's own rules."""

import pytest

from nndebug.findings import Severity
from nndebug.registry import all_rules
from nndebug.run import Run

from .runs import MANIFEST, make_run, one, symptoms

HEADINGS = ("What it measures:", "Why it matters:", "What to try:", "False alarms:", "References:")


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_every_rule_has_a_page_with_its_headings_and_keyword_thresholds(rule):
    assert all(heading in rule.page for heading in HEADINGS)
    assert rule.summary.endswith(".")
    assert all(isinstance(value, int | float) for value in rule.thresholds.values())


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_no_rule_fires_or_crashes_on_an_empty_run(rule):
    found = list(rule(make_run(steps=1, epochs={0: (0, {})})))
    assert all(symptom.severity is Severity.INFO for symptom in found) and (
        not found or rule.code == "NND902"
    )


class TestShapeMismatch:
    def test_fires_with_the_message_and_place(self):
        run = make_run(
            events=[{"event": "shape", "step": 3, "site": "hidden1", "message": "expects (batch, 30)"}]
        )
        found = one("NND001", run)
        assert (found.site, found.first_step, found.severity) == ("hidden1", 3, Severity.ERROR)

    def test_other_events_are_silent(self):
        assert not symptoms("NND001", make_run(events=[{"event": "crashed", "step": 3, "message": "x"}]))


class TestFirstNonfinite:
    def test_names_the_producer_and_what_went_in(self):
        event = {"event": "nonfinite", "step": 94, "site": "hidden1", "signal": "preactivation", "entries": 300,
                 "operation": "dense forward", "sample": 0, "operands": {"input": [0.0, 1.0], "hidden1.weight": [-3e38, 3e38]}}  # fmt: skip
        found = one("NND101", make_run(events=[event]))
        assert found.first_step == 94 and found.evidence["last_finite_step"] == 93
        assert found.message == (
            "step 94: 300 pre-activations of hidden1 are the first numbers that are not finite (dense forward); what "
            "went in was finite: input 0 to 1, hidden1.weight -3e+38 to 3e+38"
        )

    def test_names_an_update(self):
        event = {"event": "nonfinite", "step": 7, "site": "output.weight", "signal": "update", "entries": 3,
                 "operation": "the update before this step", "sample": None, "operands": {}}  # fmt: skip
        found = one("NND101", make_run(events=[event]))
        assert found.message == "the update of step 6 left 3 entries of output.weight not finite"

    def test_silent_without_one(self):
        assert not symptoms("NND101", make_run())


class TestChanceAccuracy:
    def accuracy(self, *values, top=0, share=1.0, **manifest):
        points = {(i + 1) * 100: v for i, v in enumerate(values)}
        series = {("run", "validation.accuracy"): points, ("run", "probe.top_class"): {0: top}}
        return make_run({**series, ("run", "probe.top_class_share"): {0: share}}, **manifest)

    def test_silent_where_the_predictions_differ(self):
        assert not symptoms("NND603", self.accuracy(0.102, 0.102, share=0.89))
        assert symptoms("NND603", self.accuracy(0.102, 0.102, share=0.9))

    def test_silent_on_a_handful_of_samples(self):
        assert not symptoms("NND603", self.accuracy(0.75, 0.75, validation_counts=[1, 3]))

    def test_names_the_class(self):
        found = one("NND603", self.accuracy(0.102, 0.102, top=1))
        assert "the share of class 1 to the sample (102 of 1000)" in found.message

    def test_the_commonest_prediction_decides_between_equal_classes(self):
        assert "class 7" in one("NND603", self.accuracy(0.1, 0.1, top=7)).message

    @pytest.mark.parametrize("values", [(0.103, 0.102), (0.102, 0.101), (0.102,)])
    def test_boundary_one_sample_off_or_only_once(self, values):
        assert not symptoms("NND603", self.accuracy(*values))

    def test_silent_for_a_good_accuracy(self):
        assert not symptoms("NND603", self.accuracy(0.95, 0.95))


class TestNotChecked:
    def test_failures_and_lost_rows_are_told(self):
        run = make_run(learns=True, events=[{"event": "failure", "step": 9, "message": "cannot write"}])
        run.lost = 2
        messages = [s.message for s in symptoms("NND902", run)]
        assert messages == ["cannot write", "2 rows of the run folder could not be read"]

    def test_a_run_without_probe_is_told(self):
        assert "no state was judged" in one("NND902", make_run()).message

    def test_a_training_without_its_steps_is_told(self):
        run = Run({**MANIFEST, "status": "finished", "training_seconds": 0.3})
        assert "no step of it" in one("NND902", run).message

    def test_a_training_without_the_files_of_its_epochs_is_told(self):
        run = make_run(learns=True, training_seconds=0.3)
        assert not symptoms("NND902", run)
        run._epochs.clear()
        assert "no file of an epoch" in one("NND902", run).message

    def test_silent_before_the_first_step(self):
        assert not symptoms("NND902", Run({**MANIFEST, "status": "running"}))

    def test_silent_on_a_complete_run(self):
        assert not symptoms("NND902", make_run(learns=True))
