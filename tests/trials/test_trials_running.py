"""Trials of whole programs: what is tried, what it costs, and that nothing else is touched."""

import json
import random

import numpy as np
import pytest

import nndebug
from network import fit
from network.experiment import Experiment
from nndebug.diagnosis import SUREST
from nndebug.errors import UserError
from nndebug.faults import FAULTS
from nndebug.findings import Cause
from nndebug.preflight.subject import Clock
from nndebug.trials import Trials, running, training
from nndebug.trials.program import Program

SMALL = {"layers": (64, 20, 10), "epochs": 3}


def watched(experiment, folder=None):
    """A recorded run of an experiment."""
    network, optimizer, dataset = experiment.build()
    with (
        np.errstate(all="ignore"),
        nndebug.watch(network, folder, report=False, experiment=experiment, preflight=10.0) as watching,
    ):
        fit(network, dataset.train, optimizer, validation=dataset.test, **experiment.fit_options(dataset))
    return watching.run


@pytest.fixture(scope="module")
def sick(tmp_path_factory):
    """A run with a rate that is too high, in its folder."""
    folder = tmp_path_factory.mktemp("runs") / "sick"
    watched(Experiment.mlp(lr=30.0, **SMALL), folder)
    return folder


@pytest.fixture(scope="module")
def tried(sick):
    """The same, tried."""
    return nndebug.trials(sick)


def test_the_trial_confirms_the_cause(sick, tried):
    passive = nndebug.check(watched(Experiment.mlp(lr=30.0, **SMALL)))
    result = nndebug.check(sick)
    assert result.causes[0].kind == passive.causes[0].kind == "lr_too_high"
    assert result.causes[0].certainty > passive.causes[0].certainty
    assert "(tried: learning rate 30 → 0.3: accuracy 10 % → " in result.verdict
    assert len(tried.control.curves) == 2
    assert result.trials == tried.to_json()
    assert nndebug.check(nndebug.Run.load(sick)).to_json() == result.to_json()


