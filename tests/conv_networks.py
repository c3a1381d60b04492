"""A small convolutional network and the digits as images, for tests that watch one."""

from functools import lru_cache

from network import BatchNorm, Conv2D, CrossEntropy, Dense, Flatten, MaxPool2D, ReLU, Sequential
from network.data import load_digits


@lru_cache(maxsize=1)
def digits_images():
    """The embedded digits as ((x, y), (x, y)), x (samples, 1, 8, 8)."""
    digits = load_digits()
    return tuple((x.reshape(-1, 1, 8, 8), y) for x, y in (digits.train, digits.test))


def conv_network(norm=False, dtype="float32", seed=0):
    layers = [Conv2D(1, 8, 3, padding="same"), *([BatchNorm(8)] if norm else []), ReLU(), MaxPool2D(2)]
    layers += [Conv2D(8, 16, 3), *([BatchNorm(16)] if norm else []), ReLU(), Flatten()]
    return Sequential(*layers, Dense(64, 10), loss=CrossEntropy(), dtype=dtype, seed=seed)
