"""Data sets that need no files: the embedded digits and the synthetic sets; preprocessing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from network.data import NAMES, blobs, circles, line, load, load_digits, sine, spiral, table, xor
from network.data.dataset import Dataset
from network.data.digits import read_digits
from network.data.preprocess import preprocess
from network.errors import DataError

# --- digits ---------------------------------------------------------------------------------------------------------


def test_digits_equal_their_source():
    source = pytest.importorskip("sklearn.datasets").load_digits()
    images, labels = read_digits()
    np.testing.assert_array_equal(images, source.images)
    np.testing.assert_array_equal(labels, source.target)


def test_digits_split_is_stratified_complete_and_by_seed():
    data = load_digits()
    images, labels = read_digits()
    (x, y), (test_x, test_y) = data.train, data.test
    assert x.dtype == test_x.dtype == np.float32
    assert y.dtype == test_y.dtype == np.int64
    assert (data.classes, data.image_shape, data.features) == (10, (8, 8), 64)
    assert (x.min(), x.max()) == (0, 1)
    expected = np.round(np.bincount(labels) * 0.2)
    np.testing.assert_array_equal(np.bincount(test_y), expected)
    # Every row of the source is in one of the parts, once, with its label.
    both = np.column_stack([np.concatenate([x, test_x]) * 16, np.concatenate([y, test_y])])
    source = np.column_stack([images.reshape(len(images), -1), labels])
    np.testing.assert_array_equal(both[np.lexsort(both.T)], source[np.lexsort(source.T)])
    np.testing.assert_array_equal(load_digits().test[0], test_x)
    assert not np.array_equal(load_digits(seed=1).test[0], test_x)


@pytest.mark.parametrize("share", [0, 1, -0.5, float("nan"), 0.0001])
def test_digits_refuse_a_split_without_some_class(share):
    with pytest.raises(DataError, match="test_share"):
        load_digits(test_share=share)


# --- synthetic ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [blobs, circles, xor, spiral, line, sine])
def test_synthetic_sets_are_deterministic_and_of_the_form(make):
    data, again, other = make(n=200, seed=5), make(n=200, seed=5), make(n=200, seed=6)
    assert (len(data.train[0]), len(data.test[0])) == (150, 50)
    for part in ("train", "test"):
        x, y = data.parts[part]
        np.testing.assert_array_equal(x, again.parts[part][0])
        np.testing.assert_array_equal(y, again.parts[part][1])
        assert not np.array_equal(x, other.parts[part][0])
        assert x.dtype == np.float32
        if data.classes:
            assert y.dtype == np.int64
            assert set(y) == set(range(data.classes))
        else:
            assert y.dtype == np.float32
            assert y.shape == (len(x), 1)


def test_xor_needs_both_features_and_rings_the_radius():
    x, y = xor(n=4000, noise=0.2, test=0).train
    assert np.mean((x[:, 0] * x[:, 1] < 0) == y) > 0.99
    assert abs(np.corrcoef(x[:, 0], y)[0, 1]) < 0.1
    x, y = circles(n=2000, noise=0.0, factor=0.4, test=0).train
    np.testing.assert_allclose(np.hypot(*x.T), np.where(y == 1, 0.4, 1.0), rtol=1e-6)


def test_arms_of_the_spiral_are_turned_copies():
    x, y = spiral(n=3000, classes=3, turns=1.0, noise=0.0, test=0).train
    radius, angle = np.hypot(*x.T), np.arctan2(x[:, 1], x[:, 0])
    turned = np.exp(1j * (angle - 2 * np.pi * (radius + y / 3)))
    np.testing.assert_allclose(turned[radius > 1e-2], 1, atol=1e-4)


def test_regressions_follow_their_formula():
    x, y = line(n=50, weight=3, bias=-1, noise=0, test=0).train
    np.testing.assert_allclose(y, 3 * x - 1, atol=1e-6)
    x, y = sine(n=50, periods=2, noise=0, test=0).train
    np.testing.assert_allclose(y, np.sin(2 * np.pi * x), atol=1e-6)
    residual = line(n=20_000, noise=0.5, test=0).train
    assert np.std(residual[1] - 2 * residual[0] - 0.5) == pytest.approx(0.5, rel=0.03)


def test_table_rows_are_kept_as_they_are():
    data = table([[0, 1], [1, 1]], [1, 0], repeat=2)
    np.testing.assert_array_equal(data.train[0], [[0, 1], [0, 1], [1, 1], [1, 1]])
    np.testing.assert_array_equal(data.test[1], [1, 1, 0, 0])
    assert data.classes == 2
    assert table([[0], [1]], [0.5, 1.5]).classes == 0
    assert table([[0], [1]], [0, 1], integer=False).train[1].dtype == np.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: blobs(n=1), "at least 2 rows, got 1"),
        (lambda: blobs(std=-1), "std to be a finite number"),
        (lambda: blobs(centers=[1, 2]), r"centers of shape \(classes, features\), got \(2,\)"),
        (lambda: xor(noise=float("nan")), "noise to be a finite number"),
        (lambda: spiral(classes=1), "at least 2 classes"),
        (lambda: line(test=1000), "holds out 1000 of 200 rows"),
        (lambda: table([[1], [2, 3]], [0, 1]), "all of one length"),
        (lambda: table([[1], [2]], [-1, 1]), "class numbers from 0, got -1"),
        (lambda: table([[1], [2]], [0, 1, 1]), "2 inputs and 3 targets"),
        (
            lambda: Dataset("none", (np.zeros((0, 2)), np.zeros(0)), (np.zeros((1, 2)), np.zeros(1)), 2),
            "has no rows",
        ),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(DataError, match=message):
        call()


# --- by name --------------------------------------------------------------------------------------------------------


def test_load_by_name():
    np.testing.assert_array_equal(load("blobs", n=100, seed=3).train[0], blobs(n=100, seed=3).train[0])
    np.testing.assert_array_equal(load("digits", seed=2).test[1], load_digits(seed=2).test[1])
    with pytest.raises(DataError, match="no data set is called 'minst', did you mean 'mnist'\\?") as error:
        load("minst")
    assert error.value.help == "known: " + ", ".join(NAMES)
    with pytest.raises(DataError, match="blobs has no argument 'sdt', did you mean 'std'\\?"):
        load("blobs", sdt=1)
    with pytest.raises(DataError, match="mnist has no argument 'rows'"):
        load("mnist", rows=3)


# --- preprocessing --------------------------------------------------------------------------------------------------


def test_statistics_come_from_the_training_part():
    train, test = np.array([[0.0, 5.0], [4.0, 5.0]]), np.array([[8.0, 6.0]])
    np.testing.assert_array_equal(preprocess(train, test, [["minmax"]]), [[2, 1]])
    np.testing.assert_array_equal(preprocess(train, test, [["minmax", [-1, 1]]]), [[3, 1]])
    np.testing.assert_array_equal(preprocess(train, test, [["standardize"]]), [[3, 1]])
    # The second step sees what the first made of the training part: its range is 0..0.5.
    np.testing.assert_array_equal(
        preprocess(train, test, [["minmax"], ["divide", 2], ["minmax"]]), [[2, 0.5]]
    )


@given(hnp.arrays(np.float64, (20, 3), elements=st.floats(-1e6, 1e6)))
def test_standardize_and_minmax_do_what_they_say(x):
    standard = preprocess(x, x, [["standardize_all"]])
    if np.ptp(x) > 1e-3:
        assert standard.mean() == pytest.approx(0, abs=1e-6)
        assert standard.std() == pytest.approx(1, rel=1e-6)
    scaled = preprocess(x, x, [["minmax_all", [2, 3]]])
    assert scaled.min() == pytest.approx(2)
    assert scaled.max() <= 3 + 1e-9


def test_shapes_and_types_of_targets():
    y = np.array([0, 2, 1])
    np.testing.assert_array_equal(preprocess(y, y, [["one_hot", 3]]), np.eye(3)[y])
    assert preprocess(y, y, [["column"]]).shape == (3, 1)
    assert preprocess(y, y, [["column"], ["flatten"]]).shape == (3,)
    assert preprocess(y, y, [["floor_divide", 255]]).tolist() == [0, 0, 0]
    assert preprocess(y, y, [["floor_divide", 255]]).dtype.kind == "i"
    many = np.zeros(10_000, np.int64)
    assert np.mean(preprocess(many, many, [["relabel", 0.5, 10]]) > 0) == pytest.approx(0.45, abs=0.03)
    assert sorted(preprocess(y, y, [["shuffle_rows", 1]])) == [0, 1, 2]
