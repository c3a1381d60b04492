import numpy as np
import pytest

from nndebug.findings import Severity

from .runs import SITES, dead, make_run, one, symptoms

SIGMOIDS = [{**SITES[0], "activation": "sigmoid"}, SITES[1]]


def units(alive=0, born=0, **died):
    """`units(alive=20, born=2, at1=8)`: steps of death of a layer of 30."""
    return (
        [-1] * alive + [0] * born + [step for key, count in died.items() for step in [int(key[2:])] * count]
    )


def dying(died_at, shift=None, learns=None, silent=None):
    count = sum(step >= 0 for step in died_at)
    series = {("hidden1", "probe.silent_units"): [1, 2, *[count if silent is None else silent] * 6]}
    series["hidden1", "probe.dead_units"] = [1, 2, count, count, count, count, count, count]
    if shift:
        series["hidden1", "probe.shift"] = shift
    return make_run(series, epochs=dead(died_at), learns=learns)


class TestDeadRelu:
    def test_error_when_nearly_all_are_dead(self):
        found = one("NND201", dying(units(alive=6, at1=24)))
        assert found.severity is Severity.ERROR
        assert found.message == "24 of 30 units never fire on the training set: 24 since step 1"

    def test_birth_and_death_are_told_apart_with_the_step(self):
        found = one("NND201", dying(units(alive=11, born=3, at1=12, at95=4)))
        assert found.message.endswith("12 since step 1, 4 since step 95, 3 since birth")
        assert found.first_step == 1
        assert found.evidence["since_birth"] == 3 and found.evidence["died"] == {"1": 12, "95": 4}

    @pytest.mark.parametrize(("count", "fires"), [(11, False), (12, True)])
    def test_boundary_of_the_warning_at_forty_percent(self, count, fires):
        found = symptoms("NND201", dying(units(alive=30 - count, at700=count)))
        assert [s.severity for s in found] == [Severity.WARNING] * fires

    @pytest.mark.parametrize(
        ("seen", "unseen", "severity"),
        [(0.044, 0.044, Severity.INFO), (0.046, 0.01, Severity.WARNING), (0.01, 0.046, Severity.WARNING)],
    )
    def test_a_network_that_learned_well_had_units_to_spare(self, seen, unseen, severity):
        run = dying(units(alive=14, at700=16))  # chance is 0.45
        for name, value in (("probe.loss", seen), ("validation.loss", unseen)):
            run.add({"kind": "probe", "step": 900, "data": {"run": {name: value}}})
        assert one("NND201", run).severity is severity

    @pytest.mark.parametrize(("count", "fires"), [(5, False), (6, True)])
    def test_boundary_of_the_error_at_twenty_percent_where_nothing_is_learned(self, count, fires):
        found = symptoms("NND201", dying(units(alive=30 - count, at700=count), learns=False))
        assert [s.severity for s in found] == [Severity.ERROR] * fires

    @pytest.mark.parametrize(("shift", "count", "fires"), [(2.6, 3, True), (2.5, 3, False), (2.6, 2, False)])
    def test_boundary_of_deaths_by_an_update_that_overshoots(self, shift, count, fires):
        run = dying(units(alive=30 - count, at1=count), shift={0: shift, 1: 0.1}, learns=True)
        assert [s.severity for s in symptoms("NND201", run)] == [Severity.WARNING] * fires

    def test_deaths_beside_another_layer_that_overshoots_are_a_note(self):
        died_at = units(alive=28, at1=2)
        series = {("hidden1", "probe.silent_units"): [0, 2, 2, 2], ("output", "probe.shift"): {0: 6.0}}
        found = one("NND201", make_run(series, epochs=dead(died_at)))
        assert found.severity is Severity.INFO and found.first_step == 1

    def test_silent_with_the_four_dead_units_of_a_healthy_run(self):
        assert not symptoms("NND201", dying(units(alive=26, born=3, at100=1), learns=True))

    def test_once_silent_is_not_dead(self):
        assert not symptoms("NND201", dying(units(alive=10, at900=20), silent=3))


class TestDeadAtBirth:
    @pytest.mark.parametrize(("count", "fires"), [(11, False), (12, True)])
    def test_boundary(self, count, fires):
        run = make_run(
            {("hidden1", "probe.dead_units"): [count, count], ("hidden1.bias", "weight.mean"): {0: 0.0}}
        )
        assert bool(symptoms("NND202", run)) == fires

    def test_info_on_a_run_that_learns(self):
        series = {("hidden1", "probe.dead_units"): [28, 28], ("hidden1.bias", "weight.mean"): {0: 0.0}}
        assert one("NND202", make_run(series, learns=True)).severity is Severity.INFO

    def test_names_negative_biases(self):
        run = make_run(
            {("hidden1", "probe.dead_units"): [30, 30], ("hidden1.bias", "weight.mean"): {0: -3.0}}
        )
        assert "biases start at -3" in one("NND202", run).message

    @pytest.mark.parametrize(("norm", "why"), [(0.0, "its weights start at 0"), (8.0, "the signs of")])
    def test_names_weights_of_zero(self, norm, why):
        series = {("hidden1", "probe.dead_units"): [30, 30], ("hidden1.bias", "weight.mean"): {0: 0.0}}
        series["hidden1.weight", "weight.norm"] = {0: norm}
        assert why in one("NND202", make_run(series)).message

    def test_silent_about_units_that_died_later(self):
        assert not symptoms("NND202", make_run({("hidden1", "probe.dead_units"): [1, 29, 29]}))


