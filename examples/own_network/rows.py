"""A network as courses write it: rows are samples, ReLU and softmax, and gradients left in a dict.

nndebug inspect examples/own_network/rows.py:factory
nndebug gradcheck examples/own_network/rows.py:factory
"""

import numpy as np

SIZES = [12, 6, 4]
SAMPLES = 9


class Network:
    """Two layers: parameters W1 (inputs, hidden), b1 (hidden,), W2 (hidden, classes), b2 (classes,)."""

    def __init__(self, sizes, seed=0):
        rng = np.random.default_rng(seed)
        inputs, hidden, classes = sizes
        self.params = {
            "W1": rng.normal(size=(inputs, hidden)) * np.sqrt(2 / inputs),
            "b1": rng.normal(size=hidden) / 10,
            "W2": rng.normal(size=(hidden, classes)) * np.sqrt(2 / hidden),
            "b2": rng.normal(size=classes) / 10,
        }
        self.grads = {}

    def forward(self, x):
        """The class probabilities (batch, classes)."""
        p = self.params
        self.z1 = x @ p["W1"] + p["b1"]
        self.a1 = np.maximum(self.z1, 0)
        scores = self.a1 @ p["W2"] + p["b2"]
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        self.probs = e / e.sum(axis=1, keepdims=True)
        return self.probs

    def loss(self, x, y):
        """Mean cross-entropy; y is one-hot (batch, classes)."""
        return -np.mean(np.sum(y * np.log(self.forward(x)), axis=1))

    def backward(self, x, y):
        """Fills `grads` with the gradients of the mean loss."""
        m, p = len(x), self.params
        probs = self.forward(x)
        delta2 = (probs - y) / m
        self.grads["W2"] = self.a1.T @ delta2
        self.grads["b2"] = delta2.sum(axis=0)
        delta1 = delta2 @ p["W2"].T * (self.z1 > 0)
        self.grads["W1"] = x.T @ delta1
        self.grads["b1"] = delta1.sum(axis=0)
        return self.grads

    def train_step(self, x, y, lr):
        self.backward(x, y)
        for name, value in self.params.items():
            value -= lr * self.grads[name]


def factory():
    """What `nndebug` checks: the network, inputs (batch, features) and one-hot targets (batch, classes)."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(SAMPLES, SIZES[0]))
    y = np.eye(SIZES[-1])[rng.integers(0, SIZES[-1], SAMPLES)]
    return Network(SIZES), x, y
