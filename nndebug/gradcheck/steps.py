"""Two updates of one parameter, and what they tell: momentum, a penalty, or a coding mistake by its name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..signals import Array
from .result import Mistake

MATCH = 1e-6
"""Two steps are the same if they differ by less, relative to the larger one."""


@dataclass(frozen=True)
class Steps:
    """Two updates of one parameter, divided by the rate: what was done, and what the gradients say.

    Attributes:
        start: the parameter before each (2, …).
        done: (before − after) / rate (2, …).
        mean: the mean gradient over the batch (2, …).
        first, last: the gradient of the first and the last sample (2, …), where single samples can be asked.
        samples: of a batch.
        rate: by which the steps are divided.
    """

    start: Array
    done: Array
    mean: Array
    first: Array | None
    last: Array | None
    samples: int
    rate: float = 1.0


def name_mistakes(s: Steps, rate: float, part: str) -> tuple[Mistake, ...]:
    """Every mistake that gives these two steps.

    Args:
        s: the steps.
        rate: the learning rate that the update was given.
        part: `weight` or `bias`.
    """
    w, name = ("w", "gradient") if part == "weight" else ("b", "gradient")
    n = s.samples
    should = f"{w} = {w} - rate * {name}"
    before = np.stack([np.zeros_like(s.mean[0]), s.mean[0]])
    known = [
        ("gradient ascent (the sign flipped)", f"{w} = {w} + rate * {name}", -s.mean),
        ("nothing changed (an update of a copy, or of the loop's own variable?)", f"{w} = {w}", 0 * s.mean),
        ("the gradients of the batch before added (never cleared)", f"{w} = {w} - rate * ({name} + the one before)", s.mean + before),
        ("the gradient of the batch before (one batch late)", f"{w} = {w} - rate * ({name} of the batch before)", before),
        ("the gradient of the first batch again (never computed anew)", f"{w} = {w} - rate * ({name} of the first batch)", np.stack([s.mean[0], s.mean[0]])),
        ("no division by the batch", f"{w} = {w} - rate * (sum of the gradients over the batch)", n * s.mean),
        ("a division by the batch too many (divided by the batch twice)", f"{w} = {w} - rate * {name} / batch", s.mean / n),
        ("a factor 2 too many, or the update applied twice", f"{w} = {w} - 2 * rate * {name}", 2 * s.mean),
        ("the rate missing", f"{w} = {w} - {name}", s.mean / rate),
        ("the rate applied twice", f"{w} = {w} - rate * rate * {name}", s.mean * rate),
    ]  # fmt: skip
    if s.mean[0].size > 1 and s.done.any():
        entries = tuple(range(1, s.mean.ndim))
        average = np.broadcast_to(s.mean.mean(axis=entries, keepdims=True), s.mean.shape)
        known += [
            (f"one number for all of its entries, their gradient's {what}", f"{w} = {w} - rate * {name}.{what}()", value)
            for what, value in (("mean", average), ("sum", s.mean[0].size * average))
        ]  # fmt: skip
    if s.first is not None and s.last is not None:
        known += [
            ("the last sample only (overwritten, not summed)", f"{w} = {w} - rate / batch * (gradient of the last sample)", s.last / n),
            ("the last sample only", f"{w} = {w} - rate * (gradient of the last sample)", s.last),
            ("the first sample only", f"{w} = {w} - rate / batch * (gradient of the first sample)", s.first / n),
            ("the first sample only", f"{w} = {w} - rate * (gradient of the first sample)", s.first),
        ]  # fmt: skip
    found = []
    for what, line, candidate in known:
        size = float(max(np.abs(candidate).max(), np.abs(s.mean).max())) or 1.0
        residual = float(np.abs(s.done - candidate).max()) / size
        if residual <= MATCH:
            found.append(Mistake(what, line, should, residual))
    return tuple(found) or _by_a_factor(s, w, name, should)


def _by_a_factor(s: Steps, w: str, name: str, should: str) -> tuple[Mistake, ...]:
    squares = float((s.mean * s.mean).sum())
    factor = float((s.done * s.mean).sum()) / squares if squares else 0.0
    residual = float(np.abs(s.done - factor * s.mean).max()) / (
        abs(factor) * float(np.abs(s.mean).max()) or 1.0
    )
    if not factor or residual > MATCH:
        return ()
    total = s.samples / factor
    if factor > 0 and abs(total - round(total)) <= 1e-5 * total and round(total) > s.samples:
        what = f"a division by {round(total):,} in place of the batch's {s.samples}"
        return (
            Mistake(
                what,
                f"{w} = {w} - rate / {round(total)} * (sum of the gradients over the batch)",
                should,
                residual,
            ),
        )
    return (
        Mistake(
            f"a constant factor of {factor:.6g}",
            f"{w} = {w} - {factor:.6g} * rate * {name}",
            should,
            residual,
        ),
    )


def near(a: Array, b: Array) -> bool:
    """Whether two arrays are the same but for rounding."""
    size = max(float(np.abs(a).max(initial=0.0)), float(np.abs(b).max(initial=0.0)))
    return bool(np.abs(a - b).max(initial=0.0) <= MATCH * size)
