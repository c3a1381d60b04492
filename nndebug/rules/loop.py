"""NND3 and NND4: do forward pass, backward pass and update follow one another, and have to do with one another?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from .outcome import severity


@rule("NND308", "loss-cut-off", needs=("replay.cut",))
def loss_cut_off(run: Run, *, times: int = 3) -> Iterator[Symptom]:
    """No backward pass comes to any parameter: what it starts from does not depend on the network.

    What it measures: of a PyTorch model, at the first four steps, whether a backward pass ran and gave no parameter a
    gradient.

    Why it matters: nothing is ever updated, and no error says so once `requires_grad` was switched on by hand.

    What to try: make the loss of the outputs themselves: no argmax, `.item()`, `.detach()`, `.data`, NumPy or
    `torch.tensor(...)` between the network and the loss.

    False alarms: an optimiser that is stepped while other models train.

    References: PyTorch documentation, "Autograd mechanics": operations that are not differentiable.
    """
    cut = run.series("replay.cut")
    count = np.count_nonzero(cut.values > 0)
    if count < times:
        return
    yield Symptom(
        "run",
        f"no parameter got a gradient from the backward pass at {count} of {len(cut)} steps looked at",
        Severity.ERROR,
        first_step=int(cut.steps[cut.values > 0][0]),
        last_step=run.steps,
        help="look between the outputs and the loss for argmax, .item(), .detach(), .data, NumPy or torch.tensor(...)",
    )


_INSTEAD = {
    "order": "forward, loss, backward, update, in this order",
    "moved": "change parameters in the update alone",
    "cleared": "clear the gradients before the backward pass: zero_grad(), backward(), step()",
    "mode": "back to training mode before the loop, and after every evaluation",
}
"""What to do, by what is wrong."""


@rule("NND407", "loop-order", needs=("replay.no_backward",))
def loop_order(run: Run, *, moved: float = 1e-6, times: int = 3) -> Iterator[Symptom]:
    """The parts of a training step come in the wrong order, or in the wrong mode.

    What it measures: at the first five steps, whether the backward pass came between forward pass and update; whether the
    parameters stayed as they were in between; of a PyTorch model, whether anything was left at the update of the gradients
    that the backward pass had given; and whether dropout and batch normalisation were in training
    mode (of a PyTorch model: at every recorded step).

    Why it matters: an update before its backward pass uses the last batch's gradient; parameters that change in between
    make the gradient one of other weights; cleared gradients move nothing; evaluation mode switches off what dropout and normalisation are there for.

    What to try: forward, loss, backward, update; `network.training = True` around the loop, `False` for evaluation.

    False alarms: running statistics that are frozen on purpose, when a trained network is trained on; where such a run
    learns it is an info.

    References: PyTorch documentation, "Autograd mechanics", on train and eval mode.
    """
    late, changed, cleared, evaluating = (
        run.series(f"replay.{n}") for n in ("no_backward", "moved", "cleared", "evaluating")
    )
    checks = (
        (late, late.values > 0, "order", "the update comes before the backward pass: it uses an older batch's gradient"),
        (changed, changed.values > moved, "moved", "the parameters change between the forward pass and the update"),
        (cleared, cleared.values > 0, "cleared", "the gradients are cleared between the backward pass and the update: nothing moves"),
        (evaluating, evaluating.values > 0, "mode", "it trains in evaluation mode: dropout and batch normalisation are off"),
    )  # fmt: skip
    for series, bad, what, message in checks:
        if np.count_nonzero(bad) < times:
            continue
        first = int(series.steps[bad][0])
        since = what == "mode" and first > 0 and bool(bad[-1])
        where = (
            f"since step {first:,}"
            if since
            else f"at {np.count_nonzero(bad)} of {len(series)} steps looked at"
        )
        yield Symptom(
            "run",
            f"{message} ({where})",
            severity(run, learned=Severity.INFO) if what == "mode" else Severity.ERROR,
            first_step=first,
            last_step=run.steps,
            evidence={"what": what},
            help=_INSTEAD[what],
        )
