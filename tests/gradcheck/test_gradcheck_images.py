"""Gradient check of convolution, pooling, normalisation and GELU: no false alarm, and planted mistakes found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from network import (
    GELU,
    SGD,
    AvgPool2D,
    BatchNorm,
    Conv2D,
    CrossEntropy,
    Dense,
    Flatten,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    Quadratic,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from nndebug import gradcheck

ACTIVATIONS = [GELU, Tanh, Sigmoid, ReLU, LeakyReLU, Softmax]


def images(shape, seed=0):
    return np.random.default_rng(seed).normal(size=(9, *shape))


def finished(layers, shape, loss=None, seed=0):
    """A network of these layers, a Flatten and a Dense of three outputs."""
    probe = Sequential(*layers, Flatten(), seed=seed)
    width = probe.forward(np.zeros((1, *shape))).shape[1]
    for layer in layers:
        layer.joined = False
        layer.parameters, layer.state = {}, {}
        layer.name = layer.given_name or ""
    return Sequential(*layers, Flatten(), Dense(width, 3), loss=loss or CrossEntropy(), seed=seed)


def disagreeing(check):
    rows = (*check.rows, *check.parts)
    return [(row.layer, row.parameter) for row in rows if row.verdict.value == "disagrees"]


def unresolved(check):
    return [
        (row.layer, row.reason) for row in (*check.rows, *check.parts) if row.verdict.value == "unresolved"
    ]


@given(
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.sampled_from([0, 1, "same"]),
    st.sampled_from(ACTIVATIONS),
    st.sampled_from([None, MaxPool2D, AvgPool2D, lambda: LayerNorm((2, 5, 6))]),
    st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_correct_networks_of_images_are_never_called_wrong(kernel, stride, padding, activation, then, seed):
    if then is not None and not isinstance(then, type):
        stride, padding = (1, 1), "same"
    layers = [Conv2D(2, 2, kernel, stride, padding), activation(), *([then()] if then else [])]
    check = gradcheck(finished(layers, (2, 5, 6), seed=seed), images((2, 5, 6), seed), seed=seed)
    assert not disagreeing(check), str(check)
    if activation not in (ReLU, LeakyReLU) and then is not MaxPool2D:  # kinks are said, never guessed
        assert not unresolved(check), str(check)


@pytest.mark.parametrize("norm", [lambda: BatchNorm(2), lambda: LayerNorm((2, 3, 4))])
def test_a_norm_is_no_false_alarm_and_the_penalty_may_leave_it_out(norm):
    network = finished([Conv2D(2, 2, 3), norm(), ReLU()], (2, 5, 6), Quadratic())
    check = gradcheck(network, images((2, 5, 6)), optimizer=SGD(0.1, l2=1.0))
    assert not disagreeing(check), str(check)
    assert check, str(check)


def test_empty_borders_with_biases_of_zero_are_checked_beside_their_kinks():
    network = finished([Conv2D(1, 3, 3, padding=1), ReLU()], (1, 6, 6))
    x = np.zeros((9, 1, 6, 6))
    x[:, :, 2:4, 2:4] = images((1, 2, 2))
    check = gradcheck(network, x)
    assert check, str(check)
    assert any("parameters were moved" in note for note in check.notes)


@pytest.mark.parametrize("seed", range(4))
def test_a_flip_below_a_batch_norm_is_felt_by_every_sample(seed):
    layers = [
        Conv2D(3, 4, 2, padding="same"),
        LeakyReLU(),
        MaxPool2D(2, 1),
        Conv2D(4, 3, 3),
        BatchNorm(3),
        Tanh(),
    ]
    check = gradcheck(finished(layers, (3, 6, 7), seed=seed), images((3, 6, 7), seed), seed=seed)
    assert check, str(check)


class Shared(MaxPool2D):
    """Gives every entry of a window that ties for the maximum `share(winners)` of the error."""

    def forward(self, x):
        self.x = x
        return super().forward(x)

    def backward(self, output_gradient):
        batch, channels, rows, columns = self.x.shape
        windows = self.x.reshape(batch, channels, rows // 2, 2, columns // 2, 2)
        won = windows == windows.max(axis=(3, 5), keepdims=True)
        count = won.sum(axis=(3, 5), keepdims=True)
        given = won * self.share(count) * output_gradient[:, :, :, None, :, None]
        return given.reshape(self.x.shape)


@pytest.mark.parametrize("ties", [True, False])  # ReLU makes windows of zeros, through which nothing goes
def test_max_pooling_that_counts_every_winner_of_a_tie_is_wrong_and_named(ties):
    x = np.round(2 * images((1, 5, 5)))
    for share, name in (
        (lambda n: 1.0, "the error given to every winner of a tie"),
        (lambda n: np.where(n == 1, 1.0, 0.75), None),
    ):
        Shared.share = staticmethod(share)
        network = finished([Conv2D(1, 3, 2), ReLU(), Shared(2)], (1, 5, 5))
        if ties:
            kernel = network.layers[0].parameters["weight"]
            kernel[...] = np.round(3 * kernel)
        check = gradcheck(network, x)
        assert check.exit_code == ties, check
        if ties:
            (fault,) = check.faults
            assert (fault.equation, "entries of a window tie" in fault.sentence) == ("BP2", True)
            assert [m.name for m in fault.mistakes] == ([name] if name else [])
            assert disagreeing(check)[-1][1] == "input at ties"


def test_max_pooling_may_deal_the_error_of_a_tie_as_it_likes():
    x = np.zeros((9, 1, 5, 5))
    x[:, :, 2:, 2:] = np.round(images((1, 3, 3)))
    Shared.share = staticmethod(lambda n: 1 / n)
    for pool in (Shared(2), MaxPool2D(2), MaxPool2D(2, 1), MaxPool2D(2, padding="same")):
        check = gradcheck(finished([Conv2D(1, 3, 2), ReLU(), pool], (1, 5, 5)), x)
        assert check, check


class Flipped(Conv2D):
    """Passes the gradient back as a true convolution would: the kernel turned by half."""

    def backward(self, output_gradient):
        weight = self.parameters["weight"]
        kept = weight.copy()
        weight[...] = kept[:, :, ::-1, ::-1]
        try:
            return super().backward(output_gradient)
        finally:
            weight[...] = kept


class FirstPlaceBias(Conv2D):
    """Counts one place of the image for the bias."""

    def _backward(self, output_gradient, padded_gradient):
        super()._backward(output_gradient, padded_gradient)
        self.gradients["bias"][...] = output_gradient[:, :, 0, 0].sum(axis=0)


class MeanWeight(Conv2D):
    def _backward(self, output_gradient, padded_gradient):
        super()._backward(output_gradient, padded_gradient)
        self.gradients["weight"] /= output_gradient[0, 0].size


class EverywherePool(MaxPool2D):
    """Gives the gradient of the largest entry to all of its window."""

    def backward(self, output_gradient):
        return np.repeat(np.repeat(output_gradient, 2, 2), 2, 3)


class SummedPool(AvgPool2D):
    def backward(self, output_gradient):
        return super().backward(output_gradient) * self._counts


class ConstantMean(LayerNorm):
    """Forgets that the mean depends on the input."""

    def backward(self, output_gradient):
        self._axes, axes = None, self._axes
        try:
            return super().backward(output_gradient)
        finally:
            self._axes = axes


class ConstantStatistics(BatchNorm):
    backward = ConstantMean.backward


class TanhGELU(GELU):
    """The derivative of the approximation by tanh for the exact value."""

    def derivative(self, z, a, out=None):
        inner = np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))
        slope = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * z**2)
        found = 0.5 * (1 + inner) + 0.5 * z * (1 - inner**2) * slope
        return found if out is None else np.multiply(found, 1, out=out)


@pytest.mark.parametrize(
    ("layers", "site"),
    [
        ([Conv2D(2, 2, 3, padding=1), Tanh(), Flipped(2, 2, 3)], "conv2"),
        ([FirstPlaceBias(2, 2, 3), Tanh()], "conv1"),
        ([MeanWeight(2, 2, 3), Tanh()], "conv1"),
        ([MeanWeight(2, 2, 3), BatchNorm(2), Tanh()], "conv1"),
        ([Conv2D(2, 2, 3, padding="same"), Tanh(), EverywherePool(2)], "pool1"),
        ([Conv2D(2, 2, 3, padding="same"), Tanh(), SummedPool(2)], "pool1"),
        ([Conv2D(2, 2, 3, padding="same"), ConstantMean((2, 4, 6)), Tanh()], "norm1"),
        ([Conv2D(2, 2, 3, padding="same"), ConstantStatistics(2), Tanh()], "norm1"),
        ([Conv2D(2, 2, 3), TanhGELU()], "conv1"),
    ],
)
def test_a_planted_mistake_is_found_in_its_layer(layers, site):
    check = gradcheck(finished(layers, (2, 4, 6)), images((2, 4, 6)))
    assert not check
    assert site in [fault.layer for fault in check.faults], str(check)
