"""The data sets of the random experiments, and what a healthy run reaches on each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from network.data import SYNTHETIC, Dataset, load_digits, load_mnist

Step = tuple[Any, ...]


def digits(seed: int, image: bool = False) -> Dataset:
    """The embedded digits, 64 values of 0 to 1."""
    loaded = load_digits(seed=seed)
    if not image:
        return loaded
    train, test = ((x.reshape(-1, 1, 8, 8), y) for x, y in (loaded.train, loaded.test))
    return replace(loaded, train=train, test=test)


def mnist(seed: int) -> Dataset:
    """4,000 training images of MNIST and 1,000 of its test images, pixels of 0 to 255."""
    loaded = _mnist()
    rows = np.random.default_rng(seed).permutation(len(loaded.train[0]))[:4000]
    train, test = (loaded.train[0][rows] * 255, loaded.train[1][rows]), loaded.test
    return replace(loaded, train=train, test=(test[0][:1000] * 255, test[1][:1000]), validation=None)


_mnist = cache(load_mnist)


def bundled(name: str) -> Callable[[int], Dataset]:
    """A table of scikit-learn, split three to one."""

    def load(seed: int) -> Dataset:
        from sklearn import datasets

        loaded = getattr(datasets, f"load_{name}")()
        order = np.random.default_rng(seed).permutation(len(loaded.data))
        x, y = loaded.data[order].astype(np.float32), loaded.target[order]
        classes = 0 if y.dtype.kind == "f" else int(y.max()) + 1
        y = y.astype(np.int64) if classes else y[:, None].astype(np.float32)
        cut = len(x) * 3 // 4
        return Dataset(name, (x[:cut], y[:cut]), (x[cut:], y[cut:]), classes)

    return load


def drawn(kind: str, **arguments: Any) -> Callable[[int], Dataset]:
    """A synthetic set."""
    return lambda seed: SYNTHETIC[kind](**arguments, seed=seed)


@dataclass(frozen=True)
class Source:
    """One data set.

    Attributes:
        load: seed → data before preprocessing.
        task: `multiclass`, `binary` or `regression`.
        classes: of the task; 0 for a regression.
        rows: training rows.
        goal: the held-out metric that a healthy run reaches (accuracy, or r2): well above chance and linear guesses,
            below what sane settings reach.
        x, y: preprocessing.
        flat: whether a linear model does it.
    """

    load: Callable[[int], Dataset]
    task: str
    classes: int
    rows: int
    goal: float
    x: tuple[Step, ...] = ()
    y: tuple[Step, ...] = ()
    flat: bool = True


STANDARD = (("standardize",),)
SOURCES = {
    "digits": Source(digits, "multiclass", 10, 1438, 0.92),
    "digit-images": Source(lambda seed: digits(seed, True), "multiclass", 10, 1438, 0.92),
    "mnist": Source(mnist, "multiclass", 10, 4000, 0.86, (("divide", 255),)),
    "wine": Source(bundled("wine"), "multiclass", 3, 133, 0.9, STANDARD),
    "cancer": Source(bundled("breast_cancer"), "binary", 2, 426, 0.92, STANDARD),
    "diabetes": Source(bundled("diabetes"), "regression", 0, 331, 0.25, STANDARD, STANDARD),
    "circles": Source(drawn("circles", n=800), "binary", 2, 600, 0.95, flat=False),
    "xor": Source(drawn("xor", n=800), "binary", 2, 600, 0.95, flat=False),
    "spiral": Source(drawn("spiral", n=900, turns=0.6), "multiclass", 3, 675, 0.85, flat=False),
    "sine": Source(drawn("sine", n=800), "regression", 0, 600, 0.85, flat=False),
}
