"""NND1: numerics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run


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
        if event["signal"] == "update":
            message = f"the update of step {step - 1} left {event['entries']:,} entries of {event['site']} not finite"
        else:
            message = (
                f"step {step}: {event['entries']:,} {signal} of {event['site']} are the first numbers that are not "
                f"finite ({event['operation']}); what went in was finite{_extremes(operands)}"
            )
        yield Symptom(
            str(event["site"]),
            message,
            Severity.ERROR,
            first_step=step,
            evidence={
                "operands": operands,
                "sample": event.get("sample"),
                "last_finite_step": step - 1,
                "series": [{"name": "loss", "site": "run"}],
            },
            help="lower the learning rate, or clip gradients",
        )


def _extremes(operands: dict[str, Any]) -> str:
    parts = [f"{name} {low:.3g} to {high:.3g}" for name, (low, high) in operands.items()]
    return f": {', '.join(parts)}" if parts else ""
