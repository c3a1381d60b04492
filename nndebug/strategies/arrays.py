"""Shapes, batches and targets.

Entries come from a lattice (sixteenths between -8 and 8): exact in float32, so that sums in another order are the
same sums, and drawn as one string of bytes, which Hypothesis draws and shrinks at the price of a single number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st

from ..signals import Array

Shape: TypeAlias = tuple[int, ...]
Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]

EXTREME = 1e4
"""The largest entry of an extreme batch: far beyond what normalised data gives, and exp overflows long before."""

LATTICE = 16
LAYOUTS = ("plain", "strided", "reversed", "fortran")
"""How a batch may lie in memory: contiguous, every second entry, backwards, columns first."""


def widths(least: int = 1, most: int = 7) -> st.SearchStrategy[int]:
    """How many features or units."""
    return st.integers(least, most)


def image_shapes(channels: int | None = None, least: int = 3, most: int = 6) -> st.SearchStrategy[Shape]:
    """(channels, height, width) with height and width apart."""
    side = st.integers(least, most)
    return st.tuples(st.integers(1, 3) if channels is None else st.just(channels), side, side)


def sample_shapes() -> st.SearchStrategy[Shape]:
    """Shapes of one sample: rows of numbers first, then images."""
    return st.one_of(st.tuples(widths()), image_shapes(least=1))


def float_dtypes() -> st.SearchStrategy[np.dtype[Any]]:
    """float64 or float32."""
    return st.sampled_from((np.dtype("float64"), np.dtype("float32")))


@st.composite
def batches(
    draw: Draw,
    shape: Shape | st.SearchStrategy[Shape],
    rows: int | st.SearchStrategy[int] | None = None,
    dtype: Any = "float64",
    layouts: tuple[str, ...] = LAYOUTS[:1],
) -> Array:
    """A batch (rows, *shape).

    Args:
        draw: given by Hypothesis.
        shape: of one sample.
        rows: how many samples; 1 to 5 if None, which is every so often a size that no other axis has.
        dtype: of the entries.
        layouts: how it may lie in memory; see `LAYOUTS`.
    """
    shape = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    count = draw(st.integers(1, 5)) if rows is None else rows if isinstance(rows, int) else draw(rows)
    whole = (count, *shape)
    size = int(np.prod(whole))
    code = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8).astype(np.int64)
    # Zigzag, so that a smaller byte is a smaller size: 0, -1, 1, -2, 2, ...
    entries = np.where(code % 2, -(code + 1) // 2, code // 2) / LATTICE
    x = entries.reshape(whole).astype(dtype)
    layout = draw(st.sampled_from(layouts)) if len(layouts) > 1 else layouts[0]
    return laid_out(x, layout)


@st.composite
def extreme_batches(
    draw: Draw, shape: Shape | st.SearchStrategy[Shape], dtype: Any = "float64", size: float = EXTREME
) -> Array:
    """A batch with large, tiny and constant rows, all of them finite.

    Args:
        draw: given by Hypothesis.
        shape: of one sample.
        dtype: of the entries.
        size: the largest entry.
    """
    shape = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    kinds = draw(
        st.lists(st.sampled_from(("zero", "constant", "large", "tiny", "mixed")), min_size=1, max_size=4)
    )
    signs = draw(batches(shape, len(kinds), "float64"))
    return np.stack([_extreme(row, kind, size) for kind, row in zip(kinds, signs)]).astype(dtype)


def _extreme(row: Array, kind: str, size: float) -> Array:
    """One sample of a kind, with the signs of a plain one."""
    if kind == "zero":
        return np.zeros_like(row)
    if kind == "constant":
        return np.full_like(row, size)
    if kind == "mixed":
        return np.where(row < 0, -size, row)
    return np.asarray(row / 8 * size if kind == "large" else row / size**2)


def laid_out(x: Array, layout: str) -> Array:
    """The same entries in another place of memory; see `LAYOUTS`."""
    if layout == "strided":
        wide = np.repeat(x, 2, axis=-1)
        return wide[..., ::2]
    if layout == "reversed":
        return x[::-1].copy()[::-1]
    if layout == "fortran":
        return np.asfortranarray(x)
    return x


def labels(rows: int, classes: int) -> st.SearchStrategy[Array]:
    """Class numbers (rows,)."""
    return st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows).map(
        lambda numbers: np.array(numbers, np.int64)
    )


@st.composite
def targets(draw: Draw, rows: int, outputs: int, dtype: Any = "float64", soft: bool = False) -> Array:
    """One value for each output (rows, outputs): one-hot, or with `soft` probabilities of every size.

    Args:
        draw: given by Hypothesis.
        rows: samples.
        outputs: classes.
        dtype: of the entries.
        soft: rows that only sum to 1.
    """
    hard = np.eye(outputs, dtype=dtype)[draw(labels(rows, outputs))]
    if not soft or not draw(st.booleans()):
        return hard
    weights = np.abs(draw(batches((outputs,), rows))) + 1 / LATTICE
    return np.asarray(weights / weights.sum(axis=1, keepdims=True)).astype(dtype)
