"""NND7: labels: do they belong to their inputs, are they all there, do they come mixed?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from ..wording import percent
from .before import generalises, measured, unless_it_learns
from .evaluation import last_trial


@rule("NND705", "labels-unrelated", needs=("preflight.labels",))
def labels_unrelated(
    run: Run, *, errors: float = 3.0, proof: float = 6.0, better: float = 0.25, common: float = 0.8
) -> Iterator[Symptom]:
    """The targets do not belong to their inputs, as far as a linear probe can see.

    What it measures: a ridge regression on up to 2,000 rows, judged on 1,000 others: no better than knowing the shares
    alone by 3 standard errors. Where it does little better (skill below 0.3), the targets are moved by 1 to 20 places
    both ways and reversed: an order that is 6 standard errors and a skill of 0.25 better is the proof. So is a held-out part that the probe only
    understands when 1 (or more) is added to its labels. Without proof it is an info, and a warning where the nearest
    neighbour sees nothing either and the held-out loss stays at chance.

    Why it matters: shuffled or shifted labels train without an error message, and teach nothing.

    What to try: shuffle inputs and targets with one and the same permutation; look at ten pairs with your own eyes.

    False alarms: tasks without a linear signal (circles, spirals, XOR) are an info at most; where one class has more than
    80 % of the samples nothing is said without proof. Real MNIST: 0.83 in order, 0.11 shuffled. Of healthy circles, on which
    the probe got 0.32 where knowing nothing gets 0.5, another order got 0.58 by luck: that is no proof.

    References: A. Hoerl and R. Kennard, "Ridge Regression", Technometrics 1970.
    """
    found = measured(run, "labels")
    baseline, error = found["baseline"], found["error"]
    if baseline + errors * error >= 1:
        return  # nearly all samples are of one class: nothing could be better by so much
    other, neighbour = found.get("other_order") or {}, found.get("neighbour")
    unit = "accuracy" if baseline > 0 else "R²"
    # A probe that is worse than knowing nothing, as a line through circles may be, sets no lower mark.
    score, skill = max(found["score"], baseline), max(found["skill"], 0.0)
    if other and other["score"] > score + proof * error and other["skill"] > skill + better:
        yield Symptom(
            "run",
            f"a linear probe reaches {unit} {_score(unit, found['score'])} on the labels as they are and {_score(unit, other['score'])} on "
            f"the labels {other['name']}",
            Severity.ERROR,
            first_step=0,
            evidence={"score": found["score"], "baseline": baseline, **other, "proof": True},
            help="apply one permutation to inputs and labels; look at ten pairs",
        )
        return
    yield from _other_numbers(found)
    if found["score"] > baseline + errors * error or baseline > common:
        return  # where one class is most of the data, a probe serves that one
    sees = neighbour is not None and neighbour > baseline + errors * error
    yield Symptom(
        "run",
        f"a linear probe reaches {unit} {_score(unit, found['score'])} on held-out rows, knowing nothing {_score(unit, baseline)}"
        + (f"; the nearest neighbour {_score(unit, neighbour)}" if sees else ""),
        Severity.WARNING if not sees and generalises(run) is False else Severity.INFO,
        first_step=0,
        evidence={
            "score": found["score"],
            "baseline": baseline,
            "neighbour": neighbour,
            "unrelated": not sees,
            "proof": False,
        },
        help="look at ten pairs of input and label" if not sees else "",
    )


def _other_numbers(found: Mapping[str, Any], apart: float = 0.3) -> Iterator[Symptom]:
    """Classes that the held-out part numbers from another start than the training part."""
    held = found.get("held_out_labels")
    if not held or not held["offset"] or held["score"] < held["as_they_are"] + apart:
        return
    yield Symptom(
        "run",
        f"a linear probe of the training set reaches accuracy {percent(held['as_they_are'], 0)} on the held-out labels, and "
        f"{percent(held['score'], 0)} on the held-out labels {held['offset']:+d}",
        Severity.ERROR,
        first_step=0,
        evidence={**held, "proof": True},
        help="number the classes alike in both parts",
    )


@rule("NND706", "class-imbalance", needs=("preflight.data",))
def class_imbalance(run: Run, *, most: float = 10.0) -> Iterator[Symptom]:
    """Some classes have far more samples than others.

    What it measures: samples of the commonest class over those of the rarest that occurs, above 10; and outputs for
    classes that do not occur at all.

    Why it matters: always guessing the common class is then a good loss and a useless network.

    What to try: weigh the classes in the loss, sample the rare ones more often, and report recall per class.

    False alarms: many tasks are like this; it is an info, and a warning only where a rare class is never predicted,
    held-out samples of the rare classes are recognised half as often as those of the commonest, or the held-out loss is no
    better than chance.

    References: H. He and E. Garcia, "Learning from Imbalanced Data", IEEE TKDE 2009.
    """
    counts = measured(run, "data").get("class_counts") or []
    present = [count for count in counts if count]
    if len(present) < 2 or max(present) <= most * min(present):
        return
    rare, common = counts.index(min(present)), counts.index(max(present))
    neglected = _neglected(run, counts, most)
    recall = run.last_array("run/confusion")
    ignored = (
        recall is not None and rare < len(recall) and recall[rare].sum() >= 5 and recall[rare, rare] == 0
    )
    unseen = generalises(run) is False
    yield Symptom(
        "run",
        f"class {common} has {max(present):,} samples, class {rare} has {min(present):,}"
        + ("; the network never gets it right" if ignored else "")
        + ("; on held-out data the loss is no better than chance" if unseen and not ignored else "")
        + (
            f"; of held-out samples of rare classes {percent(neglected, 0)} are recognised"
            if neglected is not None
            else ""
        ),
        Severity.WARNING
        if unseen or neglected is not None
        else unless_it_learns(run)
        if ignored
        else Severity.INFO,
        first_step=0,
        evidence={
            "counts": counts,
            "ratio": max(present) / min(present),
            "ignored": bool(ignored or unseen or neglected is not None),
        },
        help="weigh the classes in the loss, or sample the rare ones more often",
    )


def _neglected(run: Run, counts: list[int], most: float, least: int = 20) -> float | None:
    """Share of right answers among held-out samples of rare classes, if it is less than half of the commonest's."""
    trial = last_trial(run)
    if trial is None or len(trial["labels"]) != len(counts):
        return None
    common = counts.index(max(counts))
    rare = [k for k, count in enumerate(counts) if 0 < count * most < counts[common]]
    asked, right = (sum(trial[name][k] for k in rare) for name in ("labels", "right"))
    if asked < least or not trial["labels"][common]:
        return None
    share = right / asked
    return share if share < 0.5 * trial["right"][common] / trial["labels"][common] else None


