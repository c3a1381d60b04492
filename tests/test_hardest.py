"""The samples with the highest loss: which they are, and how they look."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nndebug
from nndebug.hardest import COUNT, SIDE, hardest
from tests.watching import data, make, train


def arrays(losses, x=None, labels=None, predictions=None, shape=None):
    losses = np.asarray(losses, float)
    x = np.zeros((len(losses), 4)) if x is None else x
    return hardest(x, np.arange(len(losses)) + 100, losses, labels, predictions, shape)


@given(st.lists(st.floats(width=32), min_size=1, max_size=40))
def test_they_are_the_worst_ones_worst_first_and_what_is_not_finite_is_worst(losses):
    kept = arrays(losses)["run/hardest"]
    shown = np.where(np.isfinite(kept[:, 1]), kept[:, 1], np.inf)
    wanted = sorted((v if np.isfinite(v) else np.inf for v in losses), reverse=True)[:COUNT]
    assert shown.tolist() == wanted
    assert np.array_equal(np.asarray(losses)[kept[:, 0].astype(int) - 100], kept[:, 1], equal_nan=True)


def test_labels_and_predictions_go_with_their_rows():
    kept = arrays([1.0, 9.0, 4.0], labels=np.array([5, 6, 7]), predictions=np.array([5, 0, 7]))["run/hardest"]
    assert kept[:, [0, 2, 3]].tolist() == [[101, 6, 0], [102, 7, 7], [100, 5, 5]]
    assert (arrays([1.0])["run/hardest"][:, 2:] == -1).all()


@pytest.mark.parametrize(
    ("x", "shape", "wanted"),
    [
        (np.arange(12.0).reshape(2, 6), (2, 3), (2, 2, 3)),
        (np.random.default_rng(0).normal(size=(3, 2, 5, 4)), None, (3, 5, 4)),
        (np.ones((1, 1, 500, 90)), None, (1, 46, 9)),
        (np.arange(12.0).reshape(2, 6), None, None),
        (np.arange(12.0).reshape(2, 6), (3, 3), None),
        (np.full((2, 4), np.nan), (2, 2), (2, 2, 2)),
    ],
)
def test_images_are_bytes_of_bounded_size(x, shape, wanted):
    images = arrays(np.arange(len(x)), x, shape=shape).get("run/hardest.images")
    assert (None if images is None else images.shape) == wanted
    if images is not None:
        assert images.dtype == np.uint8
        assert max(images.shape[1:]) <= SIDE


def test_the_brightest_pixel_is_white_and_the_darkest_black():
    images = arrays([2.0, 1.0], np.array([[0.0, 0.5], [-0.5, 0.0]]), shape=(1, 2))["run/hardest.images"]
    assert images.ravel().tolist() == [128, 255, 0, 128]


def test_a_watched_run_keeps_them_and_they_are_what_the_network_gets_wrong():
    network = make("float64")
    with nndebug.watch(network, strict=True) as watching:
        train(network, epochs=2)
    (x, y), kept = data(), watching.run.epochs[-1].arrays["run/hardest"]
    rows = kept[:, 0].astype(int)
    network_says = network.twin().forward(x[rows])
    probabilities = np.exp(network_says - network_says.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert np.allclose(kept[:, 1], -np.log(probabilities[np.arange(len(rows)), y[rows]]), rtol=1e-9)
    assert (kept[:, 2] == y[rows]).all()
    assert (kept[:, 3] == network_says.argmax(axis=1)).all()
