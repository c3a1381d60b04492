"""Changes of specifications: each gives a valid one in which one thing is different."""

import copy
import json
from pathlib import Path

import pytest
from experiment_specs import CASES, spec
from hypothesis import given
from hypothesis import strategies as st

from network.experiment import Experiment
from nndebug.causes import Kind
from nndebug.trials.changes import CHANGES
from nndebug.trials.cures import CURES, GENERAL, cures_of
from nndebug.trials.task import Task

ROOT = Path(__file__).resolve().parents[2]
CLASSES = Task("classes", 2, None, 0.5)
TEN = Task("classes", 10, None, 0.1)
VALUES = Task("values", 1, None, 0.0)


def changed(name, task=CLASSES, **parts):
    full = Experiment.from_dict(spec(**parts)).to_dict()
    what = CHANGES[name].edit(full, task)
    return what, full


def net(*layers):
    return {"model": {"layers": list(layers)}}


def dense(units=2, **fields):
    return {"type": "dense", "units": units, **fields}


SGD = {"name": "sgd", "lr": 0.1}
EDITS = [
    # change, task, the program's parts, words, where it changed and to what
    ("rate/10", CLASSES, {"optimizer": {"name": "sgd", "lr": 3.0}}, "learning rate 3 → 0.3", ("optimizer", "lr", 0.3)),
    ("rate*100", CLASSES, {}, "learning rate 0.1 → 10", ("optimizer", "lr", 10.0)),
    ("usual-higher-rate", CLASSES, {"optimizer": {"name": "adam", "lr": 1e-6}}, "learning rate 1e-06 → 0.001",
     ("optimizer", "lr", 0.001)),
    ("usual-lower-rate", CLASSES, {"optimizer": {"name": "sgd", "lr": 30}}, "learning rate 30 → 0.1",
     ("optimizer", "lr", 0.1)),
    ("standardise", CLASSES, {}, "inputs standardised", ("preprocess", "x", [["standardize"]])),
    ("plain-inputs", CLASSES, {"preprocess": {"x": [["floor_divide", 255], ["flatten"]]}},
     "inputs standardised, and nothing else done to them", ("preprocess", "x", [["flatten"], ["standardize"]])),
    ("scaled-once", CLASSES, {"preprocess": {"x": [["divide", 255], ["flatten"], ["divide", 255]]}},
     "inputs scaled without the last divide", ("preprocess", "x", [["divide", 255.0], ["flatten"]])),
    ("same-preprocessing", CLASSES, {"preprocess": {"x": [["minmax"]], "x_test": []}},
     "held-out data preprocessed like the training data", ("preprocess", "x_test", None)),
    ("standardise-targets", VALUES, {}, "targets standardised", ("preprocess", "y", [["standardize"]])),
    ("aligned", CLASSES, {"preprocess": {"y": [["shuffle_rows", 3], ["one_hot", 2]]}}, "labels left with their inputs",
     ("preprocess", "y", [["one_hot", 2]])),
    ("mean", CLASSES, {"loss": {"name": "cce", "reduction": "sum"}}, "the loss's mean in place of reduction sum",
     ("loss", "reduction", None)),
    ("guard", CLASSES, {"loss": {"name": "cce", "clip": 0}}, "the logarithm guarded", ("loss", "clip", None)),
    ("loss", CLASSES, {"loss": {"name": "mse"}}, "loss mse → cce", ("loss", "name", "cce")),
    ("adam", CLASSES, {}, "optimiser sgd 0.1 → adam 0.001", ("optimizer", "name", "adam")),
    ("usual-constants", CLASSES, {"optimizer": {**SGD, "momentum": 0.99}}, "without momentum 0.99",
     ("optimizer", "momentum", None)),
    ("batch", CLASSES, {"train": {"epochs": 1, "batch_size": "full"}}, "batch full → 32", ("train", "batch_size", 32)),
    ("clip", CLASSES, {}, "gradient clipped at norm 1", ("optimizer", "clipnorm", 1.0)),
    ("no-penalty", CLASSES, {"optimizer": {**SGD, "l2": 9.0}}, "penalty 9 → 0", ("optimizer", "l2", None)),
    ("longer", CLASSES, {}, "2 → 8 epochs", ("train", "epochs", 8)),
    ("free", CLASSES, {"train": {"epochs": 2, "batch_size": 10, "frozen": ["h1"]}}, "frozen layers freed",
     ("train", "frozen", None)),
    ("clear", CLASSES, {"train": {"epochs": 2, "batch_size": 10, "zero_grad": False}},
     "gradients cleared before every step", ("train", "zero_grad", None)),
    ("downhill", CLASSES, {"train": {"epochs": 2, "batch_size": 10, "gradient_sign": -1}}, "updates against the gradient",
     ("train", "gradient_sign", None)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "task", "parts", "words", "place"), EDITS, ids=[e[0] for e in EDITS])
