"""What a user's own update is taken to be: its rule by two updates on a copy, its rate and penalty by what it is called with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...gradcheck.rule import Rule
from ...signals import Array
from ..attributes.model import OwnModel
from ..attributes.names import ROLES

if TYPE_CHECKING:
    from .calls import Step

SAME = 1e-5
"""Two updates that differ by less, relative to the larger one, are the same: float32 rounds to 1e-7 of the parameters."""


def rule_of_steps(steps: Sequence[Step]) -> Rule | None:
    """The rule that two updates of the user's own loop follow, with the rate 1; None if it is none that they show."""
    known = [
        (s.before.astype(np.float64) - s.after, s.gradients)
        for s in steps
        if s.before is not None and s.after is not None and s.gradients is not None
    ]
    if len(known) < 2:
        return None
    (first, g), (second, h) = known[:2]
    square = float(g @ g)
    scale = float(first @ g) / square if square > 0 else 0.0
    if not scale or not _near(first, scale * g):
        return None
    rest = second - scale * h
    share = float(rest @ g) / square / scale
    if _near(second, scale * h):
        return Rule("sgd", 1.0, 0.0)
    if 0.01 < share < 0.9999 and _near(second, scale * (h + share * g)):
        return Rule("momentum", 1.0, 0.0, momentum=float(f"{share:.6g}"))
    return None


def _near(a: Array, b: Array) -> bool:
    return float(np.linalg.norm(a - b)) <= SAME * max(float(np.linalg.norm(a)), float(np.linalg.norm(b)))


class OwnOptimizer:
    """The update of a user's class, as observers, replay and preflight take an optimiser.

    Args:
        own: the object.
        rule: what it does with a gradient; None where that is not known.
        rate: the learning rate if the user says it.

    Attributes:
        kind: `sgd`, `momentum`, `adam`, or `own`.
        rate: learning rate of the update that comes; NaN as long as nothing says it.
        l2, samples: λ and n of the penalty λ/(2n) Σ w².
        momentum, beta1, beta2, epsilon: where the rule has them.
    """

    def __init__(self, own: OwnModel, rule: Rule | None, rate: float | None = None) -> None:
        self.kind = rule.kind if rule else "own"
        self.rate, self.l2, self.samples = np.nan, 0.0, 1
        for name in ("momentum", "beta1", "beta2", "epsilon"):
            if rule and getattr(rule, name):
                setattr(self, name, getattr(rule, name))
        self._network: Any = own  # by this name copies of an optimiser leave it behind
        self._rule, self._said = rule, rate
        self._state: dict[str, Any] = {}

    def learn(self, given: Mapping[str, Any], usual: Any = None) -> None:
        """Takes rate and penalty over from what an update is called with, or from what the object keeps.

        Args:
            given: what it is called with, by role.
            usual: the rate that the whole training was called with.
        """
        own = self._network
        rate = self._said or given.get("rate") or own.number(ROLES["rate"], 0.0) or usual
        if isinstance(rate, int | float | np.number) and rate:
            self.rate = float(rate)
        decay, samples = given.get("decay"), given.get("samples")
        if isinstance(samples, int | np.integer) and samples > 0:
            self.samples = int(samples)
        if isinstance(decay, int | float | np.number):
            self.l2 = float(decay)
        elif "decay" not in given and self._rule and self._rule.decay:
            self.l2 = self._rule.decay * self.samples

    def infer(self, step: Step) -> None:
        """Where nothing says the rate, it is the one that the first update had."""
        if np.isfinite(self.rate) or step.before is None or step.after is None:
            return
        if step.gradients is None:  # the gradient is what has changed, and the rate in it
            self.rate = 1.0
            return
        moved = step.before.astype(np.float64) - step.after
        square = float(step.gradients @ step.gradients)
        rate = abs(float(moved @ step.gradients)) / square if square > 0 else 0.0
        if rate > 0 and np.isfinite(rate):
            self.rate = float(f"{rate:.6g}")

    def penalty(self, network: Any) -> float:
        """λ/(2n) Σ w² over the weights."""
        weights = network.flat_parameters * network.weight_mask
        return float(0.5 * self.l2 / self.samples * np.dot(weights, weights))

    def step(self, network: Any) -> None:
        """One update of a copy by the rule: for trials before training, where the user's own would need its own batches."""
        parameters: Array = network.flat_parameters
        decay = self.l2 / self.samples
        gradient = network.flat_gradients + decay * network.weight_mask * parameters
        state = self._state
        if self.kind == "adam":
            rule = self._rule
            assert rule is not None
            state["count"] = count = state.get("count", 0) + 1
            state["mean"] = mean = rule.beta1 * state.get("mean", 0.0) + (1 - rule.beta1) * gradient
            state["square"] = square = rule.beta2 * state.get("square", 0.0) + (1 - rule.beta2) * gradient**2
            root = np.sqrt(square / (1 - rule.beta2**count)) + rule.epsilon
            parameters -= self.rate * mean / (1 - rule.beta1**count) / root
            return
        velocity = getattr(self, "momentum", 0.0) * state.get("velocity", 0.0) + gradient
        state["velocity"] = velocity
        parameters -= self.rate * velocity
