"""Convolution, pooling, normalisation and GELU against PyTorch, forward and backward, to 1e-10 in float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from window_cases import cases, made, pads

from network import GELU, AvgPool2D, BatchNorm, LayerNorm, MaxPool2D

torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")


def agree(found, expected):
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=0, atol=1e-10)


def torch_padded(x, kernel, stride, padding, fill):
    """The input, and its padded form, as PyTorch's own layers take uneven padding only apart."""
    leaf = torch.tensor(x, requires_grad=True)
    (top, bottom), (left, right) = pads(x, kernel, stride, padding)
    return leaf, torch.nn.functional.pad(leaf, (left, right, top, bottom), value=fill)


@given(cases(), st.booleans(), st.booleans())
def test_convolution_agrees_with_pytorch(case, training, has_bias):
    x, kernel, stride, padding, rng = case
    layer = made(case, training, bias=has_bias)
    assert set(layer.parameters) == ({"weight", "bias"} if has_bias else {"weight"})
    leaf, padded = torch_padded(x, kernel, stride, padding, 0.0)
    theirs = {name: torch.tensor(value, requires_grad=True) for name, value in layer.parameters.items()}
    weight, bias = theirs["weight"], theirs.get("bias")
    expected = torch.nn.functional.conv2d(padded, weight, bias, stride)
    if (
        padding == "same" and stride == (1, 1) and kernel[0] % 2 == kernel[1] % 2 == 1
    ):  # PyTorch has it by name for this stride
        same = torch.nn.functional.conv2d(leaf, weight, bias, padding="same")
        assert torch.allclose(same, expected, rtol=0, atol=1e-12)
    z = layer.forward(x)
    g = rng.normal(size=z.shape)
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(z, expected.detach().numpy(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(layer.backward(g), leaf.grad.numpy(), rtol=0, atol=1e-10)
    for name, value in theirs.items():
        np.testing.assert_allclose(layer.gradients[name], value.grad.numpy(), rtol=0, atol=1e-10)


@given(cases(pooling=True), st.booleans())
def test_pooling_agrees_with_pytorch(case, training):
    x, kernel, stride, padding, rng = case
    leaf, padded = torch_padded(x, kernel, stride, padding, -np.inf)
    pairs = [
        (MaxPool2D(kernel, stride, padding), leaf, torch.nn.functional.max_pool2d(padded, kernel, stride))
    ]
    # PyTorch leaves padding out of the mean, but does not pad unevenly: the mean with padding, over the share that is real.
    leaf, padded = torch_padded(x, kernel, stride, padding, 0.0)
    _, inside = torch_padded(np.ones_like(x), kernel, stride, padding, 0.0)
    mean, share = (torch.nn.functional.avg_pool2d(a, kernel, stride) for a in (padded, inside.detach()))
    if padding != "same":
        p = 0 if padding == "valid" else padding
        own = torch.nn.functional.avg_pool2d(leaf, kernel, stride, p, count_include_pad=False)
        assert torch.allclose(mean / share, own, rtol=0, atol=1e-12)
    pairs.append((AvgPool2D(kernel, stride, padding), leaf, mean / share))
    for layer, leaf, expected in pairs:
        layer.training = training
        y = layer.forward(x)
        g = rng.normal(size=y.shape)
        expected.backward(torch.tensor(g))
        np.testing.assert_allclose(y, expected.detach().numpy(), rtol=0, atol=1e-10)
        np.testing.assert_allclose(layer.backward(g), leaf.grad.numpy(), rtol=0, atol=1e-10)


SHAPES = st.one_of(
    st.tuples(st.integers(2, 7), st.integers(1, 5)),
    st.tuples(st.integers(2, 4), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)),
)


def compared(layer, theirs, x, rng):
    """Forward and backward of a layer and of PyTorch's, with the same random parameters."""
    layer.build(rng, np.dtype("float64"))
    for name in ("weight", "bias"):
        layer.parameters[name][...] = rng.normal(size=layer.parameters[name].shape)
        getattr(theirs, name).data = torch.tensor(layer.parameters[name])
    leaf = torch.tensor(x, requires_grad=True)
    expected, y = theirs(leaf), layer.forward(x)
    g = rng.normal(size=x.shape)
    expected.backward(torch.tensor(g))
    agree(y, expected)
    agree(layer.backward(g), leaf.grad)
    for name in ("weight", "bias"):
        agree(layer.gradients[name], getattr(theirs, name).grad)
        getattr(theirs, name).grad = None


@given(SHAPES, st.floats(0, 1), st.floats(-30, 30), st.integers(0, 2**32))
def test_batch_norm_agrees_with_pytorch_in_both_modes(shape, momentum, offset, seed):
    rng = np.random.default_rng(seed)
    kind = torch.nn.BatchNorm1d if len(shape) == 2 else torch.nn.BatchNorm2d
    layer, theirs = BatchNorm(shape[1], momentum), kind(shape[1], momentum=momentum).double()
    for training in (True, True, False):
        layer.training = training
        theirs.train(training)
        compared(layer, theirs, rng.normal(offset, 3, shape), rng)
        for name, value in layer.state.items():
            agree(value, getattr(theirs, name))


@given(SHAPES, st.booleans(), st.integers(0, 2**32))
def test_layer_norm_agrees_with_pytorch(shape, training, seed):
    rng = np.random.default_rng(seed)
    layer = LayerNorm(shape[1] if len(shape) == 2 else shape[1:])
    layer.training = training
    compared(layer, torch.nn.LayerNorm(shape[1:]).double(), rng.normal(2, 3, shape), rng)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30))
def test_gelu_agrees_with_pytorch(values):
    z = np.array(values)[None]
    leaf = torch.tensor(z, requires_grad=True)
    expected = torch.nn.functional.gelu(leaf)
    expected.sum().backward()
    layer = GELU()
    agree(layer.forward(z), expected)
    agree(layer.backward(np.ones_like(z)), leaf.grad)
