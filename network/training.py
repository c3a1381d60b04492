"""`fit` and `evaluate`: the loops. They print nothing; who wants to watch attaches hooks to the network."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .arrays import Array
from .batches import Batches
from .errors import DataError, NetworkError, ShapeError
from .model import Sequential
from .optimizers import Optimizer

Pair = tuple[Array, Array]
Metric = Callable[[Sequential, Pair], float]
"""An evaluation of one's own: from the network and (x, y) to a number, as the share of right answers."""

TRAIN_SAMPLE = 1000
"""The training loss of an epoch is measured on this many first rows: all of them would cost as much as an epoch."""


@dataclass(frozen=True)
class Evaluation:
    """Mean loss, and the share of right predictions if the targets are classes, over `samples` samples."""

    loss: float
    accuracy: float | None
    samples: int


@dataclass(frozen=True)
class EpochResult:
    """What `epoch` observers and the caller of `fit` get after each epoch, counted from 1."""

    epoch: int
    steps: int
    train_loss: float
    train_accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


@dataclass
class Training:
    """One call of `fit`, as `begin` and `end` observers see it. Arrays are the prepared ones, in order of the data.

    `interrupted` tells observers of `end` that an exception is on its way to the caller of `fit`.
    """

    network: Sequential
    optimizer: Optimizer
    x: Array
    y: Array
    validation: Pair | None
    epochs: int
    batch: int
    seed: int
    results: list[EpochResult] = field(default_factory=list)
    metric: Metric | None = None
    interrupted: bool = False


def fit(
    network: Sequential,
    train: Pair,
    optimizer: Optimizer,
    *,
    epochs: int = 1,
    batch: int = 32,
    seed: int = 0,
    shuffle: bool = True,
    validation: Pair | None = None,
    patience: int | None = None,
    metric: Metric | None = None,
    max_steps: int | None = None,
    batches: type[Batches] = Batches,
) -> list[EpochResult]:
    """Trains by mini-batches, in an order drawn anew each epoch from `seed`.

    Args:
        network: trained in place.
        train: x (samples, …) and y: class numbers (samples,) or values (samples, outputs).
        optimizer: its `samples` is set to the number of training samples.
        epochs: passes over the data.
        batch: samples per update; the last batch of an epoch may be smaller, and counts as an update like any other.
        seed: seed of the order.
        shuffle: False keeps the order of the data.
        validation: x and y to evaluate after every epoch.
        patience: stop after this many epochs without a lower validation loss; the parameters stay as they are then.
        metric: your own evaluation, whose number takes the place of the accuracy in the results.
        max_steps: stop after this many updates, in the middle of an epoch if need be.
        batches: how rows are sampled; a subclass of `Batches`.

    Returns:
        One result per epoch, the last one of what was done of it.

    Raises:
        DataError: empty, not finite, or labels out of range.
        ShapeError: x does not fit the first layer, or x and y differ in length.
        NetworkError: epochs, batch, patience or max_steps is not a positive whole number, or patience without validation;
            or the metric returned no number.
    """
    _check_counts(epochs, batch, patience, max_steps, validation)
    x, y = prepare(network, train, "training")
    targets = network.loss.encode(y, _outputs(network, x), network.dtype)
    if validation is not None:
        validation = prepare(network, validation, "validation")
    optimizer.samples = len(x)
    training = Training(network, optimizer, x, y, validation, epochs, batch, seed, metric=metric)
    mode = network.training
    network.hooks.emit("begin", training)
    network.training = True
    try:
        drawn = batches(x, targets, batch, seed, shuffle)
        for _ in _epochs(training, drawn, max_steps):
            if patience is not None and _stalled(training.results, patience):
                break
    except BaseException:
        training.interrupted = True  # for those who are told of the end
        raise
    finally:
        network.training = mode
        network.hooks.emit("end", training)
    return training.results


def evaluate(network: Sequential, data: Pair, rows: int | None = None) -> Evaluation:
    """Mean loss and accuracy in evaluation mode, `rows` samples at a time; leaves the network as it was.

    By default 4,096 at a time, images 512: what a convolution gives is many times as large as they are.

    Accuracy is the share of samples whose predicted class is the label; None if the targets are not classes.

    Raises:
        DataError: the data is empty, or labels are out of range.
        ShapeError: x does not fit the first layer, or x and y differ in length.
    """
    x, y = np.asarray(data[0]), np.asarray(data[1])
    _check_lengths(x, y, "evaluation")
    if len(x) == 0:
        raise DataError("cannot evaluate on no samples", help="give at least one row")
    network, loss, right = network.twin(), 0.0, 0
    labels = class_numbers(y, _outputs(network, x))
    rows = rows or (4096 if np.ndim(x) <= 2 else 512)
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        output = network.forward(x[part])
        loss += float(network.loss.per_sample(output, y[part]).sum(dtype=np.float64))
        if labels is not None:
            right += int(np.count_nonzero(network.loss.predictions(output) == labels[part]))
    return Evaluation(loss / len(x), None if labels is None else right / len(x), len(x))


