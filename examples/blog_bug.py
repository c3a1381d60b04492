"""A reader's first network: sigmoid layers on column vectors, and a gradient that does not learn.

    nndebug gradcheck examples/blog_bug.py:factory     the class as written: the cost's value stands where its
                                                       derivative belongs
    nndebug gradcheck examples/blog_bug.py:mended      the same with the derivative
    nndebug gradcheck examples/blog_bug.py:arrays      the same bug where only a function of arrays is known

A target of one's own is a function without arguments that returns (model, x, y), or (loss, params, grads).
"""

from itertools import pairwise

import numpy as np

SIZES = (8, 6, 4)
SAMPLES = 5


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def cost(a, y):
    """What one sample costs; a and y are columns (outputs, 1)."""
    return 0.5 * np.sum((a - y) ** 2)


def cost_derivative(a, y):
    return a - y


class Network:
    """Weights are (outputs, inputs), biases columns, one per layer."""

    def __init__(self, sizes, output_error, seed=0):
        rng = np.random.default_rng(seed)
        self.output_error = output_error
        self.weights = [rng.normal(size=(n, m)) / np.sqrt(m) for m, n in pairwise(sizes)]
        self.biases = [rng.normal(size=(n, 1)) for n in sizes[1:]]

    def forward(self, x):
        """The activations of all layers, the input first."""
        activations = [x]
        for w, b in zip(self.weights, self.biases, strict=True):
            activations.append(sigmoid(w @ activations[-1] + b))
        return activations

    def loss(self, x, y):
        return cost(self.forward(x)[-1], y)

    def backward(self, x, y):
        """The gradients of one sample's cost."""
        activations = self.forward(x)
        a = activations[-1]
        delta = self.output_error(a, y) * a * (1 - a)
        weight_gradients, bias_gradients = [delta @ activations[-2].T], [delta]
        for layer in range(len(self.weights) - 2, -1, -1):
            a = activations[layer + 1]
            delta = self.weights[layer + 1].T @ delta * a * (1 - a)
            weight_gradients.insert(0, delta @ activations[layer].T)
            bias_gradients.insert(0, delta)
        return weight_gradients, bias_gradients


def samples():
    rng = np.random.default_rng(1)
    x = [rng.normal(size=(SIZES[0], 1)) for _ in range(SAMPLES)]
    return x, [rng.uniform(size=(SIZES[-1], 1)) for _ in range(SAMPLES)]


def factory():
    return Network(SIZES, cost), *samples()


def mended():
    return Network(SIZES, cost_derivative), *samples()


def arrays():
    """Mean cost of a few samples as a function of the parameters, and its gradients by the same backward."""
    network, xs, ys = factory()

    def loss(params):
        network.weights, network.biases = params["weights"], params["biases"]
        return sum(map(network.loss, xs, ys)) / SAMPLES

    def grads(params):
        network.weights, network.biases = params["weights"], params["biases"]
        passes = [network.backward(x, y) for x, y in zip(xs, ys, strict=True)]
        return {
            "weights": [sum(w) / SAMPLES for w in zip(*(p[0] for p in passes), strict=True)],
            "biases": [sum(b) / SAMPLES for b in zip(*(p[1] for p in passes), strict=True)],
        }

    return loss, {"weights": network.weights, "biases": network.biases}, grads
