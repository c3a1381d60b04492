"""A training step allocates next to nothing: what it needs is kept from step to step."""

import tracemalloc

import numpy as np
import pytest
from core_helpers import DTYPES

from network import (
    SGD,
    Adam,
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Momentum,
    Quadratic,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)

pytestmark = pytest.mark.filterwarnings("error")


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