def class_numbers(y: Array, outputs: int) -> Array | None:
    """Labels (samples,) behind targets for a network of `outputs` outputs; None if they are not classes.

    With a single output, targets that are all 0 or 1 are the classes 0 and 1, whatever the loss.
    """
    if outputs == 1:
        column = y.reshape(len(y))
        return column.astype(np.int64) if bool(np.all((column == 0) | (column == 1))) else None
    if y.ndim == 1:
        return y.astype(np.int64, copy=False)
    one_hot = bool(np.all((y == 0) | (y == 1)) and np.all(y.sum(axis=1) == 1))
    return np.asarray(y.argmax(axis=1)) if one_hot else None


def prepare(network: Sequential, data: Pair, what: str) -> Pair:
    """x in the network's dtype, y as an array; checked.

    Raises:
        DataError, ShapeError: see `fit`.
    """
    try:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
            x, y = np.ascontiguousarray(data[0], network.dtype), np.asarray(data[1])
    except (TypeError, ValueError) as error:
        raise DataError(
            f"the {what} set is no array of numbers: {error}", help="turn text into numbers"
        ) from None
    if len(x) == 0:
        raise DataError(f"the {what} set is empty", help="give at least one row")
    _check_lengths(x, y, what)
    for name, values in (("x", x), ("y", y)):
        if values.dtype.kind == "f" and not _finite(values):
            row = int(np.argwhere(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))[0, 0])
            raise DataError(
                f"the {what} set is not finite: {name} has NaN or infinity, first in row {row}",
                help="drop or fill these rows before training",
            )
    network.loss.check(network.loss.encode(y, _outputs(network, x), network.dtype))
    return x, y


def _check_lengths(x: Array, y: Array, what: str) -> None:
    if len(x) == len(y):
        return
    message = f"the {what} set has {len(x)} rows of x and {len(y)} of y"
    if x.ndim == 2 and x.shape[1] == len(y):
        raise ShapeError(f"{message}: x looks transposed", help="rows are samples: pass x.T")
    raise ShapeError(message, help="one target per row")


def _finite(values: Array) -> bool:
    # One pass without a temporary array answers for nearly all data; it may overflow for huge finite values.
    flat = values.reshape(-1)
    with np.errstate(over="ignore"):
        return math.isfinite(flat.dot(flat)) or bool(np.isfinite(values).all())


def _outputs(network: Sequential, x: Array) -> int:
    """Width of the output, from one row: raises the layer's own ShapeError if x does not fit."""
    twin = network.twin()
    try:
        return int(twin.forward(x[:1]).shape[1])
    except ShapeError:
        twin.forward(x)  # says the same of the whole shape, where a transposed x shows
        raise


def _epochs(training: Training, batches: Batches, max_steps: int | None) -> Iterator[EpochResult]:
    network, optimizer, steps = training.network, training.optimizer, 0
    for epoch in range(1, training.epochs + 1):
        start_time = time.perf_counter()
        for inputs, expected in batches.epoch():
            network.differentiate(inputs, expected, input_gradient=False)
            optimizer.step(network)
            steps += 1
            if steps == max_steps:
                break
        seconds = time.perf_counter() - start_time
        result = _result(training, epoch, steps, seconds)
        training.results.append(result)
        network.hooks.emit("epoch", result)
        yield result
        if steps == max_steps:
            return


def _result(training: Training, epoch: int, steps: int, seconds: float) -> EpochResult:
    on_train = _evaluation(training, (training.x[:TRAIN_SAMPLE], training.y[:TRAIN_SAMPLE]))
    on_validation = _evaluation(training, training.validation) if training.validation else None
    return EpochResult(
        epoch=epoch,
        steps=steps,
        train_loss=on_train.loss,
        train_accuracy=on_train.accuracy,
        validation_loss=on_validation.loss if on_validation else None,
        validation_accuracy=on_validation.accuracy if on_validation else None,
        seconds=seconds,
    )


def _evaluation(training: Training, data: Pair) -> Evaluation:
    found = evaluate(training.network, data)
    return (
        found
        if training.metric is None
        else replace(found, accuracy=_number(training.metric(training.network, data)))
    )


def _number(given: Any) -> float:
    """What a metric has returned.

    Raises:
        NetworkError: it is no number.
    """
    try:
        return float(np.asarray(given).item())
    except (TypeError, ValueError):
        what = (
            f"an array of shape {given.shape}"
            if isinstance(given, np.ndarray)
            else f"a {type(given).__name__}"
        )
    raise NetworkError(
        f"the metric returned {what}", help="return one number: np.mean(predictions == labels)"
    )


def _stalled(results: list[EpochResult], patience: int) -> bool:
    losses = [result.validation_loss for result in results if result.validation_loss is not None]
    best = np.argmin(np.where(np.isnan(losses), np.inf, losses))  # alone, argmin would take NaN for the least
    return len(losses) - 1 - int(best) >= patience


def _check_counts(
    epochs: int, batch: int, patience: int | None, max_steps: int | None, validation: Pair | None
) -> None:
    counts = {"epochs": epochs, "batch": batch, "patience": patience, "max_steps": max_steps}
    for name, value in counts.items():
        if value is not None and not (isinstance(value, (int, np.integer)) and value >= 1):
            raise NetworkError(
                f"{name} must be a whole number of 1 or more, got {value}", help=f"{name}=10, for instance"
            )
    if patience is not None and validation is None:
        raise NetworkError("patience needs validation data to watch", help="pass validation=(x, y)")
