"""Convolution and pooling: the error that they pass back (BP2), a kernel's bias (BP3) and its weights (BP4)."""

from __future__ import annotations

import numpy as np

from ...signals import Array
from ..mistakes import Candidate, Evidence


def conv_input(e: Evidence) -> list[Candidate]:
    """BP2: what a convolution passes back."""
    windows, weight = e.windows, e.weight
    if windows is None or weight is None:
        return []
    n = e.names
    start = f"dL/d{n['before']} = conv_transpose({n['delta']}, "
    found = [
        Candidate(
            "the kernel turned by half a turn too many (or too few)",
            f"{start}{n['W']}[:, :, ::-1, ::-1])",
            windows.to_input(e.u, weight[:, :, ::-1, ::-1]),
        ),
        Candidate(
            "overlapping windows overwritten, not added",
            f"{start}{n['W']}), with = where += belongs",
            windows.to_input(e.u, weight, add=False),
        ),
    ]
    if weight.shape[0] == weight.shape[1]:
        line = f"{start}{n['W']}.swapaxes(0, 1))"
        name = "in and out channels of the kernel mixed up"
        found.append(Candidate(name, line, windows.to_input(e.u, weight.swapaxes(0, 1))))
    if any(windows.before):
        line = f"{start}{n['W']})[:, :, :height, :width], from the corner of the padding on"
        name = "the padding not cut off where it is"
        found.append(Candidate(name, line, windows.to_input(e.u, weight, at=(0, 0))))
    if windows.stride != (1, 1):
        line = f"{start}{n['W']}, stride=1)"
        found.append(Candidate("the stride forgotten", line, windows.unstrided().to_input(e.u, weight)))
    return found


def conv_weight(e: Evidence) -> list[Candidate]:
    """BP4 of a convolution."""
    windows, weight = e.windows, e.weight
    if windows is None or weight is None:
        return []
    n = e.names
    start, both = f"d{n['W']} = ", f"correlate({n['before']}, {n['delta']})"
    right, places = windows.to_weight(e.x, e.u), int(np.prod(windows.outputs))
    found = [
        Candidate(
            "the kernel's gradient turned by half a turn",
            f"{start}{both}[:, :, ::-1, ::-1]",
            right[:, :, ::-1, ::-1],
        ),
        Candidate("the mean over the places in place of the sum", f"{start}{both} / places", right / places),
        Candidate(
            "the mean over batch and places in place of the sum",
            f"{start}{both} / (batch * places)",
            right / (places * e.batch),
        ),
        Candidate(
            "the last sample only",
            f"{start}correlate({n['before']}[-1:], {n['delta']}[-1:])",
            windows.to_weight(e.x[-1:], e.u[-1:]),
        ),
        Candidate(
            "the first sample only",
            f"{start}correlate({n['before']}[:1], {n['delta']}[:1])",
            windows.to_weight(e.x[:1], e.u[:1]),
        ),
    ]
    if weight.shape[0] == weight.shape[1]:
        name = "in and out channels of the kernel mixed up"
        found.append(Candidate(name, f"{start}{both}.swapaxes(0, 1)", right.swapaxes(0, 1)))
    if any(windows.before):
        line = f"{start}correlate({n['before']} without its padding, {n['delta']})"
        found.append(Candidate("the padding forgotten", line, windows.to_weight(e.x, e.u, at=(0, 0))))
    if windows.stride != (1, 1):
        line = f"{start}correlate({n['before']}, {n['delta']}, stride=1)"
        found.append(Candidate("the stride forgotten", line, windows.unstrided().to_weight(e.x, e.u)))
    return found


