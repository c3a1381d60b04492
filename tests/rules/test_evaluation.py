import pytest

from nndebug.findings import Severity

from .runs import make_run, one, symptoms


def judged(value=0.1, accuracy=0.95, mistakes=(), right=None, learns=None, unit="share", rounding=0.0):
    labels = [100] * 10
    event = {
        "event": "evaluation",
        "step": 1000,
        "epoch": 1,
        "value": value,
        "accuracy": accuracy,
        "samples": 1000,
        "unit": unit,
        "rounding": rounding,
        "mistakes": list(mistakes),
        "labels": labels,
        "predicted": [100] * 10 if right is None or sum(n > 0 for n in right) > 1 else [1000] + [0] * 9,
        "right": right or [95] * 10,
    }
    series = {("run", "evaluation.accuracy"): {1000: accuracy}, ("run", "evaluation.reported"): {1000: value}}
    return make_run(series, events=[event], learns=learns)


def mistake(name="argmax_of_label", exact=True):
    return {"name": name, "meaning": "the argmax of a label", "formula": "f(x)", "value": 0.1, "exact": exact}


class TestMetricWrong:
    def test_fires_and_gives_both_numbers(self):
        found = one("NND601", judged())
        assert found.severity is Severity.ERROR
        assert "10 %" in found.message and "95 % (950 of 1,000)" in found.message

    @pytest.mark.parametrize(("first", "since"), [(0.1, 144), (0.9, 1000)])
    def test_since_the_first_of_the_wrong_numbers_in_a_row(self, first, since):
        run = judged(mistakes=[mistake()])
        early = {**run.events[0], "kind": "event", "step": 144, "value": first, "accuracy": 0.9}
        run = make_run({("run", "evaluation.accuracy"): {1000: 0.95}}, events=[early, run.events[0]])
        assert one("NND601", run).first_step == one("NND602", run).first_step == since
        assert ("says 10 % at step 1,000" in one("NND601", run).message) is (since < 1000)

    @pytest.mark.parametrize(("samples_off", "fires"), [(1, False), (2, True)])
    def test_boundary_one_sample(self, samples_off, fires):
        assert bool(symptoms("NND601", judged(0.95 + samples_off / 1000))) == fires

    @pytest.mark.parametrize(("off", "fires"), [(0.0051, True), (0.005, False)])
    def test_boundary_what_rounding_takes(self, off, fires):
        run = judged(0.95 + off, unit="percent", rounding=0.005, mistakes=[mistake()])
        assert bool(symptoms("NND601", run)) == bool(symptoms("NND602", run)) == fires

    def test_a_count_is_told_as_a_count(self):
        run = judged(unit="count", mistakes=[mistake()])
        assert one("NND601", run).message == "the evaluation says 100 of 1,000; the accuracy is 950 of 1,000"
        assert "gives exactly the reported 100 of 1,000: " in one("NND602", run).message

    def test_silent_when_it_is_right(self):
        assert not symptoms("NND601", judged(0.95))


class TestMistakeNamed:
    def test_fires_with_the_line_that_gives_the_number(self):
        found = one("NND602", judged(mistakes=[mistake(), mistake("argmin")]))
        assert found.message == "the argmax of a label gives exactly the reported 10 %: f(x) (so does argmin)"
        assert found.evidence["mistake"] == "argmax_of_label" and found.evidence["others"] == ["argmin"]

    def test_what_is_near_is_said_to_be_near(self):
        assert "gives about the reported" in one("NND602", judged(mistakes=[mistake(exact=False)])).message

    def test_silent_where_none_is_known_or_the_number_is_right(self):
        assert not symptoms("NND602", judged())
        assert not symptoms("NND602", judged(0.951, mistakes=[mistake()]))  # the boundary: one sample off


