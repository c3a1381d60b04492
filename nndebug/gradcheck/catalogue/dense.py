"""A dense layer: the error that it passes back (BP2), its bias (BP3), its weights (BP4)."""

from __future__ import annotations

import numpy as np

from ..mistakes import Candidate, Evidence


def dense_input(e: Evidence) -> list[Candidate]:
    """BP2: the error that a dense layer passes back."""
    weight = e.weight
    if weight is None:
        return []
    n, inputs, units = e.names, *weight.shape
    start = f"dL/d{n['before']} = {n['delta']}"
    if inputs == units:
        found = [
            Candidate("the transpose forgotten", f"{start} @ {n['W']}", e.u @ weight),
            Candidate("the weights missing", start, e.u),
        ]
    else:
        line = f"{start} @ {n['W']}.reshape({units}, {inputs})"
        found = [
            Candidate("a reshape where the transpose belongs", line, e.u @ weight.reshape(units, inputs))
        ]
    for name, other in e.others.items():
        if other.shape == weight.shape:
            found.append(Candidate("the weights of another layer", f"{start} @ {name}.T", e.u @ other.T))
    return found


def bias(e: Evidence) -> list[Candidate]:
    """BP3. The mean in place of the sum is among the factors."""
    n = e.names
    start, delta, units = f"d{n['b']} =", n["delta"], e.u.shape[1]
    return [
        Candidate("the sum over the wrong axis", f"{start} {delta}.sum(axis=1)", e.u.sum(axis=1)),
        Candidate("the mean over the wrong axis", f"{start} {delta}.mean(axis=1)", e.u.mean(axis=1)),
        Candidate("one scalar for all units (sum)", f"{start} {delta}.sum()", np.full(units, e.u.sum())),
        Candidate("one scalar for all units (mean)", f"{start} {delta}.mean()", np.full(units, e.u.mean())),
        Candidate("the last sample only", f"{start} {delta}[-1]", e.u[-1]),
        Candidate("the first sample only", f"{start} {delta}[0]", e.u[0]),
        Candidate("no sum over the batch", f"{start} {delta}", e.u),
        Candidate(
            "an axis kept", f"{start} {delta}.sum(axis=0, keepdims=True)", e.u.sum(axis=0, keepdims=True)
        ),
    ]


def weight(e: Evidence) -> list[Candidate]:
    """BP4."""
    n = e.names
    start, before, delta = f"d{n['W']} =", n["before"], n["delta"]
    found = [
        Candidate(
            "the last sample only", f"{start} outer({before}[-1], {delta}[-1])", np.outer(e.x[-1], e.u[-1])
        ),
        Candidate(
            "the first sample only", f"{start} outer({before}[0], {delta}[0])", np.outer(e.x[0], e.u[0])
        ),
        Candidate(
            "a reshape where the transpose belongs",
            f"{start} {before}.reshape({e.x.shape[1]}, batch) @ {delta}",
            e.x.reshape(e.x.shape[::-1]) @ e.u,
        ),
        Candidate("the product transposed", f"{start} {delta}.T @ {before}", e.u.T @ e.x),
    ]
    if e.y.shape == e.x.shape:
        line = f"{start} {n['z']}.T @ {delta}"
        found.append(Candidate("the layer's output in place of its input", line, e.y.T @ e.u))
    return found
