"""One training of a trial: the loop of `fit` with measurements in between, and an end when the budget is spent."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core import load_core
from ..preflight.subject import Clock
from .program import Parts
from .result import Curve
from .task import Task

POINTS = 12
"""Measurements after the first."""
_LOOK_AT_CLOCK = 16  # updates


def train(
    parts: Parts, task: Task, steps: int, seed: int, key: str, clock: Clock, tick: Callable[[], None]
) -> Curve:
    """Trains for so many updates, at most as many as the program's own training has.

    Args:
        parts: of the program; trained in place.
        task: what is measured.
        steps: updates.
        seed: for the record.
        key: for the record.
        clock: the budget.
        tick: called now and then.

    Raises:
        OutOfTime: the budget is spent.
        NetworkError: the data does not fit the network.
    """
    network, optimizer = parts.network, parts.optimizer
    x, y = parts.dataset.test
    held_out = np.ascontiguousarray(x, network.dtype), np.asarray(y)
    marks = _marks(steps)
    values: list[float | None] = []
    taken: list[int] = []

    def measure(done: int) -> bool:
        taken.append(done)
        values.append(task.score(network, *held_out))
        tick()
        return values[-1] is not None

    with np.errstate(all="ignore"):
        batches = _batches(parts)
        done = 0
        going = measure(0)
        for inputs, expected in batches if going else ():
            network.differentiate(inputs, expected, input_gradient=False)
            optimizer.step(network)
            done += 1
            if done % _LOOK_AT_CLOCK == 0:
                clock.check()
            if done in marks and not (measure(done) and done < steps):
                break
    if taken[-1] != done and values[-1] is not None:
        measure(done)  # the training was shorter
    return Curve(key, seed, tuple(taken), tuple(values))


def _marks(steps: int) -> set[int]:
    """When to measure: ever more seldom in the first quarter, where most happens, and evenly after it."""
    early, even = POINTS // 2, POINTS - POINTS // 2
    growing = {round((steps / 4) ** (i / early)) for i in range(1, early)}
    return {0, *growing, *(round(steps * (0.25 + 0.75 * i / even)) for i in range(even + 1))}


def _batches(parts: Parts) -> Iterator[Any]:
    """The batches that `fit` would train on, in its order."""
    training, network, options = load_core("training"), parts.network, parts.options
    x, y = training.prepare(network, parts.dataset.train, "training")
    width = int(network.twin().forward(x[:1]).shape[1])
    targets = network.loss.encode(y, width, network.dtype)
    make = options.get("batches", load_core("batches").Batches)
    drawn = make(x, targets, options["batch"], options["seed"], options["shuffle"])
    left = options.get("max_steps")
    network.training = True
    for _ in range(options["epochs"]):
        for batch in drawn.epoch():
            yield batch
            if left is not None and (left := left - 1) <= 0:
                return


def whole_length(parts: Parts) -> int:
    """Updates of the program's own training."""
    options, rows = parts.options, len(parts.dataset.train[0])
    updates = int(-(-rows // options["batch"]) * options["epochs"])
    return min(updates, int(options.get("max_steps") or updates))


def cost(parts: Parts, task: Task, clock: Clock) -> tuple[float, float]:
    """Seconds of one update and of one measurement, from a few of them; the parts are used up."""
    network, (x, y) = parts.network, parts.dataset.test
    started, count = time.process_time(), 0
    with np.errstate(all="ignore"):
        for inputs, expected in _batches(parts):
            network.differentiate(inputs, expected, input_gradient=False)
            parts.optimizer.step(network)
            count += 1
            if count >= 200 or (count >= 3 and time.process_time() - started > 0.05):
                break
            clock.check()
        update = (time.process_time() - started) / max(count, 1)
        started = time.process_time()
        task.score(network, np.ascontiguousarray(x, network.dtype), np.asarray(y))
    return update, time.process_time() - started


@contextmanager
def same_generators() -> Iterator[None]:
    """Global random generators are afterwards what they were."""
    before = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
