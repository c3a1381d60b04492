"""How training went: loss and accuracy, each with what a network reaches that knows only the class shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .model import Chart, Reference
from .plots import Curve, chart
from .text import number, percent
from .vocabulary import Quantity, has_probe, rows_seen

if TYPE_CHECKING:
    from ..run import Run


def accuracy(run: Run) -> tuple[float, str] | None:
    """The last accuracy on the rows that say most, and which rows those are."""
    for series, where in (
        ("validation.accuracy", "validation"),
        ("probe.accuracy", rows_seen(run.manifest)),
        ("train.accuracy", "training rows"),
    ):
        values = run.series(series).values
        if len(values) and np.isfinite(values[-1]):
            return float(values[-1]), where
    return None


def learning(run: Run) -> tuple[Chart, ...]:
    """Loss and accuracy with what a network reaches that knows only the class shares."""
    at_chance, largest = run.manifest.get("loss_at_chance"), class_shares(run.manifest)
    loss_line = (
        [Reference(float(at_chance), f"knowing only the class shares: {number(float(at_chance))}")]
        if isinstance(at_chance, int | float)
        else []
    )
    accuracy_line = (
        [Reference(largest, f"always the largest class: {percent(largest)}")] if largest is not None else []
    )
    probe = (
        "a fixed sample of training rows"
        if has_probe(run.manifest)
        else "the last few hundred training samples"
    )
    charts = []
    for key, title, share, names, references in (
        ("loss", "Loss", False, ("probe.loss", "validation.loss"), loss_line),
        ("accuracy", "Accuracy", True, ("probe.accuracy", "validation.accuracy"), accuracy_line),
    ):  # fmt: skip
        kind = Quantity(title, "share right" if share else "loss", "", False, share)
        found = [(n, run.series(n)) for n in names if run.has(n)]
        if not found:  # no probe: what the training loop itself saw
            found = [(n, run.series(n)) for n in (f"train.{key}", key) if run.has(n)][:1]
        words = {"probe": "probe", "validation": "validation"}
        curves = [
            Curve(
                words.get(n.partition(".")[0], "training"),
                s.steps,
                s.values,
                float(i),
                n.startswith("validation"),
            )
            for i, (n, s) in enumerate(found)
        ]
        meaning = {
            "probe": f"Probe: {probe}.",
            "validation": "Validation: rows never trained on.",
        }
        how = (
            " ".join(meaning[c.label] for c in curves if c.label in meaning) or "On the batches it trains on."
        )
        drawn = chart(key, title, kind, curves, references=references, how=how)
        charts += [drawn] if drawn else []
    return tuple(charts)


def class_shares(manifest: Mapping[str, object]) -> float | None:
    """The largest share of a class, which is the accuracy of always answering it; None if there are no classes."""
    shares = manifest.get("class_shares")
    if isinstance(shares, Sequence) and shares:
        values = [float(s) for s in shares if isinstance(s, int | float)]
        return max(values, default=None)
    return None
