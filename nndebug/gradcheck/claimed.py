"""What a network says its gradients are, and what kept it from saying so."""

from __future__ import annotations

from dataclasses import dataclass

from ..signals import Array


class BackwardError(Exception):
    """The network's own code raised: which layer, and what."""

    def __init__(self, index: int, what: str, error: Exception) -> None:
        super().__init__(f"{what} raises {type(error).__name__}: {error}")
        self.index, self.short = index, f"{what} raises {type(error).__name__}"


@dataclass(frozen=True)
class Claimed:
    """What the network says its gradients are.

    Attributes:
        gradients: (layer index, parameter) → gradient, a copy; missing where the layer has none, and from a layer
            down whose backward raised.
        again: the same after a second pass, without clearing in between.
        skipping: the same where nobody asked for the input gradient, as in training; None if that cannot be asked.
        chained: what the layers give when they are run one by one.
        loss_gradient: dLoss/doutput (batch, outputs).
        deltas: output gradient that each layer got, by index; None from where the chain broke.
        broken: the error that ended the chain, or None.
    """

    gradients: dict[tuple[int, str], Array]
    again: dict[tuple[int, str], Array]
    skipping: dict[tuple[int, str], Array] | None
    chained: dict[tuple[int, str], Array]
    loss_gradient: Array | None
    deltas: list[Array | None]
    broken: BackwardError | None


class RandomLossError(Exception):
    """The loss gave two values for the same output."""

    def __init__(self, values: list[float]) -> None:
        super().__init__(f"the loss is random: same parameters gave {values[0]:.6g} and {values[1]:.6g}")
