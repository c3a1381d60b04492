"""Networks laid out as different people do: attributes, dicts, layer objects, closures, vectors; rows and columns.

Each function returns (model, x, y); all are right. `LAYOUTS` says what must be found in them.
"""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

RNG = np.random.default_rng(5)
SAMPLES = 9


def relu(z):
    return np.maximum(z, 0)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z, axis=1):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def rows(inputs, outputs):
    x = np.random.default_rng(1).normal(size=(SAMPLES, inputs))
    return x, np.eye(outputs)[np.arange(SAMPLES) % outputs]


class Attributes:
    """W1, b1 (1, hidden) … and dW1, db1 …; backward after forward; no loss at all; a step() and a learning rate kept."""

    def __init__(self):
        self.W1, self.b1 = RNG.normal(size=(8, 5)), np.zeros((1, 5))
        self.W2, self.b2 = RNG.normal(size=(5, 3)), np.zeros((1, 3))
        self.learning_rate = 0.5
        self.history = []

    def forward(self, X):
        self.Z1 = X @ self.W1 + self.b1
        self.A1 = np.tanh(self.Z1)
        self.Z2 = self.A1 @ self.W2 + self.b2
        self.A2 = softmax(self.Z2)
        return self.A2

    def backward(self, X, y):
        m = X.shape[0]
        dZ2 = (self.A2 - y) / m
        self.dW2, self.db2 = self.A1.T @ dZ2, dZ2.sum(axis=0, keepdims=True)
        dZ1 = dZ2 @ self.W2.T * (1 - self.A1**2)
        self.dW1, self.db1 = X.T @ dZ1, dZ1.sum(axis=0, keepdims=True)

    def step(self):
        for name in ("W1", "b1", "W2", "b2"):
            setattr(self, name, getattr(self, name) - self.learning_rate * getattr(self, "d" + name))


class ColumnDicts:
    """Columns in batches: parameters["W1"] (hidden, inputs), a cache handed on, gradients returned as a dict."""

    def __init__(self):
        self.parameters = {
            "W1": RNG.normal(size=(6, 8)).astype(np.float32), "b1": np.zeros((6, 1), np.float32),
            "W2": RNG.normal(size=(5, 6)).astype(np.float32), "b2": np.zeros((5, 1), np.float32),
            "W3": RNG.normal(size=(1, 5)).astype(np.float32), "b3": np.zeros((1, 1), np.float32),
        }  # fmt: skip

    def forward_propagation(self, X):
        p, cache = self.parameters, {"A0": X}
        A = X
        for layer in (1, 2, 3):
            Z = np.dot(p[f"W{layer}"], A) + p[f"b{layer}"]
            A = sigmoid(Z) if layer == 3 else relu(Z)
            cache |= {f"Z{layer}": Z, f"A{layer}": A}
        return A, cache

    def compute_cost(self, AL, Y):
        m = Y.shape[1]
        return float(-np.sum(Y * np.log(AL) + (1 - Y) * np.log(1 - AL)) / m)

    def backward_propagation(self, X, Y, cache):
        m, grads = X.shape[1], {}
        dZ = cache["A3"] - Y
        for layer in (3, 2, 1):
            grads[f"dW{layer}"] = np.dot(dZ, cache[f"A{layer - 1}"].T) / m
            grads[f"db{layer}"] = np.sum(dZ, axis=1, keepdims=True) / m
            if layer > 1:
                dZ = np.dot(self.parameters[f"W{layer}"].T, dZ) * (cache[f"Z{layer - 1}"] > 0)
        return grads

    def update_parameters(self, grads, learning_rate):
        for name in self.parameters:
            self.parameters[name] = self.parameters[name] - learning_rate * grads["d" + name]


class Linear:
    def __init__(self, inputs, outputs):
        self.W, self.b = RNG.normal(size=(inputs, outputs)), np.zeros(outputs)
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, g):
        self.dW[...], self.db[...] = self.x.T @ g, g.sum(axis=0)
        return g @ self.W.T


