"""Deliberately planted faults: small changes of a healthy experiment on the embedded digits, each with its true cause.

`nndebug demo` trains one and checks that the diagnosis names it; `--fixed` trains the healthy twin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .core import load_core
from .signals import Array

DEFAULT = "dying-relu"

# The blog's last network in small: ReLU, He initial weights, sigmoid outputs, quadratic loss.
_BLOG = {
    "layers": (64, 30, 10),
    "activation": "relu",
    "output_activation": "sigmoid",
    "loss": "quadratic",
    "init": "he",
    "lr": 0.3,
    "batch": 10,
    "epochs": 12,
}
_DEEP = {"layers": (64, 30, 30, 30, 30, 30, 10), "loss": "cross_entropy", "epochs": 12}
_PLAIN = {"layers": (64, 30, 10), "loss": "cross_entropy", "epochs": 12}


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
        patch: the name of a change that no argument can express; see `_PATCHES`.
    """

    name: str
    summary: str
    cause: str
    layer: str | None
    healthy: Mapping[str, Any]
    faulty: Mapping[str, Any] = field(default_factory=dict)
    patch: str = ""

    def fixed(self, seed: int = 0) -> Any:
        """The healthy twin, an `Experiment`."""
        return load_core("experiment").Experiment.mlp(**{**self.healthy, "seed": seed})

    def experiment(self, seed: int = 0) -> Any:
        """The faulty experiment; it has `build` and `fit_options` like the healthy one."""
        arguments = {**self.healthy, **self.faulty, "seed": seed}
        experiment = load_core("experiment").Experiment.mlp(**arguments)
        return _Patched(experiment, self.patch) if self.patch else experiment


class _Patched:
    """An experiment whose parts are changed after they are built."""

    def __init__(self, experiment: Any, patch: str) -> None:
        self._experiment, self._patch = experiment, patch

    def build(self, *arguments: Any, **keywords: Any) -> Any:
        network, optimizer, dataset = self._experiment.build(*arguments, **keywords)
        return _PATCHES[self._patch](network, optimizer, dataset)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._experiment, name)


def _update_of_a_copy(network: Any, optimizer: Any, dataset: Any) -> Any:
    """`w = w - rate * g` on a loop variable: the name is bound anew, the parameter is left as it was."""

    def update(parameters: Array, gradient: Array) -> None:
        parameters = parameters - optimizer.rate * gradient

    optimizer.update = update
    return network, optimizer, dataset


def _raw_pixels(network: Any, optimizer: Any, dataset: Any) -> Any:
    """Pixels 0 to 255 instead of 0 to 1."""
    from dataclasses import replace

    return (
        network,
        optimizer,
        replace(
            dataset,
            train=(dataset.train[0] * 255, dataset.train[1]),
            test=(dataset.test[0] * 255, dataset.test[1]),
        ),
    )


_PATCHES = {"update-of-a-copy": _update_of_a_copy, "raw-pixels": _raw_pixels}

_ALL = (
    Fault(
        "dying-relu",
        "ReLU with He weights, but the learning rate left at 10, which suited the sigmoids before",
        "lr_too_high",
        "hidden1",
        _BLOG,
        {"lr": 10.0},
    ),
    Fault(
        "relu-switch",
        "sigmoid switched to ReLU, N(0, 1) weights left as they were",
        "init_too_large",
        "output",
        {**_BLOG, "layers": (64, 100, 10)},
        {"init": "normal", "lr": 3.0, "bias_init": "normal"},
    ),
    Fault(
        "zero-weights",
        "all initial weights are zero",
        "constant_init",
        "hidden1",
        _PLAIN,
        {"init": "zeros"},
    ),
    Fault(
        "deep-sigmoid",
        "five hidden layers of sigmoids",
        "wrong_hidden_activation",
        "hidden1",
        _DEEP,
        {"activation": "sigmoid", "init": "xavier"},
    ),
    Fault("tiny-rate", "a learning rate of 1e-6", "lr_too_low", None, _PLAIN, {"lr": 1e-6}),
    Fault(
        "huge-rate",
        "a learning rate of 30 for cross-entropy",
        "lr_too_high",
        None,
        _PLAIN,
        {"lr": 30.0},
    ),
    Fault(
        "update-of-a-copy",
        "the update changes a copy of the weights",
        "frozen_parameters",
        "hidden1",
        _PLAIN,
        patch="update-of-a-copy",
    ),
    Fault(
        "raw-pixels",
        "pixels 0 to 255, not scaled",
        "unnormalised_input",
        "hidden1",
        {**_PLAIN, "activation": "sigmoid", "init": "xavier"},
        patch="raw-pixels",
    ),
)

FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _ALL}
