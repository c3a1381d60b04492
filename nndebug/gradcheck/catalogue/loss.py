"""BP1: the derivative of the loss by the network's output."""

from __future__ import annotations

import numpy as np

from ...signals import Array
from ..functions import sigmoid, softmax
from ..mistakes import Candidate, Evidence


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
