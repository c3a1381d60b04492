"""One way to step any optimiser: the core's, PyTorch's, an object of one's own, a plain function."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core import load_core
from ..errors import UserError
from ..signals import Array

RATES = ("rate", "lr", "learning_rate", "eta", "alpha")
"""What an optimiser may call its learning rate."""


class Steps:
    """Parameters and an optimiser that moves them.

    Args:
        optimizer: the core's (`step(network)`); an object with `step` or `update` of (parameters, gradients); such a
            function; or a function of (parameters) that makes one of PyTorch's. Both are dicts of arrays.
        start: name → array; copied.
        rate: factor on the learning rate.

    Attributes:
        parameters: name → where it stands now.
    """

    def __init__(self, optimizer: Any, start: Mapping[str, Array], rate: float = 1.0) -> None:
        self.optimizer = optimizer if inspect.isfunction(optimizer) else copy.deepcopy(optimizer)
        self._start = {name: np.array(value) for name, value in start.items()}
        self._way: _Network | _Torch | _Arrays
        if of_network(optimizer):
            self._way = _Network(self.optimizer, self._start)
        elif makes_torch(optimizer):
            self._way = _Torch(optimizer, self._start)
        else:
            self._way = _Arrays(self.optimizer, self._start)
        name = rate_of(self.optimizer)
        if rate != 1.0 and name:
            setattr(self.optimizer, name, getattr(self.optimizer, name) * rate)

    @property
    def parameters(self) -> dict[str, Array]:
        return self._way.parameters()

    def step(self, gradients: dict[str, Array]) -> None:
        """One update."""
        self._way.step(gradients)

    def gradients(self, passed: dict[str, Array]) -> dict[str, Array]:
        """The gradients that the optimiser was given, as they are now."""
        return self._way.gradients(passed)


def of_network(optimizer: Any) -> bool:
    """Whether this is the core's, which takes a network."""
    return isinstance(optimizer, load_core("optimizers").Optimizer)


def rate_of(optimizer: Any) -> str | None:
    """The attribute that holds the learning rate, or None."""
    return next((n for n in RATES if isinstance(getattr(optimizer, n, None), (int, float))), None)


def makes_torch(thing: Any) -> bool:
    """Whether this is a function of the parameters alone, which makes a PyTorch optimiser."""
    return inspect.isfunction(thing) and len(inspect.signature(thing).parameters) == 1


class _Network:
    """The core's: a network with a dense layer whose weights and biases are the parameters."""

    def __init__(self, optimizer: Any, start: Mapping[str, Array]) -> None:
        core = load_core()
        inputs, units = start["weight"].shape
        self.optimizer = optimizer
        self.network = core.Sequential(core.Dense(inputs, units), dtype=start["weight"].dtype)
        self.layer = self.network.layers[0]
        for name, value in start.items():
            self.layer.parameters[name][...] = value

    def parameters(self) -> dict[str, Array]:
        return dict(self.layer.parameters)

    def step(self, gradients: dict[str, Array]) -> None:
        for name, value in gradients.items():
            self.layer.gradients[name][...] = value
        self.optimizer.step(self.network)

    def gradients(self, passed: dict[str, Array]) -> dict[str, Array]:
        return dict(self.layer.gradients)


class _Arrays:
    """An object or a function of (parameters, gradients), dicts of arrays; changes them or returns new ones."""

    def __init__(self, optimizer: Any, start: dict[str, Array]) -> None:
        self.values = start
        self.update = optimizer if inspect.isfunction(optimizer) else None
        if self.update is None:
            self.update = getattr(optimizer, "step", None) or getattr(optimizer, "update", None)
        if not callable(self.update):
            raise UserError(
                f"{type(optimizer).__name__} has neither step nor update",
                help="an optimiser has step(parameters, gradients), dicts of arrays",
            )

    def parameters(self) -> dict[str, Array]:
        return dict(self.values)

    def step(self, gradients: dict[str, Array]) -> None:
        assert self.update is not None
        returned = self.update(self.values, gradients)
        if isinstance(returned, Mapping):
            self.values = {name: np.asarray(value) for name, value in returned.items()}

    def gradients(self, passed: dict[str, Array]) -> dict[str, Array]:
        return passed


class _Torch:
    """PyTorch's, on leaf tensors."""

    def __init__(self, make: Any, start: Mapping[str, Array]) -> None:
        from .torch_members import leaf

        self.leaves = {name: leaf(value) for name, value in start.items()}
        self.optimizer = make(list(self.leaves.values()))

    def parameters(self) -> dict[str, Array]:
        return {name: value.detach().numpy().copy() for name, value in self.leaves.items()}

    def step(self, gradients: dict[str, Array]) -> None:
        from .torch_members import tensor

        for name, value in gradients.items():
            self.leaves[name].grad = tensor(value)
        self.optimizer.step()

    def gradients(self, passed: dict[str, Array]) -> dict[str, Array]:
        return {name: value.grad.numpy() for name, value in self.leaves.items()}
