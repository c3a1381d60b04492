"""What the loss was given, read off the graph that `backward` starts from.

Every way of writing a loss ends in `backward`: modules, functions however they were imported, a loss scaled or summed with a
penalty. `torch.autograd.backward` is wrapped while a model is watched; the graph keeps output and target until it has run.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

KINDS = {
    "NllLossBackward": "cross_entropy",
    "NllLoss2DBackward": "cross_entropy",
    "MseLossBackward": "quadratic",
    "BinaryCrossEntropyBackward": "probability_binary_cross_entropy",
    "BinaryCrossEntropyWithLogitsBackward": "binary_cross_entropy",
    "SmoothL1LossBackward": "smooth_l1",
    "HuberLossBackward": "huber",
}
"""Node of the graph → kind of loss in the words of the core."""

ACTIVATIONS = {
    "SoftmaxBackward": "softmax",
    "SigmoidBackward": "sigmoid",
    "TanhBackward": "tanh",
    "ReluBackward": "relu",
    "LogSoftmaxBackward": "log_softmax",
}

_PASSED_OVER = (
    "View",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Select",
    "Alias",
    "ToCopy",
    "Expand",
    "T",
    "Flatten",
)
"""Nodes between the last layer and the loss that change no value."""

_ADDED = ("Add", "Sub")
"""Nodes that put something beside the loss, as a penalty, and leave its scale alone."""
_TOTAL = "SumBackward0"
"""The sum of all entries; that over one dimension has another number."""
_SUM = 2
"""How a node writes `reduction="sum"` (`at::Reduction::Sum`)."""

_DEEP = 64
"""Nodes looked at for the loss: it stands near the root, the model below it may have thousands."""


@dataclass(frozen=True)
class LossCall:
    """One loss as the graph keeps it.

    Attributes:
        kind: see `KINDS`; empty where the loss is none of them.
        output, target: tensors; for cross-entropy the outputs' log-probabilities (batch, classes), or (batch, classes, …) where every
            place of a sample has a class. None where not kept.
        activation: what the outputs passed last, as in "softmax"; "linear" if it is none that is known.
        value: the tensor whose `backward` was called.
        summed: whether it is the sum over the samples, neither divided nor weighted; None where the loss is not known.
        across: whether a softmax right before the loss goes along the samples, not the classes.
        negated: whether `backward` starts from the loss with its sign flipped.
    """

    kind: str
    output: Any
    target: Any
    activation: str
    value: Any
    summed: bool | None = None
    across: bool = False
    negated: bool = False


class Backwards:
    """Observes every call of `backward`.

    Args:
        autograd: `torch.autograd`.
        observe: gets the loss before its `backward` runs.
    """

    def __init__(self, autograd: Any, observe: Callable[[LossCall], None]) -> None:
        self._autograd, self._observe = autograd, observe
        self._original: Any = None
        self._wrapper: Any = None

    def attach(self) -> None:
        original = self._original = self._autograd.backward

        @functools.wraps(original)
        def backward(tensors: Any, *arguments: Any, **keywords: Any) -> Any:
            self._observe(tensors)
            return original(tensors, *arguments, **keywords)

        self._wrapper = self._autograd.backward = backward

    def detach(self) -> None:
        """Puts the function back; one that somebody else has wrapped since is left to them, and passes calls on."""
        self._observe = lambda tensors: None
        if self._wrapper is not None and self._autograd.backward is self._wrapper:
            self._autograd.backward = self._original
        self._wrapper = None


def read(root: Any) -> LossCall:
    """The loss that a graph ends in.

    Args:
        root: the tensor whose `backward` is called.
    """
    found = _find(root.grad_fn)
    if not found:
        return LossCall("", None, None, "linear", root)
    # A term that is subtracted stands beside what is made smaller: the loss is that.
    node, passed, flipped = min(found, key=lambda one: one[2])
    kind = KINDS[node_name(node)]
    output, target = _given(getattr(node, "_saved_self", None)), _given(getattr(node, "_saved_target", None))
    below = node.next_functions[0][0] if node.next_functions else None
    across = _across(below, output)
    if kind == "cross_entropy":
        softmax = _passed_over(below)  # of sequences a view stands between the two
        if softmax is not None and node_name(softmax) == "LogSoftmaxBackward":
            below = softmax.next_functions[0][0]
            across = across or _across(below, output)
        else:
            kind = "negative_log_likelihood"
    return LossCall(kind, output, target, _activation(below), root, _summed(node, passed), across, flipped)


def _flips(node: Any, place: int) -> bool:
    """Whether a node changes the sign of what it was given at this place: -loss, x - loss, or a negative number times it."""
    name = node_name(node)
    if name in ("MulBackward", "DivBackward"):
        # A number in losses that are put together of several.
        factor = getattr(node, "_saved_other" if place == 0 else "_saved_self", None)
        if factor is None:
            return False
        single = getattr(factor, "numel", lambda: 1)() == 1
        return single and (place == 0 or name == "MulBackward") and bool(factor < 0)
    return (
        name == "NegBackward"
        or (name == "RsubBackward" and place == 0)
        or (name == "SubBackward" and place == 1)
    )


def _summed(node: Any, passed: tuple[Any, ...]) -> bool:
    """Whether the root is the sum of a loss over its samples.

    Args:
        node: of the loss.
        passed: nodes between the root and it. A factor or a mean among them makes something else of a sum.
    """
    total = getattr(node, "_saved_reduction", None) == _SUM
    for one in passed:
        if type(one).__name__ == _TOTAL:
            total = True
        elif node_name(one).removesuffix("Backward") not in (*_PASSED_OVER, *_ADDED):
            return False
    return total


def _given(tensor: Any) -> Any:
    """A tensor as it was before it was spread over another's shape: entries that are repeated have a stride of 0."""
    if tensor is None:
        return None
    for dim in range(tensor.ndim):
        if tensor.stride(dim) == 0 and tensor.shape[dim] > 1:
            tensor = tensor.narrow(dim, 0, 1)
    return tensor[0] if tensor.ndim > 1 and len(tensor) == 1 else tensor


