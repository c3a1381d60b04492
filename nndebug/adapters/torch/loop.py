"""In which order a training step does what it does: forward pass, backward pass, update."""

from __future__ import annotations


class Loop:
    """Follows the passes between two updates.

    A pass that no backward pass followed is the sign of an update that comes too early, if the very first one came before any
    backward pass; else it may be one that was made to look at something.
    """

    def __init__(self) -> None:
        self._pending = self._came_back = self._early = False

    def forward(self) -> None:
        """A module runs, and keeps what its backward pass needs."""
        self._pending = True

    def backward(self) -> None:
        """A backward pass begins."""
        self._pending, self._came_back = False, True

    def update(self, first: bool, given: bool) -> dict[str, float]:
        """The update comes.

        Args:
            first: it is the first one.
            given: some parameter has a gradient, or got one since the last update.

        Returns:
            `replay.no_backward` (1 where the backward pass comes after the update) and `replay.cut` (1 where there was
            one, and it came to no parameter).
        """
        came_back, self._came_back = self._came_back, False
        self._early = self._early or (first and not came_back)
        return {
            "replay.no_backward": float(self._early and self._pending),
            "replay.cut": float(came_back and not given),
        }
