"""`evaluate`: losses and accuracies by hand; the network stays as it was."""

import numpy as np
import pytest
from core_helpers import samples, small, state

from network import (
    BinaryCrossEntropy,
    CrossEntropy,
    DataError,
    Dense,
    Evaluation,
    Quadratic,
    Sequential,
    ShapeError,
    evaluate,
)

pytestmark = pytest.mark.filterwarnings("error")


def output_of(*rows):
    """A network that returns these rows for x = one-hot row numbers, and such an x."""
    rows = np.array(rows, float)
    net = Sequential(Dense(len(rows), rows.shape[1], init=lambda rng, shape: rows), dtype="float64")
    return net, np.eye(len(rows))


@pytest.mark.parametrize("loss", [Quadratic, CrossEntropy, BinaryCrossEntropy])
def test_accuracy_is_the_share_of_right_classes(loss):
    net, x = output_of([3, 1, 0], [0, 2, 1], [0, 1, 5], [9, 1, 2])
    net.loss = loss()
    y = np.array([0, 1, 2, 2])
    for target in (y, y.astype(float), y.tolist(), np.eye(3)[y], np.eye(3, dtype=int)[y]):
        result = evaluate(net, (x, target))
        assert result.accuracy == 0.75
        assert result.samples == 4
        assert result.loss == pytest.approx(net.loss(net.forward(x), y), rel=1e-14)


def test_accuracy_of_one_output():
    net, x = output_of([3.0], [-1], [0.5], [-0.2])
    net.loss = BinaryCrossEntropy()
    y = np.array([1, 0, 0, 0])
    for target in (y, y[:, None], y.astype(bool), y.astype(float)):
        assert evaluate(net, (x, target)).accuracy == 0.75


def test_regression_has_no_accuracy():
    net, x = output_of([3.0], [-1])
    assert evaluate(net, (x, [3.0, 1.0])) == Evaluation(1.0, None, 2)
    net, x = output_of([3.0, 1], [0, 0])
    assert evaluate(net, (x, [[3.0, 1], [0, 2]])) == Evaluation(1.0, None, 2)
    net.loss = BinaryCrossEntropy()
    assert evaluate(net, (x, [[1, 1], [0, 1]])).accuracy is None  # several labels per row
    assert evaluate(net, (x, [[0.9, 0.1], [0.5, 0.5]])).accuracy is None


@pytest.mark.parametrize("rows", [1, 7, 50, 4096])
def test_evaluation_in_pieces_is_evaluation(rows):
    net, data = small("float64"), samples()
    whole, pieces = evaluate(net, data), evaluate(net, data, rows=rows)
    assert pieces.accuracy == whole.accuracy
    assert pieces.loss == pytest.approx(whole.loss, rel=1e-13)


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_leaves_the_network_as_it_was(training):
    net = small()
    net.training = training
    net.differentiate(*samples())
    before, seen = state(net), []
    with net.hook("forward", lambda *_: seen.append(1)):
        evaluate(net, samples(20))
    assert state(net) == before
    assert not seen


def test_evaluation_drops_nothing():
    net, data = small(), samples()
    net.training = True
    assert evaluate(net, data) == evaluate(net.twin(), data)


def test_evaluation_says_what_it_cannot_do():
    net, (x, y) = small(), samples()
    with pytest.raises(DataError, match="cannot evaluate on no samples") as caught:
        evaluate(net, (x[:0], y[:0]))
    assert caught.value.help == "give at least one row"
    for data, error, message in (
        ((x, y[:-1]), ShapeError, "the evaluation set has 50 rows of x and 49 of y"),
        ((x[:-1], y), ShapeError, "the evaluation set has 49 rows of x and 50 of y"),
        ((x.T, y), ShapeError, "the evaluation set has 6 rows of x and 50 of y: x looks transposed"),
        ((x[:, :4], y), ShapeError, r"hidden1 \(Dense 6 -> 5\) expects \(batch, 6\), got \(50, 4\)"),
        ((x, y + 1), DataError, "label 3 is out of range 0 to 2"),
        ((x, y - 0.5), DataError, "labels must be whole numbers 0 to 2"),
    ):
        with pytest.raises(error, match=message):
            evaluate(net, data)


def test_a_network_that_has_diverged_can_still_be_evaluated():
    net = small()
    net.flat_parameters[...] = np.nan
    result = evaluate(net, samples())
    assert np.isnan(result.loss)
    assert 0 <= result.accuracy <= 1
