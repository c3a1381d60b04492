"""NND9: the tool itself."""

from __future__ import annotations

from collections.abc import Iterator

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run


@rule("NND901", "unused-suppression")
def unused_suppression(run: Run, *, unused: tuple[str, ...] = ()) -> Iterator[Symptom]:
    """A suppression in the settings matches no finding any more.

    What it measures: every entry of `ignore` in `[tool.nndebug]` against the findings of this run.

    Why it matters: what it hid is mended, or has another name now; left alone it will hide the next one.

    What to try: take the entry out.

    False alarms: settings that several trainings share may need an entry for one of them only; it is an info.

    References: ruff documentation, "unused-noqa (RUF100)".
    """
    for entry in unused:
        yield Symptom("run", f"nothing matches the suppression of {entry}", Severity.INFO, help="take it out")


@rule("NND902", "not-checked")
def not_checked(run: Run) -> Iterator[Symptom]:
    """Something could not be recorded, so rules have not looked at it.

    What it measures: failures inside the diagnostics, an evaluation that gives no accuracy, rows of the run folder that
    could not be read, a training that ended without a single recorded step or file of an epoch, and a run whose training data never became known (so that no state was
    judged on a probe).

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
    if not run.steps and run.manifest.get("training_seconds"):
        yield Symptom(
            "run", "the training ended, but no step of it was found in the run folder", Severity.INFO
        )
    elif run.manifest.get("training_seconds") and run.has("probe.loss") and not run.epochs:
        yield Symptom(
            "run",
            "the training ended, but no file of an epoch was found in the run folder: what single units did is unknown",
            Severity.INFO,
        )
    if run.steps and not run.has("probe.loss"):
        yield Symptom(
            "run",
            "the training data never became known: no state was judged on a probe",
            Severity.INFO,
            help="train with network.fit, which tells its observers",
        )


@rule("NND903", "rule-crashed")
def rule_crashed(run: Run, *, crashed: tuple[str, ...] = ()) -> Iterator[Symptom]:
    """A rule, or a plug-in with rules, raised an error instead of giving a verdict.

    What it measures: every exception that a rule lets out, once; the others go on.

    Why it matters: silence of that rule is not health.

    What to try: `NNDEBUG_TRACEBACK=1 nndebug check RUN` shows where; report it if the rule is nndebug's.

    False alarms: none; it is an info, because nothing is known of the network.

    References: none.
    """
    for entry in crashed:
        yield Symptom(
            "run",
            f"a rule crashed: {entry}",
            Severity.INFO,
            help="report it; the other rules are not touched",
        )
