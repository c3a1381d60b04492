"""The right gradient of one layer entry by entry, for layers without a closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..signals import Array
from .local import Trial, shifting
from .slopes import along
from .tape import Tape

MOST_COLUMNS = 2000
"""Columns of a layer's input that are shifted one by one to name a mistake."""


@dataclass(frozen=True)
class ByColumns:
    """The right gradient of a part, entry by entry.

    Attributes:
        right: of the part's shape.
        error: its estimated absolute error.
        total: largest sum of absolute terms, of which an entry is what does not cancel.
    """

    right: Array
    error: Array
    total: float


def by_columns(tape: Tape, trial: Trial, part: str) -> ByColumns | None:
    """The right gradient of a part for layers without a closed form; None if it is too large.

    Shifts one entry of every sample at once (one entry of a parameter): slow, so only for what is in doubt.
    """
    layer = tape.layers[trial.index]
    at = trial.x if part == "input" else layer.parameters[part]
    columns = trial.x[0].size if part == "input" else at.size
    if columns > MOST_COLUMNS or (part == "input" and trial.index in tape.mixers):
        return None
    right: Array = np.zeros((len(trial.x), columns) if part == "input" else columns)
    error, total = np.zeros_like(right), 0.0
    over: Any = 1 if part == "input" else None
    for column in range(columns):
        v = np.zeros(at.shape, at.dtype)
        if part == "input":
            v.reshape(len(at), -1)[:, column] = 1
        else:
            v.flat[column] = 1
        change, change_error, _ = along(trial.y, tape.eps, shifting(tape, trial.index, trial.x, part, v))
        rows = (len(trial.y), -1)
        effect, effect_error = (
            (trial.u * change).reshape(rows),
            (np.abs(trial.u) * change_error).reshape(rows),
        )
        right[..., column], error[..., column] = effect.sum(axis=over), effect_error.sum(axis=over)
        total = max(total, float(np.abs(effect).sum(axis=over).max(initial=0.0)))
    return ByColumns(right.reshape(at.shape), error.reshape(at.shape), total)
