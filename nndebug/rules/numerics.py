"""NND1: numerics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from .before import last_site, measured
from .outcome import Outcome, outcome, severity

_BEFORE_ANY_UPDATE = (
    "no update was made yet: look at this operation's inputs, for zeros and negative numbers above all"
)
_AFTER_UPDATES = "lower the learning rate, or clip gradients"
_OF_DATA = "drop or fill these rows before training"
_LARGEST = {"float16": 65504.0, "float32": 3.4e38, "float64": 1.8e308}


@rule("NND101", "first-nonfinite", needs=("loss",))
def first_nonfinite(run: Run) -> Iterator[Symptom]:
    """The first place whose inputs are finite and whose result is NaN or infinite.

    What it measures: at every step one number tells whether the output error is finite; when it is not, the step is
    run again on a twin and every array is looked at in order. So the producer is named, not the last one to pass
    the NaN on.

    Why it matters: from this step on every parameter is lost.

    What to try: look at the operands' extremes: huge weights mean a rate that is too high; a logarithm of 0 means
    probabilities where logits belong.

    False alarms: none.

    References: IEEE 754-2019, section 6.2: a NaN is passed on by every operation, so the last one to show it proves nothing.
    """
    for event in run.events:
        if event.get("event") != "nonfinite":
            continue
        step = int(event["step"])
        operands = event.get("operands") or {}
        what = {
            "preactivation": "pre-activations",
            "activation": "activations",
            "output_gradient": "gradient",
        }
        signal = what.get(str(event["signal"]), str(event["signal"]))
        of_data = event["signal"] == "input"
        if of_data:
            message = f"step {step}: what {event['site']} was given holds NaN or infinities"
        elif event["signal"] == "update":
            message = f"the update of step {step - 1} left {event['entries']:,} entries of {event['site']} not finite"
        else:
            # Where only their extremes crossed over from a device, how many there are is not known.
            count = f"{event['entries']:,} " if event["entries"] else ""
            message = (
                f"step {step}: {count}{signal} of {event['site']} are the first numbers that are not "
                f"finite ({event['operation']}); {_before(operands)}"
            )
        yield Symptom(
            str(event["site"]),
            message,
            Severity.ERROR,
            first_step=step,
            evidence={
                "operands": operands,
                "of_data": of_data,
                "sample": event.get("sample"),
                "last_finite_step": step - 1,
                "series": [{"name": "loss", "site": "run"}],
            },
            help=_OF_DATA if of_data else _AFTER_UPDATES if step else _BEFORE_ANY_UPDATE,
        )


def _before(operands: dict[str, Any]) -> str:
    """What is known of the numbers before them: the operands themselves, or what was recorded of layers before."""
    if not operands:
        return "all that was recorded before was finite"
    parts = [f"{name} {low:.3g} to {high:.3g}" for name, (low, high) in operands.items()]
    return f"what went in was finite: {', '.join(parts)}"


@rule("NND102", "overflow-ahead", needs=("loss",))
def overflow_ahead(run: Run, *, margin: float = 1024.0) -> Iterator[Symptom]:
    """Numbers come within a factor of a thousand of the largest that the dtype can hold, and still grow.

    What it measures: the largest entry of every recorded signal (pre-activations, activations, gradients, weights)
    against the largest number of the dtype, at its last record, being the largest of the run.

    Why it matters: the next steps give infinities, and one step later everything is NaN.

    What to try: a lower learning rate; clipping; look for the layer where the growth begins.

    False alarms: none known: healthy signals stay 30 orders of magnitude away in float32.

    References: IEEE 754-2019, section 7.4.
    """
    limit = _LARGEST.get(str(run.manifest.get("network", {}).get("dtype")), _LARGEST["float32"]) / margin
    for signal in ("preactivation", "activation", "output_gradient", "gradient", "weight"):
        for site in run.where(f"{signal}.maximum"):
            high, low = run.series(f"{signal}.maximum", site), run.series(f"{signal}.minimum", site)
            sizes = np.maximum(np.abs(high.values), np.abs(low.values))
            finite = np.flatnonzero(np.isfinite(sizes))
            if not finite.size or not sizes[finite[-1]] > limit or sizes[finite[-1]] < sizes[finite].max():
                continue
            first = int(high.steps[finite[sizes[finite] > limit][0]])
            yield Symptom(
                site,
                f"its {signal.replace('_', ' ')} reaches {sizes[finite[-1]]:.2g} and grows: the largest number is "
                f"{limit * margin:.2g}",
                severity(run),
                first_step=first,
                last_step=run.steps,
                evidence={
                    "largest": float(sizes[finite[-1]]),
                    "series": [{"name": f"{signal}.maximum", "site": site}],
                },
                help="lower the learning rate, or clip gradients",
            )
            return


@rule("NND105", "unguarded-log", needs=("preflight.fit",))
def unguarded_log(run: Run) -> Iterator[Symptom]:
    """The loss takes a logarithm, or divides, without a guard: a probability of exactly 0 gives infinity.

    What it measures: loss and gradient of outputs that are exactly 0 and 1 on the wrong side, for a loss that takes
    probabilities.

    Why it matters: a softmax or sigmoid in float32 gives exactly 0 or 1 as soon as a network is sure of itself; the first
    such sample that is wrong makes every parameter NaN.

    What to try: the loss on logits, which needs no guard; or clip probabilities to 1e-7 .. 1 - 1e-7.

    False alarms: a run that never comes near 0 or 1; it is an info unless numbers were lost or learning fails.

    References: PyTorch documentation of `BCELoss`, which clamps its logarithms at -100 for this reason.
    """
    edge = measured(run, "fit").get("edge")
    if not edge or (edge["loss_finite"] and edge["gradient_finite"]):
        return
    lost = any(event.get("event") == "nonfinite" for event in run.events)
    yield Symptom(
        last_site(run),
        "the loss of a probability of exactly 0 is not finite: its logarithm has no guard",
        Severity.ERROR if lost or outcome(run) is Outcome.FAILED else Severity.INFO,
        first_step=0,
        evidence={**edge, "lost": lost},
        help="use the loss on logits, or clip probabilities to 1e-7 .. 1 - 1e-7",
    )
