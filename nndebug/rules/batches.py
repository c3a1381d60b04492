"""NND0: what the size of a batch, and the other samples in it, must not change. Judged on the preflight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from .before import if_it_fails, measured

_DIFFERENT = 1e-3
"""Relative; rounding in float32 is about 1e-6."""


def _differs(figures: dict[str, Any]) -> bool:
    parts = [figures.get(name, 0.0) for name in ("output", "loss")]
    return any(part is None or not part <= _DIFFERENT for part in parts)


SUMMED = 1.5
"""Growth of the gradient with twice the rows from which on a loss is taken for a sum."""


@rule("NND003", "hidden-by-batch-size", needs=("preflight.batch",))
def hidden_by_batch_size(run: Run, *, different: float = _DIFFERENT) -> Iterator[Symptom]:
    """The program works at one batch size and breaks, or gives other results, at another.

    What it measures: forward, loss and backward of the same samples one by one and in batches as large as the user's, as
    every layer is wide, and of a size that equals no other dimension; every sample's output and loss must be the same
    to a thousandth.

    Why it matters: with as many rows as classes or units, mixed-up axes fit by accident and train a wrong network.

    What to try: look for a transpose or a sum over the wrong axis in the layer that the error names.

    False alarms: none known in evaluation mode; batch normalisation is looked at with its running statistics.

    References: NumPy manual, "Broadcasting".
    """
    batch = measured(run, "batch")
    sizes: dict[str, Any] = batch["sizes"]
    raising = {int(n): figures["raises"] for n, figures in sizes.items() if "raises" in figures}
    fine = [int(n) for n, f in sizes.items() if "raises" not in f and not _differs(f)]
    differing = [int(n) for n, f in sizes.items() if "raises" not in f and _differs(f)]
    if raising:
        where = min(raising, key=lambda n: (n == 1, n))
        works = f"a batch of {', '.join(map(str, fine or differing))} works, " if fine or differing else ""
        yield Symptom(
            "run",
            f"{works}one of {where} raises {raising[where]}"[:190],
            Severity.ERROR,
            first_step=0,
            evidence={"works": fine, "raises": sorted(raising)},
            help="look for a transpose or a sum over the wrong axis; equal sizes hide it",
        )
    elif differing and fine:
        yield Symptom(
            "run",
            f"in a batch of {differing[0]} samples get other outputs than in one of {fine[0]}",
            Severity.ERROR,
            first_step=0,
            evidence={"works": fine, "differs": differing},
            help="a sample's output must not depend on the size of its batch",
        )


@rule("NND008", "loss-reduction", needs=("preflight.reduction",))
def loss_reduction(run: Run, *, least: float = SUMMED) -> Iterator[Symptom]:
    """The loss is a sum over the batch: its gradient grows with the number of samples.

    What it measures: the norm of the gradient on eight rows, and on the same rows twice and four times over: 1, 1, 1 for
    a mean, 1, 2, 4 for a sum.

    Why it matters: rates are quoted for means. With a sum the step is as many times as long as the batch is large, and
    changes whenever the batch size does.

    What to try: take the mean over the batch, or divide the rate by the batch size.

    False alarms: a sum with a rate that was chosen for it trains the same network: it is an info unless learning fails.

    References: PyTorch documentation, argument `reduction` of the losses.
    """
    figures = measured(run, "reduction")
    growth = figures["gradient_growth"]
    if growth[-1] is None or growth[-1] <= least:
        return
    size, rate = figures["batch"], run.manifest.get("optimizer", {}).get("rate")
    as_mean = f": with {size} samples a rate of {rate:g} acts like {rate * size:g}" if rate else ""
    yield Symptom(
        "run",
        f"the gradient is {growth[-1]:.3g} × as large on the same rows four times over{as_mean}",
        if_it_fails(run),
        first_step=0,
        evidence={"growth": growth, "batch": size},
        help="take the mean over the batch"
        + (f", or the rate {rate / size:.2g} instead of {rate:g}" if rate else ""),
    )


@rule("NND009", "wrong-axis", needs=("preflight.batch",))
def wrong_axis(run: Run) -> Iterator[Symptom]:
    """What the network or the loss says of one sample depends on the other samples of the batch.

    What it measures: output and loss of the first sample by itself and within a batch, in evaluation mode; named is the
    first layer that gives another result. It is the sign of a softmax, a mean or an argmax over the batch axis.

    Why it matters: samples compete with one another instead of classes, and alone each gets the same answer.

    What to try: axis=1 (or -1) in softmax and normalisation: rows are samples.

    False alarms: losses that compare samples on purpose (contrastive); attention across samples.

    References: the dependency check in A. Karpathy, "A Recipe for Training Neural Networks", 2019.
    """
    batch, fit = measured(run, "batch"), measured(run, "fit")
    layer = batch["coupled_layer"]
    broadcast = fit.get("encoded_shape") is not None and fit.get("encoded_shape") != fit.get("output_shape")
    if not layer and (not batch["coupled_loss"] or broadcast):
        return
    yield Symptom(
        layer or "run",
        f"{'its output' if layer else 'the loss'} for one sample changes with the other samples of the batch: it works "
        "over the wrong axis",
        Severity.ERROR,
        first_step=0,
        evidence={"layer": layer, "loss": bool(batch["coupled_loss"])},
        help="rows are samples: softmax and sums over classes go along axis 1",
    )
