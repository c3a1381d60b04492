"""NND7: inputs and targets: scales, constants, the split. Judged on the preflight."""

from __future__ import annotations

from collections.abc import Iterator

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from .before import if_it_fails, last_site, measured
from .outcome import diverging_since


def _first_site(run: Run) -> str:
    return run.sites[0].name if run.sites else "run"


@rule("NND701", "input-scale", needs=("preflight.data",))
def input_scale(
    run: Run, *, largest: float = 50.0, std: float = 10.0, ratio: float = 100.0
) -> Iterator[Symptom]:
    """The inputs are on a raw scale, or their columns on scales that differ a hundredfold.

    What it measures: entries beyond ±50, columns with a standard deviation above 10, or column scales (median size of
    the entries that are not zero) that differ more than 100 ×; of images the columns are not compared.

    Why it matters: pre-activations grow with the inputs, and a rate that suits scale 1 is s² times too high at scale s;
    with unequal columns one rate cannot suit all.

    What to try: standardise every column, or divide pixels by 255; fit the statistics on the training part.

    False alarms: many networks learn from raw inputs all the same: it is an info unless learning fails. A normalising
    first layer makes it silent.

    References: Y. LeCun et al., "Efficient BackProp", 1998, section 4.3.
    """
    data = measured(run, "data")
    if data["normalised_first"] or data["nonfinite"] or "std_maximum" not in data:
        return
    unequal = data["scale_ratio"] > ratio and not data["image"] and data["features"] > 1
    if data["largest"] <= largest and data["std_maximum"] <= std and not unequal:
        return
    if data["largest"] > largest or data["std_maximum"] > std:
        message = (
            f"inputs reach {data['largest']:.3g} with a standard deviation of up to {data['std_maximum']:.3g} "
            f"(column {data['largest_feature']})"
        )
    else:
        message = f"the scales of the input columns differ {data['scale_ratio']:.3g} ×"
    yield Symptom(
        _first_site(run),
        message,
        if_it_fails(run),
        first_step=0,
        evidence={k: data[k] for k in ("largest", "std_maximum", "std_minimum", "scale_ratio")},
        help="standardise every column, or divide pixels by 255",
    )


@rule("NND702", "input-nonfinite", needs=("preflight.data",))
def input_nonfinite(run: Run) -> Iterator[Symptom]:
    """The data holds NaN or infinities.

    What it measures: every entry of inputs and targets.

    Why it matters: one NaN in one sample is in every parameter after the first update that sees it.

    What to try: drop or fill these rows before training.

    False alarms: none.

    References: IEEE 754-2019, section 6.2.
    """
    data = measured(run, "data")
    if data["nonfinite"]:
        row = data["first_bad_row"]
        where = "" if row is None else f", first in row {row}"
        yield Symptom(_first_site(run), f"the inputs hold NaN or infinities{where}",
                      Severity.ERROR, first_step=0, evidence={"row": row},
                      help="drop or fill these rows before training")  # fmt: skip
    if data.get("target_nonfinite"):
        yield Symptom("run", f"{data['target_nonfinite']:,} targets are NaN or infinite", Severity.ERROR, first_step=0,
                      help="drop or fill these rows before training")  # fmt: skip


@rule("NND703", "input-constant", needs=("preflight.data",))
def input_constant(run: Run) -> Iterator[Symptom]:
    """Every sample is the same: there is nothing to tell them apart by.

    What it measures: whether all columns of the inputs are constant.

    Why it matters: the best such a network can learn is the mean of the targets.

    What to try: look at how the inputs are loaded and scaled; whole-number division makes 0 of every pixel.

    False alarms: none. Some constant columns are usual (MNIST has 67) and do not count.

    References: the check "visualise just before the net" in A. Karpathy, "A Recipe for Training Neural Networks", 2019.
    """
    data = measured(run, "data")
    if data["rows_equal"]:
        yield Symptom(
            _first_site(run),
            f"all {data['samples']:,} inputs are the same",
            Severity.ERROR,
            first_step=0,
            evidence={"features": data["features"]},
            help="look at how the inputs are loaded and scaled",
        )


