"""The same cases with PyTorch's gradcheck, slow and fast, and with the textbook's rule.

All get what the network says its gradient is, and its loss as a function of its parameters: PyTorch as a
`torch.autograd.Function` whose backward returns that gradient. Their settings are those they come with.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

import nndebug
from network import Dropout, Sequential

from .done import Done
from .networks import Array, Case, case
from .planting import Kind, all_planted

LARGEST = 500
"""Parameters; the slow ones evaluate the loss twice for each."""

STEP = 1e-5
RULES = (1e-7, 1e-4, 1e-2)
"""Relative errors that CS231n's notes call happy, usually okay with kinks, and probably wrong above."""


WAYS = ("nndebug", "PyTorch, slow mode", "PyTorch, fast mode", *(f"textbook, {rule:g}" for rule in RULES))


class Flat:
    """A network's loss and gradient as functions of one vector of parameters, its masks frozen."""

    def __init__(self, made: Case) -> None:
        self.network, self.x, self.y = made.network.copy("float64"), made.x, made.y
        self.network.training = True
        self.drops = [layer for layer in self.network.layers if isinstance(layer, Dropout)]
        self.states = [layer.rng.bit_generator.state for layer in self.drops]
        self.start = self.network.flat_parameters.copy()

    def _at(self, values: Array) -> Sequential:
        for layer, state in zip(self.drops, self.states):
            layer.rng.bit_generator.state = state
        self.network.flat_parameters[...] = values
        return self.network

    def loss(self, values: Array) -> float:
        network = self._at(values)
        return float(network.loss(network.forward(self.x), self.y))

    def gradient(self, values: Array) -> Array:
        self._at(values).differentiate(self.x, self.y, input_gradient=True)
        found = [np.ravel(value) for value in self.network.gradients.values()]
        return np.concatenate(found)


def textbook(flat: Flat) -> float:
    """Largest |a − n| / max(|a|, |n|) over the entries, n from two points (CS231n, Neural Networks Part 3)."""
    claimed = flat.gradient(flat.start)
    if claimed.shape != flat.start.shape:
        return np.inf
    worst = 0.0
    for i in range(len(claimed)):
        step = np.zeros_like(flat.start)
        step[i] = STEP
        right = (flat.loss(flat.start + step) - flat.loss(flat.start - step)) / (2 * STEP)
        size = max(abs(claimed[i]), abs(right))
        worst = max(worst, abs(claimed[i] - right) / size if size else 0.0)
    return worst


def torch_check(flat: Flat, fast: bool) -> bool:
    """Whether `torch.autograd.gradcheck` passes."""
    import torch

    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(ctx, values):  # type: ignore[no-untyped-def,override]
            ctx.save_for_backward(values)
            return torch.tensor(flat.loss(values.detach().numpy()), dtype=torch.float64)

        @staticmethod
        def backward(ctx, u):  # type: ignore[no-untyped-def,override]
            (values,) = ctx.saved_tensors
            return u * torch.from_numpy(flat.gradient(values.detach().numpy()).copy())

    values = torch.tensor(flat.start, requires_grad=True)
    return bool(torch.autograd.gradcheck(Loss.apply, (values,), fast_mode=fast, raise_exception=False))


def passes(made: Case) -> dict[str, bool]:
    """What every check says of one case: True where it has nothing against it."""
    ways: dict[str, Callable[[], bool]] = {
        "nndebug": lambda: nndebug.gradcheck(made.network, made.x, made.y, seed=made.number).exit_code != 1,
        "PyTorch, slow mode": lambda: torch_check(Flat(made), fast=False),
        "PyTorch, fast mode": lambda: torch_check(Flat(made), fast=True),
    }
    found = {}
    for name, way in ways.items():
        try:
            found[name] = way()
        except Exception:  # a backward that raises is found by whoever runs it
            found[name] = False
    try:
        worst = textbook(Flat(made))
    except Exception:
        worst = np.inf
    return found | {f"textbook, {rule:g}": bool(worst <= rule) for rule in RULES}


def compare(kinds: Sequence[Kind], first: int, count: int, done: Done) -> None:
    """Prints how many of the mistakes each check finds, and how many correct networks it calls wrong."""
    found, alarms = Counter[str](), Counter[str]()
    seen = correct = 0
    for made in _small(kinds, first, count):
        row = done.get("peers, a mistake", seen) or done.add("peers, a mistake", seen, **passes(made))
        seen += 1
        found.update(name for name in WAYS if not row[name])
    for number in itertools.count():
        if correct == count:
            break
        row = done.get("peers, correct", number)
        if row is None:
            made = case(number)
            if made.parameters > LARGEST:
                continue
            row = done.add("peers, correct", number, **passes(made))
        correct += 1
        alarms.update(name for name in WAYS if not row[name])
    print(f"| check | found of {seen} mistakes | called wrong of {correct} correct networks |\n|---|--:|--:|")
    for name in WAYS:
        print(f"| {name} | {found[name]} | {alarms[name]} |", flush=True)


def _small(kinds: Sequence[Kind], first: int, count: int) -> Iterator[Case]:
    """Cases of every kind that is a gradient's, in turn, of at most `LARGEST` parameters."""
    of_gradients = [kind for kind in kinds if kind.group not in ("penalty", "update")]
    streams = [all_planted(kind, first, count) for kind in of_gradients]
    given = 0
    while streams and given < count:
        for stream in list(streams):
            made = next((p.case for _, p in stream if p.case.parameters <= LARGEST), None)
            if made is None:
                streams.remove(stream)
            elif given < count:
                given += 1
                yield made