@rule("NND708", "not-shuffled", needs=("batch.mixed",))
def not_shuffled(run: Run, *, most: float = 0.5, batches: int = 5) -> Iterator[Symptom]:
    """Batches hold samples of few classes: the data comes in the order of its classes.

    What it measures: the entropy of the labels within the first twenty batches against that of batches drawn at random
    from the same data; the median below a half.

    Why it matters: a batch of one class pulls every output to that class; the next one pulls it back.

    What to try: shuffle the training set, or let `fit` do it.

    False alarms: data whose order means something, as time series: an info where the run learns in spite of it and held-out
    data improves.

    References: Y. Bengio, "Practical Recommendations for Gradient-Based Training", 2012, arXiv:1206.5533, section 3.
    """
    mixed = run.series("batch.mixed")
    if len(mixed) < batches or not (share := float(np.median(mixed.values))) < most:
        return
    held_out = generalises(run)
    level = unless_it_learns(run)
    yield Symptom(
        "run",
        f"the labels within a batch have {percent(share, 0)} of the entropy that they would have in random order",
        Severity.WARNING if level is Severity.INFO and held_out is False else level,
        first_step=0,
        evidence={"share": share, "series": [{"name": "batch.mixed", "site": "run"}], "threshold": most},
        help="shuffle the training set",
    )


@rule("NND710", "target-constant", needs=("preflight.data",))
def target_constant(run: Run) -> Iterator[Symptom]:
    """Every sample has the same target: there is nothing to learn.

    What it measures: the number of classes that occur, or the spread of the targets.

    Why it matters: the loss falls to nothing, the accuracy on the same data is 100 %, and the network answers always the
    same.

    What to try: look at how the labels are read and scaled: dividing them with the pixels makes 0 of all of them.

    False alarms: none.

    References: the check of labels in A. Karpathy, "A Recipe for Training Neural Networks", 2019.
    """
    data = measured(run, "data")
    counts = data.get("class_counts") or []
    present = [label for label, count in enumerate(counts) if count]
    constant = data.get("target_std_maximum") == 0
    if data["samples"] < 2 or not (len(present) == 1 or constant):
        return
    what = f"class {present[0]}" if present else "the same value"
    yield Symptom(
        "run",
        f"all {data['samples']:,} training targets are {what}",
        Severity.ERROR,
        first_step=0,
        evidence={"class": present[0] if present else None},
        help="look at how the labels are read and scaled",
    )


@rule("NND711", "pairs-torn", needs=("batch.paired",))
def pairs_torn(run: Run, *, least: float = 1.0, times: int = 3) -> Iterator[Symptom]:
    """Inputs reach the network with the targets of other samples.

    What it measures: the inputs of the first six batches, looked up in the training set entry by entry: how many come
    with a target that is theirs there. Fewer than all in three batches.

    Why it matters: the pairs that were handed over are right, the loop tears them apart: inputs shuffled and targets not,
    or each in an order of its own.

    What to try: one permutation for both: `order = rng.permutation(n); x[order], y[order]`.

    False alarms: none known. Inputs that are augmented are not found in the training set and do not count, nor do targets
    that no sample has, as smoothed ones.

    References: `fit` of the core draws one order an epoch for both.
    """
    paired = run.series("batch.paired")
    wrong = paired.values < least
    if np.count_nonzero(wrong) < times:
        return
    share = float(np.median(paired.values))
    yield Symptom(
        "run",
        f"in the first batches {percent(share, 0)} of the inputs come with their own targets",
        Severity.ERROR,
        first_step=int(paired.steps[wrong][0]),
        evidence={"share": share, "series": [{"name": "batch.paired", "site": "run"}]},
        help="shuffle inputs and targets by one and the same permutation",
    )


def _score(unit: str, value: Any) -> str:
    """Of a probe, as the report writes it: an accuracy in per cent, R² as a number."""
    return percent(value, 0) if unit == "accuracy" else f"{value:.2f}"
