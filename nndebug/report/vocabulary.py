"""What the recorded series are called in front of a reader, in which unit, and how to read their curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Quantity:
    """One kind of series.

    Attributes:
        title: its name in a heading.
        unit: its unit, or what it is a share of.
        how: the "how to read this" line.
        log: it usually spans decades.
        share: it is a share of one, shown in per cent.
    """

    title: str
    unit: str
    how: str
    log: bool = False
    share: bool = False


_SHIFT = "How far one update moves the layer's pre-activations, in their own standard deviations."
_NORM = "Length of the gradient of all the layer's entries together; far below the other layers, it learns slower than they do."
_SLOPE = (
    "Along the first updates: above 0 the loss rises. What the gradient claims should be what the loss does."
)
_PROBE = "On the probe: the same fixed training rows every time."
_WINDOW = "Over the last few hundred training samples, as they came."
_REPORTED = "What the evaluation reports, and the right answers counted anew. They should be one."

_KNOWN = {
    "loss": Quantity(
        "Loss of the training batches", "loss", "One batch a step, so it is noisy; only its trend counts."
    ),
    "penalty": Quantity("Penalty", "loss", "What the regulariser adds to the loss."),
    "learning_rate": Quantity("Learning rate", "rate", "As the optimiser used it.", log=True),
    "batch.paired": Quantity("Inputs with their own targets", "share", "Of the inputs of the first batches."),
    "batch.mixed": Quantity(
        "Mixed labels", "share", "Entropy of a batch's labels over that of one drawn at random."
    ),
    "probe.loss": Quantity("Loss", "loss", _PROBE),
    "probe.accuracy": Quantity("Accuracy", "share right", _PROBE, share=True),
    "probe.top_class_share": Quantity(
        "Share of the most predicted class",
        "share of predictions",
        "At 100 % the network gives one answer to everything.",
        share=True,
    ),
    "probe.top_class": Quantity(
        "Most predicted class", "class number", "Which class the network predicts most often."
    ),
    "probe.gradient.norm": Quantity(
        "Gradient norm on many samples",
        "norm",
        "Of the mean loss of up to 128 training samples; that of a batch of few samples is mostly noise.",
        log=True,
    ),
    "probe.output_std": Quantity(
        "Spread of the outputs",
        "standard deviation",
        "At 0 the network gives the same output to every input.",
        log=True,
    ),
    "train.loss": Quantity("Training loss", "loss", "On up to 1,000 training rows, after each epoch."),
    "validation.loss": Quantity(
        "Validation loss", "loss", "On rows the network does not train on, after each epoch."
    ),
    "train.accuracy": Quantity(
        "Training accuracy", "share right", "On up to 1,000 training rows.", share=True
    ),
    "validation.accuracy": Quantity(
        "Validation accuracy", "share right", "On rows the network does not train on.", share=True
    ),
    "seconds": Quantity("Time", "seconds", "Of each epoch."),
    "shift": Quantity("Movement in one update", "standard deviations", _SHIFT, log=True),
    "probe.shift": Quantity("Movement in one update", "standard deviations", _SHIFT, log=True),
    "probe.zero_share": Quantity(
        "Zeros",
        "share of entries",
        "Entries of the activation that are exactly 0; up to 70 % is usual for ReLU.",
        share=True,
    ),
    "probe.silent_units": Quantity(
        "Silent units", "units", "Units that fire for no row of the probe; some of them fire elsewhere."
    ),
    "probe.dead_units": Quantity(
        "Dead units", "units", "Units that fire for no row of the whole training set."
    ),
    "probe.saturated_share": Quantity(
        "Saturated entries",
        "share of entries",
        "Entries where the activation's derivative is below 1 % of its maximum.",
        share=True,
    ),
    "probe.wrong_side_share": Quantity(
        "Saturated on the wrong side",
        "share of entries",
        "Outputs stuck at the opposite of their target.",
        share=True,
    ),
    "probe.variation": Quantity(
        "Variation between samples",
        "share of the signal",
        "How much a layer's output differs from sample to sample; at 0 it is the same for all of them.",
        log=True,
    ),
    "replay.slope": Quantity("Slope of the loss", "loss per unit step", _SLOPE),
    "replay.doubt": Quantity("Doubt of the measured slope", "loss per unit step", _SLOPE),
    "replay.claimed": Quantity("Slope that the gradient claims", "loss per unit step", _SLOPE),
    "gradient.norm": Quantity("Gradient norm", "norm", _NORM, log=True),
    "update.norm": Quantity(
        "Size of the updates", "norm", "Length of one update of all the layer's entries together.", log=True
    ),
    "weight.norm": Quantity(
        "Size of the weights", "norm", "Length of all the layer's weights together.", log=True
    ),
    "update.error": Quantity(
        "Error of the update",
        "relative error",
        "An update against the one that rate and gradient give; a right one differs by rounding only.",
    ),
    "evaluation.reported": Quantity("Reported", "share right", _REPORTED, share=True),
    "evaluation.accuracy": Quantity("Counted", "share right", _REPORTED, share=True),
    "ranks.parameter_difference": Quantity(
        "Difference between ranks",
        "share of its size",
        "How far the rank that is farthest off is from the others; ranks that train one network are equal.",
    ),
    "ranks.gradient_difference": Quantity(
        "Difference between the ranks' gradients",
        "share of its norm",
        "How far the rank that is farthest off is from the others; averaged gradients are equal.",
    ),
    "ranks.same_samples": Quantity(
        "Samples that two processes share",
        "share of samples",
        "At 0 every process has data of its own.",
        share=True,
    ),
    "ranks.loss_ratio": Quantity(
        "Loss against that of the other processes",
        "ratio",
        "The process whose loss is furthest from the others'.",
    ),
    "ranks.slower": Quantity(
        "Time of a step against that of the other processes", "ratio", "The slowest process; all wait for it."
    ),
    "update_ratio": Quantity(
        "Update : weight",
        "ratio of norms",
        "Length of one update against the length of the weights it changes; about 1e-3 is usual.",
        log=True,
    ),
}

_SIGNALS = {
    "input": "inputs",
    "preactivation": "pre-activations",
    "activation": "activations",
    "output_gradient": "output gradients",
    "gradient": "gradients",
    "weight": "weights",
    "update": "updates",
}
_STATISTICS = {
    "mean": ("Mean", "mean", "Their mean."),
    "std": (
        "Spread",
        "standard deviation",
        "Standard deviation of all entries; near 0 they are all the same.",
    ),
    "minimum": ("Smallest", "value", "The smallest entry."),
    "maximum": ("Largest", "value", "The largest entry."),
    "norm": ("Length", "norm", "Length of all entries together."),
    "zero_share": ("Zeros", "share of entries", "Entries that are exactly 0."),
}


def has_probe(manifest: Mapping[str, object]) -> bool:
    """Whether the same rows were run through the network every time; of PyTorch and a loop of one's own the batches tell."""
    return not str(manifest.get("framework", "")).startswith(("torch", "own loop"))


def rows_seen(manifest: Mapping[str, object]) -> str:
    """What `probe.…` is said of, after "on"."""
    return "the probe" if has_probe(manifest) else "the last training samples"


def quantity(name: str, manifest: Mapping[str, object] | None = None) -> Quantity:
    """What is known of a series' name in a run; its own words for a name that is not in the vocabulary."""
    if name in _KNOWN:
        known = _KNOWN[name]
        return replace(known, how=_WINDOW) if known.how == _PROBE and not has_probe(manifest or {}) else known
    signal, _, statistic = name.removeprefix("probe.").rpartition(".")
    if signal in _SIGNALS and statistic in _STATISTICS:
        word, unit, how = _STATISTICS[statistic]
        title = f"{word} of the {_SIGNALS[signal]}"
        return Quantity(title, unit, how, log=statistic in ("std", "norm"), share=statistic == "zero_share")
    words = name.replace(".", " ").replace("_", " ")
    return Quantity(words[:1].upper() + words[1:], "value", "As recorded.")
