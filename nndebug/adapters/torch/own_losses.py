"""Which of the losses that a program goes backward from are a model's own: those that its next update is made of.

In a program with several models, as a generator and its discriminator, a loss counts for the models whose parameters its
graph ends in; and where the gradients are cleared before the update, as those that the generator's loss leaves in the
discriminator are, what came before does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .losses import LossCall
from .ranks import is_sharded
from .targets import OF_CLASSES, OF_TWO

_NODES = 100_000
"""Nodes of a graph that are looked at; most graphs end in a parameter after a few."""
_IGNORED = -1
_PLACES = 2**14
"""So many answers of a batch are counted, or up to twice as many."""


@dataclass(frozen=True)
class OwnLoss:
    """Attributes: value: mean over its samples. size: samples. predicted, labels: class numbers (samples,), or None; those of
    samples that the loss ignores are -1."""

    value: Any
    size: int
    predicted: Any
    labels: Any


class OwnLosses:
    """Collects the losses of one step.

    Args:
        torch: the module.
        model: whose.
    """

    def __init__(self, torch: Any, model: Any) -> None:
        self._torch, self._model = torch, model
        self._losses: list[OwnLoss] = []
        self._reached = False
        self._hidden = is_sharded(model)  # the graph ends in what the parts were put together to

    def begin(self) -> None:
        """A step that is recorded comes now."""
        self._losses = []

    def are(self, root: Any, later: bool) -> bool:
        """Whether a loss is one of the model's.

        Args:
            root: the tensor whose `backward` is called.
            later: the model has made a step already: if none of its losses was recognised until now, none can be.
        """
        own = {id(parameter) for parameter in self._model.parameters()}
        if not self._hidden and _reaches(root.grad_fn, own):
            self._reached = True
            return True
        return self._hidden or (later and not self._reached)

    def adversarial(self, root: Any) -> bool:
        """Whether a loss depends on another model, too, as a generator's does on its discriminator.

        Args:
            root: the tensor whose `backward` is called.
        """
        own = {id(parameter) for parameter in self._model.parameters()}
        return any(
            isinstance(leaf, self._torch.nn.Parameter) and id(leaf) not in own
            for leaf in _leaves(root.grad_fn)
        )

    def take(self, call: LossCall) -> None:
        """Takes a loss of the model's; those whose gradients were cleared since are forgotten."""
        if self._losses and self._cleared():
            self._losses = []
        classes = call.kind in OF_CLASSES and call.output.ndim >= 2
        self._losses.append(
            OwnLoss(
                *self._value(call),
                _some(call.output.detach().argmax(dim=1)) if classes else None,
                _some(_meant(call)) if classes else None,
            )
        )

    def settle(self, use: Callable[[OwnLoss], None]) -> None:
        """Hands out what the update is made of."""
        losses, self._losses = self._losses, []
        for loss in losses:
            use(loss)

    def _cleared(self) -> bool:
        trained = [p for p in self._model.parameters() if p.requires_grad]
        held = next((p.grad for p in trained if p.grad is not None), None)
        return held is None or not bool(held.detach().any())

    def _value(self, call: LossCall) -> tuple[Any, int]:
        """The mean loss without scaling and penalties where the graph tells it, else that of the root; and the samples."""
        value, functional = call.value.detach(), self._torch.nn.functional
        if call.kind in OF_CLASSES:
            value = functional.nll_loss(call.output.detach(), _meant(call), ignore_index=_IGNORED)
        elif call.kind == "quadratic":
            value = (call.output.detach() - call.target).square().mean()  # broadcasts as the loss does
        elif call.kind in OF_TWO:  # of an autoencoder it is often the sum over all outputs of all samples
            value = self._of_two(call.output.detach(), call.target, call.kind == "binary_cross_entropy")
        return value, len(call.target) if call.target is not None and call.target.ndim else 1

    def _of_two(self, output: Any, target: Any, of_logits: bool) -> Any:
        """Mean binary cross-entropy; that of probabilities by hand, since PyTorch refuses it under autocast."""
        if of_logits:
            return self._torch.nn.functional.binary_cross_entropy_with_logits(output, target)
        yes, no = output.log().clamp_min(-100), (-output).log1p().clamp_min(-100)
        return -(target * yes + (1 - target) * no).mean()


def _meant(call: LossCall) -> Any:
    """Class numbers, with one and the same number for those that the loss was told to ignore; it refuses all others itself."""
    target = call.target.detach()
    classes = call.output.shape[1] if call.output.ndim > 1 else len(call.output)
    return target.where((target >= 0) & (target < classes), _IGNORED)


def _some(classes: Any) -> Any:
    """Class numbers (…) in a row: all, or where an image has one for every pixel, evenly spread ones."""
    flat = classes.flatten()
    return flat[:: max(1, flat.numel() // _PLACES)]


def _reaches(node: Any, parameters: set[int]) -> bool:
    """Whether a graph ends in one of these parameters (ids)."""
    return any(id(leaf) in parameters for leaf in _leaves(node))


def _leaves(node: Any) -> Iterator[Any]:
    """The tensors that a graph ends in, those that are None left out."""
    waiting, seen = [node], {node}
    while waiting and len(seen) < _NODES:
        node = waiting.pop()
        if (leaf := getattr(node, "variable", None)) is not None:
            yield leaf
        for following, _ in getattr(node, "next_functions", ()):
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
