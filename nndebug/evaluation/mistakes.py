"""The mistakes of evaluations, replayed: what number would a program with this mistake have given?

A mistake is named only where it gives the user's number exactly; those with chance in them (`spread` > 0) where it
lies within three standard errors. The order is that of plausibility, for numbers that several mistakes give: what has many
variants to try, and so may give a number by chance, comes late.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ..signals import Array
from .capture import Capture

BATCHES = (10, 16, 20, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1000, 1024)
SHIFTS = 10
DRAWS = 5


class Candidate(NamedTuple):
    """A number that a mistake gives, the line that gives it (if not the mistake's own), and its three standard errors."""

    value: float
    formula: str = ""
    spread: float = 0.0


class EvaluationMistake(NamedTuple):
    """One mistake."""

    name: str
    meaning: str
    formula: str
    replay: Callable[[Capture], Iterator[Candidate]]


def _same(a: Array, b: Array | int) -> float:
    return float(np.mean(a == b))


def argmax_of_label(c: Capture) -> Iterator[Candidate]:
    yield Candidate(_same(c.predictions, 0))


def argmax_wrong_axis(c: Capture) -> Iterator[Candidate]:
    # Of a column (classes, 1), axis 1 has one entry: every prediction is 0.
    yield Candidate(
        _same(c.labels, 0), "np.argmax(output, axis=1) of a column (classes, 1), which is always 0"
    )
    classes = c.outputs.shape[1]
    if classes > 1 and c.samples % classes == 0:
        blocks = c.outputs.reshape(-1, classes, classes).argmax(axis=1).reshape(-1)
        yield Candidate(
            _same(blocks, c.labels),
            "np.argmax(outputs, axis=0) == labels, in batches as large as the classes",
        )
    if classes > 1:
        column = c.outputs.argmax(axis=0)
        yield Candidate(float(np.mean(column[: c.samples] == c.labels[:classes][: len(column)])) if c.samples >= classes
                        else math.nan, "np.argmax(outputs, axis=0) == labels[:classes]")  # fmt: skip


def argmax_flattened(c: Capture) -> Iterator[Candidate]:
    yield Candidate(_same(c.labels, int(c.outputs.argmax())))


def argmin(c: Capture) -> Iterator[Candidate]:
    if c.outputs.shape[1] > 1:
        yield Candidate(_same(c.outputs.argmin(axis=1), c.labels))
    else:
        yield Candidate(_same(1 - c.predictions, c.labels), "(output < threshold) == label")


def index_against_one_hot_any(c: Capture) -> Iterator[Candidate]:
    yield Candidate(float(np.mean((c.predictions[:, None] == c.one_hot).any(axis=1))))


def index_against_one_hot(c: Capture) -> Iterator[Candidate]:
    matrix = c.predictions[:, None] == c.one_hot
    yield Candidate(float(np.mean(matrix)), "np.mean(predictions[:, None] == one_hot)")
    yield Candidate(float(np.mean(matrix.all(axis=1))))


def column_against_row(c: Capture) -> Iterator[Candidate]:
    """The mean of an (n, n) matrix, from the counts alone."""
    length = max(int(c.predictions.max()), int(c.labels.max())) + 1
    said, true = (np.bincount(v, minlength=length).astype(np.float64) for v in (c.predictions, c.labels))
    yield Candidate(float(said @ true) / c.samples**2)
    if c.outputs.shape[1] == 1:
        bits = np.bincount((c.outputs[:, 0] > c.threshold).astype(np.int64), minlength=length)
        yield Candidate(
            float(bits[:length] @ true) / c.samples**2, "np.mean((outputs > threshold) == labels)"
        )


def labels_off_by_one(c: Capture) -> Iterator[Candidate]:
    yield Candidate(_same(c.predictions, c.labels + 1), "predictions == labels + 1")
    yield Candidate(_same(c.predictions + 1, c.labels), "predictions + 1 == labels")
    classes = c.classes
    yield Candidate(_same(c.predictions, (c.labels + 1) % classes), "predictions == (labels + 1) % classes")
    yield Candidate(_same((c.predictions + 1) % classes, c.labels), "(predictions + 1) % classes == labels")


def labels_shifted(c: Capture) -> Iterator[Candidate]:
    for shift in range(1, min(SHIFTS, c.samples - 1) + 1):
        for sign in (1, -1):
            moved = np.roll(c.labels, sign * shift)
            yield Candidate(_same(c.predictions, moved), f"predictions == np.roll(labels, {sign * shift})")
        yield Candidate(
            float(np.sum(c.predictions[shift:] == c.labels[:-shift])) / (c.samples - shift),
            f"predictions[{shift}:] == labels[:-{shift}]",
        )
        yield Candidate(
            float(np.sum(c.predictions[:-shift] == c.labels[shift:])) / (c.samples - shift),
            f"predictions[:-{shift}] == labels[{shift}:]",
        )


def labels_shuffled(c: Capture) -> Iterator[Candidate]:
    yield Candidate(_same(c.predictions, np.sort(c.labels)), "predictions == np.sort(labels)")
    yield Candidate(_same(np.sort(c.predictions), c.labels), "np.sort(predictions) == labels")
    yield Candidate(_same(c.predictions, c.labels[::-1]), "predictions == labels[::-1]")
    # Of a permutation that nobody knows only the mean and the spread are known.
    length = max(int(c.predictions.max()), int(c.labels.max())) + 1
    shares = (
        np.bincount(c.predictions, minlength=length) @ np.bincount(c.labels, minlength=length) / c.samples**2
    )
    yield Candidate(float(shares), spread=3 * math.sqrt(shares * (1 - shares) / c.samples))


def wrong_denominator(c: Capture) -> Iterator[Candidate]:
    right = float(np.sum(c.predictions == c.labels))
    for name, count in c.counts.items():
        if count and count != c.samples:
            yield Candidate(right / count, f"right / {count:,} ({name})")
    for other in (c.samples - 1, c.samples + 1):
        yield Candidate(
            right / max(other, 1), f"right / {other:,} (samples {'-' if other < c.samples else '+'} 1)"
        )
    yield Candidate(right / (c.samples * c.classes), "right / (samples * classes)")
    for batch in BATCHES:
        batches = -(-c.samples // batch)
        if batch < c.samples and c.samples % batch:
            parts = [np.mean((c.predictions == c.labels)[i : i + batch]) for i in range(0, c.samples, batch)]
            yield Candidate(
                float(np.mean(parts)),
                f"the mean of the accuracies of batches of {batch}, the last of which is smaller",
            )
            yield Candidate(right / (batches * batch), f"right / ({batches} batches of {batch})")
            yield Candidate(
                right / ((batches - 1) * batch), f"right / ({batches - 1} full batches of {batch})"
            )


def training_mode(c: Capture) -> Iterator[Candidate]:
    for rows in (c.samples, *BATCHES):
        if rows > c.samples or (outputs := c.in_training_mode(rows)) is None:
            continue
        first = _same(c.decide(outputs), c.labels)
        if not any(layer.kind == "dropout" for layer in c.network.layers):
            yield Candidate(first, f"net.forward(x) in training mode, {rows:,} rows at a time")
            continue
        draws = [
            first,
            *(_same(c.decide(o), c.labels) for _ in range(DRAWS - 1) if (o := _drawn(c)) is not None),
        ]
        mean = float(np.mean(draws))
        spread = 3 * max(float(np.std(draws)), math.sqrt(max(mean * (1 - mean), 1e-9) / c.samples))
        yield Candidate(mean, spread=spread if abs(mean - _same(c.predictions, c.labels)) > spread else 0.0)
        return


def _drawn(c: Capture) -> Array | None:
    """Outputs in training mode with another draw."""
    copy = c.network.copy()
    copy.training = True
    for layer in copy.layers:
        if layer.kind == "dropout":
            layer.rng = np.random.default_rng(layer.rng.integers(1 << 32))
    return np.array(copy.forward(c.inputs))


def stale_weights(c: Capture) -> Iterator[Candidate]:
    for name, outputs in c.earlier.items():
        yield Candidate(_same(c.decide(outputs), c.labels), f"the outputs of {name}")


def per_bit(c: Capture) -> Iterator[Candidate]:
    one_hot = c.one_hot if c.outputs.shape[1] > 1 else c.labels[:, None]
    if one_hot.shape != c.outputs.shape:
        return
    for line, bits in (
        ("np.mean((outputs > 0.5) == one_hot)", c.outputs > 0.5),
        ("np.mean((outputs > 0) == one_hot)", c.outputs > 0),
        ("np.mean((sigmoid(outputs) rounded) == one_hot)", c.outputs >= 0),
        ("np.mean((softmax(outputs) > 0.5) == one_hot)", _softmax(c.outputs) > 0.5),
    ):
        if c.outputs.shape[1] > 1:
            yield Candidate(_same(bits, one_hot), line)
            yield Candidate(float(np.mean((bits == one_hot).all(axis=1))), line.replace("np.mean", "np.all"))


def _softmax(outputs: Array) -> Array:
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def max_for_argmax(c: Capture) -> Iterator[Candidate]:
    yield Candidate(_same(c.outputs.max(axis=1), c.labels))
    yield Candidate(
        _same(c.outputs.max(axis=1).astype(np.int64), c.labels), "outputs.max(axis=1).astype(int) == labels"
    )


def argmax_of_input(c: Capture) -> Iterator[Candidate]:
    if c.inputs is not None:
        yield Candidate(_same(c.inputs.reshape(c.samples, -1).argmax(axis=1), c.labels))


def rows_broadcast(c: Capture) -> Iterator[Candidate]:
    if (flat := c.broadcast()) is not None:
        yield Candidate(_same(flat, c.labels))


MISTAKES: tuple[EvaluationMistake, ...] = (
    EvaluationMistake("argmax_of_label", "the argmax of a label that is a class number already (always 0)",
                      "np.argmax(output) == np.argmax(label)", argmax_of_label),
    EvaluationMistake("argmax_wrong_axis", "the argmax over the wrong axis",
                      "np.argmax(outputs, axis=0) == labels", argmax_wrong_axis),
    EvaluationMistake("argmin", "argmin in place of argmax", "outputs.argmin(axis=1) == labels", argmin),
    EvaluationMistake("index_against_one_hot_any", "a class number against a one-hot row, with any (true for 0 and 1)",
                      "np.any(prediction == one_hot_row)", index_against_one_hot_any),
    EvaluationMistake("column_against_row", "a column (n, 1) against a row (n,): an (n, n) matrix",
                      "np.mean(predictions[:, None] == labels)", column_against_row),
    EvaluationMistake("labels_off_by_one", "labels that count from another number than the predictions",
                      "predictions == labels + 1", labels_off_by_one),
    EvaluationMistake("stale_weights", "the outputs of older weights", "outputs of an earlier state", stale_weights),
    EvaluationMistake("per_bit_accuracy", "the accuracy of single outputs instead of whole samples",
                      "np.mean((outputs > 0.5) == one_hot)", per_bit),
    EvaluationMistake("index_against_one_hot_all", "a class number against a one-hot row",
                      "np.all(prediction == one_hot_row)", index_against_one_hot),
    EvaluationMistake("max_for_argmax", "max in place of argmax: a value, not a class", "outputs.max(axis=1) == labels",
                      max_for_argmax),
    EvaluationMistake("argmax_flattened", "the argmax of all outputs at once", "np.argmax(outputs) == labels",
                      argmax_flattened),
    EvaluationMistake("argmax_of_input", "the argmax of the input in place of the output",
                      "inputs.argmax(axis=1) == labels", argmax_of_input),
    EvaluationMistake("labels_shifted", "labels that are rows behind or ahead", "predictions == np.roll(labels, 1)",
                      labels_shifted),
    EvaluationMistake("wrong_denominator", "another number of samples to divide by", "right / other", wrong_denominator),
    EvaluationMistake("rows_broadcast", "inputs (n,) where columns (n, 1) belong: biases make matrices of them",
                      "np.argmax(W2 @ (W1 @ x + b1) + b2), with x (n,) and b (units, 1)", rows_broadcast),
    EvaluationMistake("training_mode", "a forward pass in training mode: dropout and batch statistics are on",
                      "net.forward(x) in training mode", training_mode),
    EvaluationMistake("labels_shuffled", "labels in another order than the outputs", "predictions == shuffled labels",
                      labels_shuffled),
)  # fmt: skip
"""Seventeen, the likeliest first."""
