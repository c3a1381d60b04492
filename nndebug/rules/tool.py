"""NND9: the tool itself."""

from __future__ import annotations

from collections.abc import Iterator

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run


@rule("NND902", "not-checked")
def not_checked(run: Run) -> Iterator[Symptom]:
    """Something could not be recorded, so rules have not looked at it.

    What it measures: failures inside the diagnostics, rows of the run folder that could not be read, and a run whose
    training data never became known (so that no state was judged on a probe).

    Why it matters: silence must not read as health.

    What to try: the message says what failed; report it if it is a fault of nndebug.

    False alarms: none; it is an info.

    References: none.
    """
    for event in run.events:
        if event.get("event") == "failure":
            yield Symptom("run", str(event.get("message")), Severity.INFO, first_step=int(event["step"]))
    if run.lost:
        yield Symptom(
            "run",
            f"{run.lost} rows of the run folder could not be read",
            Severity.INFO,
            evidence={"lost": run.lost},
        )
    if run.steps and not run.has("probe.loss"):
        yield Symptom(
            "run",
            "the training data never became known: no state was judged on a probe",
            Severity.INFO,
            help="train with network.fit, which tells its observers",
        )
