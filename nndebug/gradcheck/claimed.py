"""What a network says its gradients are: one pass, a second one to see what it depends on, and layer by layer."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import FunctionType
from typing import Any

import numpy as np

from ..signals import Array
from .tape import Tape, site

Key = tuple[int, str]
"""Layer index and parameter."""

AGAIN = 1e-9
"""Two runs of the same pass may differ by this much, relative to the largest entry."""


class BackwardError(Exception):
    """The network's own code raised: which layer, and what."""

    def __init__(self, index: int, what: str, error: Exception) -> None:
        super().__init__(f"{what} raises {type(error).__name__}: {error}")
        self.index, self.short = index, f"{what} raises {type(error).__name__}"


@dataclass(frozen=True)
class Chain:
    """What the layers give when they are run back one by one.

    Attributes:
        gradients: (layer index, parameter) → gradient, a copy.
        deltas: output gradient that each layer got, by index; None from where the chain broke.
        broken: the error that ended the chain, or None.
    """

    gradients: dict[Key, Array]
    deltas: list[Array | None]
    broken: BackwardError | None


class Claimed:
    """What the network says its gradients are.

    Attributes:
        gradients: (layer index, parameter) → gradient, a copy; missing where the layer has none, and from a layer
            down whose backward raised.
        again: the same after a second pass, without clearing in between.
        skipping: the same where nobody asked for the input gradient, as in training; None if that cannot be asked.
        loss_gradient: dLoss/doutput (batch, outputs), None if it raises.
        broken: the error that ended the pass, or None.
    """

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        tape.clear_all()
        self.gradients, output = self._differentiate()
        tape.compare_with_whole(output)
        skips = _takes(getattr(tape.network, "differentiate", None), "input_gradient")
        self.again = self.gradients
        self.skipping = self.gradients if skips else None
        # What is cleared and computed anew in either way does not depend on what lay there before.
        tape.fill(1.0)
        second, _ = self._differentiate(**({"input_gradient": False} if skips else {}))
        if first_difference(self.gradients, second):
            tape.clear_all()
            self._differentiate()
            self.again, _ = self._differentiate()
            if skips:
                tape.clear_all()
                self.skipping, _ = self._differentiate(input_gradient=False)
        self.broken: BackwardError | None = None
        self.loss_gradient: Array | None = None
        try:
            self.loss_gradient = np.array(tape.loss.gradient(np.array(tape.output), tape.y))
        except Exception as error:
            self.broken = BackwardError(len(tape.layers), "loss.gradient", error)
        if not self.gradients:
            self.broken = self.broken or self.chain.broken
            if self.broken:
                below = self.broken.index
                self.gradients = {key: value for key, value in self.chain.gradients.items() if key[0] > below}
                self.again, self.skipping = self.gradients, None

    @property
    def deltas(self) -> list[Array | None]:
        """Output gradient that each layer got in `chain`, by index."""
        return self.chain.deltas

    @property
    def chained(self) -> dict[Key, Array]:
        """The gradients of `chain`."""
        return self.chain.gradients

    @cached_property
    def chain(self) -> Chain:
        """The layers run back one by one; asked for where something disagrees or sits on a kink."""
        tape, loss_gradient = self._tape, self.loss_gradient
        deltas: list[Array | None] = [None] * len(tape.layers)
        if loss_gradient is None:
            return Chain({}, deltas, None)
        tape.clear_all()
        tape.rewind()
        x = tape.x
        for layer in tape.layers:
            x = layer.forward(x)
        gradient: Any = loss_gradient
        broken = None
        for index in reversed(range(len(tape.layers))):
            deltas[index] = np.array(gradient)
            try:
                gradient = tape.layers[index].backward(gradient)
            except Exception as error:
                broken = BackwardError(index, f"{site(tape.layers, index)}.backward", error)
                break
            if gradient is None:
                break
        tape.restore()
        return Chain(tape.layer_gradients(), deltas, broken)

    def _differentiate(self, **how: bool) -> tuple[dict[Key, Array], Any]:
        """The network's own gradients, and what its pass gave; no gradients if it raised."""
        tape = self._tape
        tape.rewind()
        try:
            if hasattr(tape.network, "differentiate"):
                output = tape.network.differentiate(tape.x, tape.y, **how)
            else:
                output = tape.network.forward(tape.x)
                tape.network.backward(tape.loss.gradient(output, tape.y))
        except Exception:  # the chain finds out which layer it was
            return {}, None
        finally:
            tape.restore()
        return tape.layer_gradients(), output


def first_difference(mine: dict[Key, Array], theirs: dict[Key, Array]) -> Key | None:
    """The parameter nearest to the output whose gradient is another one, None if all are the same."""
    for key in reversed(mine):
        a, b = mine[key], theirs.get(key)
        if b is None or a.shape != b.shape:
            return key
        if not np.array_equal(a, b):
            tolerance = AGAIN * float(np.abs(a).max(initial=0.0))
            if not np.allclose(b, a, rtol=AGAIN, atol=tolerance, equal_nan=True):
                return key
    return None


def _takes(function: Any, keyword: str) -> bool:
    """Whether a function or method has a parameter of this name."""
    function = getattr(function, "__func__", function)
    return _has(function, keyword) if isinstance(function, FunctionType) else False


@lru_cache(maxsize=64)
def _has(function: FunctionType, keyword: str) -> bool:
    try:
        return keyword in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
