"""PyTorch's modules, functions, losses and optimisers as members: NumPy arrays in, NumPy arrays out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..signals import Array

LINEAR = ("Linear", "Conv1d", "Conv2d", "AvgPool1d", "AvgPool2d", "Flatten", "Identity")


def torch() -> Any:
    """PyTorch, which whoever has one of its objects has imported; None otherwise."""
    return sys.modules.get("torch")


def is_module(thing: Any) -> bool:
    """Whether this is an `nn.Module`."""
    return torch() is not None and isinstance(thing, torch().nn.Module)


def is_function(thing: Any) -> bool:
    """Whether this is a subclass of `torch.autograd.Function`."""
    return torch() is not None and isinstance(thing, type) and issubclass(thing, torch().autograd.Function)


def is_loss(thing: Any) -> bool:
    """Whether this is one of PyTorch's losses."""
    return is_module(thing) and isinstance(thing, torch().nn.modules.loss._Loss)


def tensor(values: Array) -> Any:
    """A tensor of its own."""
    return torch().from_numpy(np.array(values))


def leaf(values: Array) -> Any:
    """A tensor that wants a gradient."""
    return tensor(values).requires_grad_(True)


class TorchLayer:
    """A module or an `autograd.Function` as a layer.

    The random numbers of a pass come from PyTorch's global generator, seeded from `rng` and put back afterwards, so
    that passes can be repeated. A tensor that a pass is given shares no memory with the array.

    Args:
        module: the module; a class is applied, as `Function.apply` is.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self.function: Callable[..., Any] = getattr(module, "apply") if isinstance(module, type) else module  # noqa: B009
        self.kind = "softmax" if type(module).__name__.startswith("Softmax") else "torch"
        names = {type(m).__name__ for m in module.modules()} if is_module(module) else set()
        self.nndebug_tags = frozenset(
            tag
            for tag, found in (
                ("batch_coupled", any("BatchNorm" in name for name in names)),
                ("linear", len(names) == 1 and names <= set(LINEAR)),
            )
            if found
        )
        if any("Dropout" in name for name in names):
            self.rng = np.random.default_rng(0)
        self.nndebug_label = repr(module) if is_module(module) else module.__name__
        if "\n" in self.nndebug_label:
            self.nndebug_label = type(module).__name__
        if is_module(module):
            self.training = True
        self.gradients: dict[str, Array] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "training":
            self.module.train(value)

    @property
    def parameters(self) -> dict[str, Array]:
        return {name: p.detach().numpy() for name, p in self._tensors().items()}

    @property
    def state(self) -> dict[str, Array]:
        if not is_module(self.module):
            return {}
        return {name: b.numpy() for name, b in self.module.named_buffers() if b.is_floating_point()}

    def astype(self, dtype: np.dtype[Any]) -> None:
        """Converts the parameters."""
        if is_module(self.module):
            self.module.to(getattr(torch(), str(dtype)))

    def forward(self, x: Array) -> Array:
        """The output, outside of any graph."""
        self._x = leaf(x)
        seed = int(self.rng.integers(2**31)) if hasattr(self, "rng") else 0
        with torch().random.fork_rng(devices=[]):
            torch().manual_seed(seed)
            self._y = self.function(self._x)
        return np.asarray(self._y.detach().numpy())

    def backward(self, output_gradient: Array) -> Array:
        """The input gradient; fills `gradients`."""
        tensors = self._tensors()
        found = torch().autograd.grad(
            self._y,
            [self._x, *tensors.values()],
            tensor(output_gradient),
            retain_graph=True,
            allow_unused=True,
        )
        arrays = [
            np.zeros(tuple(t.shape), str(t.dtype).removeprefix("torch.")) if g is None else g.numpy().copy()
            for g, t in zip(found, [self._x, *tensors.values()])
        ]
        self.gradients = dict(zip(tensors, arrays[1:]))
        return arrays[0]

    def _tensors(self) -> dict[str, Any]:
        if not is_module(self.module):
            return {}
        return {name: p for name, p in self.module.named_parameters() if p.requires_grad}

    def __deepcopy__(self, memo: dict[int, Any]) -> TorchLayer:
        import copy

        other = TorchLayer(copy.deepcopy(self.module, memo))
        if hasattr(self, "training"):
            other.training = self.training
        for name in {"rng", "loss"} & set(vars(self)):
            setattr(other, name, copy.deepcopy(getattr(self, name)))
        return other


class TorchLoss:
    """One of PyTorch's losses: class numbers go in as they are, other targets in the outputs' dtype."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.nndebug_label = repr(module)
        classes = type(module).__name__ in ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss")
        self.nndebug_tags = frozenset() if classes else frozenset({"regression"})

    def __call__(self, output: Array, target: Array) -> float:
        return float(self._loss(leaf(output), target).detach())

    def gradient(self, output: Array, target: Array) -> Array:
        """dLoss/doutput, of the shape of output."""
        x = leaf(output)
        (found,) = torch().autograd.grad(self._loss(x, target), [x])
        return np.asarray(found.numpy())

    def _loss(self, output: Any, target: Array) -> Any:
        return self.module(
            output, tensor(target) if target.dtype.kind in "iu" else tensor(target).to(output.dtype)
        )
