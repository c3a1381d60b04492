"""The sites of a network of layers, read off its layers alone."""

from __future__ import annotations

from typing import Any

from ..signals import Site


def describe_sites(network: Any) -> tuple[Site, ...]:
    """The sites of a network in order: every layer with weights together with the activation that shares its name."""
    found: dict[str, Site] = {}
    for layer in network.layers:
        known = found.get(layer.name)
        activation = layer.kind if hasattr(layer, "derivative") else None
        found[layer.name] = Site(
            name=layer.name,
            kind=known.kind if known else layer.kind,
            activation=activation or (known.activation if known else None),
            inputs=known.inputs if known else getattr(layer, "inputs", 0),
            units=known.units if known else getattr(layer, "units", 0),
            parameters=known.parameters if known else tuple(layer.parameters),
        )
    return tuple(found.values())
