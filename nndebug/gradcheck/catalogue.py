"""The mistakes themselves, by the part of the gradient in which they show."""

from __future__ import annotations

import numpy as np

from ..signals import Array
from .functions import FUNCTIONS, SOFTMAX, sigmoid, softmax
from .mistakes import Candidate, Catalogue, Evidence


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


def loss(e: Evidence) -> list[Candidate]:
    """BP1: the derivative of the loss by the network's output."""
    out, target = e.names["out"], e.target
    start, batch = f"dC/d{out} =", e.batch
    found = []
    if e.per_sample is not None:
        mean, each = float(e.per_sample.mean()), e.per_sample[:, None]
        same = np.ones_like(e.y)
        found += [
            Candidate("the cost's value (a scalar) in place of its derivative", f"{start} C", mean * same),
            Candidate(
                "the cost's value (a scalar) in place of its derivative",
                f"{start} C / batch",
                mean / batch * same,
            ),
            Candidate(
                "each sample's cost in place of its derivative", f"{start} C of the sample", each * same
            ),
            Candidate(
                "each sample's cost in place of its derivative",
                f"{start} C of the sample / batch",
                each / batch * same,
            ),
        ]
    if e.elementwise is not None:
        name = "the cost (entry by entry) in place of its derivative"
        found += [
            Candidate(name, f"{start} the cost of each output", e.elementwise),
            Candidate(name, f"{start} the cost of each output / batch", e.elementwise / batch),
        ]
    if target is None or target.shape != e.y.shape:
        return found
    squash, name = (softmax, "softmax") if e.loss == "cross_entropy" else (sigmoid, "sigmoid")
    p = squash(e.y)
    if e.loss == "quadratic":
        extra = e.y * (1 - e.y)
        line = f"{start} ({out} - y) * {out} * (1 - {out}) / batch"
        found.append(
            Candidate("the activation's derivative in the loss as well", line, (e.y - target) * extra / batch)
        )
    else:
        found += [
            Candidate(f"{name} missing", f"{start} ({out} - y) / batch", (e.y - target) / batch),
            Candidate("the target missing", f"{start} {name}({out}) / batch", p / batch),
            Candidate(
                f"{name}'s derivative too many: the loss contains it already",
                f"{start} ({name}({out}) - y) * {name}'({out}) / batch",
                (p - target) * p * (1 - p) / batch,
            ),
        ]
    if e.loss == "cross_entropy":
        line = f"{start} (softmax({out}) - y) / batch, with rows of y that do not sum to 1"
        found.append(Candidate("targets that are no probabilities", line, (p - target) / batch))
    return found


def elementwise_loss(kind: str, output: Array, target: Array) -> Array | None:
    """Each output's share of a known loss (batch, outputs); None for other losses."""
    if target.shape != output.shape:
        return None
    shares: Array | None = None
    if kind == "quadratic":
        shares = 0.5 * (output - target) ** 2
    elif kind == "cross_entropy":
        shifted = output - output.max(axis=1, keepdims=True)
        shares = -target * (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
    elif kind == "binary_cross_entropy":
        shares = np.maximum(output, 0) + np.log1p(np.exp(-np.abs(output))) - output * target
    return shares


def _over(u: Array, slope: Array) -> Array:
    with np.errstate(all="ignore"):
        return u / slope


CATALOGUES: dict[str, Catalogue] = {
    "activation": activation,
    "dropout": dropout,
    "input": dense_input,
    "bias": bias,
    "weight": weight,
    "loss": loss,
}
