"""What the data looks like: scales, constants, class counts, rows that stand in both parts, the order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..rows import MANY, entropy, row_keys, telling_columns
from ..signals import Array
from .subject import NotApplicable, Subject

ROWS = 1024
"""Rows that statistics of columns are taken from."""
COLUMNS = 64
"""Columns that are sorted at a time: copies of all of them would be the largest arrays of a small training."""
NORMALISING = ("batch_norm", "layer_norm")
"""Kinds of layers that take the scale of their inputs away."""
_FEW = 8
"""Rows that are looked at first for the levels of pixels."""
BLOCK = 64
"""Neighbours whose labels are looked at together."""


def data(subject: Subject) -> dict[str, Any]:
    """Scales of the inputs and targets, and the counts of the classes."""
    normalised = subject.original.layers[0].kind in NORMALISING
    return input_facts(subject.x, normalised) | _targets(subject)


def input_facts(x: Array, normalised: bool) -> dict[str, Any]:
    """Scales of inputs.

    Args:
        x: inputs (samples, …).
        normalised: whether the first layer normalises them.
    """
    step = max(1, len(x) // ROWS)
    some = np.asarray(x[::step][:ROWS].reshape(min(ROWS, len(x[::step])), -1), np.float64)
    first = _first_bad_row(x)
    with np.errstate(all="ignore"):
        std, mean = some.std(axis=0), some.mean(axis=0)
        largest = np.maximum(some.max(axis=0), -some.min(axis=0))
    varying = std > 1e-12 * np.maximum(largest, 1e-300)
    stds = np.sort(std[varying & np.isfinite(std)])
    found: dict[str, Any] = {
        "nonfinite": first is not None,
        "first_bad_row": first,
        "features": int(some.shape[1]),
        "samples": len(x),
        "constant_features": int(np.count_nonzero(~varying)),
        "rows_equal": bool(len(x) > 1 and (x[:1] == x).all()) if not varying.any() else False,
        "largest": float(np.nanmax(largest, initial=0.0)),
        "largest_feature": int(np.nanargmax(largest)) if np.isfinite(largest).any() else 0,
        "normalised_first": normalised,
        "image": x.ndim > 2 or _looks_like_an_image(some),
    }
    if len(stds):
        found |= {
            "std_maximum": float(stds[-1]),
            "std_minimum": float(stds[0]),
            "std_median": float(np.median(stds)),
            # Of unequal scales, not of unequal use: a pixel that is hardly ever lit is no matter of units.
            "scale_ratio": _ratio(some[:, varying]),
            "mean_median": float(np.median(mean[varying])),
        }
        found["levels"] = _levels(some[:256][:, varying])
    return found


def _first_bad_row(x: Array) -> int | None:
    """The first row that holds NaN or an infinity; one product tells of nearly all data that there is none."""
    if x.dtype.kind != "f":
        return None
    flat = x.reshape(len(x), -1)
    if np.isfinite(float(np.dot(x.reshape(-1), x.reshape(-1)))):
        return None
    bad = np.flatnonzero(~np.isfinite(flat).all(axis=1))
    return int(bad[0]) if len(bad) else None


def _ratio(values: Array) -> float:
    """Largest over smallest scale of the columns, by the size of the entries that are not zero."""
    blocks = [_scales(values[:, start : start + COLUMNS]) for start in range(0, values.shape[1], COLUMNS)]
    scale = np.concatenate(blocks) if blocks else np.empty(0)
    return float(scale.max() / scale.min()) if len(scale) else 1.0


def _scales(values: Array) -> Array:
    """Median size of the entries of every column that are numbers and not zero, where it is finite and there are any."""
    # NaN last. Sorted along rows of memory: across them it takes several times as long.
    sizes = np.sort(np.abs(np.ascontiguousarray(values.T)), axis=1).T
    zeros = np.count_nonzero(values == 0, axis=0)
    known = len(sizes) - np.count_nonzero(np.isnan(values), axis=0)
    columns = np.arange(sizes.shape[1])
    # The middle of what is between, or the mean of the two in the middle.
    low, high = (np.minimum((zeros + known - side) // 2, len(sizes) - 1) for side in (1, 0))
    scale: Array = (0.5 * (sizes[low, columns] + sizes[high, columns]))[known > zeros]
    return scale[np.isfinite(scale) & (scale > 0)]


def _looks_like_an_image(values: Array) -> bool:
    side = int(values.shape[1] ** 0.5)
    return bool(
        side >= 8 and side * side == values.shape[1] and values.min() >= 0 and (values == 0).mean() > 0.2
    )


def _levels(values: Array) -> dict[str, Any] | None:
    """The grid on which all values lie, if they are multiples of one step: 256 levels of 1/255 are 8-bit pixels."""
    if len(np.unique(values[:_FEW])) > 257:  # of most data a few rows tell
        return None
    distinct = np.unique(values)
    if not 2 < len(distinct) <= 257 or distinct[0] < 0:
        return None
    gaps = np.diff(distinct)
    step = float(gaps.min())
    multiples = distinct / step
    if step <= 0 or np.abs(multiples - np.rint(multiples)).max() > 1e-2 or multiples.max() > 256:
        return None
    return {"step": step, "highest": int(np.rint(multiples.max())), "distinct": len(distinct)}


def _targets(subject: Subject) -> dict[str, Any]:
    y, labels = subject.targets, subject.labels
    if labels is not None:
        counts = np.bincount(labels, minlength=0 if y is None or y.shape[1] < 2 else y.shape[1])
        return {"class_counts": counts.tolist(), "order": _order(labels)}
    return {} if y is None or y.ndim != 2 else scale_facts(y)


def scale_facts(y: Array) -> dict[str, Any]:
    """Scales of targets (samples, outputs) that are numbers."""
    values = np.asarray(y, np.float64)
    with np.errstate(all="ignore"):
        std = values.std(axis=0)
    return {
        "target_std_maximum": float(std.max()),
        "target_std_minimum": float(std.min()),
        "target_largest": float(np.abs(values).max()),
        "target_nonfinite": int(np.count_nonzero(~np.isfinite(values))),
    }


def _order(labels: Array) -> dict[str, float]:
    """How mixed the classes are within blocks of neighbours: entropy there over that of the whole set."""
    classes = int(labels.max()) + 1
    whole = entropy(np.bincount(labels, minlength=classes))
    blocks = len(labels) // BLOCK
    if blocks < 2 or whole == 0:
        return {"block_entropy_share": 1.0}
    chosen = np.linspace(0, blocks - 1, min(blocks, 64)).astype(int)
    inside = [entropy(np.bincount(labels[b * BLOCK : (b + 1) * BLOCK], minlength=classes)) for b in chosen]
    return {"block_entropy_share": float(np.mean(inside) / whole)}


def overlap(subject: Subject) -> dict[str, Any]:
    """Held-out rows that stand in the training set too, entry by entry; and how often training rows repeat."""
    if subject.validation is None:
        raise NotApplicable("there is no held-out data")
    train = subject.x.reshape(len(subject.x), -1)
    held = np.asarray(subject.validation[0], train.dtype)
    held = held.reshape(len(held), -1)
    if train.shape[1] != held.shape[1]:
        raise NotApplicable(f"held-out rows have {held.shape[1]} features, training rows {train.shape[1]}")
    columns = telling_columns(train, MANY)
    known, wanted = row_keys(train, columns), row_keys(held, columns)
    order = np.argsort(known)
    at = np.searchsorted(known[order], wanted)
    at[at == len(known)] = 0
    same = np.flatnonzero(known[order][at] == wanted)
    subject.clock.check()
    # A key is a hint; the rows themselves decide.
    shared = [int(i) for i in same if np.array_equal(train[order[at[i]]], held[i])]
    distinct = len(np.unique(known))
    return {
        "held_out": len(held),
        "shared": len(shared),
        "first": shared[0] if shared else None,
        "repeats": (len(known) - distinct) / len(known),
        "identical": len(train) == len(held) and bool(np.array_equal(train, held)),
    }
