"""Where an epoch ends in a loop that says nothing of it: where a loader is started after some training."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


class Epochs:
    """Watches the starts of data loaders.

    Where updates were made since the last start, the next one (of the training's loader, or of one to evaluate on) ends an epoch.

    Args:
        loader: the class `torch.utils.data.DataLoader`.
        steps: gives the number of updates so far.
        ended: called where an epoch has ended.
    """

    def __init__(self, loader: Any, steps: Callable[[], int], ended: Callable[[], None]) -> None:
        self._loader, self._steps, self._ended = loader, steps, ended
        self._original: Any = None
        self._wrapper: Any = None
        self._at_start = 0

    def attach(self) -> None:
        original = self._original = self._loader.__iter__

        @functools.wraps(original)
        def start(loader: Any) -> Any:
            self._started()
            return original(loader)

        self._wrapper = self._loader.__iter__ = start

    def detach(self) -> None:
        """Puts the method back, unless somebody else has wrapped it since: then ours passes calls on."""
        self._ended = lambda: None
        if self._wrapper is not None and self._loader.__iter__ is self._wrapper:
            self._loader.__iter__ = self._original
        self._wrapper = None

    def _started(self) -> None:
        steps = self._steps()
        if steps > self._at_start:
            self._ended()
        self._at_start = steps
