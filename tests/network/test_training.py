"""`fit` and `evaluate`: what is trained on, in which order, when it stops, what it reports and what it refuses."""

import tracemalloc
import warnings

import numpy as np
import pytest
from core_helpers import DTYPES, samples, small, state
from hypothesis import given
from hypothesis import strategies as st

import network.training
from network import (
    SGD,
    Adam,
    BinaryCrossEntropy,
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    Evaluation,
    Flatten,
    LeakyReLU,
    Momentum,
    NetworkError,
    Quadratic,
    ReLU,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
    Tanh,
    evaluate,
    fit,
)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def weights(**options):
    net = small(options.pop("dtype", "float32"), seed=options.pop("weights", 1))
    options = {"epochs": 3, "batch": 8, **options}
    fit(net, options.pop("data", samples()), options.pop("optimizer", None) or SGD(0.3), **options)
    return net.flat_parameters


# --- the order ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [lambda: SGD(0.3), lambda: Momentum(0.1, l2=0.1), lambda: Adam(0.01)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_seed_decides_everything(dtype, optimizer):
    first, again = (weights(dtype=dtype, optimizer=optimizer(), seed=3) for _ in range(2))
    assert first.tobytes() == again.tobytes()
    assert not np.array_equal(first, weights(dtype=dtype, optimizer=optimizer(), seed=4))


def test_the_order_does_not_depend_on_other_randomness():
    np.random.seed(0)
    first = weights()
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    assert weights().tobytes() == first.tobytes()
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def batches(rows, **options):
    """The row numbers of every batch that a training saw."""
    net, seen = Sequential(Dense(1, 2), loss=CrossEntropy()), []
    net.hook("loss", lambda output, target, g: targets.append(target.argmax(axis=1)))
    net.layers[0].hook("forward", lambda layer, x, y: seen.append(x[:, 0].astype(int).tolist()))
    targets = []
    x = np.arange(rows, dtype="float32")[:, None]
    fit(net, (x, np.arange(rows) % 2), SGD(1e-9), **options)
    for numbers, classes in zip(seen, targets, strict=True):
        np.testing.assert_array_equal(np.array(numbers) % 2, classes)  # x and y stay together
    return seen


