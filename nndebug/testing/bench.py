"""One example of a layer: a batch, a mode, a dtype, and any number of layers that are alike."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from ..signals import Array
from ..strategies.arrays import LAYOUTS, Draw, Shape, batches
from .case import Case
from .comparing import array, called

NUDGE = 0.25
"""How far parameters are moved from their initial values (standard deviation): biases of 0 would hide mistakes."""

NUDGES = 4
"""How many ways they are moved; the first leaves them alone."""

COUPLED = frozenset({"random", "batch_coupled"})
"""What ties the samples of a batch together in training."""


class Bench:
    """One example.

    Args:
        case: the layer.
        draw: given by Hypothesis.
        rows: samples; 1 to 5 if None.
        training: the mode; both are tried if None.
        alone: whether the samples must be independent: evaluation mode for layers that tie them together in training.
        layouts: how x may lie in memory.
        x: strategy of the batch by shape and dtype, in place of `batches`.

    Attributes:
        x: the batch (rows, …).
        y: what the layer makes of it, a copy.
        g: an output gradient of the shape of y.
        given: what went in, for messages.
    """

    def __init__(
        self,
        case: Case,
        draw: Draw,
        *,
        rows: int | st.SearchStrategy[int] | None = None,
        training: bool | None = None,
        alone: bool = False,
        layouts: tuple[str, ...] = LAYOUTS[:1],
        x: Any = None,
    ) -> None:
        self.case, self.draw = case, draw
        assert case.takes is not None
        self.shape: Shape = draw(case.takes)
        # One number for three choices: every draw costs as much as a layer's pass. It shrinks to the plainest.
        code = draw(st.integers(0, 4 * NUDGES - 1))
        self.dtype = np.dtype("float32" if code & 1 else "float64")
        moded = has_modes(case)
        if alone and moded and case.tags & COUPLED:
            training = False
        self.training = (moded and bool(code & 2)) if training is None else training
        self._prototype = self._prepared(code >> 2)
        least = case.claims.get("least_rows", 1) if self.training else 1
        if least > 1 and rows is None:
            rows = st.integers(least, least + 4)
        strategy = batches(self.shape, rows, self.dtype, layouts) if x is None else x(self.shape, self.dtype)
        self.x: Array = draw(strategy)
        self.given: dict[str, Any] = {"": self._setting(moded), "x": self.x}
        self.y = self.forward(self.fresh(), self.x)
        self.g: Array = draw(batches(self.y.shape[1:], len(self.x), self.y.dtype))

    def with_gradient(self) -> dict[str, Any]:
        """What went in, the output gradient included."""
        return {**self.given, "output_gradient": self.g}

    def fresh(self) -> Any:
        """A layer like all others of this example, its random generator included."""
        return copy.deepcopy(self._prototype)

    def forward(self, layer: Any, x: Array) -> Array:
        """The output, a copy."""
        given = {**self.given, "x": x}
        return array(called(layer.forward, "forward", given, x), "output", given)

    def backward(self, layer: Any, g: Array) -> Array | None:
        """The input gradient, a copy; None if the layer passes none back."""
        given = {**self.given, "output_gradient": g}
        found = called(layer.backward, "backward", given, g)
        return None if found is None else array(found, "input gradient", given)

    def gradients(self, layer: Any) -> dict[str, Array]:
        """The parameters' gradients, copies."""
        given = self.with_gradient()
        return {
            name: array(dict(layer.gradients).get(name), f"gradient of {name}", given)
            for name in parameters(layer)
        }

    def both(self, layer: Any, x: Array, g: Array) -> dict[str, Array]:
        """Output, input gradient and parameter gradients of one pass, by name, copies."""
        found = {"output": self.forward(layer, x)}
        back = self.backward(layer, g)
        if back is not None:
            found["input gradient"] = back
        return {**found, **{f"gradient of {name}": v for name, v in self.gradients(layer).items()}}

    def _prepared(self, nudge: int) -> Any:
        layer = self.case.make()
        set_mode(layer, False)
        if hasattr(layer, "astype"):
            layer.astype(self.dtype)
        try:  # layers that make their parameters when they meet their first batch
            first = (
                np.linspace(-1, 1, 2 * int(np.prod(self.shape))).reshape(2, *self.shape).astype(self.dtype)
            )
            layer.forward(first)
        except Exception as error:
            assume(type(error).__name__ != "ShapeError")  # kernel and image drawn apart need not fit
        rng = np.random.default_rng(nudge)
        if nudge:
            for value in parameters(layer).values():
                value += (NUDGE * rng.normal(size=value.shape)).astype(value.dtype)
            if has_state(layer):
                set_mode(layer, True)
                x = rng.normal(1.0, 2.0, (3, *self.shape)).astype(self.dtype)
                called(layer.forward, "forward", {"": "training mode", "x": x}, x)
        set_mode(layer, self.training)
        return layer

    def _setting(self, moded: bool) -> str:
        mode = ("training mode, " if self.training else "evaluation mode, ") if moded else ""
        return f"{mode}{self.dtype}"


def parameters(layer: Any) -> dict[str, Array]:
    """The parameters by name, the arrays themselves."""
    return dict(getattr(layer, "parameters", None) or {})


def state(layer: Any) -> dict[str, Array]:
    """What training changes beside the parameters, by name, the arrays themselves."""
    return dict(getattr(layer, "state", None) or {})


def has_state(layer: Any) -> bool:
    """Whether the layer has any."""
    return bool(state(layer))


def few_rows(case: Case) -> bool:
    """Whether a batch of any number of samples will do in training."""
    return bool(case.claims.get("least_rows", 1) <= 1)


def has_modes(case: Case) -> bool:
    """Whether the layer has a training and an evaluation mode."""
    return hasattr(case.make(), "training")


def set_mode(layer: Any, training: bool) -> None:
    """Training or evaluation mode, where the layer has them."""
    if hasattr(layer, "training"):
        layer.training = training


def no_evaluation(case: Case) -> str:
    """Why samples cannot be compared; empty if they can."""
    if case.tags & COUPLED and not has_modes(case):
        return "it ties samples together and has no evaluation mode (an attribute `training`)"
    return ""
