"""Watching changes nothing, survives its own failures, and what it saw live is what the folder says."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import nndebug
from network import SGD, Adam, Dense, Momentum, ReLU, Sequential, ShapeError, fit
from nndebug.adapters import layered
from nndebug.errors import UserError
from nndebug.storage import RunFolder
from tests.watching import data, make, train


def state_of(network, optimizer):
    return [
        network.flat_parameters,
        network.flat_gradients,
        *(value for _, value in sorted(optimizer._state.items())),
        *(
            np.array(layer.rng.bit_generator.state["state"]["state"])
            for layer in network.layers
            if hasattr(layer, "rng")
        ),
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [lambda: SGD(0.1, l2=0.5), lambda: Momentum(0.05), lambda: Adam(0.01)])
@pytest.mark.parametrize("interval", [1, 10])
def test_weights_are_bit_identical_with_and_without_watch(tmp_path, dtype, optimizer, interval):
    alone, its_optimizer = make(dtype, dropout=True), optimizer()
    train(alone, its_optimizer, epochs=18)  # 29 updates an epoch: 522
    watched, other_optimizer = make(dtype, dropout=True), optimizer()
    with nndebug.watch(watched, tmp_path / "run", interval=interval, png=False, strict=True) as watching:
        train(watched, other_optimizer, epochs=18)
    assert watching.run.steps == 522
    for mine, theirs in zip(state_of(alone, its_optimizer), state_of(watched, other_optimizer), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_rules_run_only_when_somebody_looks(tmp_path, monkeypatch):
    """After every epoch of a small network they would cost as much as all the recording."""
    judged = []
    real = nndebug.session.check
    monkeypatch.setattr(
        "nndebug.session.check", lambda run, **settings: judged.append(run.steps) or real(run, **settings)
    )
    network = make()
    with nndebug.watch(network, tmp_path / "run", report=False, strict=True) as watching:
        assert watching.result is None
        train(network)
        assert judged == [87]  # at the end of the training
        train(network, epochs=1, batch=200)
    assert watching.result is watching.result
    assert judged == [87, 88]

    seen = []
    network = make()
    with nndebug.watch(network, report=False, strict=True) as watching:
        network.hook("epoch", lambda epoch: seen.append(watching.result.run["steps"]))
        train(network)
    assert seen == [29, 58, 87], "whoever asks gets the epoch that has just ended"


def test_global_random_state_is_left_alone(tmp_path):
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    with nndebug.watch(make(), tmp_path / "run", strict=True):
        pass
    np.testing.assert_array_equal(before, np.random.get_state()[1])


def test_live_findings_equal_those_of_the_folder(tmp_path):
    network = make(seed=3)
    with nndebug.watch(network, tmp_path / "run", png=False, strict=True) as watching:
        train(network, SGD(30.0), epochs=12)
    live = nndebug.check(watching.run).to_json()
    loaded = nndebug.check(tmp_path / "run").to_json()
    assert live["findings"], "a rate of 30 must be seen"
    assert live == loaded
    assert json.loads((tmp_path / "run" / "findings.json").read_text()) == json.loads(json.dumps(live))


def test_live_findings_in_memory_equal_those_of_a_folder(tmp_path):
    results = []
    for folder in (None, tmp_path / "run"):
        network = make(seed=3)
        with nndebug.watch(network, folder, name="same", png=False, strict=True) as watching:
            train(network, SGD(30.0), epochs=12)
        results.append(watching.result.to_json())
    assert results[0] == results[1]


def test_every_observer_is_gone_afterwards():
    network = make()
    with nndebug.watch(network, strict=True):
        train(network)
        assert network.observed["before_step"] == 1
    assert not any(network.observed.values())


def test_recorded_statistics_equal_numpys():
    network = make("float64")
    seen = {}
    network.hook("forward", lambda layer, x, out: seen.setdefault((layer.name, layer.kind), np.array(out)))
    weight = network.parameters["hidden1.weight"].copy()
    with nndebug.watch(network, strict=True) as watching:
        train(network, epochs=1)
    run = watching.run
    z, a = seen["hidden1", "dense"], seen["hidden1", "relu"]
    expected = {
        "preactivation.mean": z.mean(),
        "preactivation.std": z.std(),
        "preactivation.minimum": z.min(),
        "preactivation.maximum": z.max(),
        "preactivation.norm": np.linalg.norm(z),
        "activation.zero_share": np.mean(a == 0),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(run.series(name, "hidden1").at(0), value, rtol=1e-12)
    np.testing.assert_allclose(
        run.series("weight.norm", "hidden1.weight").at(0), np.linalg.norm(weight), rtol=1e-12
    )


def test_update_ratio_and_gradient_are_those_of_the_step():
    network = make("float64")
    before = network.parameters["output.weight"].copy()
    gradients = []
    handle = network.hook(
        "before_step", lambda optimizer: gradients.append(network.gradients["output.weight"].copy())
    )
    with nndebug.watch(network, strict=True) as watching:
        train(network, SGD(0.25), epochs=1)
    handle.remove()
    run = watching.run
    first = gradients[0]
    np.testing.assert_allclose(
        run.series("gradient.norm", "output.weight").at(0), np.linalg.norm(first), rtol=1e-12
    )
    ratio = 0.25 * np.linalg.norm(first) / np.linalg.norm(before)
    np.testing.assert_allclose(run.series("update_ratio", "output.weight").at(0), ratio, rtol=1e-9)


def test_shift_is_how_far_an_update_moves_preactivations_on_the_probe():
    network = make("float64")
    twin = network.copy()
    x, _ = data()
    with nndebug.watch(network, strict=True) as watching:
        train(network, SGD(0.5), epochs=1)
    # The same first update by hand, on a copy.
    train_x, train_y = data()
    order = np.random.default_rng(0).permutation(len(train_x))[:7]
    z_before = x @ twin.parameters["hidden1.weight"] + twin.parameters["hidden1.bias"]
    twin.differentiate(train_x[order], train_y[order])
    SGD(0.5).step(twin)
    z_after = x @ twin.parameters["hidden1.weight"] + twin.parameters["hidden1.bias"]
    expected = (z_after - z_before).std() / z_before.std()
    np.testing.assert_allclose(watching.run.series("probe.shift", "hidden1").at(0), expected, rtol=1e-9)


def test_a_second_fit_under_the_same_watch_goes_on_counting(tmp_path):
    network = make()
    with nndebug.watch(network, tmp_path / "run", png=False, strict=True) as watching:
        train(network, epochs=2)
        train(network, epochs=3)
    assert [epoch.number for epoch in watching.run.epochs] == [0, 1, 2, 3, 4, 5]
    assert watching.run.steps == 5 * 29
    assert watching.run.series("validation.loss").steps.tolist() == [29, 58, 87, 116, 145]


# --- failures of the diagnostics ------------------------------------------------------------------------------------


def weights_after(network, **options):
    train(network, **options)
    return network.flat_parameters.copy()


def test_a_failing_part_of_the_recorder_is_reported_once_and_training_is_unchanged(monkeypatch):
    expected = weights_after(make())
    calls = []

    def broken(array):
        calls.append(1)
        if len(calls) > 40:
            raise RuntimeError("broken on purpose")
        return original(array)

    original = layered.Moments.of
    monkeypatch.setattr(layered.Moments, "of", broken)
    network = make()
    with (
        pytest.warns(RuntimeWarning, match="broken on purpose") as caught,
        nndebug.watch(network) as watching,
    ):
        got = weights_after(network)
    np.testing.assert_array_equal(expected, got)
    assert len([w for w in caught if "broken on purpose" in str(w.message)]) == 1
    assert any(finding.code == "NND902" for finding in watching.result.findings)
    assert not any(network.observed.values())


def test_huge_finite_errors_do_not_end_the_recording_where_warnings_are_errors():
    network = make()
    with warnings.catch_warnings(), nndebug.watch(network, strict=True) as watching:
        warnings.simplefilter("error")
        x, y = data()
        network.differentiate(x[:7].astype(np.float32), y[:7])
        network.output_gradient = np.full((7, 4), 1e30, np.float32)
        watching._adapter._before_step(SGD(0.1))
    assert not watching.run.events


def test_strict_mode_raises_what_fails(monkeypatch):
    monkeypatch.setattr(layered.Moments, "of", lambda array: 1 / 0)
    network = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Exception, match="division by zero"), nndebug.watch(network, strict=True):
            train(network)


def test_a_disk_that_fails_in_mid_run_is_reported_once_and_recording_goes_on_in_memory(tmp_path, monkeypatch):
    expected = weights_after(make())
    original, rows = RunFolder.append, []

    def full(self, row):
        rows.append(row)
        if len(rows) > 30:
            raise OSError(28, "No space left on device")
        return original(self, row)

    monkeypatch.setattr(RunFolder, "append", full)
    network = make()
    with pytest.warns(RuntimeWarning, match="No space left") as caught:
        watching = nndebug.watch(network, tmp_path / "run", png=False)
        with watching:
            got = weights_after(network)
    np.testing.assert_array_equal(expected, got)
    assert len([w for w in caught if "No space left" in str(w.message)]) == 1
    assert watching.run.steps == 87
    assert watching.run.series("loss").steps[-1] >= 80


def test_a_rule_that_raises_is_an_entry_and_hurts_nothing(monkeypatch):
    from nndebug import registry

    def crash(run):
        """A rule that crashes."""
        raise RuntimeError("rule broken on purpose")
        yield

    registry.all_rules()
    monkeypatch.setitem(registry._rules, "NND999", registry.Rule("NND999", "crashes", (), crash))
    expected = weights_after(make())
    network = make()
    with nndebug.watch(network, strict=True) as watching:
        got = weights_after(network)
    np.testing.assert_array_equal(expected, got)
    assert [skipped.code for skipped in watching.result.crashed] == ["NND999"]
    assert "NND501" in watching.result.passed


def test_an_exception_in_the_training_still_leaves_a_judged_run(tmp_path):
    network = make()

    def stop(result):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), nndebug.watch(network, tmp_path / "run", png=False):
        network.hook("epoch", stop)
        train(network)
    assert nndebug.Run.load(tmp_path / "run").steps == 29
    assert not any(network.observed[kind] for kind in ("begin", "before_step", "after_step"))


# --- shapes ---------------------------------------------------------------------------------------------------------


def test_a_declared_shape_that_does_not_hold_is_a_finding():
    network = make()
    with nndebug.watch(network, shapes={"hidden1": "batch 15"}, strict=True) as watching:
        train(network)
    finding = next(f for f in watching.result.findings if f.code == "NND001")
    assert (finding.site, finding.first_step) == ("hidden1", 0)
    assert finding.message.startswith(
        "expects (batch, 15)"
    )  # every place that shows it names the site beside it
    assert "(7, 16)" in finding.message


def test_declared_shapes_that_hold_are_silent():
    network = make()
    with nndebug.watch(network, shapes={"hidden1": "batch 16", "output": "batch 4"}, strict=True) as watching:
        train(network)
    assert "NND001" in watching.result.passed


def test_a_shape_error_that_ends_the_training_is_the_verdict(tmp_path):
    network = Sequential(Dense(12, 5), ReLU(), Dense(5, 4))
    x, y = data()
    with pytest.raises(ShapeError), nndebug.watch(network, tmp_path / "run", png=False) as watching:
        fit(network, (x[:, :11], y), SGD(0.1))
    assert watching.result.causes[0].kind == "shape_mismatch"
    assert "hidden1 (Dense 12 -> 5) expects (batch, 12), got (200, 11)" in watching.result.verdict


def test_shapes_of_an_unknown_layer_are_refused():
    with pytest.raises(UserError, match="no layer 'hiden1'") as caught:
        nndebug.watch(make(), shapes={"hiden1": "batch 30"})
    assert "hidden1" in caught.value.help


def test_something_without_layers_cannot_be_watched():
    with pytest.raises(UserError, match="cannot watch a list"):
        nndebug.watch([1, 2])


@pytest.mark.parametrize(
    ("file", "words"),
    [("/work/train.py", ["train.py"]), ("/lib/nndebug/__main__.py", ["python", "-m", "nndebug"])],
)
def test_the_recorded_command_can_be_typed_again(file, words):
    from nndebug.session import _program

    assert _program(Path(file)) == words
