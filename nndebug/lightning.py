"""`Trainer(callbacks=[nndebug.lightning.Callback("reports/run")])`: PyTorch Lightning, watched by one argument.

Lightning is imported when `Callback` is first asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from typing import Any

from .errors import UserError, not_installed

_HOMES = ("lightning.pytorch", "pytorch_lightning")
"""The two packages that Lightning is published as; a trainer takes callbacks of its own one."""

_FIGURES = {
    "train_loss": "loss",
    "train_acc": "accuracy",
    "train_accuracy": "accuracy",
    "val_loss": "validation_loss",
    "val_acc": "validation_accuracy",
    "val_accuracy": "validation_accuracy",
}
"""What modules log, under the names that most of them use → figures of an epoch."""


def __getattr__(name: str) -> Any:
    if name == "Callback":
        return _callback(_home())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _home() -> str:
    for name in sorted(_HOMES, key=lambda name: name not in sys.modules):
        if name in sys.modules or importlib.util.find_spec(name.partition(".")[0]):
            return name
    raise UserError("PyTorch Lightning is not installed", help="pip install lightning")


@cache
def _callback(home: str) -> Any:
    try:
        base = importlib.import_module(home).Callback
    except ModuleNotFoundError as error:
        raise UserError(f"PyTorch Lightning needs {error.name}", help=not_installed(error)) from None

    class Callback(base):  # type: ignore[misc, valid-type]
        """Watches the module that a trainer fits, from the first step to the last.

        Args:
            folder: run folder; None records in memory only.
            options: as of `nndebug.watch`.

        Attributes:
            session: what `nndebug.watch` gave; None before the training.
        """

        def __init__(self, folder: Any = None, **options: Any) -> None:
            super().__init__()
            self.session: Any = None
            self._folder, self._options = folder, options

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            from .watching import watch

            self.session = watch(pl_module, self._folder, optimizer=trainer.optimizers, **self._options)

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            logged = {name: trainer.callback_metrics.get(name) for name in _FIGURES}
            self.session.epoch(
                **{_FIGURES[name]: value for name, value in logged.items() if value is not None}
            )

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            self.session.close()

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            if self.session is not None:
                self.session.__exit__(type(exception), exception, exception.__traceback__)

    return Callback
