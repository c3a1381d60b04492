"""Watches whatever a program trains, without a line in it: networks of the core, and PyTorch models."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from .imports import Awaited

if TYPE_CHECKING:
    from .adapters.torch.first_training import FirstTraining
    from .session import Session


class Attaching:
    """Attaches `watch` to what is trained between entry and exit; a context manager.

    Args:
        folder: gives the run folder of the n-th training, from 1.
        interval: as of `nndebug.watch`.

    Attributes:
        sessions: what was watched, in order.
        folders: their run folders.
        notes: what could not be seen, a line each.
        refused: what was trained and could not be recorded, a reason each.
        error: what the program ended by; None where it ended well.
    """

    def __init__(self, folder: Callable[[int], Path], interval: int = 10) -> None:
        self._folder, self._interval = folder, interval
        self.sessions: list[Session] = []
        self.folders: list[Path] = []
        self.notes: list[str] = []
        self.refused: list[str] = []
        self._process = os.getpid()
        self.error: BaseException | None = None
        self._networks: list[Any] = []
        self._undo: list[Callable[[], None]] = []
        self._first: FirstTraining | None = None
        self._awaited = Awaited({"network.training": self._core, "torch.optim.optimizer": self._torch})

    def __enter__(self) -> Self:
        self._awaited.__enter__()
        return self

    @property
    def is_copy(self) -> bool:
        """Whether this is a copy of the program that `fork` has made: the runs are not its own."""
        return os.getpid() != self._process

    def failed(self, error: BaseException) -> None:
        """Tells what the program ended by; an exit with code 0 is none."""
        self.error = None if isinstance(error, SystemExit) and not error.code else error

    def __exit__(self, *_: object) -> None:
        if self.is_copy:
            return
        self._awaited.__exit__()
        for undo in self._undo:
            undo()
        if self._first is not None and self._first.missed:
            self.notes.append("a PyTorch optimiser was made, but no module with its parameters was trained")
        if self._first is not None and self._first.others:
            self.notes.append(
                f"PyTorch optimisers whose parameters belong to no module: {self._first.others}; what they train is not "
                "recorded"
            )
        for session in self.sessions:
            session.__exit__(type(self.error) if self.error else None, self.error, None)

    def _watch(self, network: Any, **options: Any) -> None:
        """What fails here is told and leaves the program alone."""
        from .watching import watch

        if self.is_copy:
            return
        try:
            folder = self._folder(len(self.sessions) + 1)
            self.sessions.append(watch(network, folder, interval=self._interval, **options))
            self.folders.append(folder)
        except Exception as error:
            self.refused.append(str(error))
            warnings.warn(f"nndebug: this training is not recorded: {error}", RuntimeWarning, stacklevel=2)

    def _core(self, module: ModuleType) -> None:
        """Every `fit` begins by making a `Training`."""
        training = getattr(module, "Training", None)
        if training is None or not hasattr(module, "fit"):
            return  # somebody else's package of this name
        original = training.__init__

        @functools.wraps(original)
        def init(this: Any, *arguments: Any, **keywords: Any) -> None:
            original(this, *arguments, **keywords)
            if hasattr(this.network, "twin") and not any(this.network is known for known in self._networks):
                self._networks.append(this.network)
                self._watch(this.network)

        training.__init__ = init
        self._undo.append(lambda: setattr(training, "__init__", original))

    def _torch(self, module: ModuleType) -> None:
        from .adapters.torch.first_training import FirstTraining

        self._first = FirstTraining(
            getattr(module, "Optimizer"),  # noqa: B009  (the module is whatever was imported)
            lambda model, optimizers: self._watch(model, optimizer=optimizers),
        )
        self._undo.append(self._first.detach)
