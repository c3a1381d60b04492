"""The changes that are tried: each turns a specification into one with one thing changed, and says so in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import output
from .program import Parts
from .task import Task

Spec = dict[str, Any]
Edit = Callable[[Spec, Task], str | None]
"""Changes a specification in place; the change in words, None where there is nothing to change."""


@dataclass(frozen=True)
class Change:
    """One thing to change.

    Attributes:
        name: in the catalogue.
        edit: of the specification.
        after: the same on what was built, for programs with a patch that comes after the specification.
        length: how many times as many updates the changed program gets.
    """

    name: str
    edit: Edit
    after: Callable[[Parts], Parts] | None = None
    length: Callable[[Spec, Spec, int], float] = lambda before, after, rows: 1.0


USUAL_RATES = {"sgd": 0.1, "momentum": 0.01, "adam": 1e-3, "rmsprop": 1e-3, "adadelta": 1.0}
"""Rates that most programs learn with: those of Keras, and for plain gradient descent the one of textbooks."""
USUAL_BATCH = 32
_SHAPING = ("column", "flatten", "one_hot")
"""Preprocessing that changes shapes and no values."""
_SCALING = ("standardize", "standardize_all", "minmax", "minmax_all", "divide", "floor_divide", "multiply")
_PICTURES = ("digits", "mnist")
_WEIGHTED = ("dense", "conv")
_SUITABLE = ("he", "he_normal", "he_uniform", "xavier", "glorot_uniform", "lecun")


# --- data -----------------------------------------------------------------------------------------------------------


def _standardised(spec: Spec, task: Task) -> str | None:
    return _scaled(spec, lambda steps: steps, "inputs standardised")


def _plain_inputs(spec: Spec, task: Task) -> str | None:
    steps = spec.get("preprocess", {})
    if not any(step[0] not in _SHAPING for step in steps.get("x", [])):
        return None
    what = "inputs standardised, and nothing else done to them"
    return _scaled(spec, lambda steps: [step for step in steps if step[0] in _SHAPING], what)


def _scaled_once(spec: Spec, task: Task) -> str | None:
    found = []
    for part in ("x", "x_test"):
        steps = spec.get("preprocess", {}).get(part, [])
        scaling = [step for step in steps if step[0] in _SCALING]
        if len(scaling) > 1:
            found.append(scaling[-1][0])
            last = len(steps) - 1 - steps[::-1].index(scaling[-1])
            spec["preprocess"][part] = [step for i, step in enumerate(steps) if i != last]
    return f"inputs scaled without the last {found[0].replace('_', ' ')}" if found else None


def _scaled(spec: Spec, keep: Callable[[list[Any]], list[Any]], what: str) -> str | None:
    preprocess = spec.setdefault("preprocess", {})
    steps = keep(preprocess.get("x", []))
    if steps and steps[-1][0].startswith("standardize"):
        return None
    # Pixels that are nearly always 0 have hardly a spread: pictures are scaled as a whole.
    picture = spec["data"]["kind"] in _PICTURES or any(
        layer["type"] == "conv" for layer in spec["model"]["layers"]
    )
    preprocess["x"] = [*steps, ["standardize_all" if picture else "standardize"]]
    preprocess.pop("x_test", None)
    return what


def _standardise_built(parts: Parts) -> Parts:
    """The same where a patch has the last word on the data."""
    x = np.asarray(parts.dataset.train[0], np.float64)
    axis = None if x.ndim > 2 or parts.dataset.image_shape or parts.dataset.name in _PICTURES else 0
    middle, spread = x.mean(axis), x.std(axis)
    spread = np.where(spread == 0, 1, spread)
    split = {
        name: (((part[0] - middle) / spread).astype(np.float32), part[1])
        for name, part in parts.dataset.parts.items()
    }
    return replace(parts, dataset=replace(parts.dataset, **split))


def _same_preprocessing(spec: Spec, task: Task) -> str | None:
    preprocess = spec.get("preprocess", {})
    apart = [name for name in ("x_test", "y_test") if preprocess.pop(name, None) is not None]
    return "held-out data preprocessed like the training data" if apart else None


def _scaled_targets(spec: Spec, task: Task) -> str | None:
    steps = spec.get("preprocess", {}).get("y", [])
    if task.kind != "values" or (steps and steps[-1][0].startswith("standardize")):
        return None
    spec.setdefault("preprocess", {})["y"] = [*steps, ["standardize"]]
    return "targets standardised"


def _aligned(spec: Spec, task: Task) -> str | None:
    spoiled = ("relabel", "shuffle_rows")
    preprocess, found = spec.get("preprocess", {}), bool(spec["train"].pop("shuffle_inputs_only", False))
    for part, steps in preprocess.items():
        kept = [step for step in steps if step[0] not in spoiled]
        found |= len(kept) < len(steps)
        preprocess[part] = kept
    return "labels left with their inputs" if found else None


# --- structure and initial values -------------------------------------------------------------------------------------


def _hidden(spec: Spec) -> list[dict[str, Any]]:
    """The layers with weights before the last one, and activations that stand by themselves among them."""
    layers = spec["model"]["layers"]
    last = output.last(layers)
    return [layer for layer in layers[:last] if layer["type"] in (*_WEIGHTED, "activation")]


def _hidden_relu(spec: Spec, task: Task) -> str | None:
    before = []
    for layer in _hidden(spec):
        own = layer.get("activation", "linear")
        if own not in ("relu", "linear"):
            before.append(own)
            layer.pop("slope", None)
            layer["activation"] = "relu"
    names = ", ".join(dict.fromkeys(before))
    return f"hidden activation {names} → relu" if before else None


def _bent(spec: Spec, task: Task) -> str | None:
    layers: list[dict[str, Any]] = spec["model"]["layers"]
    found = False
    for layer in _hidden(spec):
        place = next(i for i, other in enumerate(layers) if other is layer)
        following: dict[str, Any] = next(
            (o for o in layers[place + 1 :] if o["type"] not in ("dropout", "batchnorm")), {}
        )
        linear = layer["type"] != "activation" and layer.get("activation", "linear") == "linear"
        if linear and following.get("type") != "activation":
            layer["activation"], found = "relu", True
    return "hidden activation linear → relu" if found else None


def _larger(spec: Spec, task: Task) -> str | None:
    layers = spec["model"]["layers"]
    hidden = [layer for layer in _hidden(spec) if layer["type"] == "dense"]
    if not hidden:
        added = {"type": "dense", "units": 32, "activation": "relu", "init": {"kind": "he"}}
        layers.insert(output.last(layers), added)
        return "a hidden layer of 32 ReLU units added"
    for layer in hidden:
        layer["units"] *= 4
    return "four times as many hidden units"


def _suitable_init(spec: Spec, task: Task) -> str | None:
    before, after, biases = [], [], False
    for layer in spec["model"]["layers"]:
        if layer["type"] not in _WEIGHTED:
            continue
        own = layer.get("init", {"kind": "glorot_uniform"})
        suited = "he" if "relu" in layer.get("activation", "linear") else "xavier"
        started = layer.pop("bias_init", {"kind": "zeros"})
        biases |= started not in ({"kind": "zeros"}, {"kind": "constant", "value": 0})
        if own["kind"] not in _SUITABLE:
            before.append(_words(own))
            after.append(suited)
            layer["init"] = {"kind": suited}
    weights = f"initial weights {', '.join(dict.fromkeys(before))} → {', '.join(dict.fromkeys(after))}"
    parts = ([weights] if before else []) + (["initial biases → 0"] if biases else [])
    return ", ".join(parts) or None


def _words(init: Mapping[str, Any]) -> str:
    settings = " ".join(f"{name} {value:g}" for name, value in init.items() if name != "kind")
    return f"{init['kind']} {settings}".strip()


# --- update -----------------------------------------------------------------------------------------------------------


def _rate(factor: float) -> Edit:
    def edit(spec: Spec, task: Task) -> str | None:
        before = spec["optimizer"]["lr"]
        return _set_rate(spec, before, before * factor)

    return edit


def _usual_rate(lower: bool) -> Edit:
    def edit(spec: Spec, task: Task) -> str | None:
        optimizer = spec["optimizer"]
        usual = USUAL_RATES["momentum" if optimizer.get("momentum") else optimizer["name"]]
        before = optimizer["lr"]
        # A tenth of it, or ten times as much, is tried anyway.
        far = usual < before / 20 if lower else usual > before * 20
        return _set_rate(spec, before, usual) if far else None

    return edit


def _set_rate(spec: Spec, before: float, after: float) -> str:
    spec["optimizer"]["lr"] = float(f"{after:.3g}")
    return f"learning rate {before:g} → {spec['optimizer']['lr']:g}"


def _clipped(spec: Spec, task: Task) -> str | None:
    optimizer = spec["optimizer"]
    if 0 < optimizer.get("clipnorm", 0) <= 1:
        return None
    optimizer["clipnorm"] = 1.0
    return "gradient clipped at norm 1"


def _adam(spec: Spec, task: Task) -> str | None:
    before = spec["optimizer"]
    if before["name"] == "adam":
        return None
    spec["optimizer"] = {"name": "adam", "lr": 1e-3, **({"l2": before["l2"]} if "l2" in before else {})}
    return f"optimiser {before['name']} {before['lr']:g} → adam 0.001"


def _usual_constants(spec: Spec, task: Task) -> str | None:
    optimizer = spec["optimizer"]
    odd = {
        name: optimizer.pop(name)
        for name in ("beta1", "beta2", "rho", "eps", "decay", "momentum", "nesterov")
        if name in optimizer and not (name == "eps" and optimizer["eps"] <= 1e-6)
    }
    changed = {name: value for name, value in odd.items() if value}
    return f"without {', '.join(f'{n} {v:g}' for n, v in changed.items())}" if changed else None


def _batch(spec: Spec, task: Task) -> str | None:
    before = spec["train"]["batch_size"]
    if before != "full" and USUAL_BATCH / 4 < before < USUAL_BATCH * 4:
        return None
    spec["train"]["batch_size"] = USUAL_BATCH
    return f"batch {before} → {USUAL_BATCH}"


def _per_pass(before: Spec, after: Spec, rows: int) -> float:
    """Smaller batches get as many passes over the data, within reason; larger ones as many updates."""
    sizes = (
        rows if spec["train"]["batch_size"] == "full" else spec["train"]["batch_size"]
        for spec in (before, after)
    )
    old, new = (max(min(size, rows), 1) for size in sizes)
    return min(max(old / new, 1.0), 10.0)


def _penalty_off(spec: Spec, task: Task) -> str | None:
    found = [spec["optimizer"].pop("l2", 0)]
    for layer in spec["model"]["layers"]:
        found += [layer.pop("l1", 0), layer.pop("l2", 0)]
    return f"penalty {max(found):g} → 0" if any(found) else None


def _dropout_off(spec: Spec, task: Task) -> str | None:
    layers = spec["model"]["layers"]
    rates = [layer["rate"] for layer in layers if layer["type"] == "dropout"]
    frozen = spec["train"].get("frozen", [])
    gone = [layer for layer in layers if layer["type"] == "dropout" and layer.get("name") not in frozen]
    if not any(rates) or any("activation" in layer for layer in gone):
        return None
    spec["model"]["layers"] = [layer for layer in layers if layer not in gone]
    return f"dropout {', '.join(dict.fromkeys(f'{rate:g}' for rate in rates))} → none"


def _longer(spec: Spec, task: Task) -> str | None:
    train = spec["train"]
    before = train["epochs"]
    train["epochs"] *= 4
    if "max_steps" in train:
        train["max_steps"] *= 4
    return f"{before:,} → {4 * before:,} epochs"


def _without(section: str, field: str, right: Any, what: str) -> Edit:
    """Takes a field back to what it is where nobody sets it."""

    def edit(spec: Spec, task: Task) -> str | None:
        return what if spec[section].pop(field, right) not in (right, []) else None

    return edit


CHANGES: Mapping[str, Change] = {
    change.name: change
    for change in (
        Change("standardise", _standardised, _standardise_built),
        Change("scaled-once", _scaled_once),
        Change("plain-inputs", _plain_inputs),
        Change("same-preprocessing", _same_preprocessing),
        Change("standardise-targets", _scaled_targets),
        Change("aligned", _aligned),
        Change("output-activation", output.activation),
        Change("loss", output.loss),
        Change("output-and-loss", output.pair),
        Change("mean", output.mean),
        Change("guard", output.guard),
        Change("hidden-relu", _hidden_relu),
        Change("nonlinear", _bent),
        Change("larger", _larger),
        Change("init", _suitable_init),
        Change("rate/10", _rate(0.1)),
        Change("rate/100", _rate(0.01)),
        Change("rate*10", _rate(10)),
        Change("rate*100", _rate(100)),
        Change("usual-lower-rate", _usual_rate(lower=True)),
        Change("usual-higher-rate", _usual_rate(lower=False)),
        Change("clip", _clipped),
        Change("adam", _adam),
        Change("usual-constants", _usual_constants),
        Change("batch", _batch, length=_per_pass),
        Change("no-penalty", _penalty_off),
        Change("no-dropout", _dropout_off),
        Change("longer", _longer, length=lambda before, after, rows: 4.0),
        Change("free", _without("train", "frozen", [], "frozen layers freed")),
        Change("clear", _without("train", "zero_grad", True, "gradients cleared before every step")),
        Change("downhill", _without("train", "gradient_sign", 1, "updates against the gradient")),
    )
}
