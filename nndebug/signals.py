"""The vocabulary of what is measured (names of series) and where (sites)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

RUN = "run"
"""The site of what belongs to the whole run: loss, accuracy, learning rate."""
MOVED = "moved."
"""Prefix of the figures of what an update added to the pre-activations of its own batch: ranks keep them, to be merged."""


@dataclass(frozen=True)
class Site:
    """A place in the network: a layer with weights together with the activation that follows it.

    Attributes:
        name: dotted name, as in `hidden1`.
        kind: kind of the layer, as in `dense`.
        activation: kind of the activation that follows, or None.
        inputs: number of inputs, 0 if the layer has no fixed width.
        units: number of units, 0 if the layer has no fixed width.
        parameters: names of its parameters, as in `("weight", "bias")`.
    """

    name: str
    kind: str
    activation: str | None = None
    inputs: int = 0
    units: int = 0
    parameters: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "parameters": list(self.parameters)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Site:
        return cls(**{**data, "parameters": tuple(data["parameters"])})
