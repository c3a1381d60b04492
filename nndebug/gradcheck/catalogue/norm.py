"""Batch and layer normalisation: the error passed back (BP2), the shift β (BP3), the scale γ (BP4)."""

from __future__ import annotations

import numpy as np

from ..mistakes import Candidate, Evidence


def norm_input(e: Evidence) -> list[Candidate]:
    """BP2: what a norm passes back."""
    norm = e.norm
    if norm is None:
        return []
    n, scale = e.names, norm.scale
    start, g = f"dL/d{n['before']} = ", e.u * norm.weight
    whose = {"batch": "the batch", "layer": "the sample"}[norm.kind]
    whole = f"(g - g.mean() - xhat * (g * xhat).mean()) with g = {n['delta']}"
    return [
        Candidate(
            f"mean and variance of {whose} treated as constants", f"{start}{n['delta']} * gamma / std", scale * g
        ),
        Candidate(
            f"the mean of {whose} treated as a constant",
            f"{start}(g - xhat * (g * xhat).mean()) / std with g = {n['delta']} * gamma",
            scale * norm.to_input(g, mean=False),
        ),
        Candidate(
            f"the variance of {whose} treated as a constant",
            f"{start}(g - g.mean()) / std with g = {n['delta']} * gamma",
            scale * norm.to_input(g, variance=False),
        ),
        Candidate("the scale gamma missing", f"{start}1 / std * {whole}", scale * norm.to_input(e.u)),
        Candidate("the division by the standard deviation missing", f"{start}{whole} * gamma", norm.to_input(g)),
        Candidate(
            "the division by the variance, not by its root", f"{start}1 / var * {whole} * gamma", scale**2 * norm.to_input(g)
        ),
        Candidate("the norm left out: the error passed on as it came", f"{start}{n['delta']}", e.u),
        Candidate("only the scale gamma applied", f"{start}{n['delta']} * gamma", g),
        Candidate(
            f"the scale gamma missing, mean and variance of {whose} treated as constants",
            f"{start}{n['delta']} / std", scale * e.u,
        ),
    ]  # fmt: skip


def norm_weight(e: Evidence) -> list[Candidate]:
    """BP4: the gradient of the scale γ."""
    norm = e.norm
    if norm is None:
        return []
    start, delta = "dgamma = ", e.names["delta"]
    over = "batch" if norm.others == (0,) else "batch, places"
    right = norm.to_parameter(e.u * norm.normalised)
    return [
        Candidate("the input in place of the normalised input", f"{start}({delta} * x).sum({over})", norm.to_parameter(e.u * e.x)),
        Candidate(
            "the centred input, not divided by the standard deviation",
            f"{start}({delta} * (x - mean)).sum({over})", norm.to_parameter(e.u * norm.centred),
        ),
        Candidate("the output in place of the normalised input", f"{start}({delta} * y).sum({over})", norm.to_parameter(e.u * e.y)),
        Candidate("the normalised input missing", f"{start}{delta}.sum({over})", norm.to_parameter(e.u)),
        Candidate(
            "the scale gamma once more", f"{start}({delta} * gamma * xhat).sum({over})",
            norm.to_parameter(e.u * norm.weight * norm.normalised),
        ),
        Candidate(f"the mean over {over} in place of the sum", f"{start}({delta} * xhat).mean({over})", right / norm.count),
        Candidate("the last sample only", f"{start}({delta} * xhat)[-1]", norm.to_parameter((e.u * norm.normalised)[-1:])),
    ]  # fmt: skip


def norm_bias(e: Evidence) -> list[Candidate]:
    """BP3: the gradient of the shift β."""
    norm = e.norm
    if norm is None:
        return []
    start, delta = "dbeta = ", e.names["delta"]
    over = "batch" if norm.others == (0,) else "batch, places"
    right = norm.to_parameter(e.u)
    return [
        Candidate(f"the mean over {over} in place of the sum", f"{start}{delta}.mean({over})", right / norm.count),
        Candidate("the last sample only", f"{start}{delta}[-1]", norm.to_parameter(e.u[-1:])),
        Candidate("the scale gamma applied", f"{start}({delta} * gamma).sum({over})", norm.to_parameter(e.u * norm.weight)),
        Candidate("gamma's gradient in its place", f"{start}({delta} * xhat).sum({over})", norm.to_parameter(e.u * norm.normalised)),
        Candidate("one scalar for all units (sum)", f"{start}{delta}.sum()", np.full(right.shape, e.u.sum())),
        Candidate("one scalar for all units (mean)", f"{start}{delta}.mean()", np.full(right.shape, e.u.mean())),
    ]  # fmt: skip
