"""NND8: structure. Judged on the preflight; whether a layer ran at all, on the training."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from ..wording import percent
from .before import if_it_fails, measured, unless_it_learns
from .outcome import Outcome, outcome, severity

_SUITS = {"relu": math.sqrt(2), "leaky_relu": math.sqrt(2), "gelu": math.sqrt(2)}
"""Root of inputs × mean square weight that keeps the scale of a signal; 1 for everything else."""

_WEIGHING = ("dense", "conv")
"""Kinds of layers that weigh their inputs anew."""


@rule("NND801", "linear-stack", needs=("preflight.fit",))
def linear_stack(run: Run, *, errors: float = 3.0, half: float = 0.5) -> Iterator[Symptom]:
    """Layers follow one another with nothing between them that is not linear: together they are one layer.

    What it measures: layers with weights without an activation between them (dropout, flattening and batch
    normalisation do not count). And whether more than a linear map is there to be learned: where the nearest neighbour
    beats a linear probe by 3 standard errors, or where all layers are linear and a few samples cannot be learned by heart
    although every gradient is right.

    Why it matters: however many such layers, they can draw one flat boundary only.

    What to try: a ReLU after every hidden layer.

    False alarms: a linear network can be all that a task needs; then the run learns and this is an info. It stays a warning
    where the whole network is linear and the nearest neighbour makes at most half of the probe's mistakes: that run can
    learn only what a linear probe does.

    References: I. Goodfellow et al., "Deep Learning", section 6.1, on XOR.
    """
    layers = measured(run, "fit")["linear"]
    if not layers:
        return
    labels = measured(run, "labels")
    neighbour = labels.get("neighbour")
    nearer = neighbour is not None and neighbour > labels["score"] + errors * labels["error"]
    far = neighbour is not None and 1 - neighbour <= half * (1 - labels["score"])
    needed = nearer or _learns_too_little(run, layers)
    limited = nearer and far and _whole_network(run, layers)
    learned = outcome(run) is Outcome.LEARNED
    level = Severity.WARNING if limited or (needed and not learned) else Severity.INFO
    yield Symptom(
        layers[0],
        f"{', '.join(layers[:-1])} and {layers[-1]} follow one another without an activation: together they are one "
        "linear layer"
        + (
            f"; a linear probe reaches {labels['score']:.2f}, the nearest neighbour {neighbour:.2f}"
            if nearer
            else "; it cannot learn a few samples by heart"
            if needed
            else ""
        ),
        Severity.ERROR if outcome(run) is Outcome.FAILED else level,
        first_step=0,
        evidence={"layers": layers, "needed": needed},
        help="put an activation, such as ReLU, after every hidden layer",
    )


def _whole_network(run: Run, layers: list[str]) -> bool:
    """Whether no other layer of the network weighs its inputs."""
    return [site.name for site in run.sites if "weight" in site.parameters and site.inputs] == layers


def _learns_too_little(run: Run, layers: list[str], most: float = 0.1) -> bool:
    """Whether nothing but these layers is in the network, and a few samples cannot be learned by heart with right gradients."""
    checked = run.preflight.gradcheck if run.preflight else None
    fails = measured(run, "overfit").get("share", 0.0) > most
    return fails and _whole_network(run, layers) and checked is not None and not checked.faults


@rule("NND802", "unsuitable-hidden-activation", needs=("preflight.fit",))
def unsuitable_hidden_activation(run: Run, *, deep: int = 3) -> Iterator[Symptom]:
    """A hidden activation that lets little of the gradient through.

    What it measures: softmax anywhere but at the end; three or more sigmoids in a row.

    Why it matters: softmax makes the units of a layer compete for a sum of 1, so that each passes on next to nothing; a
    sigmoid passes on a quarter of the gradient at best, three of them a 64th.

    What to try: ReLU with He initial weights; tanh where outputs must be bounded.

    False alarms: attention weights are a softmax inside a network; deep sigmoids can learn with normalisation. A run that
    learns gets an info, and one with sigmoids that does not fail, too.

    References: X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward networks", 2010.
    """
    layers = measured(run, "fit")["layers"]
    hidden = layers[:-1]
    level = if_it_fails(run)
    for place, layer in enumerate(hidden):
        if layer["kind"] == "softmax":
            # Nothing weighs its shares anew: they are probabilities, and are about to be made so once more.
            last = layers[-1]["kind"] in ("softmax", "sigmoid") and not any(
                later["kind"] in _WEIGHING for later in layers[place + 1 :]
            )
            yield Symptom(layer["name"], "softmax inside the network: its units share a sum of 1", unless_it_learns(run),
                          first_step=0, evidence={"activation": "softmax", "last": last},
                          help="use ReLU in hidden layers")  # fmt: skip
    sigmoids = [layer["name"] for layer in hidden if layer["kind"] == "sigmoid"]
    normal = any(layer["kind"] in ("batch_norm", "layer_norm") for layer in layers)
    if len(sigmoids) >= deep and not normal:
        yield Symptom(
            sigmoids[0],
            f"{len(sigmoids)} hidden layers of sigmoids: together they pass on at most 1/{4 ** len(sigmoids):,} of the "
            "gradient",
            level,
            first_step=0,
            evidence={"activation": "sigmoid", "layers": sigmoids},
            help="use ReLU with He initial weights",
        )


def never_ran(run: Run, steps: int = 20) -> tuple[str, ...]:
    """Layers whose parameters are at hand, and of which not one pass gave anything: no output, no gradient, no change.

    Layers that run without being called (a module whose weights another one multiplies by) have gradients.
    """
    if not any(run.has("preactivation.std", site.name) for site in run.sites):
        return ()  # passes cannot be seen at all, as in a compiled model
    silent = []
    for site in run.sites:
        names = [f"{site.name}.{parameter}" for parameter in site.parameters]
        updates = [run.series("update.norm", name) for name in names]
        if (
            names
            and not run.has("preactivation.std", site.name)
            and not any(run.has("gradient.norm", name) for name in names)
            and all(len(update) >= steps and not update.values.any() for update in updates)
        ):
            silent.append(site.name)
    return tuple(silent)


@rule("NND803", "layer-unused", needs=("preactivation.std", "update.norm"))
def layer_unused(run: Run, *, steps: int = 20) -> Iterator[Symptom]:
    """A layer is declared, its parameters are given to the optimiser, and no pass ever runs it.

    What it measures: layers that gave no output and got no gradient in any recorded step, and whose parameters have not
    changed by a single bit in twenty of them, while other layers run. In PyTorch, those that run under `no_grad` only are told apart.

    Why it matters: the network that trains is another one than the one that was written. Often `fc1` is called where
    `fc2` was meant.

    What to try: look into `forward` for where the layer should be called, or delete it.

    False alarms: parts kept for later (a head for another task): an info where the run learns.

    References: PyTorch's DistributedDataParallel stops at such parameters unless `find_unused_parameters` is set.
    """
    for name in never_ran(run, steps):
        if name in run.manifest.get("without_gradients", ()):
            yield Symptom(
                name,
                "it runs only where gradients are switched off (no_grad): it learns nothing",
                severity(run, learned=Severity.INFO),
                first_step=0,
                last_step=run.steps,
                evidence={"without_gradients": True},
                help=f"run {name} outside of no_grad, or say that it is to stay: requires_grad_(False)",
            )
            continue
        yield Symptom(
            name,
            "it is declared and never runs: no recorded pass went through it",
            severity(run, learned=Severity.INFO),
            first_step=0,
            last_step=run.steps,
            help=f"call {name} in forward (is another layer called twice?), or delete it",
        )


@rule("NND804", "init-misfit", needs=("preflight.start",))
def init_misfit(run: Run, *, factor: float = 5.0) -> Iterator[Symptom]:
    """The initial weights do not suit the activation and the number of inputs.

    What it measures: root of inputs × mean square weight of every layer, which should be √2 before a ReLU and about 1
    before anything else; five times more or less.

    Why it matters: the signal grows or fades by this factor at every layer, and so does the gradient on its way back.

    What to try: He initial weights for ReLU, Xavier for sigmoid and tanh.

    False alarms: the blog's networks of N(0, 1) weights (28 times too large at 784 inputs) learn: alone it is an info.

    References: K. He et al., "Delving Deep into Rectifiers", 2015, arXiv:1502.01852.
    """
    for layer in measured(run, "start")["layers"]:
        suits = _SUITS.get(layer["activation"], 1.0)
        gain = layer["gain"]
        if gain == 0 or not gain or suits / factor <= gain <= suits * factor:
            continue  # all zero is for symmetric-units
        size = f"{gain / suits:.3g} × too large" if gain > suits else f"{suits / gain:.3g} × too small"
        yield Symptom(
            layer["name"],
            f"its initial weights are {size} for {layer['inputs']} inputs and {layer['activation']} "
            f"(standard deviation {layer['weight_std']:.2g})",
            if_it_fails(run),
            first_step=0,
            evidence={"gain": gain, "suits": suits, "ratio": gain / suits},
            help="use He initial weights for ReLU, Xavier for sigmoid and tanh",
        )


@rule("NND805", "capacity-too-small", needs=("preflight.overfit", "preflight.gradcheck", "preflight.start"))
def capacity_too_small(run: Run, *, most: float = 0.1, some: float = 0.9) -> Iterator[Symptom]:
    """The network cannot learn twenty samples by heart although every gradient is right: it may be too small.

    What it measures: cannot-overfit-batch with a gradient check in which everything agrees, where the loss does fall,
    but stays above 10 % of its start, and the network has fewer parameters than the samples have outputs.

    Why it matters: what twenty samples do not fit into, a data set does not either.

    What to try: more units or one more layer.

    False alarms: a linear model of few inputs, samples that contradict one another; an info unless learning fails.

    References: A. Karpathy, "A Recipe for Training Neural Networks", 2019, "overfit one batch".
    """
    found = measured(run, "overfit")
    checked = run.preflight.gradcheck if run.preflight else None
    if not checked or not most < found["share"] < some:
        return
    layers = measured(run, "start")["layers"]
    parameters = sum((layer["inputs"] + 1) * layer["units"] for layer in layers)
    numbers = found["samples"] * measured(run, "fit")["outputs"]
    if parameters >= numbers:
        return
    narrow = min(layers[:-1] or layers, key=lambda layer: layer["units"])
    yield Symptom(
        narrow["name"],
        f"{parameters} parameters for {numbers} numbers to learn by heart: {percent(found['share'], 0)} of the loss is left, and "
        f"every gradient is right; {narrow['name']} has {narrow['units']} units",
        if_it_fails(run),
        first_step=0,
        evidence={"share": found["share"]},
        help="give the hidden layers more units, or add one",
    )
