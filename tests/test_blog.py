"""The blog's journey on the real MNIST: its first network, its last one, and the two broken ones between them.

Biases are N(0, 1) throughout, as the blog has them; 50,000 training images, batches of 10.
"""

import numpy as np
import pytest

import nndebug
from network import evaluate, fit
from network.experiment import Experiment

pytestmark = pytest.mark.mnist

FIVE = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))]
"""One seed at every run of the tests, the others among the slow ones."""


def experiment(**changes):
    blog = {
        "data": "mnist",
        "layers": (784, 30, 10),
        "activation": "relu",
        "output_activation": "sigmoid",
        "loss": "quadratic",
        "init": "he",
        "bias_init": "normal",
        "batch": 10,
    }
    return Experiment.mlp(**{**blog, **changes})


@pytest.fixture(scope="module")
def blog(mnist_dir, tmp_path_factory):
    """Trains one of the blog's networks under watch, in a run folder; each setting once."""
    known = {}

    def run(**changes):
        key = tuple(sorted(changes.items()))
        if key not in known:
            chosen = experiment(**changes)
            network, optimizer, dataset = chosen.build(mnist_dir)
            first = network.copy()
            folder = tmp_path_factory.mktemp("blog") / "run"
            with nndebug.watch(network, folder, png=False, strict=True) as watching:
                fit(
                    network,
                    dataset.train,
                    optimizer,
                    validation=dataset.validation,
                    **chosen.fit_options(dataset),
                )
            known[key] = (network, first, dataset, watching)
        return known[key]

    return run


def first_network(seed, epochs):
    return {"activation": "sigmoid", "init": "normal", "lr": 3.0, "seed": seed, "epochs": epochs}


def never_fire(network, x):
    """Units of hidden1 that fire for no row, counted without any of nndebug."""
    z = x @ network.parameters["hidden1.weight"] + network.parameters["hidden1.bias"]
    return (z <= 0).all(axis=0)


def test_the_first_network_learns_and_nothing_is_found(blog):
    network, _, dataset, watching = blog(**first_network(0, 3))
    assert evaluate(network, dataset.validation).accuracy >= 0.8
    assert not watching.result.causes and watching.result


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_first_network_reaches_95_percent(blog, seed):
    network, _, dataset, watching = blog(**first_network(seed, 30))
    assert evaluate(network, dataset.test).accuracy == pytest.approx(0.95, abs=0.005)
    assert not watching.result.causes and watching.result


@pytest.mark.slow
def test_the_last_network_reaches_what_the_blog_reports(blog):
    accuracies = []
    for seed in range(5):
        network, _, dataset, watching = blog(lr=0.1, l2=0.1, epochs=30, seed=seed)
        accuracies.append(evaluate(network, dataset.test).accuracy)
        assert not watching.result.causes and watching.result
    assert np.median(accuracies) == pytest.approx(0.961, abs=0.003)


@pytest.mark.slow
def test_the_last_network_with_more_l2_reaches_more(blog):
    accuracies = []
    for seed in range(5):
        network, _, dataset, watching = blog(lr=0.2, l2=5.0, epochs=30, seed=seed)
        accuracies.append(evaluate(network, dataset.test).accuracy)
        assert not watching.result.causes and watching.result
    # The blog's 96.33 % lies in the middle of the seeds: 22 of them had a median of 96.3 and ranged from 95.6 to 96.9, and
    # a sum in another order moves each by some tenths. Less than two standard errors below 96.3 % would be another network.
    assert np.mean(accuracies) >= 0.962


@pytest.mark.parametrize("seed", FIVE)
class TestRateTooHigh:
    """He initial weights, but the rate is still 3.0."""

    def run(self, blog, seed):
        return blog(lr=3.0, epochs=5, seed=seed)

    def test_the_rate_is_the_cause_and_the_update_that_did_it_is_named(self, blog, seed):
        result = self.run(blog, seed)[3].result
        assert result.causes[0].kind == "lr_too_high"
        codes = {f.code: f for f in result.findings if f.fingerprint in result.causes[0].explains}
        assert {"NND411", "NND201"} <= set(codes)
        assert "the first step" in result.verdict and "of hidden1's 30 ReLU units" in result.verdict
        assert codes["NND411"].evidence["step"] == 0 and codes["NND201"].first_step == 1

    def test_dead_units_equal_an_independent_count_over_the_training_set(self, blog, seed):
        network, first, dataset, watching = self.run(blog, seed)
        dead, born = never_fire(network, dataset.train[0]), never_fire(first, dataset.train[0])
        evidence = next(f.evidence for f in watching.result.findings if f.code == "NND201")
        assert evidence["dead"] == dead.sum()
        assert evidence["since_birth"] == (dead & born).sum()
        assert evidence["table"]["dead"][0] == (dead & born).sum()
        assert evidence["table"]["dead"][-1] == dead.sum()
        np.testing.assert_array_equal(watching.run.epochs[-1].arrays["hidden1/dead"], dead)

    def test_those_that_died_at_step_1_are_dead_after_one_update_made_by_hand(self, blog, seed):
        network, first, dataset, watching = self.run(blog, seed)
        x, y = dataset.train
        rows = np.random.default_rng(seed).permutation(len(x))[:10]
        after = first.copy()
        after.differentiate(x[rows], y[rows])
        after.flat_parameters -= np.float32(3.0) * after.flat_gradients
        alive_then, dead_now = ~never_fire(first, x), never_fire(network, x)
        died_at = watching.run.epochs[-1].arrays["hidden1/died_at"]
        np.testing.assert_array_equal(died_at == 1, alive_then & never_fire(after, x) & dead_now)


@pytest.mark.parametrize("seed", FIVE)
class TestLiteralSwitch:
    """Sigmoid replaced by ReLU, everything else as it was: N(0, 1) weights, rate 3.0."""

    def run(self, blog, seed):
        return blog(init="normal", lr=3.0, epochs=5, seed=seed)

    def test_it_falls_below_half_and_the_initial_weights_are_the_cause(self, blog, seed):
        network, _, dataset, watching = self.run(blog, seed)
        assert evaluate(network, dataset.test).accuracy < 0.5
        cause = watching.result.causes[0]
        assert cause.kind == "init_too_large"
        wrong_side = next(f for f in watching.result.findings if f.code == "NND204")
        assert wrong_side.fingerprint in cause.explains and wrong_side.first_step == 0

    def test_no_unit_is_dead_and_the_reader_is_told_so(self, blog, seed):
        network, _, dataset, watching = self.run(blog, seed)
        assert never_fire(network, dataset.train[0]).sum() == 0
        assert "NND201" not in {f.code for f in watching.result.findings}
        (note,) = watching.result.causes[0].ruled_out
        x = dataset.train[0]
        assert note.startswith("not dying ReLU:") and "yet every unit fires for some samples" in note
        z = x @ network.parameters["hidden1.weight"] + network.parameters["hidden1.bias"]
        # The note's share is of the probe, 512 rows of the 50,000.
        assert float(note.split("%")[0].split()[-1]) / 100 == pytest.approx((z <= 0).mean(), abs=0.03)


def test_live_findings_of_a_real_run_equal_those_of_its_folder(blog):
    watching = blog(lr=3.0, epochs=5, seed=0)[3]
    assert nndebug.check(watching.run.folder).to_json() == watching.result.to_json()
