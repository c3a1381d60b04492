"""The first batches against the training set: pairs and their order, measured in real trainings."""

import numpy as np
import pytest

import nndebug
from network import SGD, CrossEntropy, Dense, ReLU, Sequential, fit
from nndebug.rows import FEW, entropy, row_keys, telling_columns
from tests.watching import data, make, train


def watched(x, y, epochs=2, batch=10, **options):
    network = make()
    with nndebug.watch(network, strict=True) as watching:
        fit(network, (x, y), SGD(0.1), epochs=epochs, batch=batch, **options)
    return watching


def torn(order):
    """A training by hand, whose inputs are in another order than their targets."""
    x, y = data(samples=300)
    network = make()
    with nndebug.watch(network, strict=True) as watching:
        targets = network.loss.encode(y, 4, network.dtype)
        shuffled = x.astype(np.float32)[order]

        original, calls = network.differentiate, []

        def differentiate(inputs, expected, **options):
            rows = np.random.default_rng(len(calls)).permutation(len(targets))[: len(inputs)]
            calls.append(rows)
            return original(shuffled[rows], targets[rows], **options)

        network.differentiate = differentiate
        fit(network, (x, y), SGD(0.1), epochs=1, batch=10)
    return watching


def test_pairs_of_an_ordinary_training_are_whole_and_mixed():
    run = watched(*data(samples=300)).run
    assert run.series("batch.paired").values.tolist() == [1.0] * 6
    mixed = run.series("batch.mixed")
    assert len(mixed) == 20 and 0.8 < np.median(mixed.values) < 1.2


def test_inputs_with_the_targets_of_others_are_told():
    result = torn(np.random.default_rng(5).permutation(300)).result
    assert result.causes[0].kind == "corrupted_labels"
    assert result.verdict.startswith("The targets are torn from their inputs: in the first batches ")


def test_the_same_loop_with_one_order_is_not():
    watching = torn(np.arange(300))
    assert watching.run.series("batch.paired").values.tolist() == [1.0] * 6
    assert not [f for f in watching.result.findings if f.code == "NND711"]


def test_inputs_that_are_augmented_do_not_count():
    x, y = data(samples=300)
    network = make()
    original = network.differentiate
    with nndebug.watch(network, strict=True) as watching:
        network.differentiate = lambda inputs, expected, **options: original(
            inputs + 0.01, expected, **options
        )
        fit(network, (x, y), SGD(0.1), epochs=1, batch=10)
    assert not watching.run.has("batch.paired")


def test_equal_inputs_with_different_targets_are_no_torn_pairs():
    x, y = data(samples=300)
    x[:] = np.repeat(x[:3], 100, axis=0)
    assert watched(x, y).run.series("batch.paired").values.tolist() == [1.0] * 6


def test_sorted_data_without_shuffling_is_told():
    x, y = data(samples=400)
    order = np.argsort(y, kind="stable")
    watching = watched(x[order], y[order], epochs=1, batch=20, shuffle=False)
    assert [f.code for f in watching.result.findings if f.code == "NND708"] == ["NND708"]
    shuffled = watched(x[order], y[order], epochs=1, batch=20)
    assert not [f for f in shuffled.result.findings if f.code == "NND708"]


def test_it_changes_nothing_and_goes_when_it_has_seen_enough():
    plain, seen = make(), make()
    train(plain)
    with nndebug.watch(seen, strict=True) as watching:
        train(seen)
    assert plain.flat_parameters.tobytes() == seen.flat_parameters.tobytes()
    assert len(watching.run.series("batch.mixed")) == 20
    assert not any(seen.observed.values())


@pytest.mark.parametrize("shape", [(5, 3), (5, 2, 4, 4), (5, 900)])
def test_equal_rows_have_equal_keys_and_others_hardly_ever(shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    again = np.concatenate([x, x])
    columns = telling_columns(x, FEW)
    keys = row_keys(again, columns)
    assert np.array_equal(keys[:5], keys[5:]) and len(np.unique(keys)) == 5
    x.flat[0] = 0.0
    y = x.copy()
    y.flat[0] = -0.0  # equal numbers
    assert np.array_equal(row_keys(x, columns), row_keys(y, columns))


def test_entropy_is_that_of_shares():
    assert entropy(np.array([5, 5])) == pytest.approx(np.log(2))
    assert entropy(np.array([7, 0])) == 0


def test_a_network_of_your_own_data_type_is_looked_at_too():
    x, y = data(samples=200)
    network = Sequential(Dense(12, 8), ReLU(), Dense(8, 4), loss=CrossEntropy(), dtype="float64")
    with nndebug.watch(network, strict=True) as watching:
        fit(network, (x, y), SGD(0.1), epochs=1, batch=10)
    assert watching.run.series("batch.paired").values.tolist() == [1.0] * 6
