"""NND6: evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from .outcome import severity


def last_trial(run: Run) -> dict[str, Any] | None:
    """The last comparison of a reported number with the accuracy; None without one."""
    return next((event for event in reversed(run.events) if event.get("event") == "evaluation"), None)


def _wrong(trial: dict[str, Any], slack: float) -> bool:
    return bool(abs(trial["value"] - trial["accuracy"]) * trial["samples"] > slack + 1e-6)


@rule("NND601", "metric-wrong", needs=("evaluation.accuracy",))
def metric_wrong(run: Run, *, slack: float = 1.0) -> Iterator[Symptom]:
    """The number that the evaluation reports is not the accuracy.

    What it measures: the reported number against the right answers counted anew from the network's outputs and the
    labels, in evaluation mode, after the first and the last epoch; off by more than one sample.

    Why it matters: a wrong ruler makes a good network look broken and a broken one look good. Three of the usual
    mistakes print a steady 10 % while the network learns.

    What to try: see metric-mistake-named; `nndebug.check_accuracy(value, outputs, labels)` tries it by itself.

    False alarms: a metric that is not meant to be the accuracy (F1, top 5). Pass accuracy to `watch.evaluated`.

    References: A. Karpathy, "A Recipe for Training Neural Networks", 2019: "verify the evaluation".
    """
    trial = last_trial(run)
    if trial is None or not _wrong(trial, slack):
        return
    samples, right = trial["samples"], round(trial["accuracy"] * trial["samples"])
    yield Symptom(
        "run",
        f"the evaluation says {trial['value']:.2%}; the accuracy is {trial['accuracy']:.2%} ({right:,} of {samples:,})",
        Severity.ERROR,
        first_step=int(trial["step"]),
        last_step=run.steps,
        evidence={
            "reported": trial["value"],
            "accuracy": trial["accuracy"],
            "samples": samples,
            "series": [
                {"name": "evaluation.reported", "site": "run"},
                {"name": "evaluation.accuracy", "site": "run"},
            ],
        },
        help="count right answers as np.mean(outputs.argmax(axis=1) == labels)",
    )


@rule("NND602", "metric-mistake-named", needs=("evaluation.accuracy",))
def metric_mistake_named(run: Run, *, slack: float = 1.0) -> Iterator[Symptom]:
    """A known mistake gives exactly the number that the evaluation reports.

    What it measures: seventeen mistakes replayed on the network's outputs and the labels (argmax over the wrong axis, of a
    label, of all outputs, of the input; max or argmin; a class number against one-hot; a column against a row; labels off
    by one, shifted, shuffled; another denominator; training mode; older weights; single outputs; rows for columns).

    Why it matters: it says which line to mend.

    What to try: the message shows the line that gives your number.

    False alarms: none are named where the number is right. Several mistakes may give the same number (0, above all): then
    all are in the evidence, the likeliest first. Shuffled labels and dropout are random and are named within three
    standard errors.

    References: the list was collected from faulty evaluations of Nielsen's network, one textual change each.
    """
    trial = last_trial(run)
    if trial is None or not _wrong(trial, slack) or not trial["mistakes"]:
        return
    first, *others = trial["mistakes"]
    exactly = "exactly" if first["exact"] else "about"
    also = (
        f" (so do {len(others)} others)"
        if len(others) > 1
        else f" (so does {others[0]['name']})"
        if others
        else ""
    )
    yield Symptom(
        "run",
        f"{first['meaning']} gives {exactly} the reported {trial['value']:.2%}: {first['formula']}{also}",
        Severity.ERROR,
        first_step=int(trial["step"]),
        last_step=run.steps,
        evidence={
            "mistake": first["name"],
            "others": [m["name"] for m in others],
            "formula": first["formula"],
        },
        help="count right answers as np.mean(outputs.argmax(axis=1) == labels)",
    )


@rule("NND604", "class-never-predicted", needs=("evaluation.accuracy",))
def class_never_predicted(run: Run, *, least: int = 20) -> Iterator[Symptom]:
    """A class of the validation set is never predicted, or never right.

    What it measures: right answers by class on the validation set after the last epoch: none for a class of 20 samples or
    more.

    Why it matters: the accuracy hides it: with ten classes the other nine may be at 95 %. One output that has saturated
    low, or a class with almost no training samples, looks like "slow learning".

    What to try: look at the output's unit (its largest activation) and at the class's share of the training set.

    False alarms: none known on balanced data; in 3 of 10 seeds of the blog's first network a class is missing for some
    epochs, and comes. On a run that learns it is therefore an info.

    References: M. Nielsen, "Neural Networks and Deep Learning", chapter 1, whose network does this.
    """
    trial = last_trial(run)
    if trial is None:
        return
    never = [k for k, n in enumerate(trial["labels"]) if n >= least and trial["right"][k] == 0]
    present = sum(n > 0 for n in trial["labels"])
    if (
        not never or len(never) > present / 2
    ):  # where most are missing, the network is a constant: prediction-collapse
        return
    named = ", ".join(map(str, never[:5]))
    yield Symptom(
        "run",
        f"no sample of class {named} is recognised ({sum(trial['labels'][k] for k in never):,} samples)",
        severity(run, learned=Severity.INFO),
        first_step=int(trial["step"]),
        last_step=run.steps,
        evidence={"classes": never, "samples": [trial["labels"][k] for k in never]},
        help="look at this output unit and at the class's share of the training set",
    )


@rule("NND603", "chance-accuracy", needs=("validation.accuracy",))
def chance_accuracy(
    run: Run, *, slack: float = 2.0, least: int = 50, alike: float = 0.9
) -> Iterator[Symptom]:
    """The accuracy is the share of one class, to the sample: the network answers always the same.

    What it measures: right answers on the validation set against the number of samples of each class in it, at two
    epochs in a row, for an accuracy near chance, where 90 % of the predictions on the probe are one class.

    Why it matters: "10 %" is not a bad network, it is a constant one, or an evaluation that looks at the wrong thing.

    What to try: if the loss falls meanwhile, the evaluation is wrong; else see the cause above.

    False alarms: a coincidence to the sample at two epochs is unlikely; accuracies above 2 × chance and sets of fewer
    than 50 samples are not looked at.

    References: A. Karpathy, "A Recipe for Training Neural Networks", 2019.
    """
    counts = run.manifest.get("validation_counts") or []
    accuracy = run.series("validation.accuracy")
    total = sum(counts)
    shares = run.series("probe.top_class_share")
    if total < least or len(accuracy) < 2 or (shares and shares.last < alike):
        return
    last = [round(value * total) for value in accuracy.values[-2:]]
    if not all(value in counts for value in last) or accuracy.last > slack * max(counts) / total:
        return
    equal = [label for label, count in enumerate(counts) if count == last[-1]]
    top = int(run.series("probe.top_class").last) if run.has("probe.top_class") else -1
    label = top if top in equal else equal[0]
    yield Symptom(
        "run",
        f"validation accuracy {accuracy.last:.1%} is the share of class {label} to the sample ({last[-1]} of {total})",
        severity(run),
        first_step=int(accuracy.steps[-2]),
        last_step=run.steps,
        evidence={
            "class": label,
            "right": last[-1],
            "samples": total,
            "series": [{"name": "validation.accuracy", "site": "run"}],
        },
        help="look at what the network predicts; if the loss falls meanwhile, check the evaluation",
    )
