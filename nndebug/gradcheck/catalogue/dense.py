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
    early = e.u @ (e.x.T @ e.u).T
    line = f"{start} @ ({n['W']} - {{amount}} * d{n['W']}).T"
    found.append(Candidate("weights that were updated already", line, e.u @ weight.T, -early))
    for name, other in e.others.items():
        if other.shape == weight.shape:
            found.append(Candidate("the weights of another layer", f"{start} @ {name}.T", e.u @ other.T))
    return found


def bias(e: Evidence) -> list[Candidate]:
    """BP3. The mean in place of the sum is among the factors."""
    n = e.names
    start, delta, units = f"d{n['b']} =", n["delta"], e.u.shape[1]
    found = [
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
    for name, other in e.elsewhere.items():
        if name.startswith("delta") and other.ndim == 2 and other.shape[1] == units:
            found.append(
                Candidate("the error of another layer", f"{start} {name}.sum(axis=0)", other.sum(axis=0))
            )
    return found


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
    for name, other in e.elsewhere.items():
        if name[0] in "ax" and other.shape == e.x.shape:
            line = f"{start} {name}.T @ {delta}"
            found.append(Candidate("the activation of another layer", line, other.T @ e.u))
        if name.startswith("delta") and other.shape == e.u.shape:
            found.append(
                Candidate("the error of another layer", f"{start} {before}.T @ {name}", e.x.T @ other)
            )
    return found
