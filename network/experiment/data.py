"""The data of an experiment: loaded, preprocessed, and brought into the form that the core's losses take."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays import Array
from ..data import SYNTHETIC, Dataset, Split, load_digits, load_mnist
from ..data.download import Progress
from ..data.mnist import read_mnist
from ..data.preprocess import preprocess
from ..losses import CrossEntropy, Elementwise, Loss
from .fields import refusal
from .losses import CORE_LOSSES
from .spec import MNIST_ROWS


def load_data(
    spec: Mapping[str, Any],
    folder: str | os.PathLike[str] | None = None,
    download: bool = True,
    progress: Progress | None = None,
    data: Dataset | None = None,
) -> Dataset:
    """The data that a specification names, or `data`, preprocessed: x (samples, …) float32; y as preprocessing leaves it.

    Raises:
        ExperimentError: the core has no such generator.
        DataError: the data cannot be loaded, or a preprocessing step does not fit it.
    """
    dataset = read_data(spec["data"], folder, download, progress) if data is None else data
    steps: Mapping[str, Any] = spec.get("preprocess", {})
    x_steps, y_steps = steps.get("x", []), steps.get("y", [])
    train_x, train_y = dataset.train

    def processed(part: Split, x_how: Any, y_how: Any) -> Split:
        x, y = preprocess(train_x, part[0], x_how), preprocess(train_y, part[1], y_how)
        with np.errstate(over="ignore"):  # the training refuses what became infinite, with the row it is in
            return x.astype(np.float32, copy=False), y

    return replace(
        dataset,
        train=processed(dataset.train, x_steps, y_steps),
        test=processed(dataset.test, steps.get("x_test", x_steps), steps.get("y_test", y_steps)),
        validation=dataset.validation and processed(dataset.validation, x_steps, y_steps),
    )


def read_data(
    data: Mapping[str, Any],
    folder: str | os.PathLike[str] | None = None,
    download: bool = True,
    progress: Progress | None = None,
) -> Dataset:
    """The data that `data`, the part of a specification, names, before preprocessing.

    Raises:
        ExperimentError: the core has no such generator.
        DataError: the data cannot be loaded.
    """
    kind, params, seed = data["kind"], data["params"], data.get("seed", 0)
    if kind == "mnist":
        if params == MNIST_ROWS and data.get("pixels") == "unit":
            return load_mnist(folder, download, progress)
        return _some_mnist(params, seed, data.get("pixels", "raw"), read_mnist(folder, download, progress))
    if kind == "digits":
        image = params.get("image", False)
        digits = load_digits(seed=seed, **{name: value for name, value in params.items() if name != "image"})
        # Multiplying by a power of two undoes the division to 0..1 without a trace.
        factor = np.float32(1 if data.get("pixels", "unit") == "unit" else 16)
        (x, y), (test_x, test_y) = (
            (x.reshape(-1, 1, 8, 8) if image else x, y) for x, y in (digits.train, digits.test)
        )
        note = digits.note if factor == 1 else "UCI optical digits, pixels 0..16"
        return replace(digits, train=(x * factor, y), test=(test_x * factor, test_y), note=note)
    if kind not in SYNTHETIC:
        raise refusal(
            kind,
            "data.kind",
            "the core has no such data; it has " + ", ".join(("digits", "mnist", *SYNTHETIC)),
        )
    dataset: Dataset = SYNTHETIC[kind](seed=seed, **params)
    if kind == "table":
        # Preprocessing must see the numbers as they were given: float32 cannot tell 3232235776 from its neighbours.
        x = np.repeat(np.array(params["x"], np.float64), params.get("repeat", 1), 0)
        dataset = replace(dataset, train=(x, dataset.train[1]), test=(x, dataset.test[1]))
    return dataset


def _some_mnist(
    params: Mapping[str, Any], seed: int, pixels: str, arrays: tuple[Array, Array, Array, Array]
) -> Dataset:
    """The first rows of MNIST: of some classes only, or with a share `keep` of the training rows of each class."""
    rng, parts = np.random.default_rng(seed), []
    classes, keep = params.get("classes"), params.get("keep")
    for images, labels, count, thinned in (
        (*arrays[:2], params["train"], bool(keep)),
        (*arrays[2:], params["test"], False),
    ):
        # Six times as many rows are looked through where some are left out, so that `count` remain.
        seen = slice(count * 6 if classes or thinned else count)
        x, y = images[seen].astype(np.float32), labels[seen].astype(np.int64)
        if classes:
            x, y = x[np.isin(y, classes)], y[np.isin(y, classes)]
        if thinned:
            kept = rng.random(len(y)) < np.array(keep)[y]
            x, y = x[kept], y[kept]
        x, y = x[:count], y[:count]
        if pixels == "unit":
            x /= 255
        parts.append((x[:, None] if params.get("image") else x.reshape(len(x), -1), y))
    return Dataset("mnist", parts[0], parts[1], 10, (28, 28), f"first rows of MNIST, pixels {pixels}")


def are_distributions(dataset: Dataset, outputs: int) -> bool:
    """Whether the targets are class numbers, or rows of as many numbers as there are outputs that sum to 1."""
    return outputs > 1 and all(
        y.ndim == 1 or (y.shape[1:] == (outputs,) and np.allclose(y.sum(axis=1), 1))
        for _, y in dataset.parts.values()
    )


def with_targets(dataset: Dataset, name: str, loss: Loss, outputs: int) -> tuple[Dataset, bool]:
    """The data with targets in the form that the core prefers for a loss, where that changes no meaning.

    One-hot rows become class numbers, which the core encodes as the same rows, and so does a column of zeros and ones
    for a single output. Other targets become columns.

    Args:
        dataset: y as preprocessing left it.
        name: of the loss in the specification.
        loss: of the network.
        outputs: width of its output.

    Returns:
        The data, and whether its targets are to broadcast against the outputs, which leaves them as they are.

    Raises:
        ExperimentError: the targets' shape does not fit the outputs, or cross-entropy gets targets that are no
            distributions.
        DataError, ShapeError: the targets do not fit the outputs.
    """
    parts = dataset.parts
    if name not in CORE_LOSSES and _broadcasts(dataset.train[1], name, loss, outputs):
        floats = {part: (x, y.astype(np.float32)) for part, (x, y) in parts.items()}
        return _replaced(dataset, floats, 0), True
    for y in (y for _, y in parts.values()):
        rows = loss.encode(y, outputs, np.float64)
        if type(loss) is CrossEntropy and not np.allclose(rows.sum(axis=1), 1):
            raise refusal(
                f"{name} on targets whose rows do not sum to 1", "loss", "use bce for several labels per row"
            )
    classes, form = _best_form([y for _, y in parts.values()], dataset.classes, outputs)
    return _replaced(
        dataset, {part: (x, _in_form(y, form)) for part, (x, y) in parts.items()}, classes
    ), False


def _replaced(dataset: Dataset, parts: Mapping[str, Split], classes: int) -> Dataset:
    return replace(
        dataset,
        train=parts["train"],
        test=parts["test"],
        validation=parts.get("validation"),
        classes=classes,
    )


def _best_form(ys: list[Array], classes: int, outputs: int) -> tuple[int, str]:
    """Number of classes, 0 for regression, and the form that shows them."""
    if outputs > 1 and all(y.ndim == 2 and _is_one_hot(y) for y in ys):
        return outputs, "from one-hot"
    if outputs == 1 and all(np.isin(y, (0, 1)).all() for y in ys):
        return 2, "class numbers"
    if outputs == 1 or ys[0].ndim > 1:
        return 0, "columns"
    return classes or outputs, "class numbers"


def _in_form(y: Array, form: str) -> Array:
    if form == "from one-hot":
        return np.asarray(y.argmax(axis=1), np.int64)
    if form == "class numbers":
        return y.reshape(-1).astype(np.int64)
    return y.reshape(len(y), -1).astype(np.float32)


def _broadcasts(y: Array, name: str, loss: Loss, outputs: int) -> bool:
    """Whether y (samples, …) and outputs (samples, outputs) have different shapes that NumPy makes fit all the same.

    Raises:
        ExperimentError: they have different shapes that do not fit.
    """
    fits = y.shape == (len(y), outputs)
    class_numbers = name in ("cce", "cce_logits") and y.ndim == 1 and y.dtype.kind in "iu" and outputs > 1
    if fits or class_numbers:
        return False
    # The frameworks' losses on logits refuse such targets themselves.
    each = isinstance(loss, Elementwise) and name != "bce_logits"
    if each and ((y.ndim == 1 and outputs == 1) or y.shape == (len(y), 1)):
        return True
    raise refusal(
        f"{name} of targets {y.shape} against outputs {(len(y), outputs)}",
        "loss",
        "targets are taken as they are: preprocess.y = [['column']] or [['one_hot', n]] gives them the shape",
    )


def _is_one_hot(y: Array) -> bool:
    return bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())
