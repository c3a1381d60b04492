"""NND0: do output, loss and targets fit one another? Judged on the preflight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from ..wording import percent
from .before import last_site, measured, unless_it_learns
from .outcome import Outcome, outcome, still_falling

_SQUASHING = ("sigmoid", "softmax")


@rule("NND002", "silent-broadcast", needs=("preflight.fit", "preflight.batch"))
def silent_broadcast(run: Run) -> Iterator[Symptom]:
    """Targets and outputs have different shapes, and NumPy spreads one over the other.

    What it measures: the shape of one sample's target against that of its output, where the loss takes the two as they
    are and the loss of one sample then depends on the targets of the others.

    Why it matters: (n,) against (n, 1) gives n × n differences: every output is drawn to the mean of all targets.

    What to try: give both the same shape: `y = y.reshape(-1, 1)`, or flatten the output.

    False alarms: a loss that means to compare all pairs (contrastive, ranking).

    References: NumPy manual, "Broadcasting".
    """
    fit, batch = measured(run, "fit"), measured(run, "batch")
    target, output = fit.get("encoded_shape"), fit.get("output_shape")
    if target is None or output is None or target == output or not batch.get("coupled_loss"):
        return
    yield Symptom(
        "run",
        f"targets of shape {_shape(target)} against outputs of shape {_shape(output)} broadcast in the loss: every "
        "sample is compared with the targets of all",
        Severity.ERROR,
        first_step=0,
        evidence={"target_shape": target, "output_shape": output},
        help=f"give the targets the shape {_shape(output)}",
    )


def _shape(rest: list[int]) -> str:
    return "(n,)" if not rest else f"(n, {', '.join(map(str, rest))})"


@rule("NND004", "softmax-missing", needs=("preflight.fit",))
def softmax_missing(run: Run) -> Iterator[Symptom]:
    """The loss takes probabilities, and the outputs are none.

    What it measures: whether the loss takes logarithms of the outputs as they are, while the network ends in something
    else than softmax or sigmoid; with the range of the outputs before training. Of a loss that takes logarithms of
    probabilities: what the exponentials of a sample's outputs sum to, which should be 1.

    Why it matters: the logarithm of a number below 0 does not exist, and where clipping guards it there is no gradient:
    training is blind for every sample whose output left the range.

    What to try: end in softmax (one class a sample) or sigmoid (several, or two), or use the loss on logits.

    False alarms: an activation of your own that gives probabilities; then the outputs lie in 0..1 and it is silent.

    References: TensorFlow documentation of `CategoricalCrossentropy`, argument `from_logits`.
    """
    fit = measured(run, "fit")
    if fit.get("takes") == "log-probabilities":
        yield from _no_logarithms(fit, last_site(run))
        return
    if fit.get("takes") != "probabilities" or fit.get("output_activation") in _SQUASHING:
        return
    output = fit.get("output") or {}
    inside = bool(output) and output["minimum"] >= 0 and output["maximum"] <= 1
    if inside and fit.get("output_activation") not in ("linear", "relu", "leaky_relu", "tanh", "gelu"):
        return
    extent = f" ({output['minimum']:.3g} to {output['maximum']:.3g} before training)" if output else ""
    yield Symptom(
        last_site(run),
        f"{fit['loss']} takes probabilities, and the outputs are {fit['output_activation']}{extent}",
        unless_it_learns(run),
        first_step=0,
        evidence={"activation": fit.get("output_activation"), "loss": fit.get("loss"), **output},
        help="end in softmax for one class a sample, in sigmoid for two or several; or use the loss on logits",
    )


def _no_logarithms(fit: Mapping[str, Any], site: str, off: float = 0.05) -> Iterator[Symptom]:
    """Outputs that are no logarithms of probabilities, given to a loss that takes them for such."""
    low, high = fit.get("mass") or (1.0, 1.0)
    if abs(low - 1) <= off and abs(high - 1) <= off:
        return
    kind = fit.get("output_activation")
    is_softmax = kind in _SQUASHING
    yield Symptom(
        site,
        f"{fit['loss']} takes logarithms of probabilities, and the outputs are "
        f"{f'those of a {kind}' if is_softmax else 'none'}: exp(outputs) of a sample sums to {_span(low, high)}, not to 1",
        # The loss falls without end, or to -1: how low it gets says nothing of what was learned.
        Severity.ERROR,
        first_step=0,
        evidence={"activation": kind, "loss": fit["loss"], "mass": [low, high]},
        help=f"end in log_softmax{f' instead of {kind}' if is_softmax else ''}, or use cross-entropy on the outputs before",
    )


def _span(low: float, high: float) -> str:
    one, other = f"{low:.3g}", f"{high:.3g}"
    return one if one == other else f"{one} to {other}"


@rule("NND005", "softmax-twice", needs=("preflight.fit",))
def softmax_twice(run: Run) -> Iterator[Symptom]:
    """The network ends in softmax or sigmoid, and the loss applies it again.

    What it measures: the last activation against what the loss takes: logits.

    Why it matters: probabilities as logits lie in 0..1: the loss can never become small (with 10 classes not below
    1.46) and its gradient passes one squashing too many. Training is slow and stops short.

    What to try: leave the last activation out, or use the loss on probabilities.

    False alarms: distillation with soft targets. A run that learns well all the same gets an info.

    References: PyTorch documentation of `CrossEntropyLoss`: "the input is expected to contain the unnormalized logits".
    """
    fit = measured(run, "fit")
    if fit.get("takes") != "logits" or fit.get("output_activation") not in _SQUASHING:
        return
    yield Symptom(
        last_site(run),
        f"the network ends in {fit['output_activation']}, and {fit['loss']} applies "
        f"{'softmax' if fit['loss'] == 'cross_entropy' else 'sigmoid'} once more",
        unless_it_learns(run),
        first_step=0,
        evidence={"activation": fit["output_activation"], "loss": fit["loss"]},
        help=f"leave the last {fit['output_activation']} out: this loss takes logits",
    )


@rule("NND010", "loss-negated", needs=("preflight.fit",))
def loss_negated(run: Run) -> Iterator[Symptom]:
    """The backward pass starts from the negative of a loss: training makes it larger.

    What it measures: of a PyTorch model, whether the sign of all losses of the first 5,000 samples was flipped on their way to
    `backward`, by a minus or a negative factor, or its optimiser was told to `maximize`; both together are none. A loss that
    is subtracted from another, or is another model's, does not count.

    Why it matters: gradient ascent. The network learns to be wrong.

    What to try: `loss.backward()`, without the minus.

    False alarms: a loss that is to be made larger on purpose, as that of an adversary. Where the loss falls all the same it
    is an info.

    References: I. Goodfellow et al., "Deep Learning", section 4.3, on the direction of descent.
    """
    if not measured(run, "fit").get("negated"):
        return
    loss = run.series("loss").finite  # of the batches: a window of states may end long before the training
    falls = bool(loss) and loss.last < loss.first
    yield Symptom(
        "run",
        f"what is minimised is the negative of the loss ({measured(run, 'fit')['loss']})"
        + (
            ""
            if len(loss) < 2 or not loss.last > loss.first
            else f", which rose from {loss.first:.3g} to {loss.last:.3g}"
        ),
        Severity.INFO if falls else Severity.ERROR,
        first_step=0,
        evidence={"series": [{"name": "loss", "site": "run"}]},
        help="leave the minus out: optimisers make the loss smaller",
    )


@rule("NND006", "loss-output-misfit", needs=("preflight.fit",))
def loss_output_misfit(run: Run, *, least: float = 0.01) -> Iterator[Symptom]:
    """The outputs cannot reach the targets, or the loss does not suit the task.

    What it measures: targets outside the range of the last activation (at least 1 % of them); softmax over a single
    unit, which is 1 whatever the input; a single output where the targets are several classes; a softmax whose
    targets do not sum to 1; classes judged by a loss that measures distances.

    Why it matters: what an output cannot reach, no training reaches: a ReLU gives nothing below 0, a sigmoid nothing
    above 1.

    What to try: a linear output for values; for classes one output each, softmax, and cross-entropy.

    False alarms: a squared loss on sigmoid or softmax outputs is legal and can learn well: it is an info, and silent
    on a run that learned. With softmax, whose derivative it has to pass, it is a warning where the training ended on its
    way down and above a fifth of chance.

    References: C. Bishop, "Pattern Recognition and Machine Learning", section 5.2, on outputs and their losses.
    """
    fit, site = measured(run, "fit"), last_site(run)
    activation, outputs, target = fit["output_activation"], fit["outputs"], fit.get("target")
    if activation == "softmax" and outputs == 1:
        yield _misfit(site, "single", "softmax over a single output is 1 whatever the input", Severity.ERROR,
                      "use sigmoid for two classes, or an output per class")  # fmt: skip
        return
    if not target:
        return
    low, high = target["minimum"], target["maximum"]
    classes = fit.get("labels", {}).get("classes", target["distinct"] if target["integers"] else 0)
    numbers = (
        f"{percent(target['outside'], 0)} of the targets ({low:.3g} to {high:.3g})"
        if "outside" in target
        else ""
    )
    if target.get("outside", 0) >= least:
        several = outputs == 1 and activation == "sigmoid" and 2 < classes <= 50 and target["integers"]
        sentence = f"{numbers} lie outside what {activation} can give"
        yield _misfit(
            site,
            "classes" if several else "range",
            f"one sigmoid output for {classes} classes: {numbers} lie beyond its range"
            if several
            else sentence,
            unless_it_learns(run),
            f"give the last layer {classes} outputs and softmax"
            if several
            else "use a linear last layer, or scale the targets into the range",
            outside=target["outside"],
        )
    elif activation == "softmax" and target["row_sum"] is not None and abs(target["row_sum"] - 1) > least:
        yield _misfit(site, "sums", f"softmax outputs sum to 1, the targets of a sample to {target['row_sum']:.3g}",
                      unless_it_learns(run), "use sigmoid for several labels a sample, a linear output for values")  # fmt: skip
    slow = activation == "softmax" and _slow(run)
    if outcome(run) is Outcome.LEARNED and not slow:
        return  # what is legal and works needs no note
    if activation == "relu" and not target.get("outside", 0) >= least:
        yield _misfit(site, "relu", "the last layer ends in ReLU: it has no gradient where it gives 0", Severity.INFO,
                      "use a linear last layer for values")  # fmt: skip
    one_hot = target["zero_one"] and outputs > 1 and target["row_sum"] == 1
    if one_hot and fit["takes"] == "values":
        late = ", and the loss was still falling when the training ended" if slow else ""
        yield _misfit(site, "distance", f"classes are judged by {fit['loss']}, a loss of distances{late}",
                      Severity.WARNING if slow else Severity.INFO,
                      "use cross-entropy: its gradient does not vanish where an output is certain and wrong")  # fmt: skip
    elif one_hot and outputs > 2 and "binary" in fit["loss"]:
        yield _misfit(site, "binary", f"{outputs} classes that exclude one another are judged by {fit['loss']}",
                      Severity.INFO, "use softmax and cross-entropy")  # fmt: skip


def _slow(run: Run, least: float = 0.2) -> bool:
    """Whether the training ended on its way down, above a fifth of chance."""
    loss, chance = run.series("probe.loss").finite, run.manifest.get("loss_at_chance")
    return bool(chance and loss and loss.last > least * chance) and still_falling(run) is not None


def _misfit(
    site: str, reason: str, message: str, severity: Severity, help: str, **figures: object
) -> Symptom:
    return Symptom(site, message, severity, first_step=0, evidence={"reason": reason, **figures}, help=help)


@rule("NND007", "labels-out-of-range", needs=("preflight.fit",))
def labels_out_of_range(run: Run) -> Iterator[Symptom]:
    """Class numbers that the network has no output for.

    What it measures: smallest and largest label against 0 and the number of outputs.

    Why it matters: a label without an output raises, or, where it is clipped or wrapped around (-1 is the last class in
    NumPy), teaches a wrong class.

    What to try: number the classes from 0; give the last layer as many outputs as there are classes.

    False alarms: -1 as a mark for "ignore".

    References: NumPy manual, "Indexing on ndarrays", on negative indices.
    """
    fit = measured(run, "fit")
    labels, outputs = fit.get("labels"), fit["outputs"]
    if not labels or outputs < 2:
        return
    low, high = labels["minimum"], labels["maximum"]
    if low >= 0 and high < outputs:
        return
    from_one = low == 1 and high == outputs
    yield Symptom(
        last_site(run),
        f"labels go from {low} to {high}, and the network has {outputs} outputs, for 0 to {outputs - 1}",
        Severity.ERROR,
        first_step=0,
        evidence={"minimum": low, "maximum": high, "outputs": outputs},
        help="count the classes from 0: y - 1"
        if from_one
        else f"number the classes from 0, or give the last layer {high + 1} outputs",
    )
