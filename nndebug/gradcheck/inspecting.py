"""What was found in a network: its methods, its parameters, where their gradients come from. What `inspect` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..adapters.attributes import OwnModel
from ..adapters.attributes.members import name_of
from .containers import gradients_of, numbers
from .containers import name_of as leaf_name
from .dispatch import is_function, is_layer, is_layered
from .own.check import find
from .own.rebuilt import Layers, describe, rebuild
from .own.target import Target, choose_loss
from .text import printable

HEADER = ("layer", "parameter", "shape", "kept as", "gradient")


@dataclass(frozen=True)
class Parameter:
    """One array that is trained.

    Attributes:
        layer: hidden1, …, output; empty if it is not known.
        name: as in the user's code.
        shape: its shape.
        kept: how it is turned, as in `(outputs, inputs)`; empty if it is not known.
        gradient: where its gradient is found; empty if nowhere.
    """

    layer: str
    name: str
    shape: tuple[int, ...]
    kept: str
    gradient: str


@dataclass(frozen=True)
class Found:
    """What was found in a target.

    Attributes:
        network: name and architecture in one line.
        facts: what → what was found, in the order of a training step.
        parameters: the arrays.
        notes: what else was guessed.
    """

    network: str
    facts: Mapping[str, str]
    parameters: tuple[Parameter, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "network": self.network,
            "facts": dict(self.facts),
            "parameters": [{**asdict(p), "shape": list(p.shape)} for p in self.parameters],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [self.network, ""]
        width = max(map(len, self.facts), default=0)
        lines += [f"{what:{width}}   {fact}" for what, fact in self.facts.items()]
        cells = [
            HEADER,
            *((p.layer, p.name, str(p.shape), p.kept, p.gradient or "none found") for p in self.parameters),
        ]
        columns = [i for i in range(len(HEADER)) if any(row[i] for row in cells[1:])]
        widths = {i: max(len(row[i]) for row in cells) for i in columns}
        lines += ["", *("   ".join(f"{row[i]:{widths[i]}}" for i in columns).rstrip() for row in cells)]
        return "\n".join(map(printable, [*lines, *([""] if self.notes else []), *self.notes]))


def inspect(model: Any, x: Any = None, y: Any = None, **given: Any) -> Found:
    """What nndebug finds in a network, layer by layer; nothing is changed.

    Args:
        model: a network, a layer, an object of one's own, or a function of arrays.
        x, y: as for `gradcheck`.
        given: overrides, as for `gradcheck_own`.

    Raises:
        UserError: no forward or no backward is found, or they raise.
    """
    if is_function(model):
        return _of_function(x, y)
    if is_layered(model) or is_layer(model):
        return _of_layers(model)
    own, word = find(model, x, y, given)
    layers = rebuild(own, np.random.default_rng(0))
    return inspected(own, layers, choose_loss(own, layers, word))


def inspected(own: OwnModel, layers: Layers | None, target: Target | None) -> Found:
    """What was found in an object of one's own, from its parts."""
    facts = {
        "samples": f"{len(own.x)}, {own.inputs.describe()}",
        "forward": f"{own.forward}" + ("" if own.forward_batched else ", one sample at a time"),
        "activation": " → ".join(f.name for f in layers.functions) if layers else "not recognised",
        "loss": f"{own.loss}" if own.loss else "no method",
        "backward": f"{own.backward}, " + ("a batch at a time" if own.batched else "one sample at a time"),
        "update": str(own.update or "none found"),
    }
    if own.constants:
        facts["constants"] = ", ".join(own.constants)
    name = type(own.model).__name__
    count = len(own.parameters)
    what = describe(layers, own.start()) if layers else f"{count} array{'s' * (count != 1)}"
    network = f"{name}: {what}"
    notes = [*own.notes, *(target.notes if target else ("No loss was found: say which, loss='quadratic'.",))]
    if layers is None:
        notes.append(
            "No dense layers with known activations give what its forward gives: gradients are checked array by array."
        )
    return Found(network, facts, _parameters(own, layers), tuple(notes))


def _parameters(own: OwnModel, layers: Layers | None) -> tuple[Parameter, ...]:
    kept: dict[Any, tuple[str, str]] = {}
    for at in layers.chain if layers else ():
        kept[at.weight] = at.name, "(outputs, inputs)" if at.turned else "(inputs, outputs)"
        if at.bias is not None:
            kept[at.bias] = at.name, "(outputs)"
    return tuple(
        Parameter(kept.get(path, ("", ""))[0], name_of(path), value.shape, kept.get(path, ("", ""))[1], str(own.sources.get(path, "")))
        for path, value in (own.parameters | own.doubtful).items()
    )  # fmt: skip


def _of_layers(model: Any) -> Found:
    layers = model.layers if hasattr(model, "layers") else [model]
    describe = getattr(model, "describe", None)
    parameters = [
        Parameter(str(getattr(layer, "name", "")), name, np.shape(value), "", f"gradients[{name!r}]")
        for layer in layers
        for name, value in getattr(layer, "parameters", {}).items()
    ]
    facts = {
        "forward": "forward(x), layer by layer",
        "loss": type(getattr(model, "loss", None)).__name__ if hasattr(model, "loss") else "none",
        "backward": "backward(output_gradient), layer by layer",
    }
    name = type(model).__name__
    return Found(str(describe()) if callable(describe) else name, facts, tuple(parameters))


def _of_function(params: Any, grads: Any) -> Found:
    arrays = numbers(params)
    given = {} if callable(grads) else gradients_of(grads, arrays)[0]
    parameters = [
        Parameter("", leaf_name(path), value.shape, "", "given by a function" if callable(grads) else "given" * (given.get(path) is not None))
        for path, value in arrays.items()
    ]  # fmt: skip
    facts = {"loss": "a function of arrays: nothing is known about its inside"}
    return Found(f"a function of {sum(a.size for a in arrays.values()):,} numbers", facts, tuple(parameters))
