"""Small specifications of experiments that the tests of experiments share."""

from pathlib import Path

from network.experiment import Experiment

CASES = Path(__file__).resolve().parents[2] / "shared" / "faults" / "cases"


def spec(**changes):
    """A valid specification in the long form; `loss={...}` replaces a part."""
    return {
        "data": {
            "kind": "blobs",
            "seed": 1,
            "params": {"n": 100, "centers": [[0, 0], [3, 1]], "std": 1, "test": 0.2},
        },
        "model": {
            "layers": [
                {"name": "h1", "type": "dense", "units": 4, "activation": "relu"},
                {"name": "out", "type": "dense", "units": 2, "activation": "softmax"},
            ]
        },
        "loss": {"name": "cce"},
        "optimizer": {"name": "sgd", "lr": 0.1},
        "train": {"epochs": 2, "batch_size": 10},
        **changes,
    }


def dense(**fields):
    return {"type": "dense", "name": "h", "units": 3, **fields}


def layers(*items):
    return {"model": {"layers": list(items)}}


def words(text):
    return text.split()


TABLE = {
    "kind": "table",
    "params": {"x": [[0.0, 0.1], [1.0, -1.0], [0.5, 2.0], [3.0, 1.0]], "y": [0, 1, 1, 0]},
}
ONE_HOT, COLUMN = {"y": [["one_hot", 2]]}, {"y": [["column"]]}
THREE_LABELS = {"kind": "table", "params": {"x": [[0.0, 1.0], [1.0, 0.5]], "y": [[1.0, 0, 1], [0, 1.0, 1]]}}


def built(**changes):
    given = spec(**{"data": TABLE, "preprocess": ONE_HOT, **changes})
    given["model"]["dtype"] = "float64"
    return Experiment.from_dict(given).build()


def hidden_and(units, activation="linear", **fields):
    return layers(
        dense(units=3, activation="tanh", **fields),
        dense(name="out", units=units, activation=activation, **fields),
    )
