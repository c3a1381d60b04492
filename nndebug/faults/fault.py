"""A planted fault: a healthy experiment, the small change that breaks it, and what the diagnosis has to say."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core import load_core

# Small networks on the embedded digits: each trains in a fraction of a second.
PLAIN: Mapping[str, Any] = {"layers": (64, 30, 10), "loss": "cross_entropy", "epochs": 12}
SIGMOID: Mapping[str, Any] = {**PLAIN, "activation": "sigmoid", "init": "xavier", "lr": 0.5}
DEEP: Mapping[str, Any] = {**PLAIN, "layers": (64, 30, 30, 30, 30, 30, 10)}
FIRST: Mapping[str, Any] = {
    **PLAIN,
    "activation": "sigmoid",
    "output_activation": "sigmoid",
    "loss": "quadratic",
    "init": "xavier",
    "lr": 3.0,
}
"""The blog's first network in small, with weights of the right size: sigmoids, quadratic loss, rate 3.0."""
LAST: Mapping[str, Any] = {**FIRST, "activation": "relu", "init": "he", "lr": 0.3}
"""The blog's last one: ReLU, He initial weights, a tenth of the rate."""


@dataclass
class Parts:
    """What an experiment is built into; a patch changes it in place.

    Attributes:
        network: of the core.
        optimizer: of the core.
        dataset: with `train`, `validation` and `test`.
        options: the keyword arguments of `fit`.
    """

    network: Any
    optimizer: Any
    dataset: Any
    options: dict[str, Any]

    def layer(self, name: str, kind: str) -> Any:
        """The layer of this name and kind, as in ("hidden1", "dense")."""
        return next(layer for layer in self.network.layers if (layer.name, layer.kind) == (name, kind))

    def activation(self, name: str) -> Any:
        """The activation that shares a dense layer's name."""
        return next(one for one in self.network.layers if one.name == name and hasattr(one, "derivative"))


Patch = Callable[[Parts], None]


@dataclass(frozen=True)
class Fault:
    """One planted fault.

    Attributes:
        name: for the command line.
        summary: what was done wrong, in one line.
        cause: the kind that the diagnosis must name first (see `causes.Kind`).
        layer: the layer it must name; None if the fault has none.
        healthy: arguments of `Experiment.mlp` for the healthy twin.
        faulty: the arguments that are changed.
        patch: a change that no argument can express.
        mistake: for evaluations, the name of the mistake that must be recognised.
    """

    name: str
    summary: str
    cause: str
    layer: str | None = None
    healthy: Mapping[str, Any] = field(default_factory=lambda: PLAIN)
    faulty: Mapping[str, Any] = field(default_factory=dict)
    patch: Patch | None = None
    mistake: str = ""

    def fixed(self, seed: int = 0) -> Any:
        """The healthy twin, an `Experiment`."""
        return load_core("experiment").Experiment.mlp(**{**self.healthy, "seed": seed})

    def experiment(self, seed: int = 0) -> Any:
        """The faulty experiment; it has `build` and `fit_options` like the healthy one."""
        arguments = {**self.healthy, **self.faulty, "seed": seed}
        experiment = load_core("experiment").Experiment.mlp(**arguments)
        return self.of(experiment)

    def of(self, experiment: Any) -> Any:
        """An experiment with this fault's patch, if it has one."""
        return Patched(experiment, self.patch, self.name) if self.patch else experiment


class Patched:
    """An experiment whose parts are changed after they are built; `name` is the fault's."""

    def __init__(self, experiment: Any, patch: Patch, name: str = "") -> None:
        self._experiment, self._patch, self.name = experiment, patch, name
        self._options: dict[str, Any] = {}

    def build(self, *arguments: Any, **keywords: Any) -> Any:
        network, optimizer, dataset = self._experiment.build(*arguments, **keywords)
        parts = Parts(network, optimizer, dataset, self._experiment.fit_options(dataset))
        self._patch(parts)
        self._options = parts.options
        return parts.network, parts.optimizer, parts.dataset

    def fit_options(self, dataset: Any) -> dict[str, Any]:
        return self._options

    def changed(self, spec: Mapping[str, Any]) -> Patched:
        """Another specification with the same patch."""
        return Patched(type(self._experiment).from_dict(spec), self._patch, self.name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._experiment, name)


def override(thing: Any, method: str, wrong: Callable[..., Any]) -> None:
    """Gives one object a wrong method; its copies and twins have it too.

    Args:
        thing: a layer, a loss or an optimiser.
        method: its name.
        wrong: called with the object, the right method, and the arguments.
    """
    parent = type(thing)
    getattr(parent, method)  # a name that has changed is told here, not by a fault without effect

    def replaced(self: Any, *arguments: Any, **keywords: Any) -> Any:
        return wrong(self, functools.partial(getattr(parent, method), self), *arguments, **keywords)

    thing.__class__ = type(parent.__name__, (parent,), {method: replaced, "__module__": parent.__module__})