class Squash:
    def forward(self, x):
        self.out = sigmoid(x)
        return self.out

    def backward(self, g):
        return g * self.out * (1 - self.out)


class LayerObjects:
    """Layers as objects, a loss that is handed backwards by hand."""

    def __init__(self):
        self.layers = [Linear(8, 6), Squash(), Linear(6, 3)]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def loss(self, y_pred, y_true):
        return np.mean((y_pred - y_true) ** 2)

    def loss_gradient(self, y_pred, y_true):
        return 2 * (y_pred - y_true) / y_pred.size

    def backward(self, grad):
        for layer in reversed(self.layers):
            grad = layer.backward(grad)

    def step(self, lr):
        for layer in self.layers:
            if isinstance(layer, Linear):
                layer.W -= lr * layer.dW
                layer.b -= lr * layer.db


def closures():
    """Functions that share their parameters: no class at all."""
    weights = [RNG.normal(size=(8, 4)), RNG.normal(size=(4, 2))]
    biases = [np.zeros(4), np.zeros(2)]

    def forward(x):
        return sigmoid(sigmoid(x @ weights[0] + biases[0]) @ weights[1] + biases[1])

    def loss(x, y):
        return 0.5 * np.mean(np.sum((forward(x) - y) ** 2, axis=1))

    def backward(x, y):
        a1 = sigmoid(x @ weights[0] + biases[0])
        a2 = sigmoid(a1 @ weights[1] + biases[1])
        delta2 = (a2 - y) * a2 * (1 - a2) / len(x)
        delta1 = delta2 @ weights[1].T * a1 * (1 - a1)
        return [x.T @ delta1, a1.T @ delta2], [delta1.sum(axis=0), delta2.sum(axis=0)]

    return {"forward": forward, "backward": backward, "loss": loss}, *rows(8, 2)


class Vectors:
    """One sample at a time as plain vectors; a list of (weight, bias) pairs; gradients in the same kind of list."""

    def __init__(self):
        self.layers = [(RNG.normal(size=(n, m)), RNG.normal(size=n)) for m, n in ((8, 6), (6, 5), (5, 3))]

    def predict(self, x):
        for W, b in self.layers:
            x = sigmoid(W @ x + b)
        return x

    def gradients(self, x, target):
        activations = [x]
        for W, b in self.layers:
            activations.append(sigmoid(W @ activations[-1] + b))
        delta = (activations[-1] - target) * activations[-1] * (1 - activations[-1])
        found = []
        for i in (2, 1, 0):
            found.append((np.outer(delta, activations[i]), delta))
            delta = (self.layers[i][0].T @ delta) * activations[i] * (1 - activations[i])
        return found[::-1]


class MovesItself:
    """The famous few lines: no biases, and a backward that changes the weights at once."""

    def __init__(self):
        self.weights1, self.weights2 = RNG.normal(size=(8, 4)), RNG.normal(size=(4, 1))

    def feedforward(self, x):
        self.layer1 = sigmoid(np.dot(x, self.weights1))
        self.output = sigmoid(np.dot(self.layer1, self.weights2))
        return self.output

    def backprop(self, x, y):
        e2 = 2 * (y - self.output) * self.output * (1 - self.output)
        d2 = np.dot(self.layer1.T, e2)
        d1 = np.dot(x.T, np.dot(e2, self.weights2.T) * self.layer1 * (1 - self.layer1))
        self.weights1 += d1
        self.weights2 += d2

    def loss(self, x, y):
        return np.sum((y - self.feedforward(x)) ** 2)


