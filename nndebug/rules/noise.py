"""NND3: how much of a batch's gradient is noise."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..findings import Symptom
from ..registry import rule
from ..run import Run
from .outcome import Outcome, outcome, severity

_FEW_ROWS = 32
"""Batches above it are too near the rows of the probe's gradient for the two to be told apart."""
_MANY_ROWS = 128


def signal_to_noise(run: Run, since: int) -> float | None:
    """|G|² over the variance of a batch's gradient around G, by the unbiased estimates of McCandlish et al., appendix A.1.

    Args:
        run: of batches of up to 32 rows; norms of their gradients and of one of 128 rows were recorded.
        since: the first step that counts.

    Returns:
        None where it was not recorded, or not often enough.
    """
    many = run.series("probe.gradient.norm").since(since).finite
    rows = min(_MANY_ROWS, run.manifest.get("probe_rows", 0))
    batch = run.manifest.get("batch") or _MANY_ROWS
    if len(many) < 3 or batch > min(_FEW_ROWS, rows / 4):
        return None
    squares: dict[int, float] = {}
    for site in run.sites:
        for parameter in site.parameters:
            norms = run.series("gradient.norm", f"{site.name}.{parameter}").since(since).finite
            for step, value in zip(norms.steps.tolist(), norms.values.tolist()):
                squares[step] = squares.get(step, 0.0) + value**2
    if run.manifest.get("loss_settings", {}).get("reduction") == "sum":
        squares = {step: square / batch**2 for step, square in squares.items()}
    if len(squares) < 5:
        return None
    large, small = float(np.mean(many.values**2)), float(np.mean(list(squares.values())))
    signal = (rows * large - batch * small) / (rows - batch)
    noise = (small - large) / (1 / batch - 1 / rows)
    return max(signal, 0.0) / (noise / batch) if noise > 0 else math.inf


@rule("NND306", "gradient-noise", needs=("probe.gradient.norm", "gradient.norm", "probe.loss"))
def gradient_noise(
    run: Run, *, most: float = 0.5, jump: float = 0.04, least: int = 4, times: float = 3.0
) -> Iterator[Symptom]:
    """The gradients of single batches are mostly noise, and the loss jumps about instead of falling.

    What it measures: over the second half of the run, the square of the gradient's norm on 128 rows against the variance
    of the batches' gradients around it, below 0.5; while the probe loss changes from epoch to epoch by 4 % of that of
    chance or more (median), three times as far as it gets on average, and is not below half of chance. For batches of up
    to 32 rows.

    Why it matters: each step goes where its few samples pull, which is another way than the next step's. Smaller steps or
    larger batches average that out.

    What to try: larger batches (32), or a rate that is lower by as much.

    False alarms: noise alone is usual: near a minimum nothing else is left of a gradient. It is only looked at where the
    loss stays high and jumps. Healthy runs jump by up to 8 % of chance, but end at or below 0.44 of it.

    References: S. McCandlish et al., "An Empirical Model of Large-Batch Training", 2018, arXiv:1812.06162.
    """
    loss, chance = run.series("probe.loss").finite, run.manifest.get("loss_at_chance")
    half = run.steps // 2
    ends = [epoch.step for epoch in run.epochs if epoch.step >= half and epoch.number]
    if not chance or len(ends) < least or not loss or outcome(run) is Outcome.LEARNED:
        return
    values = np.array([loss.at(step) for step in ends])
    changes = np.abs(np.diff(values))
    jumps, way = float(np.median(changes)), abs(float(values[-1] - values[0])) / len(changes)
    if not jumps >= max(jump * chance, times * way):
        return
    ratio = signal_to_noise(run, half)
    if ratio is None or not ratio < most:
        return
    batch = run.manifest["batch"]
    yield Symptom(
        "run",
        f"a gradient of {batch} {'sample is' if batch == 1 else 'samples is'} noise ({ratio:.2g} of it signal), and the loss "
        f"jumps by {jumps:.2g} from epoch to epoch",
        severity(run),
        first_step=half,
        last_step=run.steps,
        evidence={
            "ratio": ratio,
            "jumps": jumps,
            "batch": batch,
            "series": [{"name": "probe.loss", "site": "run"}, {"name": "probe.gradient.norm", "site": "run"}],
        },
        help="use batches of 32, or a rate that is lower by as much",
    )
