"""The textbook's network trains as the textbook trains it, and nndebug watches: one line more, nothing in the class changed.

    python examples/own_network/training.py

The report lies in reports/own afterwards; `nndebug check reports/own` says the same again.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it also runs as a file

from examples.own_network import columns, rows
from network.data import load_digits


class Network(columns.Network):
    """The class of `columns.py` with the textbook's training loop and evaluation."""

    def SGD(self, training_data, epochs, mini_batch_size, eta, test_data=None):  # noqa: N802  (the textbook's name)
        rng = np.random.default_rng(0)
        for epoch in range(epochs):
            rng.shuffle(training_data)
            for start in range(0, len(training_data), mini_batch_size):
                self.update_mini_batch(training_data[start : start + mini_batch_size], eta)
            if test_data:
                print(f"Epoch {epoch}: {self.evaluate(test_data)} / {len(test_data)}")

    def evaluate(self, test_data):
        return sum(int(np.argmax(self.feedforward(x)) == y) for x, y in test_data)


class BatchNetwork(rows.Network):
    """The class of `rows.py` with a loop over batches."""

    def fit(self, x, y, epochs, batch_size, lr, test=None):
        rng = np.random.default_rng(0)
        for _ in range(epochs):
            order = rng.permutation(len(x))
            for start in range(0, len(x), batch_size):
                chosen = order[start : start + batch_size]
                self.train_step(x[chosen], y[chosen], lr)
            if test is not None:
                self.accuracy(*test)

    def accuracy(self, x, y):
        return np.mean(self.forward(x).argmax(axis=1) == y)


def column_data():
    """Digits as the textbook has them: pairs of columns, with class numbers for the test."""
    digits = load_digits()
    one_hot = np.eye(10)
    train = [(x.reshape(-1, 1).astype(float), one_hot[:, [y]]) for x, y in zip(*digits.train)]
    test = [(x.reshape(-1, 1).astype(float), int(y)) for x, y in zip(*digits.test)]
    return train, test


def main():
    import nndebug

    train, test = column_data()
    network = Network([64, 30, 10])
    with nndebug.watch(network, "reports/own", preflight=True) as watching:
        network.SGD(train, 10, 10, 3.0, test_data=test)
    print(watching.found)
    print(watching.result.verdict)


if __name__ == "__main__":
    main()