@dataclass(slots=True)
class Slots:
    """Attributes in slots, class numbers as targets, one layer, logits out, momentum in its step."""

    weight: np.ndarray
    bias: np.ndarray
    velocity: list
    grad_weight: np.ndarray = None
    grad_bias: np.ndarray = None

    def forward(self, x):
        return x @ self.weight + self.bias

    def cross_entropy(self, x, labels):
        p = softmax(self.forward(x))
        return -np.mean(np.log(p[np.arange(len(x)), labels]))

    loss = cross_entropy

    def backward(self, x, labels):
        delta = softmax(self.forward(x))
        delta[np.arange(len(x)), labels] -= 1
        delta /= len(x)
        self.grad_weight, self.grad_bias = x.T @ delta, delta.sum(axis=0)

    def update(self, eta):
        self.velocity[0] = 0.9 * self.velocity[0] + self.grad_weight
        self.velocity[1] = 0.9 * self.velocity[1] + self.grad_bias
        self.weight -= eta * self.velocity[0]
        self.bias -= eta * self.velocity[1]


class Penalised(Attributes):
    """The same with a penalty in its step, on weights only."""

    def update(self, X, y, lr, lmbda, n):
        self.forward(X)
        self.backward(X, y)
        for name in ("W1", "b1", "W2", "b2"):
            value = getattr(self, name)
            penalty = lmbda / n * value if name[0] == "W" else 0
            setattr(self, name, value - lr * (getattr(self, "d" + name) + penalty))


def column_dicts():
    x = np.random.default_rng(1).normal(size=(8, SAMPLES))
    return ColumnDicts(), x, (np.arange(SAMPLES) % 2)[None].astype(float)


def vectors():
    x, y = rows(8, 3)
    return Vectors(), list(x), list(y)


def moves_itself():
    x, _ = rows(8, 3)
    return MovesItself(), x, (np.arange(SAMPLES) % 2)[:, None].astype(float)


def slots():
    x, _ = rows(8, 3)
    shape = (8, 3)
    velocity = [np.zeros(shape), np.zeros(3)]
    return Slots(RNG.normal(size=shape), np.zeros(3), velocity), x, np.arange(SAMPLES) % 3


def namespace():
    functions, x, y = closures()
    return SimpleNamespace(**functions), x, y


@dataclass(frozen=True)
class Layout:
    """One way to write a network, and what must be found.

    Attributes:
        make: makes (model, x, y).
        parameters: names of what is trained.
        activations: of the layers.
        axis: where the samples lie; batched: whether backward takes them together.
        update: whether the update is found.
    """

    make: object
    parameters: tuple
    activations: str
    axis: int | None = 0
    batched: bool = True
    update: bool = True


FOUR = ("W1", "b1", "W2", "b2")
LAYOUTS = {
    "attributes": Layout(lambda: (Attributes(), *rows(8, 3)), FOUR, "tanh → softmax"),
    "penalised": Layout(lambda: (Penalised(), *rows(8, 3)), FOUR, "tanh → softmax"),
    "dicts, columns": Layout(column_dicts, tuple(f"parameters['{n}{i}']" for i in (1, 2, 3) for n in "Wb"), "relu → relu → sigmoid", 1),
    "layer objects": Layout(lambda: (LayerObjects(), *rows(8, 3)), ("layers[0].W", "layers[0].b", "layers[2].W", "layers[2].b"), "sigmoid → identity"),
    "closures": Layout(closures, ("['forward'].weights[0]", "['forward'].biases[0]", "['forward'].weights[1]", "['forward'].biases[1]"), "sigmoid → sigmoid", update=False),
    "namespace": Layout(namespace, ("forward.weights[0]", "forward.biases[0]", "forward.weights[1]", "forward.biases[1]"), "sigmoid → sigmoid", update=False),
    "vectors": Layout(vectors, tuple(f"layers[{i}][{j}]" for i in range(3) for j in range(2)), "sigmoid → sigmoid → sigmoid", None, False, False),
    "moves itself": Layout(moves_itself, ("weights1", "weights2"), "sigmoid → sigmoid", update=False),
    "slots": Layout(slots, ("weight", "bias"), "identity"),
}  # fmt: skip
