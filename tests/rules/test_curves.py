import numpy as np
import pytest

from nndebug.findings import Severity

from .runs import make_run, one, symptoms

STEPS = range(0, 1000, 100)


def curve(name, values, site="run", steps=STEPS):
    return {(site, name): dict(zip(steps, values))}


def probe(values, steps=None):
    return curve("probe.loss", values, steps=range(len(values)) if steps is None else steps)


class TestOscillating:
    def jumps(self, times, height=0.1, end=1.0):
        values = [1.0 + height * (k % 2) for k in range(times)] + [end]
        return make_run(probe(values))

    def test_fires(self):
        assert "undo the one before" in one("NND504", self.jumps(20)).message

    @pytest.mark.parametrize(("height", "fires"), [(0.044, False), (0.046, True)])
    def test_boundary_a_tenth_of_chance(self, height, fires):
        assert bool(symptoms("NND504", self.jumps(20, height))) == fires

    def test_silent_where_it_gets_somewhere_or_is_short(self):
        assert not symptoms("NND504", self.jumps(20, end=0.1))
        assert not symptoms("NND504", self.jumps(8))

    def test_silent_on_a_curve_that_falls(self):
        assert not symptoms("NND504", make_run(probe(np.linspace(1, 0.95, 20))))


class TestOverfitting:
    def run(self, last=0.3, train=0.05, chance=2.3):
        held_out = [0.9, 0.5, 0.2, 0.25, 0.26, last]
        table = curve("validation.loss", held_out) | curve("train.loss", [0.9, 0.4, 0.2, 0.1, 0.08, train])
        return make_run(table, loss_at_chance=chance)

    def test_fires_and_names_the_best_epoch(self):
        found = one("NND506", self.run())
        assert found.severity is Severity.INFO and found.evidence["best_step"] == 200

    def test_worse_than_knowing_nothing_is_a_warning(self):
        assert one("NND506", self.run(2.4)).severity is Severity.WARNING

    @pytest.mark.parametrize(("last", "fires"), [(0.2199, False), (0.2201, True)])
    def test_boundary(self, last, fires):
        assert bool(symptoms("NND506", self.run(last))) == fires

    def test_silent_where_the_training_loss_rises_too(self):
        assert not symptoms("NND506", self.run(train=0.3))


class TestStoppedTooEarly:
    def run(self, values, ratio=1e-2, batches=None):
        table = probe(values) | curve("update_ratio", [ratio] * 20, "hidden1.weight", range(20))
        if batches is None:
            return make_run(table, loss_at_chance=2.3)
        table |= curve("loss", batches, steps=range(len(batches)))
        return make_run(table, loss_at_chance=2.3, looked_at=512)

    def test_fires_with_a_forecast(self):
        found = one("NND509", self.run(np.linspace(2.4, 1.8, 15)))
        assert found.severity is Severity.WARNING and "steps away" in found.message

    def test_a_good_loss_that_still_falls_is_an_info(self):
        assert one("NND509", self.run(np.linspace(1.4, 0.8, 15))).severity is Severity.INFO

    @pytest.mark.parametrize(
        ("accuracy", "severity"), [(0.909, Severity.WARNING), (0.911, Severity.INFO)]
    )  # 10 classes
    def test_answers_that_are_nearly_all_right_are_enough(self, accuracy, severity):
        run = self.run(np.linspace(2.4, 1.8, 15))
        run.add({"kind": "probe", "step": 900, "data": {"run": {"probe.accuracy": accuracy}}})
        assert one("NND509", run).severity is severity

    @pytest.mark.parametrize(("last", "fires"), [(1.67, True), (1.70, False)])
    def test_boundary_of_the_pace(self, last, fires):
        values = [*np.linspace(2.4, 1.8, 11)[:10], *np.linspace(1.8, last, 9)]
        assert bool(symptoms("NND509", self.run(values))) == fires

    def test_a_rate_that_is_far_too_low_is_left_to_another_rule(self):
        assert not symptoms("NND509", self.run(np.linspace(2.4, 1.8, 15), ratio=0.9e-4))

    def test_silent_where_it_has_come_to_rest(self):
        assert not symptoms("NND509", self.run([2.4, 1.4, 1.0, 0.8, 0.75, 0.74, 0.74, 0.74, 0.74]))

    @pytest.mark.parametrize(
        ("batches", "fires"),
        [
            ([2.3] + 19 * [1.5], False),  # settled long ago: it is the windows that are late
            (list(np.linspace(2.3, 1.5, 20)), True),
            ([2.3, 1.5, 1.5, 1.5], True),  # too few to say anything: the windows are asked
        ],
    )
    def test_windows_of_training_samples_are_late_and_batches_are_not(self, batches, fires):
        run = self.run(np.linspace(2.4, 1.5, 15), batches=batches)
        assert bool(symptoms("NND509", run)) is fires

    def test_what_falls_from_above_chance_is_no_pace_of_learning(self):
        found = one("NND509", self.run(np.linspace(2.4, 1.5, 15), batches=12 * [3.0] + 8 * [1.8]))
        assert found.evidence["early"] == 0 and found.evidence["late"] == pytest.approx(0.5)


