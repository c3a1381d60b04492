import numpy as np
import pytest

from nndebug.findings import Severity

from .runs import make_run, one, symptoms

STEPS = range(5)
WEIGHTS = ("hidden1.weight", "hidden1.bias", "output.weight", "output.bias")


def run_row(**series):
    return {("run", f"replay.{name}"): dict(enumerate(values)) for name, values in series.items()}


class TestGradientNotSlope:
    def off(self, share, steps=5):
        return make_run(run_row(slope=[-1.0] * 5, claimed=[-1.0 * (1 + share * (k < steps)) for k in STEPS]))

    def test_fires_and_gives_the_constant_factor(self):
        found = one("NND307", self.off(9.0))
        assert found.severity is Severity.ERROR and found.first_step == 0
        assert found.evidence["constant"] and found.evidence["ratio"] == pytest.approx(10)
        assert "10 × it" in found.message

    def test_no_factor_is_claimed_where_it_changes(self):
        found = one("NND307", make_run(run_row(slope=[-1.0] * 5, claimed=[-0.2, -3.0, 0.4, -1.0, -0.7])))
        assert not found.evidence["constant"] and "another number at every step" in found.message

    @pytest.mark.parametrize(
        ("share", "steps", "fires"), [(0.0049, 5, False), (0.0052, 5, True), (0.5, 2, False), (0.5, 3, True)]
    )
    def test_boundary(self, share, steps, fires):
        assert bool(symptoms("NND307", self.off(share, steps))) == fires

    @pytest.mark.parametrize(("doubt", "fires"), [(0.0, True), (0.09, True), (0.1, False)])
    def test_what_the_measured_slope_may_be_off_is_no_evidence(self, doubt, fires):
        rows = run_row(slope=[-1.0] * 5, claimed=[-1.1] * 5, doubt=[doubt] * 5)
        assert bool(symptoms("NND307", make_run(rows))) == fires

    def test_silent_where_both_are_zero(self):
        assert not symptoms("NND307", make_run(run_row(slope=[0.0] * 5, claimed=[0.0] * 5)))


class TestGradientsNotCleared:
    def piled(self, leftover, own=0.8):
        return make_run(
            {
                ("run", "replay.own"): {0: 0.0, 1: own, 2: own, 3: own},
                ("run", "replay.leftover"): dict(zip((1, 2, 3), leftover)),
            }
        )

    def test_fires_when_each_difference_is_the_batchs_own_gradient(self):
        found = one("NND404", self.piled([1e-7] * 3))
        assert found.severity is Severity.ERROR and found.evidence["steps_equal"] == [1, 2, 3]

    @pytest.mark.parametrize(("leftover", "fires"), [([0.009] * 3, True), ([0.009, 0.009, 0.02], False)])
    def test_boundary_three_steps(self, leftover, fires):
        assert bool(symptoms("NND404", self.piled(leftover))) == fires

    def test_silent_on_a_network_whose_gradients_are_its_own(self):
        assert not symptoms("NND404", self.piled([0.9, 1.2, 0.6], own=1e-8))

    def test_silent_where_the_gradient_is_constant_at_zero(self):
        assert not symptoms("NND404", self.piled([0.0] * 3, own=0.0))

    @pytest.mark.parametrize(("uncleared", "fires"), [(1e-6, True), (0.3, False)])
    def test_an_optimiser_may_pile_them_up_too(self, uncleared, fires):
        table = {}
        for name in WEIGHTS:
            table[name, "update.error"] = {0: 1e-7, 1: 0.4, 2: 0.5, 3: 0.5}
            table[name, "update.uncleared"] = {0: 1e-7, 1: uncleared, 2: uncleared, 3: uncleared}
        table |= run_row(own=[0.0] * 4)
        assert bool(symptoms("NND404", make_run(table))) == fires
        assert bool(symptoms("NND406", make_run(table))) != fires


class TestWrongDirection:
    def test_fires_and_says_that_the_update_has_the_sign(self):
        found = one("NND405", make_run(run_row(slope=[1.0] * 5, claimed=[1.0] * 5)))
        assert found.severity is Severity.ERROR and found.evidence["in"] == "update"

    def test_fires_and_says_that_the_gradient_has_the_sign(self):
        assert (
            one("NND405", make_run(run_row(slope=[1.0] * 5, claimed=[-1.0] * 5))).evidence["in"] == "gradient"
        )

    @pytest.mark.parametrize(("uphill", "fires"), [(5, True), (4, False)])
    def test_boundary(self, uphill, fires):
        slope = [1.0] * uphill + [-1.0] * (5 - uphill)
        assert bool(symptoms("NND405", make_run(run_row(slope=slope, claimed=[-1.0] * 5)))) == fires

    @pytest.mark.parametrize(("uphill", "fires"), [(5, True), (4, False)])
    def test_without_a_slope_the_gradients_say_it_alone(self, uphill, fires):
        claimed = [1.0] * uphill + [-1.0] * (5 - uphill)
        found = symptoms("NND405", make_run(run_row(claimed=claimed)))
        assert [f.evidence["in"] for f in found] == ["update"] * fires
        assert all("goes along the gradient" in f.message for f in found)

    def test_silent_on_fewer_than_four_steps(self):
        assert not symptoms("NND405", make_run(run_row(slope=[1.0] * 3, claimed=[1.0] * 3)))