def _find(node: Any) -> list[tuple[Any, tuple[Any, ...], bool]]:
    """The nodes that are known losses, nearest first: each with those passed on the way to it, and whether they flip its sign.

    No further are looked for where the nearest one's sign is not flipped.
    """
    waiting: deque[tuple[Any, tuple[Any, ...], bool]] = deque([(node, (), False)])
    found: list[tuple[Any, tuple[Any, ...], bool]] = []
    for _ in range(_DEEP):
        if not waiting:
            break
        node, passed, flipped = waiting.popleft()
        if node_name(node) in KINDS:
            found.append((node, passed, flipped))
            if not flipped:
                break
            continue
        for place, (one, _) in enumerate(getattr(node, "next_functions", ())):
            if one is not None:
                waiting.append((one, (*passed, node), flipped != _flips(node, place)))
    return found


def _across(node: Any, output: Any) -> bool:
    """Whether a softmax, the first node that changes values, goes along the first of several dimensions."""
    node = _passed_over(node)
    if node is None or node_name(node) not in ("SoftmaxBackward", "LogSoftmaxBackward"):
        return False
    dimensions = 1 if output is None else output.ndim
    return dimensions > 1 and int(node._saved_dim) in (0, -dimensions, 2**64 - dimensions)


def _passed_over(node: Any) -> Any:
    """The first node from here on that changes values."""
    while node is not None and node_name(node).removesuffix("Backward") in _PASSED_OVER:
        node = node.next_functions[0][0] if node.next_functions else None
    return node


def _activation(node: Any) -> str:
    node = _passed_over(node)
    return ACTIVATIONS.get(node_name(node), "linear")


def node_name(node: Any) -> str:
    """The name of a node without the number of its version."""
    return type(node).__name__.rstrip("0123456789")
