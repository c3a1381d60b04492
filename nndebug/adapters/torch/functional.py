"""Activations that a model applies as functions, as in `F.relu(self.hidden(x))`, read off the graph that `backward` starts from.

No module runs for them, so no hook sees them; but the graph knows what each of its nodes was made of, and keeps what it needs
for its derivative: of ReLU, sigmoid and tanh that is their result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .losses import node_name

KINDS = {
    "ReluBackward": "relu",
    "ClampBackward": "relu",
    "ClampMinBackward": "relu",
    "LeakyReluBackward": "leaky_relu",
    "EluBackward": "elu",
    "GeluBackward": "gelu",
    "SiluBackward": "silu",
    "SigmoidBackward": "sigmoid",
    "TanhBackward": "tanh",
    "SoftmaxBackward": "softmax",
}
"""Node of the graph → kind of activation in the words of the core. The logarithm of softmax is a part of the loss."""

_POOLS = ("MaxPool", "AvgPool", "AdaptiveMaxPool", "AdaptiveAvgPool", "Dropout", "FeatureDropout")
"""Nodes between a layer and its activation that leave units where they are, as in `F.relu(F.max_pool2d(self.conv(x), 2))`."""

_MOST = 20_000
"""Nodes looked at; a model of more has its activations unseen rather than its training slowed down."""


@dataclass(frozen=True)
class Applied:
    """One activation.

    Attributes:
        site: the layer whose output it was given.
        kind: see `KINDS`.
        values: (batch, …) as they came out; None where the graph does not keep them.
    """

    site: str
    kind: str
    values: Any


def applied(root: Any, made: Mapping[Any, str]) -> Iterator[Applied]:
    """The activations in a graph that follow a layer.

    Args:
        root: the tensor whose `backward` is called.
        made: node that made the output of a layer → the layer's name. The nodes are held by whoever made this, since a node
            that nobody holds is another object each time that it is asked for.
    """
    waiting: list[Any] = [root.grad_fn]
    seen: set[Any] = set()
    while waiting and len(seen) < _MOST:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        below = [one for one, _ in getattr(node, "next_functions", ())]
        waiting += below
        kind = KINDS.get(node_name(node))
        if gate := _own_gate(node, below, made):
            seen.add(gate)
            kind, below = "silu", gate.next_functions[0]
        if kind and below and _from_zero(node) and (site := _host(below[0], made)):
            yield Applied(site, kind, _values(node, kind))


def _own_gate(node: Any, below: list[Any], made: Mapping[Any, str]) -> Any:
    """The sigmoid by which a layer's output is multiplied with itself, as SiLU is written by hand; None without one."""
    if node_name(node) != "MulBackward" or len(below) != 2:
        return None
    for gate, given in (below, below[::-1]):
        is_gate = gate is not None and node_name(gate) == "SigmoidBackward"
        if is_gate and given in made and made.get(gate.next_functions[0][0]) == made[given]:
            return gate
    return None


def _from_zero(node: Any) -> bool:
    """Whether a node that cuts values off does so below 0 and nowhere else; true of all others."""
    if not node_name(node).startswith("Clamp"):
        return True
    return bool(node._saved_min == 0) and getattr(node, "_saved_max", None) is None


def _host(node: Any, made: Mapping[Any, str]) -> str | None:
    while node is not None and node not in made and node_name(node).startswith(_POOLS):
        node = node.next_functions[0][0] if node.next_functions else None
    return made.get(node)


def _values(node: Any, kind: str) -> Any:
    if (result := getattr(node, "_saved_result", None)) is not None:
        return result.detach()
    given = getattr(node, "_saved_self", None)
    return given.detach().clamp(min=0) if kind == "relu" and given is not None else None