@given(
    rows=st.integers(1, 40),
    batch=st.integers(1, 45),
    epochs=st.integers(1, 3),
    seed=st.integers(0, 9),
    shuffle=st.booleans(),
)
def test_every_sample_is_seen_once_an_epoch(rows, batch, epochs, seed, shuffle):
    seen = batches(rows, batch=batch, epochs=epochs, seed=seed, shuffle=shuffle)
    per_epoch = -(-rows // batch)
    assert len(seen) == per_epoch * epochs
    for epoch in range(epochs):
        parts = seen[epoch * per_epoch : (epoch + 1) * per_epoch]
        full, rest = divmod(rows, batch)
        assert [len(part) for part in parts] == [batch] * full + [rest] * (rest > 0)
        flat = [row for part in parts for row in part]
        assert sorted(flat) == list(range(rows))
        if not shuffle:
            assert flat == list(range(rows))


def test_every_epoch_has_an_order_of_its_own():
    seen = batches(30, batch=30, epochs=4, seed=0)
    assert len({tuple(order) for order in seen}) == 4
    assert tuple(range(30)) not in {tuple(order) for order in seen}


def test_training_is_differentiate_and_step_over_the_batches():
    net, by_hand, (x, y) = small(), small(), samples()
    order = batches(50, batch=8, epochs=2, seed=6)
    results = fit(net, (x, y), Adam(0.01, l2=0.5), epochs=2, batch=8, seed=6)
    assert [result.steps for result in results] == [7, 14]
    optimizer = Adam(0.01, l2=0.5)
    optimizer.samples = 50
    by_hand.training = True
    for rows in order:
        by_hand.differentiate(x[rows].astype("float32"), y[rows])
        optimizer.step(by_hand)
    assert net.flat_parameters.tobytes() == by_hand.flat_parameters.tobytes()


def test_the_smaller_last_batch_is_a_mean_over_its_own_samples():
    x, y = samples(5)
    net, by_hand = small(dropout=False), small(dropout=False)
    fit(net, (x, y), SGD(0.5), batch=4, shuffle=False)
    for rows in (slice(4), slice(4, 5)):
        by_hand.differentiate(x[rows], y[rows])
        SGD(0.5).step(by_hand)
    np.testing.assert_allclose(net.flat_parameters, by_hand.flat_parameters, rtol=1e-5, atol=1e-7)


def test_a_second_call_begins_its_order_again():
    x, y = samples()
    net, once = small(dropout=False), small(dropout=False)
    for _ in range(2):
        fit(net, (x, y), SGD(0.3), batch=8, seed=2)
    fit(once, (x, y), SGD(0.3), epochs=2, batch=8, seed=2)
    assert not np.array_equal(net.flat_parameters, once.flat_parameters)


@pytest.mark.parametrize("form", ["float64", "float32", "list", "fortran", "strided"])
def test_data_in_any_form_trains_the_same(form):
    x, y = samples()
    x = x.astype("float32")
    forms = {
        "float64": (x.astype("float64"), y.astype("float64")),
        "float32": (x, np.eye(3, dtype="float32")[y]),
        "list": (x.tolist(), y.tolist()),
        "fortran": (np.asfortranarray(x), np.asfortranarray(np.eye(3)[y])),
        "strided": (np.repeat(x, 2, axis=0)[::2], np.repeat(y, 3)[::3]),
    }
    assert weights(data=forms[form]).tobytes() == weights().tobytes()


def test_the_data_is_left_as_it_is():
    for dtype in ("float32", "float64"):
        x, y = samples()
        x = x.astype(dtype)
        before = x.copy(), y.copy()
        weights(data=(x, y), validation=(x, y))
        np.testing.assert_array_equal(x, before[0])
        np.testing.assert_array_equal(y, before[1])
        x.setflags(write=False)
        y.setflags(write=False)
        weights(data=(x, y), validation=(x, y))


# --- learning -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("optimizer", [lambda: SGD(0.5), lambda: Momentum(0.1), lambda: Adam(0.02)])
@pytest.mark.parametrize("loss", [Quadratic, CrossEntropy, BinaryCrossEntropy])
def test_every_loss_and_optimiser_learns(loss, optimizer, dtype):
    x, y = samples(300)
    net = Sequential(Dense(6, 16), ReLU(), Dense(16, 3), loss=loss(), dtype=dtype)
    results = fit(net, (x, y), optimizer(), epochs=15, batch=16)
    assert results[-1].train_accuracy > 0.9
    assert results[-1].train_loss < 0.6 * results[0].train_loss


def test_exclusive_or_needs_and_gets_its_hidden_layer():
    x, y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    net = Sequential(Dense(2, 8, "xavier"), Tanh(), Dense(8, 1), loss=BinaryCrossEntropy(), seed=1)
    result = fit(net, (x, y), Adam(0.05), epochs=200, batch=4)[-1]
    assert result.train_accuracy == 1
    assert result.train_loss < 0.05


# --- what is reported ---------------------------------------------------------------------------------------------------


def test_the_results():
    net, train, held_out = small(), samples(), samples(20, seed=1)
    results = fit(net, train, SGD(0.1), epochs=3, batch=8, validation=held_out)
    assert [result.epoch for result in results] == [1, 2, 3]
    assert [result.steps for result in results] == [7, 14, 21]
    last, on_train, on_held_out = results[-1], evaluate(net, train), evaluate(net, held_out)
    assert last.train_loss == pytest.approx(on_train.loss, rel=1e-6)
    assert last.train_accuracy == on_train.accuracy
    assert last.validation_loss == pytest.approx(on_held_out.loss, rel=1e-6)
    assert last.validation_accuracy == on_held_out.accuracy
    assert all(result.seconds > 0 for result in results)


def test_without_validation_there_is_nothing_to_say_of_it():
    (result,) = fit(small(), samples(), SGD(0.1))
    assert result.validation_loss is None
    assert result.validation_accuracy is None


def test_the_training_loss_is_that_of_the_first_thousand_rows():
    net, (x, y) = small(), samples(1500)
    (result,) = fit(net, (x, y), SGD(0.1), batch=100)
    first = evaluate(net, (x[:1000], y[:1000]))
    assert (result.train_loss, result.train_accuracy) == pytest.approx((first.loss, first.accuracy))
    assert result.train_loss != pytest.approx(evaluate(net, (x, y)).loss, rel=1e-9)


def test_validation_changes_nothing():
    assert weights(validation=samples(9)).tobytes() == weights().tobytes()


def test_nothing_is_printed(capfd):
    fit(small(), samples(), SGD(0.1), epochs=3, validation=samples(9), patience=1)
    evaluate(small(), samples())
    assert capfd.readouterr() == ("", "")


# --- patience -----------------------------------------------------------------------------------------------------------


def last_epoch(losses, patience):
    """When to stop, in the words of the documentation."""
    best, since = np.inf, 0
    for epoch, loss in enumerate(losses, 1):
        best, since = (loss, 0) if loss < best else (best, since + 1)
        if since >= patience:
            return epoch
    return len(losses)


@given(losses=st.lists(st.integers(0, 5), min_size=1, max_size=12), patience=st.integers(1, 5))
def test_patience_stops_after_so_many_epochs_without_a_lower_loss(losses, patience):
    scripted, held_out = iter(losses), samples(3)

    def evaluation(net, data, rows=4096):
        return Evaluation(float(next(scripted)) if len(data[0]) == 3 else 1.0, None, 1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network.training, "evaluate", evaluation)
        results = fit(
            small(), samples(8), SGD(0.1), epochs=len(losses), validation=held_out, patience=patience
        )
    assert len(results) == last_epoch(losses, patience)
    assert [result.validation_loss for result in results] == losses[: len(results)]


def test_a_loss_that_is_no_number_is_no_improvement():
    scripted, held_out = iter([2.0, 1.0, np.nan, np.nan, np.nan]), samples(3)

    def evaluation(net, data, rows=4096):
        return Evaluation(next(scripted) if len(data[0]) == 3 else 1.0, None, 1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network.training, "evaluate", evaluation)
        results = fit(small(), samples(8), SGD(0.1), epochs=5, validation=held_out, patience=2)
    assert len(results) == 4


def test_patience_on_real_losses():
    """A rate so small that nothing improves: the first epoch is the best for good."""
    net, rng = small(dropout=False), np.random.default_rng(0)
    results = fit(
        net,
        samples(),
        SGD(5.0),
        epochs=200,
        validation=(rng.normal(size=(30, 6)), np.arange(30) % 3),
        patience=4,
    )
    losses = [result.validation_loss for result in results]
    assert len(results) == last_epoch(losses, 4) < 200


# --- what is refused ----------------------------------------------------------------------------------------------------


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


# --- the mode -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [True, False])
def test_the_mode_is_what_it_was(mode):
    net, modes = small(), []
    net.training = mode
    net.hook("loss", lambda *_: modes.append(net.training))
    fit(net, samples(), SGD(0.1), batch=50)
    assert modes == [True]
    assert net.training is mode


@pytest.mark.parametrize("mode", [True, False])
def test_the_mode_is_what_it_was_after_an_exception(mode):
    class Broken(SGD):
        def update(self, parameters, gradient):
            raise OSError("broken")

    net, ended = small(), []
    net.training = mode
    net.hook("end", ended.append)
    with pytest.raises(OSError, match="broken"):
        fit(net, samples(), Broken(0.1))
    assert net.training is mode
    assert len(ended) == 1


# --- evaluate -----------------------------------------------------------------------------------------------------------


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


# --- memory -------------------------------------------------------------------------------------------------------------


def step_peak(net, optimizer, x, target):
    """Largest number of bytes that one training step has allocated at a time, after three to warm up."""
    net.training = True

    def step():
        net.differentiate(x, target, input_gradient=False)
        optimizer.step(net)

    for _ in range(3):
        step()
    tracemalloc.start()
    try:
        step()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        step()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


BATCH = 4096
MOST = 160_000
"""Bytes: NumPy's own pieces of 8192 numbers, and a few numbers per row. The smallest array that one could forget to
keep, a mask of truth values of one layer, has 262,144."""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "optimizer", [lambda: SGD(0.1, 0.1), lambda: Momentum(0.1, l2=0.1), lambda: Adam(l2=0.1)]
)
@pytest.mark.parametrize("loss", [Quadratic, CrossEntropy, BinaryCrossEntropy])
def test_a_step_allocates_next_to_nothing(loss, optimizer, dtype):
    hidden = [
        part for make in (Sigmoid, ReLU, Tanh, LeakyReLU) for part in (make(), Dropout(0.2), Dense(64, 64))
    ]
    net = Sequential(Dense(32, 64), *hidden, Flatten(), Softmax(), loss=loss(), dtype=dtype)
    x = np.random.default_rng(0).normal(size=(BATCH, 32)).astype(dtype)
    target = np.eye(64, dtype=dtype)[np.arange(BATCH) % 64]
    assert step_peak(net, optimizer(), x, target) < MOST


def test_an_array_that_is_not_kept_would_be_seen():
    class Forgetful(ReLU):
        def backward(self, output_gradient):
            return super().backward(output_gradient) if (self._z > 0).any() else output_gradient

    net = Sequential(Dense(32, 64), Forgetful(), Dense(64, 10))
    x, target = np.ones((BATCH, 32), "float32"), np.zeros((BATCH, 10), "float32")
    assert step_peak(net, SGD(0.1), x, target) > MOST
