"""Can it learn at all: a handful of samples by heart, the same with the inputs taken away, and a sweep of rates."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..chance import loss_at_chance
from ..rows import MANY, row_keys, telling_columns
from ..signals import Array
from .subject import NotApplicable, OutOfTime, Subject

SAMPLES, STEPS = 20, 200
RATES = (1.0, 10.0, 0.1, 100.0, 0.01)
"""Factors on the user's rate, in the order in which they are tried."""
BY_HEART = 0.1
"""Share of the loss at the start at which the samples are known by heart."""
SWEEP = 10.0 ** np.arange(-3, 3.01, 0.5)
SWEEP_STEPS = 20


def overfit(subject: Subject) -> dict[str, Any]:
    """Twenty samples, two hundred steps, at several rates: the loss should all but vanish.

    Then the same at the best rate with every input zero: what can be learned without looking.
    """
    if subject.optimizer is None:
        raise NotApplicable("no optimiser was given")
    rows = few(subject)
    x, y = subject.x[rows], subject.needs_targets[rows]
    chance = loss_at_chance(subject.loss, y)
    try:
        subject.network(True).differentiate(x, y)
    except Exception as error:  # layers of the user's own; the part `batch` says at which sizes
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise NotApplicable(f"a batch of {len(rows)} raises {reason}") from error
    start = _loss(subject, subject.network(True), x, y)
    reference = max(start, chance or 0.0) if np.isfinite(start) else chance or np.inf
    enough = BY_HEART * reference
    tried: dict[str, float] = {}
    best, best_factor = _Trial(np.inf, 0, 0.0), 1.0
    for factor in RATES:
        try:
            trial = _train(subject, x, y, factor, STEPS, enough)
        except OutOfTime:
            if best.loss > enough:
                raise
            break
        tried[f"{subject.optimizer.rate * factor:.3g}"] = trial.loss
        if trial.loss < best.loss:
            best, best_factor = trial, factor
        if best.loss <= enough:
            break
    blind = _train(subject, np.zeros_like(x), y, best_factor, max(best.steps, 1), 0.0)
    return {
        "samples": len(rows),
        "steps": best.steps,
        "start": start,
        "chance": chance,
        "reached": best.loss,
        "share": best.loss / reference if reference > 0 else 0.0,
        "rates": tried,
        "rate": subject.optimizer.rate * best_factor,
        "blind": blind.loss,
        "output_variation": best.variation,
    }


def few(subject: Subject, count: int = SAMPLES) -> Array:
    """Rows that differ from one another, of all classes in turn."""
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(subject.x))[:2000]
    x = subject.x[rows]
    _, first = np.unique(row_keys(x, telling_columns(x, MANY)), return_index=True)
    rows = rows[np.sort(first)]
    if subject.labels is not None:
        labels = subject.labels[rows]
        rank = np.zeros(len(rows), np.int64)
        for label in np.unique(labels):
            rank[labels == label] = np.arange(np.count_nonzero(labels == label))
        rows = rows[np.argsort(rank, kind="stable")]
    return np.asarray(rows[:count])


def _loss(subject: Subject, network: Any, x: Array, y: Array) -> float:
    with np.errstate(all="ignore"):
        return float(np.mean(subject.loss.per_sample(network.forward(x), y), dtype=np.float64))


class _Trial(NamedTuple):
    """Lowest loss of a training on one batch, its steps, and how much the outputs differ between samples at the end."""

    loss: float
    steps: int
    variation: float


def _train(subject: Subject, x: Array, y: Array, factor: float, steps: int, enough: float) -> _Trial:
    """Trains a copy on one batch, at `factor` times the user's rate, until the loss is at most `enough`.

    Raises:
        OutOfTime: the budget is spent.
    """
    network, optimizer = subject.network(training=True), subject.make_optimizer(factor, l2=False)
    best = np.inf
    with np.errstate(all="ignore"):
        for step in range(steps + 1):
            output = network.differentiate(x, y, input_gradient=False)
            if step % 10 == 0:
                subject.clock.check()
                loss = float(np.mean(subject.loss.per_sample(output, y), dtype=np.float64))
                best = min(best, loss) if np.isfinite(loss) else best
                if not np.isfinite(loss) or best <= enough:
                    break
            if step < steps:
                optimizer.step(network)
        size = float(np.sqrt(np.mean(np.square(output, dtype=np.float64))))
        spread = float(np.sqrt(np.mean(np.var(output, axis=0, dtype=np.float64))))
    return _Trial(best, step, spread / size if size > 0 else 0.0)


def sweep(subject: Subject) -> dict[str, Any]:
    """One batch, twenty steps at each of thirteen rates around the user's, from the initial state."""
    if subject.optimizer is None:
        raise NotApplicable("no optimiser was given")
    targets = subject.needs_targets
    rows = np.random.default_rng(1).permutation(len(subject.x))[: min(subject.batch, 256)]
    x, y = subject.x[rows], targets[rows]
    rate = float(subject.optimizer.rate)
    points = []
    for factor in SWEEP:
        network, optimizer = subject.network(training=True), subject.make_optimizer(factor)
        losses = []
        with np.errstate(all="ignore"):
            for _ in range(SWEEP_STEPS):
                output = network.differentiate(x, y, input_gradient=False)
                losses.append(float(np.mean(subject.loss.per_sample(output, y), dtype=np.float64)))
                if not np.isfinite(losses[-1]):
                    break
                optimizer.step(network)
            losses.append(_loss(subject, network, x, y))
        subject.clock.check()
        points.append({"rate": rate * float(factor), "worst": max(losses), "last": losses[-1]})
        start = losses[0]
    return {"rate": rate, "start": start, "points": points, "samples": len(rows), "steps": SWEEP_STEPS}
