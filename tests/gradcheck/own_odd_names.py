"""Networks whose parameters are not called weights or biases, and arrays beside them that are no parameters."""

import numpy as np
from own_layouts import SAMPLES, rows, sigmoid

NAMES = ("W1", "b1", "g", "W2", "kb")


class Gain:
    """Quadratic; z1 = x W1 + b1, h = sigmoid(z1) · g, output = h W2 + kb. `wrong` names a gradient that is 1.5 × too large."""

    def __init__(self, style="dK", wrong=None):
        rng = np.random.default_rng(0)
        self.style, self.wrong = style, wrong
        self.W1, self.b1 = rng.normal(size=(7, 5)), rng.normal(size=5)
        self.g = rng.normal(size=5) + 1
        self.W2, self.kb = rng.normal(size=(5, 3)), rng.normal(size=3)

    def forward(self, x):
        self.seen = x
        self.a = sigmoid(x @ self.W1 + self.b1)
        self.h = self.a * self.g
        return self.h @ self.W2 + self.kb

    def loss(self, x, y):
        return 0.5 * np.mean(np.sum((self.forward(x) - y) ** 2, axis=1))

    def gradients_of(self, x, y):
        delta = (self.forward(x) - y) / len(x)
        passed = delta @ self.W2.T
        inner = passed * self.g * self.a * (1 - self.a)
        found = {
            "W1": self.seen.T @ inner,
            "b1": inner.sum(axis=0),
            "g": (passed * self.a).sum(axis=0),
            "W2": self.h.T @ delta,
            "kb": delta.sum(axis=0),
        }
        if self.wrong:
            found[self.wrong] = 1.5 * found[self.wrong]
        return found

    def backward(self, x, y):
        return STYLES[self.style](self, self.gradients_of(x, y))


def as_attributes(prefix):
    def give(model, found):
        for name, value in found.items():
            setattr(model, prefix + name, value)

    return give


def in_a_dict(model, found):
    model.grads = found


STYLES = {
    "K": lambda model, found: found,
    "returned dK": lambda model, found: {f"d{name}": value for name, value in found.items()},
    "dK": as_attributes("d"),
    "grad_K": as_attributes("grad_"),
    "nabla_K": as_attributes("nabla_"),
    "dL_dK": as_attributes("dL_d"),
    "grads['K']": in_a_dict,
    "a list": lambda model, found: list(found.values()),
    "a tuple in another order": lambda model, found: tuple(found[n] for n in ("W2", "W1", "b1", "g", "kb")),
    "nothing of g and kb": lambda model, found: {name: found[name] for name in ("W1", "b1", "W2")},
}


class Steps(Gain):
    """The same with a step of gradient descent over the attributes."""

    trained = NAMES

    def step(self, lr):
        for name in self.trained:
            setattr(self, name, getattr(self, name) - lr * getattr(self, f"d{name}"))


class Scaled(Steps):
    """Inputs are standardised inside, hidden units masked: three constants, called so or not."""

    def __init__(self, mean="mu", deviation="sigma", mask="keep"):
        super().__init__()
        self.names = mean, deviation, mask
        x, _ = rows(7, 3)
        for name, value in zip(self.names, (x.mean(axis=0), x.std(axis=0), 2.0 * (np.arange(5) % 2))):
            setattr(self, name, value)

    def forward(self, x):
        mean, deviation, mask = (getattr(self, name) for name in self.names)
        self.seen = (x - mean) / deviation
        self.a = sigmoid(self.seen @ self.W1 + self.b1) * mask
        self.h = self.a * self.g
        return self.h @ self.W2 + self.kb

    def gradients_of(self, x, y):
        found = super().gradients_of(x, y)
        inner = (self.forward(x) - y) / len(x) @ self.W2.T * self.g * self.a * (1 - self.a / 2)
        return found | {"W1": self.seen.T @ inner, "b1": inner.sum(axis=0)}


