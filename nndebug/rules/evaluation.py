"""NND6: evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from ..wording import percent, right_answers
from .outcome import LEARNED, severity


def last_trial(run: Run) -> dict[str, Any] | None:
    """The last comparison of a reported number with the accuracy; None without one."""
    return next((event for event in reversed(run.events) if event.get("event") == "evaluation"), None)


def _wrong(trial: dict[str, Any], slack: float) -> bool:
    slack = max(slack, trial.get("rounding", 0.0) * trial["samples"])
    return bool(abs(trial["value"] - trial["accuracy"]) * trial["samples"] > slack + 1e-6)


def _words(trial: dict[str, Any], name: str) -> str:
    """The value or the accuracy in the unit that the evaluation gives."""
    return right_answers(trial[name], trial["samples"], trial.get("unit", "share"))


def _since(run: Run, last: dict[str, Any], slack: float) -> tuple[int, str]:
    """Since which step every number was wrong, and, where the last one is from a later step, the words for that."""
    trials = [event for event in run.events if event.get("event") == "evaluation"]
    since = int([*takewhile(lambda trial: _wrong(trial, slack), reversed(trials))][-1]["step"])
    return since, "" if since == last["step"] else f" at step {last['step']:,}"


@rule("NND601", "metric-wrong", needs=("evaluation.accuracy",))
def metric_wrong(run: Run, *, slack: float = 1.0) -> Iterator[Symptom]:
    """The number that the evaluation reports is not the accuracy.

    What it measures: the reported number against the right answers counted anew from the network's outputs and the
    labels, in evaluation mode, after the first and the last epoch; off by more than one sample, and by more than it was rounded.
    The number may be a share, a percentage or a count of right answers.

    Why it matters: a wrong ruler makes a good network look broken and a broken one look good. Three of the usual
    mistakes print a steady 10 % while the network learns.

    What to try: see metric-mistake-named; `nndebug.check_accuracy(value, outputs, labels)` tries it by itself.

    False alarms: a metric that is not meant to be the accuracy (F1, top 5). Pass accuracy to `watch.evaluated`.

    References: A. Karpathy, "A Recipe for Training Neural Networks", 2019: "verify the evaluation".
    """
    trial = last_trial(run)
    if trial is None or not _wrong(trial, slack):
        return
    since, at = _since(run, trial, slack)
    counted = right_answers(trial["accuracy"], trial["samples"], "count")
    accuracy = _words(trial, "accuracy")
    true = counted if accuracy == counted else f"{accuracy} ({counted})"
    yield Symptom(
        "run",
        f"the evaluation says {_words(trial, 'value')}{at}; the accuracy is {true}",
        Severity.ERROR,
        first_step=since,
        last_step=run.steps,
        evidence={
            "reported": trial["value"],
            "accuracy": trial["accuracy"],
            "samples": trial["samples"],
            "unit": trial.get("unit", "share"),
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
    since, at = _since(run, trial, slack)
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
        f"{first['meaning']} gives {exactly} the reported {_words(trial, 'value')}{at}: {first['formula']}{also}",
        Severity.ERROR,
        first_step=since,
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
    epochs, and comes. Where the validation loss is below half of chance it is therefore an info.

    References: M. Nielsen, "Neural Networks and Deep Learning", chapter 1, whose network does this.
    """
    trial = last_trial(run)
    if trial is None:
        return
    never = [k for k, n in enumerate(trial["labels"]) if n >= least and trial["right"][k] == 0]
    if not never or sum(n > 0 for n in trial["predicted"]) < 2:  # a constant is left to prediction-collapse
        return
    loss, chance = run.series("validation.loss"), run.manifest.get("loss_at_chance")
    level = severity(run, learned=Severity.INFO)
    if (
        chance and loss and not loss.last < LEARNED * chance
    ):  # what holds for the training set alone is not learned
        level = max(level, Severity.WARNING, key=lambda s: s.rank)
    named = ", ".join(map(str, never[:5]))
    yield Symptom(
        "run",
        f"no sample of class {named} is recognised ({sum(trial['labels'][k] for k in never):,} samples)",
        level,
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
        f"validation accuracy {percent(accuracy.last)} is the share of class {label} to the sample ({last[-1]} of {total})",
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


@rule("NND605", "evaluation-preprocessing", needs=("validation.loss",))
def evaluation_preprocessing(
    run: Run,
    *,
    errors: float = 3.0,
    spread: float = 0.2,
    scale: float = 2.0,
    features: float = 0.2,
    worse: float = 1.5,
    mixture: float = 0.2,
) -> Iterator[Symptom]:
    """The held-out inputs were not treated as the training inputs were.

    What it measures: mean and standard deviation of up to 512 rows of each: means that differ by more than 3 standard
    errors and 0.2 standard deviations, spreads that differ by a factor of 2, or a fifth of the features with another mean.

    Why it matters: the network is asked about inputs that it has never seen the like of; the number says nothing of it.

    What to try: the same function for both parts, with statistics from the training part.

    False alarms: data that drift, and splits that are no random ones. It is a warning only where the validation loss is
    1.5 × the training loss or more, else an info; also where the classes' shares differ by 0.2 (half of the sum of
    differences), which moves the means by itself. On digits and MNIST the means differ by at most 0.05 deviations.

    References: E. Breck et al., "The ML Test Score", 2017, on training and serving skew.
    """
    both = run.manifest.get("inputs")
    if not both:
        return
    (mean, other_mean), (std, other_std) = both["mean"], both["std"]
    moved = abs(mean - other_mean)
    ratio = max(std, other_std) / max(min(std, other_std), 1e-300)
    apart = moved > errors * both["standard_error"] and moved > spread * std
    if not (apart or ratio > scale or both["features_off"] > features):
        return
    train, held_out = run.series("train.loss").last, run.series("validation.loss").last
    # Other classes have other inputs: that alone does not stretch them.
    other_classes = _shares_apart(run) > mixture and not ratio > scale
    hurts = not held_out <= worse * train and not other_classes
    yield Symptom(
        "run",
        f"held-out inputs have mean {other_mean:.3g} and standard deviation {other_std:.3g}, training inputs {mean:.3g} and "
        f"{std:.3g}; validation loss {held_out:.3g}, training loss {train:.3g}"
        + ("; the classes have other shares there" if other_classes else ""),
        Severity.WARNING if hurts else Severity.INFO,
        first_step=0,
        last_step=run.steps,
        evidence={
            **both,
            "hurts": hurts,
            "series": [{"name": "validation.loss", "site": "run"}, {"name": "train.loss", "site": "run"}],
        },
        help="treat both parts alike, with statistics from the training part",
    )


def _shares_apart(run: Run) -> float:
    """Half of the sum of differences between the classes' shares in training and in validation; 0 without classes."""
    shares, counts = run.manifest.get("class_shares") or [], run.manifest.get("validation_counts") or []
    if len(shares) != len(counts) or not sum(counts):
        return 0.0
    return float(sum(abs(share - count / sum(counts)) for share, count in zip(shares, counts)) / 2)


@rule("NND606", "classes-renamed", needs=("evaluation.accuracy",))
def classes_renamed(run: Run, *, least: float = 0.5, gain: float = 0.3) -> Iterator[Symptom]:
    """The network is right once its classes are given other names: training and validation count them differently.

    What it measures: after the last epoch, which label each predicted class mostly meets on the validation set; where that
    is another one for every class, no label twice, and renaming lifts the accuracy by 0.3 to above one half, while the
    training set is right under the names it has.

    Why it matters: the network has learned. Only the numbers of the classes differ, by one as a rule.

    What to try: count classes from 0 in both parts; make class numbers of names with one table.

    False alarms: none known: a network that guesses has no such table, and one that climbs the loss is wrong in training
    too.

    References: scikit-learn documentation, "LabelEncoder": fit it once, on the training part.
    """
    trial = last_trial(run)
    if trial is None or not trial.get("renamed"):
        return
    after, table = trial["renamed"]["accuracy"], trial["renamed"]["labels"]
    if after < least or after < trial["accuracy"] + gain:
        return
    trained = run.series("probe.accuracy")
    if trained and trained.last < trial["accuracy"] + gain:
        return  # the training set is mistaken too: what was learned is the reverse
    shifts = {(label - k) % len(table) for k, label in enumerate(table)}
    shift = min(shifts) if len(shifts) == 1 else 0
    by = f"by {shift if shift <= len(table) / 2 else shift - len(table):+d}" if shift else "by a table"
    yield Symptom(
        "run",
        f"validation accuracy {percent(trial['accuracy'])} would be {percent(after)} if the predicted classes were renamed {by}",
        Severity.ERROR,
        first_step=0,
        last_step=run.steps,
        evidence={"accuracy": trial["accuracy"], "renamed": after, "labels": table},
        help="number the classes alike, from 0, in training and validation",
    )
