"""Rules that treat every entry by itself: clipped values, AdaGrad, RMSprop, Adadelta, Adam, with the numbers they may have."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..signals import Array
from .rule import Rule
from .steps import MATCH, Steps

Numbers = Callable[[tuple[str, ...], float], float]
"""The number that the user's object keeps under one of these names, else the usual one."""

BETA1, BETA2 = ("beta1", "beta_1", "b1"), ("beta2", "beta_2", "b2")
RHO = ("rho", "gamma", "decay_rate", "beta", "alpha")
EPSILON = ("epsilon", "eps")
USUAL = (1e-8, 1e-7, 1e-6, 1e-9, 1e-10, 1e-5, 1e-12)
"""Numbers that keep a divisor from being 0."""


@dataclass(frozen=True)
class Entrywise:
    """A rule by its name and numbers.

    Attributes:
        name: completes "your update …".
        steps: gradients (2, …) → steps (2, …), divided by the rate.
        known: whether a program that does this is right; else it is something like a right one.
        rule: the same with its numbers, where the core has it.
    """

    name: str
    steps: Callable[[Array], Array]
    known: bool = True
    rule: Rule | None = None


def entrywise(largest: Steps, numbers: Numbers) -> Iterator[Entrywise]:
    """Rules that may be behind the steps, the likely ones first.

    Args:
        largest: the parameter with the most entries.
        numbers: what the user's object says.
    """
    top = float(np.abs(largest.done).max(initial=0.0))
    if top < np.abs(largest.mean).max(initial=0.0):
        yield Entrywise(f"clips every entry of the gradient at ±{top:.6g}", lambda g: np.clip(g, -top, top))
    epsilons = _distinct([numbers(EPSILON, USUAL[0]), *USUAL])
    ones = _distinct([numbers(BETA1, 0.9), 0.9, 0.95, 0.8, 0.5, 0.0, 0.99])
    twos = _distinct([numbers(BETA2, 0.999), 0.999, 0.99, 0.9, 0.95, 0.9999])
    for epsilon, beta1, beta2 in itertools.product(epsilons, ones, twos):
        said = f"Adam's, with {beta1:g}, {beta2:g}, {epsilon:g}"
        adam = Rule("adam", 1.0, 0.0, beta1=beta1, beta2=beta2, epsilon=epsilon)
        yield _of_the_core(f"is {said}", adam)
        yield Entrywise(
            f"is {said}, but without its bias correction", _uncorrected(beta1, beta2, epsilon), False
        )
    for epsilon in epsilons:
        yield Entrywise(f"is AdaGrad's, with {epsilon:g}", _adagrad(epsilon))
        yield Entrywise(f"is AdaGrad's, with {epsilon:g} under the root", _adagrad(0.0, epsilon))
    for start in (0.1, 0.01, 1.0):
        yield Entrywise(f"is AdaGrad's, from {start:g} on", _adagrad(0.0, start))
    rhos = _distinct([numbers(RHO, 0.9), *_rho_of(largest), 0.9, 0.99, 0.95, 0.999])
    for epsilon, rho in itertools.product(epsilons, rhos):
        said = f"with {rho:.6g}, {epsilon:g}"
        yield Entrywise(f"is RMSprop's, {said}", _rmsprop(rho, epsilon, 0.0))
        yield Entrywise(f"is RMSprop's, {said} under the root", _rmsprop(rho, 0.0, epsilon))
        delta = Rule("adadelta", 1.0, 0.0, rho=rho, epsilon=epsilon)
        yield _of_the_core(f"is Adadelta's, {said}", delta)


def _of_the_core(name: str, rule: Rule) -> Entrywise:
    return Entrywise(name, lambda g: _two_steps(rule, g), True, rule)


def _two_steps(rule: Rule, gradients: Array) -> Array:
    """The two steps of a rule without penalty (2, …)."""
    nowhere = np.zeros_like(gradients[0])
    first, both = (-rule.change(nowhere, gradients[:count], False) for count in (1, 2))
    return np.stack([first, both - first])


def follows(s: Steps) -> bool:
    """Whether the first step is what an unknown rule of entries would do: the gradient's signs, and no less for a larger one."""
    g, done = np.ravel(s.mean[0]), np.ravel(s.done[0])
    order = np.argsort(np.abs(g), kind="stable")
    sizes = np.abs(done)[order]
    slack = 1e-6 * float(sizes.max(initial=0.0))
    return bool((done * g >= 0).all() and done.any() and (np.diff(sizes) >= -slack).all())


def _adagrad(epsilon: float, start: float = 0.0) -> Callable[[Array], Array]:
    def steps(g: Array) -> Array:
        root = np.sqrt(start + np.cumsum(g * g, axis=0))
        return _divided(g, root + epsilon)

    return steps


def _rmsprop(rho: float, epsilon: float, inside: float) -> Callable[[Array], Array]:
    def steps(g: Array) -> Array:
        first = (1 - rho) * g[0] ** 2
        squares = np.stack([first, rho * first + (1 - rho) * g[1] ** 2])
        return _divided(g, np.sqrt(squares + inside) + epsilon)

    return steps


def _uncorrected(beta1: float, beta2: float, epsilon: float) -> Callable[[Array], Array]:
    def steps(g: Array) -> Array:
        m, v = (1 - beta1) * g[0], (1 - beta2) * g[0] ** 2
        means, squares = (
            np.stack([m, beta1 * m + (1 - beta1) * g[1]]),
            np.stack([v, beta2 * v + (1 - beta2) * g[1] ** 2]),
        )
        return _divided(means, np.sqrt(squares) + epsilon)

    return steps  # fmt: skip


def _divided(a: Array, b: Array) -> Array:
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)


def _rho_of(s: Steps) -> list[float]:
    """ρ where the first step of every entry is ±1 / √(1 - ρ)."""
    top = float(np.abs(s.done[0]).max(initial=0.0))
    return [1 - 1 / top**2] if top > 1 + MATCH else []


def _distinct(values: Sequence[float]) -> list[float]:
    return list(dict.fromkeys(values))
