import pytest

from nndebug.findings import Severity

from .runs import make_run, one, symptoms


def loss(*values):
    return {("run", "probe.loss"): list(values)}


class TestNotLearning:
    def test_fires_at_chance(self):
        found = one("NND501", make_run(learns=False))
        assert found.severity is Severity.ERROR
        assert "no better than knowing only the class shares (0.45)" in found.message

    def test_silent_on_a_run_that_learns(self):
        assert not symptoms("NND501", make_run(learns=True))

    @pytest.mark.parametrize(("best", "fires"), [(0.9, False), (0.901, True)])
    def test_boundary_of_the_best_loss(self, best, fires):
        values = [0.45 * share for share in (1.0, 1.0, 1.0, 1.0, best, 1.0, 1.0, 1.0)]
        assert bool(symptoms("NND501", make_run(loss(*values)))) == fires

    @pytest.mark.parametrize(("steps", "fires"), [(801, True), (299, False)])
    def test_needs_three_hundred_steps(self, steps, fires):
        points = {0: 0.5, 10: 0.5, 50: 0.5, steps - 1: 0.5}
        assert bool(symptoms("NND501", make_run({("run", "probe.loss"): points}, steps=steps))) == fires

    def test_needs_a_whole_epoch(self):
        assert not symptoms("NND501", make_run(learns=False, epochs={0: (0, {})}))

    def test_unknown_chance_gives_no_verdict(self):
        assert not symptoms("NND501", make_run(learns=False, loss_at_chance=None))


class TestDiverging:
    def test_fires_when_the_last_three_checks_are_far_above_best_and_chance(self):
        found = one("NND502", make_run(loss(0.45, 0.4, 0.4, 0.3, 0.3, 0.7, 0.8, 0.9)))
        assert found.first_step == 200 and found.severity is Severity.ERROR

    def test_silent_when_the_loss_is_noisy_but_below_chance(self):
        assert not symptoms("NND502", make_run(loss(0.45, 0.4, 0.4, 0.1, 0.3, 0.3, 0.3, 0.3)))

    def test_two_checks_are_not_enough(self):
        assert not symptoms("NND502", make_run(loss(0.45, 0.4, 0.4, 0.3, 0.3, 0.3, 0.8, 0.9)))

    @pytest.mark.parametrize(("last", "fires"), [(0.6, False), (0.601, True)])
    def test_boundary_of_the_factor(self, last, fires):
        values = (0.45, 0.45, 0.45, 0.4, 0.4, last, last, last)
        assert bool(symptoms("NND502", make_run(loss(*values)))) == fires

    def test_a_loss_that_is_not_finite_counts_as_above(self):
        found = one(
            "NND502", make_run(loss(0.45, 0.4, 0.4, 0.3, 0.3, float("nan"), float("nan"), float("nan")))
        )
        assert "not finite" in found.message


class TestInitialLoss:
    @pytest.mark.parametrize(("kind", "ratio", "fires"), [
        ("quadratic", 4.0, False), ("quadratic", 4.01, True), ("cross_entropy", 2.0, False), ("cross_entropy", 2.01, True),
    ])  # fmt: skip
    def test_boundary(self, kind, ratio, fires):
        run = make_run(loss(0.45 * ratio, 0.4), loss=kind)
        found = symptoms("NND503", run)
        assert bool(found) == fires
        assert all(symptom.severity is Severity.INFO for symptom in found)

    def test_silent_when_birth_was_not_measured(self):
        assert not symptoms("NND503", make_run({("run", "probe.loss"): {5: 9.0}}))


class TestPredictionCollapse:
    def collapse(self, share, **options):
        series = {
            ("run", "probe.top_class_share"): [0.3] * 6 + [share, share],
            ("run", "probe.top_class"): [7] * 8,
        }
        return make_run(series, **options)

    def test_fires_and_names_the_class(self):
        found = one("NND507", self.collapse(1.0, learns=False))
        assert found.message.startswith("class 7 is 100 % of the predictions")
        assert (found.severity, found.first_step) == (Severity.ERROR, 400)

    def test_warning_where_it_is_not_clear_that_learning_failed(self):
        assert one("NND507", self.collapse(1.0)).severity is Severity.WARNING

    @pytest.mark.parametrize(("share", "fires"), [(0.899, False), (0.9, True)])
    def test_boundary(self, share, fires):
        assert bool(symptoms("NND507", self.collapse(share))) == fires

    def test_once_is_not_enough(self):
        series = {("run", "probe.top_class_share"): [0.3] * 7 + [1.0], ("run", "probe.top_class"): [7] * 8}
        assert not symptoms("NND507", make_run(series))

    def test_silent_where_one_class_has_most_rows(self):
        assert not symptoms("NND507", self.collapse(1.0, class_shares=[0.9] + [0.1 / 9] * 9))
