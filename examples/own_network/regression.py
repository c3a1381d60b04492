"""A linear model of one output: targets come as a vector (samples,), and must be made a column first.

nndebug gradcheck examples/own_network/regression.py:factory
"""

import numpy as np

SIZES = [5, 1]
SAMPLES = 9


class Model:
    def __init__(self, inputs, seed=0):
        self.W = np.random.default_rng(seed).normal(size=(inputs, 1))
        self.b = np.zeros(1)

    def forward(self, x):
        return x @ self.W + self.b

    def loss(self, x, y):
        y = y.reshape(-1, 1)
        return 0.5 * np.mean((self.forward(x) - y) ** 2)

    def backward(self, x, y):
        y = y.reshape(-1, 1)
        delta = (self.forward(x) - y) / len(x)
        self.dW, self.db = x.T @ delta, delta.sum(axis=0)

    def step(self, lr):
        self.W = self.W - lr * self.dW
        self.b = self.b - lr * self.db


def factory():
    """The model, inputs (samples, features), targets (samples,)."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(SAMPLES, SIZES[0]))
    return Model(SIZES[0]), x, x.sum(axis=1) + rng.normal(size=SAMPLES)
