"""What every benchmark shares: one thread, the two networks of the docs, and rounds in turn."""

from __future__ import annotations

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = (
        "1"  # before NumPy is imported: threads of a small product cost more than they bring
    )

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from network import SGD, CrossEntropy, Dense, ReLU, Sequential, fit
from network.data import load_mnist

Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Setting:
    """One network: ReLU hidden layers, softmax cross-entropy, plain SGD, float32."""

    widths: tuple[int, ...]
    batch: int
    epochs: int
    rate: float = 0.1

    @property
    def name(self) -> str:
        return f"{'-'.join(map(str, self.widths))}, batch {self.batch}"

    def network(self) -> Sequential:
        layers: list = []
        for inputs, units in zip(self.widths, self.widths[1:]):
            layers += [Dense(inputs, units), ReLU()]
        return Sequential(*layers[:-1], loss=CrossEntropy())

    def train(self, network: Sequential, data: Pair, epochs: int) -> None:
        fit(network, data, SGD(self.rate), epochs=epochs, batch=self.batch)


SETTINGS = (Setting((784, 30, 10), 10, epochs=30), Setting((784, 512, 512, 10), 128, epochs=10))
"""The blog's network with its 30 epochs, and one that is bound by matrix products."""


def data() -> Pair:
    """The 50,000 training images of MNIST: from NNDEBUG_DATA or the user's cache; fetched if they are in neither."""
    return load_mnist().train


def rounds(count: int, *runs: Callable[[], None]) -> list[list[float]]:
    """CPU seconds of every run, `count` times in turn; a first round is dropped."""
    seconds: list[list[float]] = [[] for _ in runs]
    for number in range(count + 1):
        # The order rotates, so that nobody always runs on a warm cache.
        for place in range(len(runs)):
            chosen = (place + number) % len(runs)
            start = time.process_time()
            runs[chosen]()
            if number:
                seconds[chosen].append(time.process_time() - start)
    return seconds


def ratio(numerators: list[float], denominators: list[float]) -> float:
    """Median of the ratios within rounds, in which the machine was equally busy."""
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))


def versions(*modules: object) -> str:
    named = ", ".join(f"{module.__name__} {module.__version__}" for module in modules)  # type: ignore[attr-defined]
    return f"Python {sys.version.split()[0]}, NumPy {np.__version__}{', ' if named else ''}{named}; one thread; CPU seconds"
