"""`fit`: what is trained on, in which order, when it stops, what it reports."""

import numpy as np
import pytest
from core_helpers import DTYPES, samples, small
from hypothesis import given
from hypothesis import strategies as st

import network.training
from network import (
    SGD,
    Adam,
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    Evaluation,
    Momentum,
    Quadratic,
    ReLU,
    Sequential,
    Tanh,
    evaluate,
    fit,
)

pytestmark = pytest.mark.filterwarnings("error")


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
@pytest.mark.parametrize("optimizer", [lambda: SGD(0.1), lambda: Momentum(0.02), lambda: Adam(0.02)])
@pytest.mark.parametrize("loss", [Quadratic, CrossEntropy, BinaryCrossEntropy])
def test_every_loss_and_optimiser_learns(loss, optimizer, dtype):
    x, y = samples(300)
    net = Sequential(Dense(6, 16), ReLU(), Dense(16, 3), loss=loss(), dtype=dtype)
    results = fit(net, (x, y), optimizer(), epochs=40, batch=16)
    assert results[-1].train_accuracy > 0.85
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