class TestUpdateWrong:
    def update(self, factor, residual=1e-8, error=None, parameters=WEIGHTS):
        table = {}
        for name in WEIGHTS:
            k = factor if name in parameters else 1.0
            wrong = abs(k - 1) / (abs(k) + 1) if error is None or name not in parameters else error
            table[name, "update.error"] = dict.fromkeys(range(4), wrong)
            table[name, "update.factor"] = dict.fromkeys(range(4), k)
            table[name, "update.residual"] = dict.fromkeys(range(4), residual)
            table[name, "update.uncleared"] = dict.fromkeys(range(4), 0.4)
        return make_run(table, batch=10, samples=5000)

    @pytest.mark.parametrize(
        ("factor", "mistake"),
        [
            (-1.0, "the sign flipped"),
            (10.0, "not divided by the batch"),
            (0.1, "divided by the batch twice"),
            (0.002, "divided by the data set instead of the batch"),
            (2.0, "applied twice"),
            (0.37, "scaled"),
            (-10.0, "the sign flipped, and not divided by the batch"),
        ],
    )
    def test_names_what_it_equals(self, factor, mistake):
        found = one("NND406", self.update(factor))
        assert found.severity is Severity.ERROR
        assert (found.evidence["mistake"], found.evidence["parameters"]) == (mistake, list(WEIGHTS))

    def test_a_change_that_is_no_multiple_is_said_to_be_none(self):
        found = one("NND406", self.update(0.8, residual=0.5))
        assert found.evidence["mistake"] == "no multiple of the right one"

    def test_biases_alone(self):
        found = one("NND406", self.update(-1.0, parameters=("hidden1.bias", "output.bias")))
        assert found.site == "hidden1.bias" and found.evidence["parameters"] == [
            "hidden1.bias",
            "output.bias",
        ]

    @pytest.mark.parametrize(("error", "fires"), [(0.0099, False), (0.0101, True)])
    def test_boundary(self, error, fires):
        assert bool(symptoms("NND406", self.update(1.02, error=error))) == fires

    def test_a_parameter_that_never_changes_is_left_to_another_rule(self):
        assert not symptoms("NND406", self.update(0.0))

    def test_silent_at_rounding(self):
        assert not symptoms("NND406", self.update(1.0))


class TestLoopOrder:
    def loop(self, **wrong):
        flags = {"no_backward": [0] * 5, "moved": [0] * 5, "evaluating": [0] * 5} | wrong
        return run_row(**flags)

    @pytest.mark.parametrize(
        ("flags", "what", "severity"),
        [
            ({"no_backward": [1] * 5}, "order", Severity.ERROR),
            ({"moved": [0.1] * 5}, "moved", Severity.ERROR),
            ({"cleared": [1] * 4}, "cleared", Severity.ERROR),
            ({"evaluating": [1] * 5}, "mode", Severity.WARNING),
        ],
    )
    def test_fires(self, flags, what, severity):
        found = one("NND407", make_run(self.loop(**flags)))
        assert (found.evidence["what"], found.severity) == (what, severity)
        assert ("zero_grad(), backward(), step()" in found.help) == (what == "cleared")

    def test_evaluation_mode_in_a_run_that_learns_is_an_info(self):
        assert one("NND407", make_run(self.loop(evaluating=[1] * 5), learns=True)).severity is Severity.INFO

    @pytest.mark.parametrize(("times", "fires"), [(2, False), (3, True)])
    def test_boundary(self, times, fires):
        flags = [1] * times + [0] * (5 - times)
        assert bool(symptoms("NND407", make_run(self.loop(no_backward=flags)))) == fires

    def test_silent_in_the_right_order(self):
        assert not symptoms("NND407", make_run(self.loop()))


class TestLossCutOff:
    @pytest.mark.parametrize(
        ("cut", "fires"),
        [([1, 1, 1, 1], True), ([0, 1, 1, 1], True), ([0, 0, 1, 1], False), ([0] * 4, False)],
    )
    def test_three_of_four_steps(self, cut, fires):
        found = symptoms("NND308", make_run(run_row(cut=cut)))
        assert [f.severity for f in found] == [Severity.ERROR] * fires
        assert [f.first_step for f in found] == [cut.index(1)] * fires if fires else not found


def test_errors_that_are_not_finite_prove_nothing():
    table = {(name, "update.error"): dict.fromkeys(range(4), np.nan) for name in WEIGHTS}
    assert not symptoms("NND406", make_run(table | run_row(slope=[np.nan] * 5, claimed=[1.0] * 5)))