class TestHiddenSaturated:
    def saturated(self, share, learns=None, collapsed=False):
        series = {("hidden1", "probe.saturated_share"): [0.6] * 5 + [share] * 3}
        if collapsed:
            series["hidden1.weight", "gradient.norm"] = {s: 1.0 if s < 30 else 1e-6 for s in range(200)}
        return make_run(series, learns=learns, sites=SIGMOIDS)

    @pytest.mark.parametrize(("share", "fires"), [(0.949, False), (0.95, True)])
    def test_boundary(self, share, fires):
        assert bool(symptoms("NND203", self.saturated(share))) == fires

    @pytest.mark.parametrize(("share", "fires"), [(0.79, False), (0.8, True)])
    def test_boundary_with_a_collapsed_gradient(self, share, fires):
        assert bool(symptoms("NND203", self.saturated(share, learns=False, collapsed=True))) == fires

    def test_silent_at_the_86_percent_of_a_healthy_run(self):
        assert not symptoms("NND203", self.saturated(0.86, learns=True))

    def test_severity_follows_the_outcome(self):
        assert one("NND203", self.saturated(1.0, learns=False)).severity is Severity.ERROR
        assert one("NND203", self.saturated(1.0, learns=True)).severity is Severity.INFO

    def test_an_output_layer_is_not_a_hidden_one(self):
        assert not symptoms("NND203", make_run({("output", "probe.saturated_share"): [1.0] * 8}))


class TestOutputSaturatedWrong:
    def wrong(self, *shares, learns=None):
        return make_run({("output", "probe.wrong_side_share"): list(shares)}, learns=learns)

    def test_error_from_birth_on(self):
        found = one("NND204", self.wrong(0.35, 0.3, 0.25, 0.1, 0.1, 0.1, 0.1, 0.1, learns=False))
        assert (found.severity, found.first_step) == (Severity.ERROR, 0)
        assert "35 % before the first step" in found.message

    def test_info_when_only_birth_was_so(self):
        found = one("NND204", self.wrong(0.17, 0.1, 0.05, 0.01, 0.003, 0.003, 0.003, 0.003, learns=True))
        assert found.severity is Severity.INFO and "before the first step" in found.message

    @pytest.mark.parametrize(("share", "fires"), [(0.0199, False), (0.02, True)])
    def test_boundary(self, share, fires):
        assert bool(symptoms("NND204", self.wrong(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, share, share))) == fires

    def test_silent_at_the_half_percent_of_a_healthy_run(self):
        assert not symptoms("NND204", self.wrong(*[0.005] * 8, learns=True))


class TestActivationScale:
    def scale(self, first, last=1.0, learns=None):
        stds = {
            ("hidden1", "probe.preactivation.std"): [first] * 8,
            ("output", "probe.preactivation.std"): [last] * 8,
        }
        return make_run(stds, learns=learns)

    @pytest.mark.parametrize(("std", "fires"), [(10.0, False), (10.1, True), (0.1, False), (0.099, True)])
    def test_boundary_of_one_layer(self, std, fires):
        found = [s for s in symptoms("NND205", self.scale(std, std)) if s.site == "hidden1"]
        assert [s.severity for s in found] == [Severity.INFO] * fires

    @pytest.mark.parametrize(("last", "fires"), [(10.0, False), (10.2, True)])
    def test_boundary_of_the_growth(self, last, fires):
        found = [s for s in symptoms("NND205", self.scale(0.5, last)) if "factor" in s.message]
        assert bool(found) == fires

    def test_error_when_nothing_is_learned(self):
        assert one("NND205", self.scale(12.0, learns=False)).severity is Severity.ERROR

    def test_info_on_a_run_that_learns(self):
        assert one("NND205", self.scale(12.0, learns=True)).severity is Severity.INFO


class TestConstantOutput:
    def variation(self, hidden, output):
        return make_run(
            {
                ("hidden1", "probe.variation"): [0.5] * 4 + [hidden] * 4,
                ("output", "probe.variation"): [0.5] * 4 + [output] * 4,
            }
        )

    def test_names_the_first_layer_that_lost_it(self):
        assert one("NND207", self.variation(0.0, 0.0)).site == "hidden1"
        assert one("NND207", self.variation(0.4, 0.0)).site == "output"

    @pytest.mark.parametrize(("share", "fires"), [(0.01, False), (0.0099, True)])
    def test_boundary(self, share, fires):
        assert bool(symptoms("NND207", self.variation(0.4, share))) == fires

    def test_silent_on_outputs_far_from_zero_of_a_run_that_learns(self):
        series = {("output", "probe.variation"): [0.001] * 8}
        assert not symptoms("NND207", make_run(series, learns=True))

    def test_silent_when_only_a_hidden_layer_is_constant(self):
        assert not symptoms("NND207", self.variation(0.0, 0.4))


def test_thresholds_are_keywords():
    from nndebug.registry import find_rule

    run = dying(units(alive=20, at700=10))
    assert not symptoms("NND201", run)
    assert list(find_rule("dead-relu").function(run, most=0.3))
    assert np.isclose(find_rule("NND201").thresholds["most"], 0.4)
