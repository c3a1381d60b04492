"""The first steps played again on a copy: what gradient, update and descent should they have given?

A copy of the network, taken before a step's forward pass, runs the same batch with the same random draws. What the
training then has in its gradients is compared with what the copy has, and what its update did with what rate,
gradient, penalty and optimiser say. Nothing of the training is touched.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .gradcheck.rule import Rule, rule_of
from .signals import RUN, Array

STEPS = 5
"""The first so many updates are replayed …"""
UPDATES = 4
"""… and of the first so many the gradient and the update are compared: later ones can show nothing new."""
SAMPLE = 4096
"""Entries of a parameter at which they are compared: an update treats all entries alike."""
RESOLVED = 1e-3
"""An update smaller than this many roundings of its parameters says nothing about itself."""
_STRIDE = 1e-5
"""Length of the step by which the slope of the loss is measured, relative to the parameters."""

Values = dict[str, dict[str, float]]


class Replay:
    """Replays the first steps of one network.

    Args:
        network: has `copy(dtype)`, `flat_parameters`, `flat_gradients` and layers that may own an `rng`.
    """

    def __init__(self, network: Any) -> None:
        self.network = network
        self._same, self._double = network.copy(), network.copy("float64")
        self._entries, self._parts = _sample({k: v.size for k, v in network.parameters.items()})
        self._draws: list[Any] = []
        self._target: Array | None = None
        self._backward = False
        self._rule: Rule | None = None
        self._l2 = self._samples = 0.0
        self._gradients: list[Array] = []
        self._start = self._base = self._claimed = self._last = np.empty(0)

    def before_step(self) -> None:
        """Takes over the random draws that a step is about to make."""
        self._draws = [copy.deepcopy(getattr(layer, "rng", None)) for layer in self.network.layers]
        self._target = None

    def on_forward(self) -> None:
        """Takes over the parameters that a forward pass begins with."""
        self._start, self._backward = self.network.flat_parameters.copy(), False
        for one in (self._same, self._double):
            for name, value in self.network.state.items():
                one.state[name][...] = value

    def on_loss(self, target: Array) -> None:
        """Takes the batch's targets."""
        self._target = np.array(target)

    def on_backward(self) -> None:
        """Notes that this step has had its backward pass."""
        self._backward = True

    def before_update(self, step: int, optimizer: Any) -> Values:
        """Compares the gradients that the update is about to use.

        Returns:
            A row's figures: `replay.moved` (parameters changed since the forward pass, relative to their norm),
            `replay.no_backward` (1 where no backward pass came before the update), `replay.evaluating` (1 where the
            step ran in evaluation mode though some layer tells the two modes apart), `replay.leftover` (distance of
            this gradient minus the last one's from the batch's own, relative to it) and `replay.own` (distance of
            this gradient from the batch's own).
        """
        network = self.network
        modes = any(layer.kind in ("dropout", "batch_norm") for layer in network.layers)
        self._base = network.flat_parameters.copy()
        row = {
            "replay.moved": _norm(self._base - self._start) / max(_norm(self._start), 1e-300),
            "replay.no_backward": float(not self._backward),
            "replay.evaluating": float(modes and not network.training),
        }
        self._claimed = network.flat_gradients.astype(np.float64)
        if step < UPDATES:
            self._note_rule(step, optimizer)
            claimed = self._claimed[self._entries]
            if self._backward and (own := self._own_gradient()) is not None:
                size = max(_norm(own), 1e-300)
                row["replay.own"] = _norm(claimed - own) / size
                if self._last.size:
                    row["replay.leftover"] = _norm(claimed - self._last - own) / size
            self._last = claimed
        return {RUN: row}

    def after_update(self, step: int) -> Values:
        """Compares what the update did.

        Returns:
            By parameter `update.error` (distance from the right update, relative to both), `update.factor` and
            `update.residual` (the factor of the right update that comes nearest, and what it leaves), and
            `update.uncleared` (the error if gradients had piled up); for the run `replay.slope` and `replay.claimed`
            (slope of the batch's loss along the update: measured, and by the gradients; both per unit of length),
            and `replay.doubt` (how far the measured one can be off).
        """
        rows: Values = {}
        moved = self.network.flat_parameters.astype(np.float64) - self._base
        if step < UPDATES and self._rule is not None:
            gradients = np.array(self._gradients)
            right, piled = self._right_update(gradients), self._right_update(np.cumsum(gradients, axis=0))
            changed, base = moved[self._entries], self._base[self._entries]
            for name, part in self._parts.items():
                if figures := self._compare(changed[part], right[part], piled[part], base[part]):
                    rows[name] = figures
        if (length := _norm(moved)) > 0 and math.isfinite(length) and self._target is not None:
            slope, doubt = self._slope(moved / length)
            if math.isfinite(slope) and math.isfinite(doubt):
                penalised = self._claimed + self._penalty_gradient(self._base)
                rows[RUN] = {
                    "replay.slope": slope,
                    "replay.doubt": doubt,
                    "replay.claimed": float(penalised @ moved) / length,
                }
        if step + 1 >= UPDATES:
            self._gradients = []
        return rows

    # --- gradient -----------------------------------------------------------------------------------------------

    def _own_gradient(self) -> Array | None:
        """This batch's gradient (sampled entries,) from the output error that the network had; None if the pass is another."""
        same = self._set(self._same, self._start)
        same.flat_gradients[...] = 0
        output = same.forward(self.network.input)
        if output.shape != self.network.output_gradient.shape:
            return None
        same.backward(np.array(self.network.output_gradient), input_gradient=False)
        found: Array = same.flat_gradients[self._entries].astype(np.float64)
        return found

    def _set(self, other: Any, parameters: Array) -> Any:
        """A copy with these parameters, in the network's mode, about to draw what the network drew."""
        if other.training is not self.network.training:
            other.training = self.network.training
        other.flat_parameters[...] = parameters
        for layer, draws in zip(other.layers, self._draws, strict=True):
            if draws is not None:
                layer.rng = copy.deepcopy(draws)
        return other

    # --- update -------------------------------------------------------------------------------------------------

    def _note_rule(self, step: int, optimizer: Any) -> None:
        if step == 0:
            self._rule = rule_of(optimizer)
            self._l2, self._samples = getattr(optimizer, "l2", 0.0), getattr(optimizer, "samples", 1)
            if self._rule and self._rule.kind != "sgd" and getattr(optimizer, "_state", None):
                self._rule = None  # it goes on from updates that nobody has seen
            if getattr(optimizer, "clip_norm", None):
                self._rule = None  # by which norm, of what, is not known
        elif self._rule and self._rule != rule_of(optimizer):
            self._rule = None  # its numbers were changed on the way
        if self._rule:
            self._gradients.append((self._claimed + self._penalty_gradient(self._base))[self._entries])

    def _penalty_gradient(self, parameters: Array) -> Array:
        """λ/n · w on the weights and what the layers' own penalties add (entries,), or a single 0."""
        wide, own = parameters.astype(np.float64), getattr(self.network, "penalties", None)
        if not self._l2 and own is None:
            return np.zeros(1)
        decay = self._l2 / max(self._samples, 1)
        gradient = np.asarray(decay * wide * self.network.weight_mask)
        if own is not None:
            own.add_gradient(wide, gradient)
        return gradient

    def _right_update(self, gradients: Array) -> Array:
        """What the update after the last of all gradients (updates, sampled entries) is to do: all so far minus all before."""
        assert self._rule is not None
        rule, origin = replace(self._rule, decay=0.0), np.zeros_like(gradients[0])  # the penalty is in them
        before = rule.change(origin, gradients[:-1], False)
        return np.asarray(rule.change(origin, gradients, False) - before)

    def _compare(self, moved: Array, right: Array, piled: Array, start: Array) -> dict[str, float] | None:
        """None where rounding hides the update."""
        eps = float(np.finfo(self.network.dtype).eps)
        largest = max(_norm(moved), _norm(right))
        if not math.isfinite(largest) or eps * _norm(start) > RESOLVED * largest:
            return None
        if largest == 0:
            return {"update.error": 0.0}
        square = float(right @ right)
        factor = float(moved @ right) / square if square > 0 else math.nan
        return {
            "update.error": _norm(moved - right) / (_norm(moved) + _norm(right)),
            "update.factor": factor,
            "update.residual": _norm(moved - factor * right) / largest if square > 0 else math.nan,
            "update.uncleared": _norm(moved - piled) / (_norm(moved) + _norm(piled)),
        }

    # --- descent ------------------------------------------------------------------------------------------------

    def _slope(self, direction: Array) -> tuple[float, float]:
        """dL/dt of this batch's loss with penalty along a direction (entries,) of length 1, by differences in float64.

        Returns:
            The central difference, and how far it can be off: by as much as the slopes ahead and behind differ, and by
            rounding. At a kink (a ReLU's input at zero) there are two slopes, and either may be called the gradient.
        """
        stride = _STRIDE * max(_norm(self._base), 1e-3)
        behind, here, ahead = (self._loss(self._base + t * stride * direction) for t in (-1.0, 0.0, 1.0))
        rounding = 4 * float(np.finfo(np.float64).eps) * abs(here)
        return (ahead - behind) / (2 * stride), (abs(ahead - 2 * here + behind) + rounding) / stride

    def _loss(self, parameters: Array) -> float:
        double = self._set(self._double, parameters)
        output = double.forward(self.network.input)
        own = getattr(self.network, "penalties", None)
        penalty = 0.0 if own is None else own.value(parameters)
        if self._l2:
            weights = parameters * self.network.weight_mask
            penalty += 0.5 * self._l2 / max(self._samples, 1) * float(weights @ weights)
        losses = double.loss.per_sample(output, self._target)
        summed = getattr(double.loss, "reduction", "mean") == "sum"
        return float(np.sum(losses) if summed else np.mean(losses)) + penalty


def _sample(sizes: Mapping[str, int]) -> tuple[Array, dict[str, slice]]:
    """Indices into the flat parameters, evenly spread over each, and where each parameter lies among them."""
    indices, parts, start, taken = [], {}, 0, 0
    for name, size in sizes.items():
        chosen = np.arange(start, start + size, -(-size // SAMPLE))
        indices.append(chosen)
        parts[name] = slice(taken, taken + len(chosen))
        start, taken = start + size, taken + len(chosen)
    return (np.concatenate(indices) if indices else np.empty(0, np.int64)), parts


def _norm(vector: Array) -> float:
    """Euclidean norm of a vector, in float64."""
    wide = vector.astype(np.float64, copy=False)
    return math.sqrt(float(wide @ wide))
