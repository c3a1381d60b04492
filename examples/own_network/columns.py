"""A network as textbooks write it: columns, one sample at a time, and no loss function, only its derivative.

nndebug inspect examples/own_network/columns.py:factory      what nndebug finds in such a class
nndebug gradcheck examples/own_network/columns.py:factory    its gradients and its update, every entry
"""

import itertools

import numpy as np

SIZES = [12, 6, 4]
SAMPLES = 7


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


class Network:
    """Weights are (outputs, inputs), biases and samples columns (n, 1)."""

    def __init__(self, sizes, seed=0):
        rng = np.random.default_rng(seed)
        self.num_layers = len(sizes)
        self.biases = [rng.normal(size=(n, 1)) for n in sizes[1:]]
        self.weights = [rng.normal(size=(n, m)) / np.sqrt(m) for m, n in itertools.pairwise(sizes)]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights):
            a = sigmoid(np.dot(w, a) + b)
        return a

    def cost_derivative(self, output, y):
        return output - y

    def backprop(self, x, y):
        """The gradients of one sample's cost: biases, then weights, as lists by layer."""
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        a = x
        activations, zs = [x], []
        for b, w in zip(self.biases, self.weights):
            z = np.dot(w, a) + b
            a = sigmoid(z)
            zs.append(z)
            activations.append(a)
        delta = self.cost_derivative(activations[-1], y) * sigmoid_prime(zs[-1])
        nabla_b[-1] += delta
        nabla_w[-1] += np.dot(delta, activations[-2].T)
        for layer in range(2, self.num_layers):
            delta = np.dot(self.weights[-layer + 1].T, delta) * sigmoid_prime(zs[-layer])
            nabla_b[-layer] += delta
            nabla_w[-layer] += np.dot(delta, activations[-layer - 1].T)
        return nabla_b, nabla_w

    def update_mini_batch(self, mini_batch, eta):
        """One step of gradient descent on a list of (x, y)."""
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        for x, y in mini_batch:
            delta_b, delta_w = self.backprop(x, y)
            nabla_b = [total + one for total, one in zip(nabla_b, delta_b)]
            nabla_w = [total + one for total, one in zip(nabla_w, delta_w)]
        for w, g in zip(self.weights, nabla_w):
            w -= eta / len(mini_batch) * g
        for b, g in zip(self.biases, nabla_b):
            b -= eta / len(mini_batch) * g


def factory():
    """What `nndebug` checks: the network, and samples as its own `backprop` takes them."""
    rng = np.random.default_rng(1)
    x = [rng.normal(size=(SIZES[0], 1)) for _ in range(SAMPLES)]
    y = [np.eye(SIZES[-1])[:, [number % SIZES[-1]]] for number in range(SAMPLES)]
    return Network(SIZES), x, y