class TestClassNeverPredicted:
    def test_fires_and_names_it(self):
        found = one("NND604", judged(0.95, right=[95] * 6 + [0] + [95] * 3))
        assert found.severity is Severity.WARNING and "class 6" in found.message

    def test_info_on_a_run_that_learns(self):
        assert one("NND604", judged(0.95, right=[0] + [95] * 9, learns=True)).severity is Severity.INFO

    def test_what_is_learned_of_the_training_set_alone_is_no_info(self):
        run = judged(0.3, 0.3, right=[95] * 3 + [0] * 7, learns=True)
        run.add({"kind": "epoch", "step": 1000, "epoch": 1, "data": {"run": {"validation.loss": 0.5}}})
        assert one("NND604", run).severity is Severity.WARNING

    @pytest.mark.parametrize(("right", "fires"), [([0] + [95] * 9, True), ([1] + [95] * 9, False)])
    def test_boundary_one_right_answer(self, right, fires):
        assert bool(symptoms("NND604", judged(0.95, right=right))) == fires

    def test_a_constant_network_is_left_to_prediction_collapse(self):
        assert not symptoms("NND604", judged(0.1, 0.1, right=[0] * 9 + [100]))


class TestEvaluationPreprocessing:
    def run(self, mean=0.3, std=0.3, off=0.0, held_out=2.0):
        both = {"mean": [0.3, mean], "std": [0.3, std], "standard_error": 0.005, "features_off": off}
        series = {("run", "validation.loss"): {1000: held_out}, ("run", "train.loss"): {1000: 0.2}}
        return make_run(series, inputs=both)

    def test_fires_and_gives_both(self):
        found = one("NND605", self.run(4.8, 4.8))
        assert found.severity is Severity.WARNING and "mean 4.8" in found.message

    def test_info_where_it_does_no_harm(self):
        assert one("NND605", self.run(4.8, 4.8, held_out=0.25)).severity is Severity.INFO

    @pytest.mark.parametrize(
        ("changes", "fires"),
        [
            ({"mean": 0.359}, False),
            ({"mean": 0.361}, True),
            ({"std": 0.59}, False),
            ({"std": 0.61}, True),
            ({"off": 0.2}, False),
            ({"off": 0.21}, True),
        ],
    )
    def test_boundaries(self, changes, fires):
        assert bool(symptoms("NND605", self.run(**changes))) == fires

    @pytest.mark.parametrize(("most", "hurts"), [(0.27, True), (0.31, False)])
    def test_other_classes_have_other_inputs(self, most, hurts):
        run = self.run(0.4)
        run.manifest.update(class_shares=[most] + [(1 - most) / 9] * 9, validation_counts=[100] * 10)
        assert (one("NND605", run).severity is Severity.WARNING) == hurts

    def test_but_not_inputs_that_are_255_times_as_large(self):
        run = self.run(33.0, 78.0)
        run.manifest.update(class_shares=[1.0] + [0.0] * 9, validation_counts=[100] * 10)
        assert one("NND605", run).severity is Severity.WARNING

    def test_silent_without_held_out_inputs(self):
        assert not symptoms("NND605", make_run({("run", "validation.loss"): {1000: 2.0}}, inputs=None))


class TestClassesRenamed:
    def run(self, after=0.95, accuracy=0.02, table=None):
        run = judged(accuracy, accuracy)
        run.events[0]["renamed"] = {"accuracy": after, "labels": table or [(k + 9) % 10 for k in range(10)]}
        return run

    def test_fires_and_says_by_how_much(self):
        found = one("NND606", self.run())
        assert found.severity is Severity.ERROR and "renamed by -1" in found.message

    def test_another_table_is_said_to_be_one(self):
        assert "by a table" in one("NND606", self.run(table=[1, 0, 3, 2, 5, 4, 7, 6, 9, 8])).message

    @pytest.mark.parametrize(("after", "fires"), [(0.49, False), (0.5, True)])
    def test_boundary(self, after, fires):
        assert bool(symptoms("NND606", self.run(after))) == fires

    def test_silent_where_the_classes_have_their_own_names(self):
        assert not symptoms("NND606", judged(0.95, 0.95))

    def test_silent_where_the_training_set_is_wrong_too(self):
        run = self.run()
        run.add({"kind": "probe", "step": 1000, "epoch": 9, "data": {"run": {"probe.accuracy": 0.05}}})
        assert not symptoms("NND606", run)
