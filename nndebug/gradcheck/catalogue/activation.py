"""BP1 and BP2: what an activation or a dropout layer makes of the error that arrives."""

from __future__ import annotations

import numpy as np

from ...signals import Array
from ..functions import FUNCTIONS, SOFTMAX
from ..mistakes import Candidate, Evidence


def activation(e: Evidence) -> list[Candidate]:
    """BP1 and BP2: what an activation makes of the error that arrives."""
    n, start = e.names, "{delta} = {incoming}".format_map(e.names)
    f = e.function
    mask = "the ReLU mask (the activation's derivative) missing"
    found = [
        Candidate(
            mask if f and f.name in ("relu", "leaky_relu") else "the activation's derivative missing",
            start,
            e.u,
        ),
        Candidate("the activation in place of its derivative", f"{start} * {n['a']}", e.u * e.y),
    ]
    if f is None:
        return found
    right = f.derivative(e.x)
    found += [
        Candidate(
            "the derivative taken at the activation, not at the pre-activation",
            f"{start} * {f.name}'({n['a']})",
            e.u * f.derivative(e.y),
        ),
        Candidate(
            "the activation's derivative applied twice",
            f"{start} * {f.name}'({n['z']}) ** 2",
            e.u * right * right,
        ),
        Candidate(
            "the activation's derivative divided by, not multiplied",
            f"{start} / {f.name}'({n['z']})",
            _over(e.u, right),
        ),
    ]
    if f.from_value and f is not SOFTMAX:
        line = f"{start} * ({f.recipe.replace('{}', n['z'])})"
        found.append(
            Candidate("the derivative's formula given z where it needs a", line, e.u * f.from_value(e.x))
        )
    if f.name in ("relu", "leaky_relu"):
        name = "the mask inverted: the slopes of z > 0 and z <= 0 exchanged"
        found.append(Candidate(name, f"{start} * {f.name}'(-{n['z']})", e.u * f.derivative(-e.x)))
    if f is not SOFTMAX:
        for name, z in e.elsewhere.items():
            if name.startswith("z") and z.shape == e.x.shape:
                line = f"{start} * {f.name}'({name})"
                what = (
                    "the ReLU mask of another layer"
                    if f.name == "relu"
                    else "the derivative taken at another layer"
                )
                found.append(Candidate(what, line, e.u * f.derivative(z)))
    if f is SOFTMAX:
        line = f"{start} * {n['a']} * (1 - {n['a']})"
        found.append(Candidate("softmax treated as if it were elementwise", line, e.u * right))
    for other in FUNCTIONS:
        if other.name not in (f.name, "identity", "softmax"):
            name = f"the derivative of {other.name} in place of {f.name}'s"
            found.append(Candidate(name, f"{start} * {other.name}'({n['z']})", e.u * other.derivative(e.x)))
    return found


def dropout(e: Evidence) -> list[Candidate]:
    """BP2: the error that passes a dropout layer."""
    start = "{delta} = {incoming}".format_map(e.names)
    return [
        Candidate("the dropout mask missing", start, e.u),
        Candidate("the mask without its scale", f"{start} * mask", e.u * (e.y != 0)),
    ]


def _over(u: Array, slope: Array) -> Array:
    with np.errstate(all="ignore"):
        return u / slope
