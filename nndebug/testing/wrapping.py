"""What a member is wrapped in, so that every check meets one and the same interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..signals import Array
from . import own_members, torch_members


def framework_kind(thing: Any) -> str:
    """The kind of an object of a framework; empty for others."""
    if torch_members.is_loss(thing):
        return "loss"
    if torch_members.is_module(thing) or torch_members.is_function(thing):
        return "layer"
    from .stepping import makes_torch

    return "optimizer" if makes_torch(thing) else ""


def wrapped(kind: str, make: Callable[[], Any], loss: Any = None) -> Callable[[], Any]:
    """The maker of members that speak the common interface; `loss` is that of a network that has none."""

    def fresh() -> Any:
        made = make()
        if torch_members.is_loss(made):
            return torch_members.TorchLoss(made)
        if torch_members.is_module(made) or torch_members.is_function(made):
            made = torch_members.TorchLayer(made)
        elif kind == "loss":
            made = own_members.loss(made)
        elif kind in ("layer", "activation") and not isinstance(made, adapt):
            made = own_members.named(made)
        if loss is not None:
            made.loss = torch_members.TorchLoss(loss) if torch_members.is_loss(loss) else loss
        return made

    return make if kind in ("initializer", "optimizer") else fresh


class adapt:  # noqa: N801  (used like a function)
    """A layer of another interface as a layer with `forward`, `backward`, `parameters` and `gradients`.

    >>> class Theirs:
    ...     def forward(self, x): self.output = x @ self.W
    ...     def backward(self, d): self.dW, self.dx = self.x.T @ d, d @ self.W.T
    >>> layer = adapt(Theirs(), output="output", input_gradient="dx", parameters={"W": "dW"})

    Args:
        layer: an object of one's own or of another library.
        forward: name of its forward method, or a function of (layer, x).
        backward: name of its backward method, or a function of (layer, output gradient).
        output: attribute in which forward leaves the output; None where it returns it.
        input_gradient: attribute in which backward leaves it; None where it returns it.
        parameters: attribute of a parameter → attribute of its gradient.
        state: attributes that training changes and no gradient does.
        training: the attribute or method that switches the mode is not known here: a function of (layer, bool).
    """

    def __init__(
        self,
        layer: Any,
        *,
        forward: str | Callable[[Any, Array], Any] = "forward",
        backward: str | Callable[[Any, Array], Any] = "backward",
        output: str | None = None,
        input_gradient: str | None = None,
        parameters: Mapping[str, str] | None = None,
        state: tuple[str, ...] = (),
        training: Callable[[Any, bool], Any] | None = None,
    ) -> None:
        self.layer, self._forward, self._backward = layer, forward, backward
        self._output, self._input_gradient = output, input_gradient
        self._named, self._state, self._switch = dict(parameters or {}), state, training
        self.nndebug_label = type(layer).__name__
        if training is not None:
            self.training = False

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "training":
            assert self._switch is not None
            self._switch(self.layer, value)

    @property
    def parameters(self) -> dict[str, Array]:
        return {name: getattr(self.layer, name) for name in self._named}

    @property
    def gradients(self) -> dict[str, Array]:
        return {
            name: getattr(self.layer, found)
            for name, found in self._named.items()
            if hasattr(self.layer, found)
        }

    @property
    def state(self) -> dict[str, Array]:
        return {name: getattr(self.layer, name) for name in self._state}

    def forward(self, x: Array) -> Any:
        """The output."""
        return self._call(self._forward, x, self._output)

    def backward(self, output_gradient: Array) -> Any:
        """The input gradient."""
        return self._call(self._backward, output_gradient, self._input_gradient)

    def _call(self, how: str | Callable[[Any, Array], Any], value: Array, attribute: str | None) -> Any:
        found = getattr(self.layer, how)(value) if isinstance(how, str) else how(self.layer, value)
        return found if attribute is None else getattr(self.layer, attribute)
