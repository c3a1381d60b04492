"""The preflight: leaves no trace, keeps to its budget, is stored and read back, and measures what it says."""

import json
import random

import numpy as np
import pytest

import nndebug
from network import SGD, Adam, BatchNorm, CrossEntropy, Dense, Dropout, ReLU, Sequential
from nndebug.errors import UserError
from nndebug.preflight import running
from nndebug.preflight.labels import _Probe
from nndebug.preflight.result import Preflight
from nndebug.run import Run
from tests.watching import data, make, train

PLENTY = 60.0
"""Seconds, so that no part is left out on a machine that is busy."""


def fly(network=None, optimizer=None, seconds=PLENTY, strict=True, **options):
    x, y = data()
    network = network or make()
    return nndebug.preflight(
        network, x, y, optimizer=optimizer or SGD(0.1), batch=7, seconds=seconds, strict=strict, **options
    )


@pytest.mark.parametrize("optimizer", [lambda: SGD(0.1), lambda: Adam(0.01)])
@pytest.mark.parametrize("dropout", [False, True])
def test_training_is_the_same_to_the_bit_with_and_without_it(optimizer, dropout):
    plain, watched = make(dropout=dropout), make(dropout=dropout)
    train(plain, optimizer())
    with nndebug.watch(watched, strict=True, preflight=PLENTY) as watching:
        train(watched, optimizer())
    assert watching.run.preflight.has("sweep")
    assert plain.flat_parameters.tobytes() == watched.flat_parameters.tobytes()


def test_it_leaves_network_optimiser_and_generators_as_they_are():
    network = Sequential(
        Dense(12, 16), BatchNorm(16), ReLU(), Dropout(0.4), Dense(16, 4), loss=CrossEntropy(), seed=3
    )
    optimizer = Adam(0.01)
    parameters, running = network.flat_parameters.tobytes(), network.state["norm1.running_mean"].tobytes()
    drawn = network.layers[3].rng.bit_generator.state
    old, new = random.getstate(), np.random.get_state()[1].tobytes()
    fly(network, optimizer)
    assert network.flat_parameters.tobytes() == parameters
    assert network.state["norm1.running_mean"].tobytes() == running
    assert network.layers[3].rng.bit_generator.state == drawn
    assert optimizer._state == {} and optimizer._network is None
    assert random.getstate() == old and np.random.get_state()[1].tobytes() == new
    assert not any(network.observed.values()) and not network.training


def test_a_layer_that_shares_its_weights_with_its_copies_is_put_back():
    class Sharing(Sequential):
        def copy(self, dtype=None):
            return self.twin()

    network = Sharing(Dense(12, 4), loss=CrossEntropy())
    before = network.flat_parameters.tobytes()
    fly(network, strict=False)
    assert network.flat_parameters.tobytes() == before


def test_it_goes_through_json_and_back():
    found = fly()
    text = json.dumps(found.to_json(), allow_nan=False)
    again = Preflight.from_json(json.loads(text))
    assert again == found
    assert again.gradcheck and again.measurements["labels"]["score"] > 0.5


def test_it_is_stored_in_the_run_folder_and_read_back(tmp_path):
    with nndebug.watch(make(), tmp_path / "run", strict=True, preflight=PLENTY, report=False) as watching:
        train(watching.network, epochs=1)
    replayed = Run.load(tmp_path / "run")
    assert replayed.preflight == watching.run.preflight
    assert nndebug.check(tmp_path / "run").to_json() == watching.result.to_json()


def test_another_run_in_the_same_folder_takes_the_old_one_away(tmp_path):
    for preflight in (PLENTY, False):
        with nndebug.watch(make(), tmp_path / "run", preflight=preflight, report=False) as watching:
            train(watching.network, epochs=1)
    assert Run.load(tmp_path / "run").preflight is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1, "measurements": 3}', "\xff"]
)
def test_a_broken_file_is_counted_as_lost(tmp_path, text):
    with nndebug.watch(make(), tmp_path / "run", report=False) as watching:
        train(watching.network, epochs=1)
    (tmp_path / "run" / "preflight.json").write_text(text, "latin-1")
    run = Run.load(tmp_path / "run")
    assert run.preflight is None and run.lost == 1