class Running(Steps):
    """Evaluates with running statistics, which its step brings up to date; they are called `rm` and `rv`."""

    def __init__(self, mean="running_mean"):
        super().__init__()
        self.name = mean
        setattr(self, mean, np.full(7, 0.1))

    def forward(self, x, training=False):
        if training:
            setattr(self, self.name, 0.9 * getattr(self, self.name) + 0.1 * x.mean(axis=0))
        self.seen = x - getattr(self, self.name)
        self.a = sigmoid(self.seen @ self.W1 + self.b1)
        self.h = self.a * self.g
        return self.h @ self.W2 + self.kb

    def train_step(self, x, y, lr):
        self.backward(x, y)
        self.step(lr)
        self.forward(x, training=True)


def target(model):
    return (model, *rows(7, 3))


def closures(wrong=1.0):
    """Functions that share arrays, gradients in a tuple; the activation's gain has no parameter's name."""
    rng = np.random.default_rng(0)
    A, gain, B = rng.normal(size=(7, 5)), rng.normal(size=5), rng.normal(size=(5, 3))

    def forward(x):
        return np.tanh(x @ A) * gain @ B

    def loss(x, y):
        return np.mean((forward(x) - y) ** 2)

    def backward(x, y):
        t = np.tanh(x @ A)
        delta = 2 * (forward(x) - y) / y.size
        passed = delta @ B.T
        return x.T @ (passed * gain * (1 - t * t)), wrong * (passed * t).sum(axis=0), (t * gain).T @ delta

    return {"forward": forward, "loss": loss, "backward": backward}, *rows(7, 3)


class Tuples:
    """Layers as pairs without names, and K beside them."""

    def __init__(self, wrong=1.0):
        rng = np.random.default_rng(0)
        self.wrong = wrong
        self.layers = [(rng.normal(size=(m, n)), rng.normal(size=n)) for m, n in ((7, 5), (5, 3))]
        self.K = np.full(3, 1.5)

    def forward(self, x):
        (w1, b1), (w2, b2) = self.layers
        self.t = np.tanh(x @ w1 + b1)
        self.o = self.t @ w2 + b2
        return self.o * self.K

    def loss(self, x, y):
        return 0.5 * np.mean(np.sum((self.forward(x) - y) ** 2, axis=1))

    def backward(self, x, y):
        delta = (self.forward(x) - y) / len(x)
        inner = delta * self.K @ self.layers[1][0].T * (1 - self.t**2)
        pairs = [
            (x.T @ inner, inner.sum(axis=0)),
            (self.t.T @ (delta * self.K), (delta * self.K).sum(axis=0)),
        ]
        return pairs, self.wrong * (delta * self.o).sum(axis=0)


class Moves:
    """A train step that computes and applies everything at once; a constant beside it."""

    def __init__(self, sign=-1.0):
        rng = np.random.default_rng(0)
        self.sign = sign
        self.weights, self.K, self.mean = rng.normal(size=(7, 5)), rng.normal(size=(5, 3)), np.full(7, 0.1)

    def forward(self, x):
        self.a = sigmoid((x - self.mean) @ self.weights)
        return self.a @ self.K

    def loss(self, x, y):
        return 0.5 * np.sum((self.forward(x) - y) ** 2)

    def train_step(self, x, y, lr):
        delta = self.forward(x) - y
        inner = delta @ self.K.T * self.a * (1 - self.a)
        self.K = self.K + self.sign * lr * self.a.T @ delta
        self.weights = self.weights - lr * (x - self.mean).T @ inner


class ShiftedInput:
    """One column at a time; a constant of the input's shape, and the input's gradient comes first in what is returned."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.W, self.b, self.c = rng.normal(size=(3, 7)), rng.normal(size=(3, 1)), np.ones((7, 1))

    def forward(self, x):
        return sigmoid(self.W @ (x - self.c) + self.b)

    def loss(self, x, y):
        return 0.5 * np.sum((self.forward(x) - y) ** 2)

    def backward(self, x, y):
        a = self.forward(x)
        delta = (a - y) * a * (1 - a)
        return self.W.T @ delta, delta @ (x - self.c).T, delta


def columns_of(model):
    x, y = rows(7, 3)
    return model, [v[:, None] for v in x], [v[:, None] for v in y]


assert SAMPLES not in (7, 5, 3)
