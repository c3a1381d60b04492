"""Gradient noise: the estimate against a formula, the rule, and the norm that is recorded for it."""

import numpy as np
import pytest

import nndebug
from network import SGD, CrossEntropy, Dense, Sequential, Sigmoid, fit
from nndebug.findings import Severity
from nndebug.rules.noise import signal_to_noise
from tests.watching import data, make, train

from .runs import make_run, one, symptoms

ROWS = 128
EPOCHS = 10


def noisy(signal=1.0, noise=20.0, batch=2, jumps=0.05, trend=0.0, start=0.4, norms=1.0, **manifest):
    """A run whose mean gradient has the square `signal`, and whose samples' gradients have the variance `noise`."""
    ends = range(100, 100 * EPOCHS + 1, 100)
    batches = dict.fromkeys(range(0, 100 * EPOCHS, 50), norms * (signal + noise / batch) ** 0.5)
    table = {
        ("run", "probe.gradient.norm"): dict.fromkeys(ends, (signal + noise / ROWS) ** 0.5),
        ("hidden1.weight", "gradient.norm"): {step: 0.8 * norm for step, norm in batches.items()},
        ("output.weight", "gradient.norm"): {step: 0.6 * norm for step, norm in batches.items()},
        ("run", "probe.loss"): {0: 0.46}
        | {end: start - trend * k + jumps * (k % 2) for k, end in enumerate(ends)},
    }
    epochs = {0: (0, {})} | {k: (end, {}) for k, end in enumerate(ends, 1)}
    return make_run(table, epochs=epochs, batch=batch, probe_rows=512, **manifest)


@pytest.mark.parametrize(("signal", "noise", "batch"), [(1.0, 20.0, 2), (3.0, 5.0, 1), (0.1, 400.0, 32)])
def test_the_estimate_is_signal_over_the_variance_of_a_batch(signal, noise, batch):
    assert signal_to_noise(noisy(signal, noise, batch), 500) == pytest.approx(signal / (noise / batch))


def test_a_sum_over_the_batch_is_taken_as_a_mean():
    summed = noisy(1.0, 20.0, 4, norms=4.0, loss_settings={"reduction": "sum"})
    assert signal_to_noise(summed, 500) == pytest.approx(0.2)


class TestGradientNoise:
    def test_fires(self):
        found = one("NND306", noisy())
        assert found.severity is Severity.WARNING and found.evidence["ratio"] == pytest.approx(0.1)
        assert "2 samples" in found.message

    @pytest.mark.parametrize(("noise", "fires"), [(4.1, True), (3.9, False)])
    def test_boundary_one_half(self, noise, fires):
        assert bool(symptoms("NND306", noisy(noise=noise))) == fires

    @pytest.mark.parametrize(("jumps", "fires"), [(0.0181, True), (0.0179, False)])
    def test_boundary_of_the_jumps(self, jumps, fires):  # 4 % of 0.45
        assert bool(symptoms("NND306", noisy(jumps=jumps))) == fires

    def test_silent_where_it_gets_on(self):
        assert not symptoms("NND306", noisy(trend=0.03, start=0.6))

    def test_silent_on_a_run_that_learned_and_on_large_batches(self):
        assert not symptoms("NND306", noisy(start=0.1))
        assert not symptoms("NND306", noisy(batch=33, noise=400.0))


def test_the_norm_on_many_samples_is_that_of_a_copys_gradient():
    network = make("float64", dropout=True)
    with nndebug.watch(network, strict=True) as watching:
        train(network, epochs=1)
    x, y = data()
    rows = watching._adapter.probe.rows
    chosen = rows[np.linspace(0, len(rows) - 1, ROWS).astype(int)]
    copy = network.copy()
    copy.training = False
    copy.differentiate(x[chosen], np.eye(4)[y[chosen]])
    expected = np.sqrt(sum(np.sum(g**2) for g in copy.gradients.values()))
    assert watching.run.series("probe.gradient.norm").last == pytest.approx(expected, rel=1e-12)


class SumsOverUnits(Dense):
    """A bias gradient over the wrong axis: it fits as long as a batch has as many rows as the layer has units."""

    def backward_parameters(self, output_gradient):
        super().backward_parameters(output_gradient)
        self.gradients["bias"][...] = output_gradient.sum(axis=1)


def test_a_backward_that_runs_at_its_own_batch_size_only_is_no_failure_of_the_tool():
    network = Sequential(Dense(6, 4), Sigmoid(), SumsOverUnits(4, 4), loss=CrossEntropy())
    rng = np.random.default_rng(0)
    with nndebug.watch(network, report=False, strict=True) as watching:
        fit(network, (rng.normal(size=(40, 6)), rng.integers(0, 4, 40)), SGD(0.1), epochs=2, batch=4)
    assert not watching.run.has("probe.gradient.norm")
    assert not [event for event in watching.run.events if event["event"] == "failure"]