def test_what_does_not_fit_in_the_budget_is_named():
    found = fly(seconds=0)
    assert not found.measurements and found.gradcheck is None
    assert found.not_checked["labels"] == "the budget of 0 s was spent"
    assert set(found.not_checked) == set(found.part_seconds)
    assert "not checked: the budget" in str(found)


def test_rules_say_why_they_did_not_look():
    with nndebug.watch(make(), strict=True) as watching:
        train(watching.network, epochs=1)
    reasons = {s.reason for s in watching.result.not_applicable}
    assert "there was no preflight: watch(..., preflight=True)" in reasons


def test_a_part_that_fails_is_told_once_and_hurts_nothing(monkeypatch):
    def fails(subject):
        raise RuntimeError("no idea")

    monkeypatch.setattr(running, "PARTS", {**running.PARTS, "overfit": fails})
    network, plain = make(), make()
    with (
        pytest.warns(RuntimeWarning, match="part 'overfit' failed: RuntimeError: no idea") as told,
        nndebug.watch(network, preflight=PLENTY) as watching,
    ):
        train(network)
    train(plain)
    assert len(told) == 1
    assert network.flat_parameters.tobytes() == plain.flat_parameters.tobytes()
    assert watching.run.preflight.has("sweep") and watching.run.preflight.has("gradcheck")
    assert any("no idea" in finding.message for finding in watching.result.findings)


class Picky(Dense):
    """Takes batches of seven rows alone, as a program with a number in place of the batch size does."""

    def forward(self, x):
        return super().forward(x.reshape(7, -1) if len(x) > 1 else x)


def test_a_network_for_one_batch_size_is_judged_all_the_same():
    x, y = data(210)
    network = Sequential(Picky(12, 4), loss=CrossEntropy())
    result = nndebug.check(nndebug.preflight(network, x, y, optimizer=SGD(0.1), batch=7, seconds=PLENTY))
    assert result.causes[0].kind == "shape_mismatch"
    assert "a batch of 7 works, one of 2 raises" in result.verdict


def test_it_refuses_what_has_no_layers_and_rows_that_do_not_match():
    x, y = data()
    with pytest.raises(UserError, match="a dict before training: it has no layers") as refused:
        nndebug.preflight({}, x, y)
    assert (
        "nndebug.watch(net, preflight=True)" in refused.value.help
    )  # tests/own/test_own_evaluation.py: it does run
    with pytest.raises(UserError, match="x has 200 rows and y has 199"):
        nndebug.preflight(make(), x, y[1:])


def test_it_can_be_judged_by_itself():
    result = nndebug.check(fly())
    assert result and not result.crashed and result.verdict == "No rule found a fault before training."
    assert "labels-unrelated" not in {s.name for s in result.not_applicable}


@pytest.mark.parametrize("features", [20, 300])
def test_the_probe_is_the_ridge_regression_that_least_squares_gives(features):
    """Solved in columns or, where those are fewer, in rows; and once for all orders of the targets."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((240, features))
    y = np.eye(3)[(x[:, :3] + rng.standard_normal((240, 3))).argmax(axis=1)]
    probe = _Probe(x, y, y.argmax(axis=1), lambda: None)
    penalty = np.sqrt(0.1 * len(probe.x) + 1e-6) * np.eye(features)
    for order in (np.arange(240), np.roll(np.arange(240), 1)):
        fitted, held = y[order[probe.fitted]], y[order[probe.held]]
        rows = np.vstack([probe.x, penalty])
        targets = np.vstack([fitted - fitted.mean(axis=0), np.zeros((features, 3))])
        weights = np.linalg.lstsq(rows, targets, rcond=None)[0]
        said = probe.held_x @ weights + fitted.mean(axis=0)
        assert probe.score(order)["score"] == np.mean(said.argmax(axis=1) == held.argmax(axis=1))
    as_they_are = probe.predict(x[probe.held]).argmax(axis=1) == y[probe.held].argmax(axis=1)
    assert probe.score(np.arange(240))["score"] == as_they_are.mean()
