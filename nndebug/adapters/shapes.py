"""Shapes that a user declares for the outputs of sites, looked at in every forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import UserError, did_you_mean
from ..recorder import Recorder
from ..shapes import mismatch
from ..signals import Array


class ShapeWatch:
    """Notes the first time that a site's output has not the declared shape.

    Args:
        network: with layers that have hooks.
        shapes: site → pattern, as in `{"hidden1": "batch 30"}`; axis names bind over one forward pass.
        recorder: where the event goes.
        step: says which step it is.

    Raises:
        UserError: no site has that name.
    """

    def __init__(
        self, network: Any, shapes: Mapping[str, str], recorder: Recorder, step: Callable[[], int]
    ) -> None:
        self._recorder, self._step = recorder, step
        last = {layer.name: layer for layer in network.layers}  # a site's output is that of its last layer
        for site in shapes:
            if site not in last:
                raise UserError(f"the network has no layer {site!r}", help=did_you_mean(site, last))
        self._first = next((site for site in last if site in shapes), None)
        self._bindings: dict[str, Any] = {}
        self._handles = {
            site: last[site].hook("forward", self._observer(site, pattern))
            for site, pattern in shapes.items()
        }

    def detach(self) -> None:
        """Takes the observers off again."""
        for handle in self._handles.values():
            handle.remove()

    def _observer(self, site: str, pattern: str) -> Callable[[Any, Array, Array], None]:
        def look(layer: Any, x: Array, output: Array) -> None:
            if site == self._first:
                self._bindings = {}
            message = mismatch(output.shape, pattern, self._bindings)
            if message:
                self._handles[site].remove()
                self._recorder.event("shape", self._step(), 0, site=site, message=message)

        return look