def test_what_was_tried_is_not_tried_again(sick, tried, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("trained again")

    monkeypatch.setattr(training, "train", refuse)
    again = nndebug.trials(sick)
    assert again.trials == tried.trials
    assert again.control == tried.control


def test_another_program_is_tried_anew(sick, tried):
    other = nndebug.trials(nndebug.Run.load(sick), Experiment.mlp(lr=30.0, seed=5, **SMALL))
    assert {c.key for c in other.control.curves}.isdisjoint(c.key for c in tried.control.curves)


def test_a_healthy_run_is_not_tried_and_costs_nothing(monkeypatch):
    run = watched(Experiment.mlp(layers=(64, 30, 10), epochs=8))
    monkeypatch.setattr(running, "Program", None)
    monkeypatch.setattr(running, "program_of", None)
    assert nndebug.trials(run) is None
    assert run.trials is None
    assert nndebug.check(run).trials is None


def test_a_proven_cause_is_not_tried_unless_asked(monkeypatch):
    run = watched(Experiment.mlp(init="zeros", **SMALL))
    assert nndebug.trials(run) is None
    found = nndebug.trials(run, proofs=True)
    assert [trial.change for trial in found.trials][:1] == ["init"]
    assert nndebug.check(run).causes[0].tried


def test_the_control_is_trained_exactly_as_fit_trains():
    experiment = Experiment.mlp(epochs=2, batch=100, optimizer="adam", lr=0.01)
    program = Program(experiment)
    parts = program.build(program.spec)
    network, optimizer, dataset = experiment.build()
    task = running.task_of(program.raw, parts.dataset, parts.network.loss)
    curve = training.train(parts, task, 20, 0, "k", Clock(60), lambda: None)
    fit(network, dataset.train, optimizer, **{**experiment.fit_options(dataset), "max_steps": 20})
    assert network.flat_parameters.tobytes() == parts.network.flat_parameters.tobytes()
    accuracy = np.mean(network.forward(dataset.test[0]).argmax(axis=1) == dataset.test[1])
    assert curve.values[-1] == pytest.approx(accuracy)
    assert curve.steps[-1] == 20


def test_nothing_of_the_caller_is_touched(sick):
    experiment = Experiment.mlp(lr=30.0, **SMALL)
    network, optimizer, dataset = experiment.build()
    run = nndebug.Run.load(sick)
    before = (
        network.flat_parameters.tobytes(),
        dataset.train[0].tobytes(),
        dict(vars(optimizer)),
        experiment.to_dict(),
    )
    generators = random.getstate(), str(np.random.get_state())
    steps, manifest = (sick / "steps.jsonl").read_bytes(), json.dumps(run.manifest, sort_keys=True)
    nndebug.trials(run, experiment)
    after = (
        network.flat_parameters.tobytes(),
        dataset.train[0].tobytes(),
        dict(vars(optimizer)),
        experiment.to_dict(),
    )
    assert after == before
    assert (random.getstate(), str(np.random.get_state())) == generators
    assert (sick / "steps.jsonl").read_bytes() == steps
    assert json.dumps(run.manifest, sort_keys=True) == manifest


class Slowing(Clock):
    """A machine on which everything takes four times as long."""

    @property
    def spent(self):
        return 4 * super().spent


def test_the_budget_is_kept_and_what_is_left_out_is_said():
    """Trainings of about 0.3 s each, which are counted as 1.2 s: far from all of them fit into 2 s."""
    program = Program(Experiment.mlp(layers=(64, 400, 400, 10), lr=30.0, epochs=1, batch=20))
    causes = [Cause(kind, None, 0, 0.8, "") for kind in ("lr_too_high", "lr_too_low", "wrong_optimizer")]
    found = running._Trying(program, None, Slowing(2.0), 2.0, None).all(causes, False)
    assert found.seconds <= 2.0 + 0.8  # the clock is looked at every 16 updates
    assert "the budget of 2 s was spent" in found.not_tried.values()
    with pytest.raises(UserError, match="not enough for one short training"):
        running._Trying(program, None, Clock(1e-6), 1e-6, None).all(causes, False)


def test_a_training_ends_when_the_budget_does():
    program = Program(Experiment.mlp(epochs=1000))
    parts = program.build(program.spec)
    task = running.task_of(program.raw, parts.dataset, parts.network.loss)
    clock = Clock(0.05)
    with pytest.raises(running.OutOfTime):
        training.train(parts, task, 20_000, 0, "k", clock, lambda: None)  # a second and more
    assert clock.spent < 0.3


def test_when_the_budget_ends_between_trials_the_rest_is_named(sick, monkeypatch):
    real, made = training.train, []

    def few(*arguments):
        made.append(arguments)
        if len(made) > 1:
            raise running.OutOfTime
        return real(*arguments)

    monkeypatch.setattr(training, "train", few)
    run = nndebug.Run.load(sick)
    run.trials = None
    found = nndebug.trials(run)
    (sick / "trials.json").unlink()
    assert found.trials == ()
    assert found.not_tried["learning rate 30 → 3"] == "the budget of 10 s was spent"


def test_a_run_without_its_experiment_cannot_be_tried(tmp_path):
    run = watched(Experiment.mlp(lr=30.0, **SMALL))
    run.manifest = {key: value for key, value in run.manifest.items() if key != "experiment"}
    with pytest.raises(UserError, match="cannot be tried again because the run does not hold its experiment"):
        nndebug.trials(run)
    run.manifest = {**run.manifest, "experiment": {"spec": {"data": 3}}}
    with pytest.raises(
        UserError, match="cannot be tried again because the experiment in its manifest is broken"
    ):
        nndebug.trials(run)


HOSTILE = [
    {},
    {"schema": 2},
    {"measure": "quality"},
    {"control": {"change": "", "what": "", "cures": [], "curves": []}},
    {"chance": "NaN"},
    {"chance": 7},
    {"seconds": "Infinity"},
    {"trials": {"a": 1}},
    {"trials": [{"change": 1}]},
    {"trials": [{"change": "x", "what": "y" * 1000, "cures": [], "curves": []}]},
    {"control": {"change": "", "what": "", "cures": [], "curves": [{"key": "", "seed": 0, "steps": [3, 1], "values": [0, 0]}]}},
    {"control": {"change": "", "what": "", "cures": [], "curves": [{"key": "", "seed": 0, "steps": [0], "values": [1e9]}]}},
    {"control": {"change": "", "what": "", "cures": [], "curves": [{"key": "", "seed": 0, "steps": [0] * 999, "values": [0] * 999}]}},
    {"not_tried": []},
    {"not_tried": {"a": {}}},
    {"whole": "yes"},
]  # fmt: skip


@pytest.mark.parametrize("damage", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_file_is_not_believed(damage, sick, tried, tmp_path):
    good = tried.to_json()
    assert Trials.from_json(json.loads(json.dumps(good))) == tried
    bad = {**good, **damage} if damage else damage
    for name in ("manifest.json", "steps.jsonl"):
        (tmp_path / name).write_bytes((sick / name).read_bytes())
    (tmp_path / "trials.json").write_text(json.dumps(bad))
    run = nndebug.Run.load(tmp_path)
    assert run.trials is None
    assert run.lost == 1
    assert nndebug.check(run).trials is None


CURABLE = ("dying-relu", "huge-rate-adam", "tiny-rate", "penalty-too-strong", "one-epoch", "relu-switch",
           "weights-too-large", "weights-too-small", "negative-biases", "deep-sigmoid", "linear-layers",
           "softmax-twice", "softmax-inside", "raw-pixels", "scaled-twice")  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", CURABLE)
def test_the_trial_confirms_every_planted_fault_that_has_a_cure(name):
    experiment = FAULTS[name].experiment()
    run = watched(experiment)
    passive = nndebug.check(run)
    found = nndebug.trials(run, experiment)
    result = nndebug.check(run)
    assert found.seconds <= running.SECONDS
    assert passive.causes[0].kind == result.causes[0].kind == FAULTS[name].cause
    before, after = passive.causes[0].certainty, result.causes[0].certainty
    assert after > before or after == before == SUREST  # nothing that is added up is surer
    assert "better from 2 of 2 starts" in result.causes[0].tried[0]