class TestLossMetricDisagree:
    def run(self, loss, accuracy):
        return make_run(
            curve("validation.loss", loss) | curve("validation.accuracy", accuracy), loss_at_chance=2.3
        )

    def test_an_accuracy_at_chance_beside_a_low_loss_is_a_warning(self):
        found = one("NND510", self.run([1.5, 0.9, 0.5, 0.3, 0.2], [0.1] * 5))
        assert found.severity is Severity.WARNING and found.evidence["blind"]

    def test_confidence_that_grows_is_an_info(self):
        found = one("NND510", self.run([0.3, 0.32, 0.34, 0.36, 0.38], [0.90, 0.905, 0.91, 0.915, 0.92]))
        assert found.severity is Severity.INFO and "+2.0 points" in found.message

    @pytest.mark.parametrize(
        ("accuracy", "fires"), [(0.0999, True), (0.1599, True), (0.1601, False), (0.5, False)]
    )
    def test_boundary(self, accuracy, fires):
        # 10 of 100: two standard errors are 6 points.
        loss = [0.4, 0.39, 0.385, 0.38, 0.38]
        run = self.run(loss, [accuracy] * 5)
        run.manifest["validation_counts"] = [10] * 10
        assert bool(symptoms("NND510", run)) == fires

    def test_two_classes_of_which_one_is_common(self):
        run = self.run([0.3, 0.2, 0.15, 0.12, 0.1], [0.965] * 5)
        run.manifest.update(validation_counts=[93, 50], loss_at_chance=0.647)
        assert one("NND510", run).severity is Severity.INFO

    def test_silent_where_both_improve(self):
        assert not symptoms("NND510", self.run([1.5, 0.9, 0.5, 0.3, 0.2], [0.5, 0.7, 0.8, 0.9, 0.95]))


class TestRegulariserDominates:
    def run(self, decay=0.5, gradient=1.0, last=1.0, loss=2.3, **manifest):
        table = probe([2.3, loss], [0, 900])
        table |= curve("weight.norm", [8.0] * 5 + [last] * 5, "hidden1.weight")
        table |= curve("gradient.norm", [gradient] * 10, "hidden1.weight")
        optimizer = {"kind": "sgd", "rate": 0.1, "l2": decay * 1000}
        return make_run(table, loss_at_chance=2.3, optimizer=optimizer, samples=1000, **manifest)

    def test_fires(self):
        found = one("NND412", self.run())
        assert found.site == "hidden1" and found.evidence["what"] == "penalty"

    @pytest.mark.parametrize(("decay", "fires"), [(0.24, True), (0.22, False)])
    def test_boundary(self, decay, fires):  # the median of 8 and 1, times decay, over a gradient of 1
        assert bool(symptoms("NND412", self.run(decay))) == fires

    def test_silent_where_weights_keep_their_size_or_the_run_learns(self):
        assert not symptoms("NND412", self.run(last=8.0))
        assert not symptoms("NND412", self.run(loss=0.5))

    @pytest.mark.parametrize(("rate", "fires"), [("0.8", True), ("0.79", False)])
    def test_dropout(self, rate, fires):
        network = {"description": f"784 → 30 relu → dropout {rate} → 10", "dtype": "float32"}
        assert bool(symptoms("NND412", self.run(decay=0.0, network=network))) == fires

    def of_layers(self, own, last=1.0):
        network = {"description": "784 → 30 → 10", "dtype": "float32", "regularisation": {"hidden1": own}}
        return self.run(decay=0.0, last=last, network=network)

    @pytest.mark.parametrize(
        ("own", "fires"),
        [
            ({"l2": 0.12}, True),
            ({"l2": 0.11}, False),
            ({"l1": 0.0066}, True),  # times the root of 23,520 entries, over a gradient of 1
            ({"l1": 0.0065}, False),
        ],
    )
    def test_penalties_of_a_layer(self, own, fires):
        assert bool(symptoms("NND412", self.of_layers(own))) == fires

    def dropped(self, rate, trained=2.2, loss=1.9):
        network = {"description": "", "dtype": "float32", "regularisation": {"drop1": {"dropout": rate}}}
        table = probe([2.3, loss], [0, 900]) | curve("loss", [trained] * 10) | curve("weight.norm", [1.0])
        return make_run(table, loss_at_chance=2.3, network=network)

    def test_dropout_that_hides_what_is_learned_is_named_with_its_layer(self):
        found = one("NND412", self.dropped(0.5))
        assert found.site == "drop1" and "2.2 with it and 1.9 without" in found.message

    @pytest.mark.parametrize(
        ("rate", "trained", "loss"), [(0.49, 2.2, 1.9), (0.5, 2.06, 1.7), (0.5, 2.2, 1.98), (0.5, 2.2, 1.1)]
    )
    def test_dropout_with_which_it_learns(self, rate, trained, loss):
        assert not symptoms("NND412", self.dropped(rate, trained, loss))


class TestGradientZero:
    def run(self, zeros, loss=0.45):
        values = [1.0] * (10 - zeros) + [0.0] * zeros
        return make_run(curve("gradient.norm", values, "hidden1.weight") | probe([0.45, loss], [0, 900]))

    def test_fires_since_the_first_zero(self):
        found = one("NND302", self.run(6))
        assert found.first_step == 400 and found.site == "hidden1"

    @pytest.mark.parametrize(("zeros", "fires"), [(4, False), (5, True)])
    def test_boundary(self, zeros, fires):
        assert bool(symptoms("NND302", self.run(zeros))) == fires

    def test_silent_where_the_loss_is_low(self):
        assert not symptoms("NND302", self.run(10, loss=0.01))
