import pytest

from nndebug.findings import Severity

from .runs import SITES, dead, make_run, one, symptoms


def ratios(points):
    return {("hidden1.weight", "update_ratio"): points}


class TestUpdateTooLarge:
    @pytest.mark.parametrize(("value", "fires"), [(0.1, False), (0.11, True)])
    def test_boundary_of_the_median(self, value, fires):
        assert bool(symptoms("NND401", make_run(ratios(dict.fromkeys(range(50), value))))) == fires

    @pytest.mark.parametrize(("value", "step", "fires"), [(2.0, 3, False), (2.1, 3, True), (2.1, 12, False)])
    def test_boundary_of_the_first_steps(self, value, step, fires):
        points = dict.fromkeys(range(50), 0.001) | {step: value}
        found = symptoms("NND401", make_run(ratios(points)))
        assert bool(found) == fires
        assert all(s.first_step == step for s in found)

    def test_info_on_a_run_that_learns(self):
        assert (
            one("NND401", make_run(ratios(dict.fromkeys(range(50), 0.5)), learns=True)).severity
            is Severity.INFO
        )

    def test_silent_at_the_usual_size(self):
        assert not symptoms("NND401", make_run(ratios({s: 0.78 if s < 3 else 0.029 for s in range(50)})))


class TestUpdateTooSmall:
    @pytest.mark.parametrize(("value", "fires"), [(1.1e-5, False), (0.9e-5, True)])
    def test_boundary(self, value, fires):
        assert (
            bool(symptoms("NND402", make_run(ratios(dict.fromkeys(range(100), value)), learns=False)))
            == fires
        )

    def test_silent_when_the_run_learns(self):
        assert not symptoms("NND402", make_run(ratios(dict.fromkeys(range(100), 1e-07)), learns=True))

    def on_its_way(self, value, loss=(0.45, 0.43, 0.41, 0.39, 0.37, 0.35)):
        series = ratios(dict.fromkeys(range(100), value)) | {
            ("run", "probe.loss"): dict(zip(range(0, 1000, 190), loss))
        }
        return make_run(series)

    def test_a_training_that_ended_on_its_way_down(self):
        found = one("NND402", self.on_its_way(1e-4))
        assert found.severity is Severity.WARNING and found.evidence["falling"] and found.first_step == 0

    @pytest.mark.parametrize(("value", "fires"), [(2.9e-4, True), (3.1e-4, False)])
    def test_boundary_of_a_loss_that_falls(self, value, fires):
        assert bool(symptoms("NND402", self.on_its_way(value))) == fires

    def test_silent_where_the_loss_has_come_to_rest_or_is_low(self):
        assert not symptoms("NND402", self.on_its_way(1e-4, (0.45, 0.4, 0.36, 0.35, 0.35, 0.35)))
        assert not symptoms("NND402", self.on_its_way(1e-4, (0.45, 0.4, 0.35, 0.3, 0.25, 0.2)))


class TestParameterFrozen:
    def frozen(self, gradient, zeros=20, rate=0.1):
        updates = dict.fromkeys(range(50 - zeros), 1.0) | dict.fromkeys(range(50 - zeros, 50), 0.0)
        series = {
            ("hidden1.weight", "update.norm"): updates,
            ("hidden1.weight", "gradient.norm"): dict.fromkeys(range(50), gradient),
            ("hidden1.weight", "weight.norm"): {0: 8.0},
            ("hidden1.weight", "weight.maximum"): {0: 0.2},
            ("hidden1.weight", "weight.minimum"): {0: -0.2},
            ("run", "learning_rate"): {0: rate},
        }
        return make_run(series, steps=1000)

    def test_with_a_gradient_the_update_is_not_applied(self):
        found = one("NND403", self.frozen(1.0))
        assert found.severity is Severity.ERROR and "the update is not applied" in found.message
        assert found.evidence["gradient"] == 1.0 and found.first_step == 30

    def test_without_a_gradient_the_chain_is_cut(self):
        found = one("NND403", self.frozen(0.0))
        assert found.severity is Severity.WARNING and "no gradient reaches it" in found.message

    def test_a_gradient_too_small_for_the_precision_is_told_apart(self):
        found = one("NND403", self.frozen(1e-20))
        assert "below its precision" in found.message and found.evidence["below_precision"]
        assert found.severity is Severity.WARNING

    def test_a_layer_frozen_on_purpose_in_a_run_that_learns_is_no_error(self):
        series = {("hidden1.weight", "update.norm"): dict.fromkeys(range(50), 0.0)}
        series["hidden1.weight", "gradient.norm"] = dict.fromkeys(range(50), 1.0)
        for name, value in (("norm", 8.0), ("maximum", 0.2), ("minimum", -0.2)):
            series["hidden1.weight", f"weight.{name}"] = {0: value}
        assert one("NND403", make_run(series, learns=True)).severity is Severity.WARNING

    def test_updates_that_are_not_finite_are_not_none(self):
        series = {("hidden1.weight", "update.norm"): dict.fromkeys(range(50), float("nan"))}
        series["hidden1.weight", "gradient.norm"] = dict.fromkeys(range(50), float("nan"))
        assert not symptoms("NND403", make_run(series))

    @pytest.mark.parametrize(("zeros", "fires"), [(19, False), (20, True)])
    def test_boundary(self, zeros, fires):
        assert bool(symptoms("NND403", self.frozen(1.0, zeros))) == fires

    @pytest.mark.parametrize(
        ("parameter", "following", "activation", "fires"),
        [
            ("bias", "batch_norm", None, False),
            ("weight", "batch_norm", None, True),
            ("bias", "layer_norm", None, True),
            ("bias", "batch_norm", "relu", True),
        ],
    )
    def test_what_a_batch_normalisation_takes_off_again_is_none(
        self, parameter, following, activation, fires
    ):
        norm = {"name": "norm", "kind": following, "units": 30, "parameters": ["weight", "bias"]}
        sites = [{**SITES[0], "activation": activation}, norm, SITES[1]]
        name = f"hidden1.{parameter}"
        series = {(name, "update.norm"): dict.fromkeys(range(50), 0.0)}
        series[name, "gradient.norm"] = dict.fromkeys(range(50), 0.0)
        assert bool(symptoms("NND403", make_run(series, sites=sites))) == fires


