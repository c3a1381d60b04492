"""Small made-up sets: deterministic by seed, two features (or one), drawn in a moment.

Every function takes `test`: the share (below 1) or the number of rows that are held out at the end of a shuffled
order; 0 tests on the training rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Array
from ..errors import DataError
from .dataset import Dataset


def blobs(
    n: int = 600,
    centers: Sequence[Sequence[float]] = ((-1.0, -1.0), (1.0, -1.0), (0.0, 1.0)),
    std: float = 0.4,
    test: float = 0.25,
    seed: int = 0,
) -> Dataset:
    """One round cloud per class.

    Args:
        n: rows in all; the class of each is drawn evenly.
        centers: of the clouds, (classes, features).
        std: standard deviation around a centre.
        test: see the module.
        seed: of all draws.
    """
    rng, middle = _start(n, seed, std=std), np.array(centers, float)
    if middle.ndim != 2 or not middle.size:
        raise DataError(f"blobs: expected centers of shape (classes, features), got {middle.shape}")
    y = rng.integers(0, len(middle), n)
    return _classes("blobs", rng, middle[y] + rng.normal(0, std, (n, middle.shape[1])), y, test, len(middle))


def circles(
    n: int = 600, noise: float = 0.08, factor: float = 0.5, test: float = 0.25, seed: int = 0
) -> Dataset:
    """Two rings around the origin: class 0 of radius 1, class 1 of radius `factor`; `noise` is added to both."""
    rng = _start(n, seed, noise=noise, factor=factor)
    y = np.arange(n) % 2
    angle = rng.uniform(0, 2 * np.pi, n)
    radius = np.where(y == 1, factor, 1.0)
    ring = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return _classes("circles", rng, ring + rng.normal(0, noise, (n, 2)), y, test, 2)


def xor(n: int = 600, noise: float = 0.3, test: float = 0.25, seed: int = 0) -> Dataset:
    """Clouds of standard deviation `noise` at the four corners (±1, ±1); class 1 where the signs differ."""
    rng = _start(n, seed, noise=noise)
    corner = rng.integers(0, 2, (n, 2))
    return _classes(
        "xor", rng, 2.0 * corner - 1 + rng.normal(0, noise, (n, 2)), corner[:, 0] ^ corner[:, 1], test, 2
    )


def spiral(
    n: int = 600,
    classes: int = 3,
    turns: float = 0.75,
    noise: float = 0.05,
    test: float = 0.25,
    seed: int = 0,
) -> Dataset:
    """One arm per class, winding out from the origin to radius 1 over `turns` turns; `noise` is added to both axes."""
    rng = _start(n, seed, noise=noise, turns=turns)
    if classes < 2:
        raise DataError(f"spiral: expected at least 2 classes, got {classes}")
    y = np.arange(n) % classes
    radius = np.sqrt(rng.random(n))  # even over the length of an arm rather than crowded at the origin
    angle = 2 * np.pi * (turns * radius + y / classes)
    arm = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return _classes("spiral", rng, arm + rng.normal(0, noise, (n, 2)), y, test, classes)


def line(
    n: int = 200,
    weight: float = 2.0,
    bias: float = 0.5,
    noise: float = 0.1,
    test: float = 0.25,
    seed: int = 0,
) -> Dataset:
    """Regression: y = weight x + bias + normal noise, x even in -1..1."""
    rng = _start(n, seed, noise=noise, weight=weight, bias=bias)
    x = rng.uniform(-1, 1, (n, 1))
    return _regression("line", rng, x, weight * x + bias + rng.normal(0, noise, (n, 1)), test)


def sine(
    n: int = 400, periods: float = 1.0, noise: float = 0.05, test: float = 0.25, seed: int = 0
) -> Dataset:
    """Regression: y = sin(π periods x) + normal noise, x even in -1..1."""
    rng = _start(n, seed, noise=noise, periods=periods)
    x = rng.uniform(-1, 1, (n, 1))
    return _regression("sine", rng, x, np.sin(np.pi * periods * x) + rng.normal(0, noise, (n, 1)), test)


def table(
    x: Sequence[Sequence[float]], y: Sequence[float], repeat: int = 1, integer: bool = True, seed: int = 0
) -> Dataset:
    """Rows given one by one, trained and tested on.

    Args:
        x: (samples, features).
        y: class numbers (samples,); or targets of a regression, (samples,) or (samples, outputs), if they are not
            whole numbers or `integer` is false.
        repeat: how often each row occurs, side by side.
        integer: whether whole numbers are class numbers.
        seed: ignored; nothing is drawn.
    """
    try:
        inputs, targets = np.array(x, float), np.array(y)
        targets.astype(float)
    except (ValueError, TypeError):
        raise DataError(
            "table: expected rows of numbers, all of one length", help="x = [[0, 1], [1, 1]]"
        ) from None
    if inputs.ndim != 2 or not targets.ndim or not inputs.size:
        raise DataError(f"table: expected x of shape (samples, features), got {inputs.shape}")
    inputs, targets = np.repeat(inputs, repeat, 0), np.repeat(targets, repeat, 0)
    if not integer or targets.dtype.kind not in "iub" or targets.ndim > 1:
        return _regression("table", None, inputs, targets, 0)
    if (targets < 0).any():
        raise DataError(
            f"table: expected class numbers from 0, got {targets.min()}", help="count classes from 0"
        )
    return _classes("table", None, inputs, targets, 0, int(targets.max()) + 1)


def _start(n: int, seed: int, **numbers: float) -> np.random.Generator:
    if n < 2:
        raise DataError(f"expected n of at least 2 rows, got {n}")
    for name, value in numbers.items():
        if not np.isfinite(value) or (name in ("std", "noise") and value < 0):
            raise DataError(f"expected {name} to be a finite number, and spreads not below 0, got {value}")
    return np.random.default_rng(seed)


def _classes(
    name: str, rng: np.random.Generator | None, x: Array, y: Array, test: float, classes: int
) -> Dataset:
    train, held_out = _split(name, rng, _float32(x), y.astype(np.int64), test)
    return Dataset(name, train, held_out, classes, note=_note(test))


def _regression(name: str, rng: np.random.Generator | None, x: Array, y: Array, test: float) -> Dataset:
    train, held_out = _split(name, rng, _float32(x), _float32(y), test)
    return Dataset(name, train, held_out, classes=0, note=_note(test))


def _float32(values: Array) -> Array:
    """What does not fit becomes infinite without a warning: the training refuses it with the row it is in."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _split(
    name: str, rng: np.random.Generator | None, x: Array, y: Array, test: float
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    if rng is not None:
        order = rng.permutation(len(x))
        x, y = x[order], y[order]
    if not test:
        return (x, y), (x, y)
    held_out = round(test * len(x)) if test < 1 else int(test)
    if not 0 < held_out < len(x):
        raise DataError(
            f"{name}: test = {test} holds out {held_out} of {len(x)} rows",
            help="give a share such as 0.25, or 0",
        )
    cut = len(x) - held_out
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


def _note(test: float) -> str:
    return "" if test else "tested on the training rows"