def conv_bias(e: Evidence) -> list[Candidate]:
    """BP3 of a convolution."""
    n = e.names
    start, delta, total = f"d{n['b']} = ", n["delta"], e.u.sum(axis=(0, 2, 3))
    places = int(np.prod(e.u.shape[2:]))
    return [
        Candidate(
            "one place of the image only",
            f"{start}{delta}[:, :, 0, 0].sum(axis=0)",
            e.u[:, :, 0, 0].sum(axis=0),
        ),
        Candidate(
            "the mean over the places in place of the sum",
            f"{start}{delta}.mean(axis=(2, 3)).sum(axis=0)",
            total / places,
        ),
        Candidate(
            "the mean over batch and places in place of the sum",
            f"{start}{delta}.mean(axis=(0, 2, 3))",
            total / (places * e.batch),
        ),
        Candidate("the last sample only", f"{start}{delta}[-1].sum(axis=(1, 2))", e.u[-1].sum(axis=(1, 2))),
        Candidate("the first sample only", f"{start}{delta}[0].sum(axis=(1, 2))", e.u[0].sum(axis=(1, 2))),
        Candidate("one scalar for all units (sum)", f"{start}{delta}.sum()", np.full(len(total), e.u.sum())),
        Candidate(
            "one scalar for all units (mean)", f"{start}{delta}.mean()", np.full(len(total), e.u.mean())
        ),
        Candidate("no sum over the places", f"{start}{delta}.sum(axis=0)", e.u.sum(axis=0)),
        Candidate(
            "an axis kept", f"{start}{delta}.sum(axis=(0, 2, 3), keepdims=True)", total.reshape(1, -1, 1, 1)
        ),
    ]


def max_pool(e: Evidence) -> list[Candidate]:
    """BP2: what max pooling passes back."""
    windows = e.windows
    if windows is None:
        return []
    seen = windows.seen(e.x, -np.inf)
    start = f"dL/d{e.names['before']} = "
    real = np.isfinite(seen)
    winner = _only(seen, seen.argmax(axis=0))
    return [
        Candidate(
            "the gradient given to the whole window", f"{start}{e.names['delta']} for every entry of the window",
            windows.spread(e.u * real),
        ),
        Candidate(
            "the gradient spread evenly over the window, as in average pooling",
            f"{start}{e.names['delta']} / entries for every entry of the window",
            windows.spread(e.u * real / real.sum(axis=0)),
        ),
        Candidate(
            "the gradient given to the first entry of the window, not to the largest",
            f"{start}{e.names['delta']} for window[0, 0]",
            windows.spread(e.u * _only(seen, np.zeros(seen.shape[1:], int))),
        ),
        Candidate(
            "the gradient given to the last entry of the window, not to the largest",
            f"{start}{e.names['delta']} for window[-1, -1]",
            windows.spread(e.u * _only(seen, np.full(seen.shape[1:], len(seen) - 1))),
        ),
        Candidate(
            "the gradient given to the smallest entry of the window",
            f"{start}{e.names['delta']} for window.argmin()",
            windows.spread(e.u * _only(seen, np.where(real, seen, np.inf).argmin(axis=0))),
        ),
        Candidate(
            "overlapping windows overwritten, not added",
            f"{start}{e.names['delta']} for window.argmax(), with = where += belongs",
            windows.spread(e.u * winner, add=False),
        ),
    ]  # fmt: skip


def mean_pool(e: Evidence) -> list[Candidate]:
    """BP2: what average pooling passes back."""
    windows = e.windows
    if windows is None:
        return []
    seen = windows.seen(e.x, -np.inf)
    real, area = np.isfinite(seen), len(seen)
    start, delta = f"dL/d{e.names['before']} = ", e.names["delta"]
    return [
        Candidate(
            "the division by the window's size missing", f"{start}{delta} for every entry of the window",
            windows.spread(e.u * real),
        ),
        Candidate(
            "the division by the kernel's size where padding does not count (or the reverse)",
            f"{start}{delta} / another number of entries",
            windows.spread(e.u * real / (area if e.padded_mean is False else real.sum(axis=0))),
        ),
        Candidate(
            "the gradient given to the largest entry of the window, as in max pooling",
            f"{start}{delta} for window.argmax()",
            windows.spread(e.u * _only(seen, seen.argmax(axis=0))),
        ),
        Candidate(
            "the gradient given to one entry of the window only",
            f"{start}{delta} for window[0, 0]",
            windows.spread(e.u * _only(seen, np.zeros(seen.shape[1:], int))),
        ),
        Candidate(
            "the gradient given to one entry of the window only",
            f"{start}{delta} / entries for window[0, 0]",
            windows.spread(e.u / real.sum(axis=0) * _only(seen, np.zeros(seen.shape[1:], int))),
        ),
    ]  # fmt: skip


def _only(seen: Array, which: Array) -> Array:
    """1 at one entry of every window, 0 at the others (kernel entries, batch, channels, *outputs)."""
    return np.asarray(np.arange(len(seen)).reshape((-1, *(1,) * which.ndim)) == which, np.float64)
