"""A small training that tests watch."""

import numpy as np

from network import SGD, CrossEntropy, Dense, Dropout, ReLU, Sequential, Sigmoid, fit


def data(samples=200, features=12, classes=4, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, features)).astype(dtype)
    y = (x @ rng.standard_normal((features, classes))).argmax(axis=1)
    return x, y


def make(dtype="float32", seed=1, dropout=False, features=12, classes=4):
    layers = [
        Dense(features, 16),
        ReLU(),
        *([Dropout(0.3, seed=7)] if dropout else []),
        Dense(16, 9),
        Sigmoid(),
    ]
    return Sequential(*layers, Dense(9, classes), loss=CrossEntropy(), dtype=dtype, seed=seed)


def train(network, optimizer=None, epochs=3, batch=7, **options):
    x, y = data()
    held_out = data(samples=50, seed=1)
    return fit(
        network, (x, y), optimizer or SGD(0.1), epochs=epochs, batch=batch, validation=held_out, **options
    )
