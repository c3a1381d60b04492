"""Layers and losses as people write them, `self.W` with `self.dW` or a loss with a backward, in the kit's interface."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..signals import Array
from .failure import Failure

PARAMETER_TABLES, GRADIENT_TABLES = ("parameters", "params"), ("gradients", "grads", "dparams")
"""What dicts or lists of arrays are called."""

GRADIENT_NAMES = (
    "d{}",
    "d_{}",
    "grad_{}",
    "{}_grad",
    "grad{}",
    "g{}",
    "{}_gradient",
    "gradient_{}",
    "nabla_{}",
)
"""What the gradient of an attribute is called."""

STATE_NAMES = ("running", "moving")
"""How what is averaged over batches begins."""

TARGETS_FIRST = ("target", "targets", "y_true", "t", "label", "labels", "truth", "expected")
"""A loss whose first argument is called so takes its target before its output."""


def named(layer: Any) -> Any:
    """The layer itself where it has `parameters` and `gradients`, or no arrays at all; else one that has them."""
    if isinstance(getattr(layer, "parameters", None), Mapping) and hasattr(layer, "gradients"):
        return layer
    parameters, gradients = (
        next((n for n in names if _is_table(layer, n)), "") for names in (PARAMETER_TABLES, GRADIENT_TABLES)
    )
    if parameters and gradients:
        return _Named(layer, parameters, gradients)
    arrays = (
        [n for n, value in vars(layer).items() if _is_numbers(value)] if hasattr(layer, "__dict__") else []
    )
    taken = {name.format(of) for of in arrays for name in GRADIENT_NAMES}
    found = tuple(n for n in arrays if n not in taken)
    return _Named(layer, "", "", found) if found else layer


def is_loss(thing: Any) -> bool:
    """Whether forward takes two arguments, an output and its target."""
    return len(_required(getattr(thing, "forward", None), inspect.isclass(thing))) == 2 and hasattr(
        thing, "backward"
    )


def loss(made: Any) -> Any:
    """The loss itself where it can be called; else its forward and backward as loss and gradient."""
    return _Loss(made) if is_loss(made) and not (callable(made) and hasattr(made, "gradient")) else made


class _Named:
    """A layer with its arrays by name.

    Args:
        layer: the object.
        parameters, gradients: attributes that hold the dict or list of them; empty for attributes of their own.
        arrays: those attributes.
    """

    def __init__(self, layer: Any, parameters: str, gradients: str, arrays: tuple[str, ...] = ()) -> None:
        vars(self).update(module=layer, _tables=(parameters, gradients), _arrays=arrays, _passed=False)
        vars(self)["nndebug_label"] = getattr(layer, "nndebug_label", "") or type(layer).__name__

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "module" not in vars(self):  # as copy and pickle ask
            raise AttributeError(name)
        if name == "astype" and not hasattr(self.module, "astype") and self._arrays:
            return self._cast
        return getattr(self.module, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.module, name, value)

    @property
    def parameters(self) -> Mapping[str, Array]:
        if self._arrays:
            return {n: getattr(self.module, n) for n in self._arrays if not n.startswith(STATE_NAMES)}
        return _by_name(getattr(self.module, self._tables[0]))

    @property
    def state(self) -> Mapping[str, Array]:
        return {n: getattr(self.module, n) for n in self._arrays if n.startswith(STATE_NAMES)}

    @property
    def gradients(self) -> Mapping[str, Array]:
        if not self._arrays:
            return _by_name(getattr(self.module, self._tables[1]))
        return {name: self._gradient(name) for name in self.parameters}

    def forward(self, x: Array) -> Any:
        """The output."""
        return self.module.forward(x)

    def backward(self, output_gradient: Array) -> Any:
        """The input gradient."""
        vars(self)["_passed"] = True
        return self.module.backward(output_gradient)

    def _gradient(self, name: str) -> Array:
        for pattern in GRADIENT_NAMES:
            value = getattr(self.module, pattern.format(name), None)
            if _is_numbers(value):
                return np.asarray(value)
        if not self._passed:
            return np.zeros_like(getattr(self.module, name))
        kind = type(self.module).__name__
        raise Failure(
            f"backward leaves no gradient of {name}",
            f"an attribute d{name} or grad_{name} beside {name}",
            "none by such a name",
            f'say where it is: adapt({kind}(...), parameters={{"{name}": "..."}}), without those that are constants',
        )

    def _cast(self, dtype: Any) -> None:
        for name in self._arrays:
            setattr(self.module, name, getattr(self.module, name).astype(dtype))


class _Loss:
    """A loss with `forward(output, target)` and a `backward`."""

    def __init__(self, made: Any) -> None:
        self.module = made
        self.nndebug_label = type(made).__name__
        first, *_ = _required(made.forward)
        self._swapped = first in TARGETS_FIRST

    def __call__(self, output: Array, target: Array) -> Any:
        return self.module.forward(*self._order(output, target))

    def gradient(self, output: Array, target: Array) -> Any:
        """dLoss/doutput: what backward returns after that forward; of a gradient of 1 if it asks for one."""
        self(output, target)
        wanted = len(_required(self.module.backward))
        given: tuple[Any, ...] = self._order(output, target) if wanted == 2 else (1.0,) * wanted
        return self.module.backward(*given)

    def _order(self, output: Array, target: Array) -> tuple[Array, Array]:
        return (target, output) if self._swapped else (output, target)


def _required(function: Callable[..., Any] | None, unbound: bool = False) -> list[str]:
    """Names of the arguments that have to be given."""
    try:
        arguments = list(inspect.signature(function).parameters.values()) if function else []
    except (TypeError, ValueError):
        return []
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [a.name for a in arguments if a.kind in plain and a.default is a.empty][1 if unbound else 0 :]


def _is_numbers(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim > 0


def _is_table(layer: Any, name: str) -> bool:
    value = getattr(layer, name, None)
    return isinstance(value, (Mapping, list, tuple)) and len(value) > 0


def _by_name(table: Any) -> Mapping[str, Array]:
    return table if isinstance(table, Mapping) else {str(i): value for i, value in enumerate(table)}
