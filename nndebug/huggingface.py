"""`Trainer(..., callbacks=[nndebug.huggingface.Callback("reports/run")])`: Hugging Face's trainer, watched by one argument.

Transformers is imported when `Callback` is first asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from typing import Any

from .errors import UserError


def __getattr__(name: str) -> Any:
    if name == "Callback":
        return _callback()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _callback() -> Any:
    if not importlib.util.find_spec("transformers"):
        raise UserError("transformers is not installed", help="pip install transformers accelerate")
    base = importlib.import_module("transformers").TrainerCallback  # so that no type checker reads all of it

    class Callback(base):  # type: ignore[misc, valid-type]
        """Watches the model that a trainer trains, from the first step to the last.

        Args:
            folder: run folder; None records in memory only.
            options: as of `nndebug.watch`.

        Attributes:
            session: what `nndebug.watch` gave; None before the training.
        """

        def __init__(self, folder: Any = None, **options: Any) -> None:
            self.session: Any = None
            self._folder, self._options = folder, options

        def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            from .watching import watch

            optimizer = given["optimizer"]
            while hasattr(
                optimizer, "optimizer"
            ):  # accelerate wraps it, and calls the step of the one inside
                optimizer = optimizer.optimizer
            self.session = watch(given["model"], self._folder, optimizer=optimizer, **self._options)

        def on_epoch_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            if self.session is not None:
                self.session.epoch()

        def on_evaluate(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            names = {"eval_loss": "validation_loss", "eval_accuracy": "validation_accuracy"}
            metrics = given.get("metrics") or {}
            if self.session is not None:
                self.session.epoch(**{names[name]: metrics[name] for name in names if name in metrics})

        def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            if self.session is not None:
                self.session.close()

    return Callback
