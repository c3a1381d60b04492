"""What the network answers: the confusion matrix, and the samples that it gets most wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..signals import Array
from .maps import epochs_with
from .model import Confusion, HeatMap, Sample, Samples
from .png import LEVELS
from .text import number, percent, plural

if TYPE_CHECKING:
    from ..epochs import Epoch
    from ..run import Run

_MOST_CLASSES = 24
_MOST_SAMPLES = 24


def confusion(run: Run) -> Confusion | None:
    epochs = epochs_with(run, "run/confusion")
    if not epochs:
        return None
    counts = np.asarray(epochs[-1].arrays["run/confusion"])
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.sum():
        return None
    kept = np.arange(len(counts))
    note = ""
    right = np.trace(counts) / counts.sum()
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    if len(counts) > _MOST_CLASSES:
        kept = np.sort(np.argsort(-(wrong.sum(0) + wrong.sum(1)))[:_MOST_CLASSES])
        note = f" The {_MOST_CLASSES} most confused of {len(counts)} classes."
    never = [str(c) for c in np.flatnonzero(counts.sum(axis=0) == 0)]
    summary = f"{percent(float(right))} right."
    if wrong.any():
        label, prediction = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        summary += (
            f" Most often confused: {label} taken for {prediction}, {int(wrong[label, prediction]):,} times."
        )
    if never:
        summary += f" Never predicted: {', '.join(never[:12])}."
    return Confusion(
        tuple(str(c) for c in kept),
        tuple(tuple(int(v) for v in counts[i, kept]) for i in kept),
        summary + note,
    )


def samples(run: Run) -> Samples | None:
    """The training samples of the probe with the highest loss at the last epoch; None if they were not recorded."""
    epochs = epochs_with(run, "run/hardest")
    if not epochs:
        return None
    rows = np.asarray(epochs[-1].arrays["run/hardest"], dtype=float)
    if rows.ndim != 2 or rows.shape[1] != 4 or not len(rows):
        return None
    images = _images(epochs[-1], len(rows))
    shown = []
    for i, (row, loss, label, prediction) in enumerate(rows[:_MOST_SAMPLES]):
        words = (number(row), _class(label), _class(prediction), number(loss))
        image = None
        if images is not None:
            description = f"Training sample {words[0]}, {images.shape[1]} by {images.shape[2]} pixels"
            cells = tuple(tuple(int(v) for v in line) for line in images[i])
            image = HeatMap(f"sample-{i}", f"Sample {words[0]}", "grey", cells, "", description)
        shown.append(Sample(*words, image))
    wrong = int(np.sum(rows[:, 2] != rows[:, 3]))
    how = "Of the probe's training rows, worst first. A label that looks wrong here often is wrong."
    if (rows[:, 2] >= 0).all():
        how += f" {plural(wrong, 'of them is', 'of them are')} answered wrongly."
    return Samples("Samples with the highest loss", how, tuple(shown))


def _class(value: float) -> str:
    return f"{value:.0f}" if value >= 0 else "–"


def _images(epoch: Epoch, count: int) -> Array | None:
    """(count, height, width) of levels, or None."""
    images = epoch.arrays.get("run/hardest.images")
    if images is None or np.ndim(images) != 3 or len(images) != count or not np.size(images):
        return None
    return np.asarray(np.clip(np.asarray(images, dtype=int) * LEVELS // 256, 0, LEVELS - 1))