def test_a_change_says_what_it_changes(name, task, parts, words, place):
    what, after = changed(name, task, **parts)
    assert what == words
    section, field, value = place
    assert after[section].get(field) == value
    Experiment.from_dict(after)


OF_LAYERS = [
    ("hidden-relu", CLASSES, net(dense(4, activation="sigmoid"), dense(activation="softmax")), "hidden activation sigmoid → relu",
     ["relu", "softmax"]),
    ("nonlinear", CLASSES, net(dense(4), dense(activation="softmax")), "hidden activation linear → relu", ["relu", "softmax"]),
    ("output-activation", CLASSES, net(dense(4), dense(activation="relu")), "output activation relu → softmax", [None, "softmax"]),
    ("output-and-loss", TEN, net(dense(4), dense(1, activation="sigmoid")),
     "1 → 10 outputs, output and loss sigmoid, cce → softmax, cross_entropy", [None, "softmax"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "task", "parts", "words", "endings"), OF_LAYERS, ids=[e[0] for e in OF_LAYERS]
)
def test_a_change_of_layers(name, task, parts, words, endings):
    what, after = changed(name, task, **parts)
    assert what == words
    assert [layer.get("activation") for layer in after["model"]["layers"]] == endings


def test_initial_values_that_suit():
    odd = {"init": {"kind": "normal", "std": 5.0}, "bias_init": {"kind": "constant", "value": -5}}
    what, after = changed("init", **net(dense(4, activation="relu", **odd), dense(activation="softmax")))
    assert what == "initial weights normal std 5 → he, initial biases → 0"
    assert after["model"]["layers"][0]["init"] == {"kind": "he"}
    assert "init" not in after["model"]["layers"][1]


def test_dropout_and_width():
    layers = (dense(4, activation="relu"), {"type": "dropout", "rate": 0.9}, dense(activation="softmax"))
    what, after = changed("no-dropout", **net(*layers))
    assert what == "dropout 0.9 → none"
    assert [layer["type"] for layer in after["model"]["layers"]] == ["dense", "dense"]
    assert changed("larger", **net(*layers))[1]["model"]["layers"][0]["units"] == 16
    assert len(changed("larger", **net(dense(activation="softmax")))[1]["model"]["layers"]) == 2


def test_smaller_batches_get_as_many_passes_within_reason():
    before, after = ({"train": {"batch_size": size}} for size in ("full", 32))
    assert CHANGES["batch"].length(before, after, 320) == 10
    assert CHANGES["batch"].length(before, after, 32_000) == 10
    assert CHANGES["batch"].length(after, {"train": {"batch_size": 64}}, 320) == 1


def test_what_is_right_is_left():
    """The healthy program of the tests: what cannot be put right has nothing to be put right."""
    for name in ("init", "guard", "mean", "loss", "output-activation", "output-and-loss", "free", "clear", "downhill",
                 "aligned", "no-penalty", "no-dropout", "hidden-relu", "nonlinear", "scaled-once", "plain-inputs",
                 "same-preprocessing", "usual-constants", "batch"):  # fmt: skip
        assert changed(name)[0] is None, name


@given(case=st.sampled_from(sorted(CASES.glob("*.json")) or [None]), name=st.sampled_from(sorted(CHANGES)),
       kind=st.sampled_from(["classes", "labels", "values"]), classes=st.integers(2, 12))  # fmt: skip
def test_every_change_of_a_published_program_is_a_valid_program(case, name, kind, classes):
    full = json.loads(case.read_text("utf-8"))["spec"] if case else Experiment.mlp().to_dict()
    full = Experiment.from_dict(full).to_dict()
    before = copy.deepcopy(full)
    what = CHANGES[name].edit(full, Task(kind, classes, None, 0.1))
    if what is None:
        return
    assert len(what) < 300
    assert Experiment.from_dict(full).to_dict() != before


def test_every_cure_is_in_the_catalogue_and_every_change_cures_something():
    assert {name for names in CURES.values() for name in names} == set(CHANGES)
    assert set(GENERAL) <= set(CHANGES)
    assert all(isinstance(kind, Kind) for kind in [*CURES, *GENERAL.values()])
    assert cures_of("loss") == ("wrong_loss",)


def test_the_page_of_trials_lists_every_cure():
    page = (ROOT / "docs" / "trials.md").read_text("utf-8")
    rows = [f"| `{kind}` | {', '.join(names)} |" for kind, names in CURES.items()]
    assert [line for line in page.splitlines() if line.startswith("| `")] == rows