class TestSymmetricUnits:
    def same(self, std, learns=None, bias_std=0.0):
        series = {
            ("hidden1.weight", "weight.std"): {0: std, 1: 0.1},
            ("hidden1.weight", "weight.mean"): {0: 0.0},
            ("hidden1.bias", "weight.std"): {0: bias_std},
        }
        return make_run(series, learns=learns)

    def test_fires_when_all_weights_are_equal(self):
        found = one("NND409", self.same(0.0, learns=False))
        assert found.severity is Severity.ERROR
        assert found.message == "all its weights start at 0: its 30 units are copies of one another"

    def test_boundary_any_spread_at_all(self):
        assert not symptoms("NND409", self.same(1e-12, learns=False))

    def test_silent_where_random_biases_broke_the_symmetry(self):
        assert not symptoms("NND409", self.same(0.0, learns=True, bias_std=1.0))

    @pytest.mark.parametrize(("learns", "severity"), [(False, Severity.ERROR), (None, Severity.INFO)])
    def test_equal_weights_with_random_biases_are_told_apart_from_copies(self, learns, severity):
        found = one("NND409", self.same(0.0, learns=learns, bias_std=1.0))
        assert found.severity is severity and found.message.endswith(
            "its 30 units differ by their biases only"
        )


class TestUpdateOvershoots:
    def moved(self, points, died_at=None, learns=None):
        run = {("hidden1", "probe.shift"): points}
        return make_run(run, epochs=dead(died_at) if died_at else None, learns=learns)

    def test_names_the_update_and_what_it_killed(self):
        found = one("NND411", self.moved({0: 6.2, 1: 0.3}, [-1] * 19 + [0] * 3 + [1] * 8, learns=False))
        assert found.severity is Severity.ERROR
        assert found.message == (
            "step 0: moved by 6.2 standard deviations in one update (healthy: below 4); it killed 8 of its units"
        )
        assert (found.first_step, found.evidence["deaths"]) == (0, 8)

    @pytest.mark.parametrize(("size", "fires"), [(4.0, False), (4.1, True)])
    def test_boundary_alone_and_then_it_is_an_info(self, size, fires):
        found = symptoms("NND411", self.moved({0: 0.3, 5: size}, learns=True))
        assert [(s.severity, s.first_step) for s in found] == [(Severity.INFO, 5)] * fires

    @pytest.mark.parametrize(("size", "deaths", "fires"), [(2.5, 3, False), (2.6, 3, True), (2.6, 2, False)])
    def test_boundary_with_deaths_and_then_it_is_a_warning(self, size, deaths, fires):
        found = symptoms("NND411", self.moved({0: size}, [-1] * (30 - deaths) + [1] * deaths, learns=True))
        assert [s.severity for s in found] == [Severity.WARNING] * fires

    def test_a_layer_that_starts_tiny_must_move_many_of_its_deviations(self):
        run = make_run(
            {("hidden1", "probe.shift"): {0: 90.0}, ("hidden1", "probe.preactivation.std"): {0: 0.01}}
        )
        assert not symptoms("NND411", run)
        run = make_run(
            {("hidden1", "probe.shift"): {0: 90.0}, ("hidden1", "probe.preactivation.std"): {0: 0.11}}
        )
        assert symptoms("NND411", run)

    def test_deaths_at_another_update_do_not_count(self):
        assert not symptoms("NND411", self.moved({0: 3.0, 1: 0.2}, [-1] * 20 + [2] * 10))