@rule("NND704", "target-scale", needs=("preflight.data",))
def target_scale(
    run: Run, *, largest: float = 100.0, failing: float = 30.0, smallest: float = 1e-3
) -> Iterator[Symptom]:
    """The targets of a regression are on a raw scale.

    What it measures: their standard deviation, above 100, in a run that diverges above 30, or below 0.001.

    Why it matters: error and gradient grow with the targets; at 100 a usual rate throws the last layer away, at 0.001
    nothing is left to learn from.

    What to try: standardise the targets, and turn predictions back afterwards.

    False alarms: a rate that was chosen for the scale: it is an info unless learning fails.

    References: C. Bishop, "Neural Networks for Pattern Recognition", section 8.2.
    """
    data = measured(run, "data")
    if "target_std_maximum" not in data or data["target_nonfinite"]:
        return
    high, low = data["target_std_maximum"], data["target_std_minimum"]
    if diverging_since(run) is not None:
        largest = failing
    if high <= largest and not 0 < high < smallest:
        return
    yield Symptom(
        last_site(run),
        f"the targets have a standard deviation of {high if high > largest else low:.3g} and reach "
        f"{data['target_largest']:.3g}",
        if_it_fails(run),
        first_step=0,
        evidence={"std": high, "largest": data["target_largest"]},
        help="standardise the targets, and turn predictions back afterwards",
    )


@rule("NND707", "split-overlap", needs=("preflight.overlap",))
def split_overlap(run: Run, *, most: float = 0.001, leak: float = 0.01) -> Iterator[Symptom]:
    """Held-out samples stand in the training set too.

    What it measures: held-out rows that equal a training row entry by entry, above 0.1 % of them. A warning from 1 % on,
    where training rows hardly repeat among themselves, so that chance does not explain it.

    Why it matters: what was learned by heart counts as understood: the held-out result is too good.

    What to try: split before augmenting or oversampling; drop the rows that both parts have.

    False alarms: data of few values repeats by itself; evaluating on the training set on purpose is an info.

    References: S. Kapoor and A. Narayanan, "Leakage and the reproducibility crisis in machine-learning-based science",
    Patterns 2023.
    """
    found = measured(run, "overlap")
    share = found["shared"] / max(found["held_out"], 1)
    if share <= most:
        return
    copies = found["identical"] or share == 1
    by_chance = found["repeats"] > share / 10
    yield Symptom(
        "run",
        "the held-out data is the training set itself"
        if found["identical"]
        else f"{found['shared']:,} of {found['held_out']:,} held-out rows stand in the training set too",
        Severity.INFO if copies or by_chance or share < leak else Severity.WARNING,
        first_step=0,
        evidence={"share": share, "first": found["first"], "repeats": found["repeats"]},
        help="split before augmenting, and drop the rows that both parts have",
    )


@rule("NND709", "scaled-twice", needs=("preflight.data",))
def scaled_twice(run: Run, *, smallest: float = 0.02) -> Iterator[Symptom]:
    """The inputs are far below unit scale, as if they had been scaled twice.

    What it measures: the largest standard deviation of a column, below 0.02; and whether all entries are whole multiples
    of 1/255², which is what 8-bit pixels divided by 255 twice are.

    Why it matters: inputs of scale s give weights gradients of scale s: the first layer hardly learns.

    What to try: divide once; standardise with the statistics of what is really fed in.

    False alarms: small units by nature; with a rate that suits them a run learns, and it stays an info.

    References: Y. LeCun et al., "Efficient BackProp", 1998, section 4.3.
    """
    data = measured(run, "data")
    if not 0 < data.get("std_maximum", 0) < smallest or data["normalised_first"]:
        return
    levels = data.get("levels") or {}
    twice = bool(levels) and levels["highest"] > 16 and abs(levels["step"] * 255**2 - 1) < 0.01
    yield Symptom(
        _first_site(run),
        f"no input column has a standard deviation above {data['std_maximum']:.2g}"
        + (": the entries are multiples of 1/255², pixels divided by 255 twice" if twice else ""),
        if_it_fails(run),
        first_step=0,
        evidence={"std_maximum": data["std_maximum"], "twice": twice},
        help="divide once" if twice else "scale the inputs to a standard deviation of about 1",
    )
