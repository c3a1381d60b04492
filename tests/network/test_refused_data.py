"""Data, counts and settings that `fit` refuses, by name, before anything changes."""

import numpy as np
import pytest
from core_helpers import samples, small, state

from network import (
    SGD,
    CrossEntropy,
    DataError,
    Dense,
    NetworkError,
    Sequential,
    ShapeError,
    fit,
)

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("name", ["epochs", "batch", "patience"])
@pytest.mark.parametrize("value", [0, -3, 2.5, 2.0, "4", np.nan])
def test_counts_that_are_none(name, value):
    with pytest.raises(NetworkError) as caught:
        fit(small(), samples(), SGD(0.1), **{"validation": samples(), name: value})
    assert str(caught.value) == f"{name} must be a whole number of 1 or more, got {value}"
    assert caught.value.help == f"{name}=10, for instance"


def test_patience_without_validation():
    with pytest.raises(NetworkError, match="patience needs validation data to watch") as caught:
        fit(small(), samples(), SGD(0.1), patience=2)
    assert caught.value.help == "pass validation=(x, y)"


def spoiled(x=None, y=None, rows=50):
    good_x, good_y = samples(rows)
    return (good_x if x is None else x(good_x)), (good_y if y is None else y(good_y))


def put(value, *rows):
    def spoil(array):
        array = array.astype(float)
        array[list(rows)] = value
        return array

    return spoil


FINITE = "drop or fill these rows before training"
LABELS = "number the classes from 0, and give the last layer one output per class"
WRONG_DATA = [
    (spoiled(x=put(np.nan, 7, 30)), DataError, "the {} set is not finite: x has NaN or infinity, first in row 7", FINITE),
    (spoiled(x=put(-np.inf, 49)), DataError, "the {} set is not finite: x has NaN or infinity, first in row 49", FINITE),
    (spoiled(x=put(1e39, 3)), DataError, "the {} set is not finite: x has NaN or infinity, first in row 3", FINITE),
    (spoiled(y=put(np.nan, 0)), DataError, "the {} set is not finite: y has NaN or infinity, first in row 0", FINITE),
    (spoiled(y=put(np.inf, 5)), DataError, "the {} set is not finite: y has NaN or infinity, first in row 5", FINITE),
    (spoiled(rows=0), DataError, "the {} set is empty", "give at least one row"),
    (([], []), DataError, "the {} set is empty", "give at least one row"),
    (spoiled(x=lambda x: x[:40]), ShapeError, "the {} set has 40 rows of x and 50 of y", "one target per row"),
    (spoiled(x=lambda x: x.T), ShapeError, "the {} set has 6 rows of x and 50 of y: x looks transposed",
     "rows are samples: pass x.T"),
    (spoiled(x=lambda x: x.T, rows=6), None, None, None),
    (spoiled(x=lambda x: x.T, y=lambda y: y[:6]), ShapeError,
     "hidden1 (Dense 6 -> 5) expects (batch, 6), got (6, 50): looks transposed", "rows are samples: pass x.T"),
    (spoiled(x=lambda x: x[:, :5]), ShapeError, "hidden1 (Dense 6 -> 5) expects (batch, 6), got (50, 5)",
     "rows are samples, columns are the layer's inputs"),
    (spoiled(x=lambda x: x[0], y=lambda y: y[:6]), ShapeError,
     "hidden1 (Dense 6 -> 5) expects (batch, 6), got (6,): the batch axis is missing",
     "pass x[None, :] for a single sample"),
    (spoiled(x=lambda x: x.reshape(50, 2, 3)), ShapeError,
     "hidden1 (Dense 6 -> 5) expects (batch, 6), got (50, 2, 3): images", "put a Flatten() layer first"),
    (spoiled(y=lambda y: y + 1), DataError, "label 3 is out of range 0 to 2", "count classes from 0"),
    (spoiled(y=lambda y: y + 1.0), DataError, "label 3 is out of range 0 to 2", "count classes from 0"),
    (spoiled(y=put(-1, 9)), DataError, "label -1 is out of range 0 to 2", LABELS),
    (spoiled(y=lambda y: y / 4), DataError, "labels must be whole numbers 0 to 2, got 0.25",
     "number the classes from 0; for regression give targets (batch, outputs)"),
    (spoiled(y=lambda y: y[:, None]), ShapeError, "cross_entropy of 3 outputs got targets of shape (50, 1)",
     "give class numbers (batch,) or one column per output (batch, 3)"),
    (spoiled(y=lambda y: np.eye(4)[y]), ShapeError, "cross_entropy of 3 outputs got targets of shape (50, 4)",
     "give class numbers (batch,) or one column per output (batch, 3)"),
    (spoiled(y=lambda y: 2 * np.eye(3)[y]), DataError,
     "targets of cross_entropy are probabilities that sum to 1, row 0 sums to 2",
     "for several labels per row use BinaryCrossEntropy"),
    (spoiled(x=lambda x: x.astype(str)), None, None, None),
    (spoiled(x=lambda x: [["a"] * 6] * 50), DataError,
     "the {} set is no array of numbers: could not convert string to float: 'a'", "turn text into numbers"),
    (spoiled(x=lambda x: [[1.0] * 6] * 49 + [[1.0]]), DataError, "the {} set is no array of numbers: setting an array",
     "turn text into numbers"),
]  # fmt: skip


@pytest.mark.parametrize("where", ["training", "validation"])
@pytest.mark.parametrize(("data", "error", "message", "help"), [case for case in WRONG_DATA if case[1]])
def test_wrong_data_is_refused_before_anything_changes(data, error, message, help, where):
    net, seen = small(), []
    net.hook("begin", seen.append)
    before = state(net)
    with pytest.raises(error) as caught:
        if where == "training":
            fit(net, data, SGD(0.1))
        else:
            fit(net, samples(), SGD(0.1), validation=data)
    assert str(caught.value).startswith(message.format(where))
    assert len(str(caught.value)) < len(message) + 170
    assert caught.value.help == help
    assert state(net) == before
    assert not seen


@pytest.mark.parametrize("data", [case[0] for case in WRONG_DATA if not case[1]])
def test_data_that_looks_odd_and_is_right(data):
    """Numbers as text are numbers, and a square matrix is never transposed."""
    fit(small(), data, SGD(0.1))


def test_huge_and_finite_is_finite():
    x, y = samples()
    fit(Sequential(Dense(6, 3, init="zeros"), loss=CrossEntropy()), (np.full_like(x, 1e30), y), SGD(1e-32))
