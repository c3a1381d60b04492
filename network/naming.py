"""The site names of layers: who is `hidden1`, and which activation belongs to it."""

from __future__ import annotations

from .activations import Activation
from .convolution import Conv2D
from .errors import NetworkError
from .layers import Dense, Layer
from .normalization import Normalization

ACTIVATED = (Dense, Conv2D, Normalization)


def name_layers(layers: list[Layer]) -> None:
    """Gives every layer its site name.

    Dense layers are `hidden1`, `hidden2`, … and `output` (the last); others are called by kind, as in `conv1`, `norm1`,
    `pool1`, `dropout1`. An activation shares the name of the Dense, Conv2D or normalisation right before it, whose
    output is its pre-activation.
    """
    dense = [layer for layer in layers if isinstance(layer, Dense)]
    automatic = {id(layer): f"hidden{i}" for i, layer in enumerate(dense, 1)}
    if dense:
        automatic[id(dense[-1])] = "output"
    counts: dict[str, int] = {}
    taken: set[str] = set()
    before: Layer | None = None
    for layer in layers:
        if isinstance(layer, Activation) and isinstance(before, ACTIVATED) and not layer.given_name:
            layer.name = before.name
        else:
            layer.name = layer.given_name or ""
            if not layer.name:
                stem = getattr(layer, "stem", layer.kind)
                counts[stem] = counts.get(stem, 0) + 1
                layer.name = automatic.get(id(layer), f"{stem}{counts[stem]}")
            if layer.name in taken:
                raise NetworkError(f"two layers are called {layer.name!r}", help="give each its own name=")
            taken.add(layer.name)
        before = layer
