"""Diagnostics for neural networks: what is wrong, where, since when, why, and what to do.

The public names below are imported when they are first used, so that `import nndebug` costs a training script
nothing and loads no plotting, terminal or deep-learning library.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .checking import check as check
    from .evaluation import check_accuracy as check_accuracy
    from .gradcheck import gradcheck as gradcheck
    from .own_loop import Recorder as Recorder
    from .preflight import preflight as preflight
    from .report import write as report
    from .run import Run as Run
    from .shapes import Shapes as Shapes
    from .shapes import assert_shape as assert_shape
    from .trials import trials as trials
    from .watching import watch as watch

_HOME = {
    "Recorder": "own_loop",
    "Run": "run",
    "Shapes": "shapes",
    "assert_shape": "shapes",
    "check": "checking",
    "check_accuracy": "evaluation",
    "watch": "watching",
}

_CALLABLE = {"gradcheck": "gradcheck", "preflight": "preflight", "report": "write", "trials": "trials"}
"""Subpackages that are called like a function, and the function in them that does it."""

__all__ = [
    "Recorder",
    "Run",
    "Shapes",
    "assert_shape",
    "check",
    "check_accuracy",
    "gradcheck",
    "preflight",
    "report",
    "trials",
    "watch",
]


class _CallablePackage(ModuleType):
    """A subpackage that can be called: `nndebug.report(run)` beside `nndebug.report.html`."""

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return getattr(self, _CALLABLE[self.__name__.rpartition(".")[2]])(*args, **keywords)


class _Package(ModuleType):
    # The import system binds every imported submodule here, whoever imported it first.
    def __setattr__(self, name: str, value: Any) -> None:
        if name in _CALLABLE and isinstance(value, ModuleType):
            value.__class__ = _CallablePackage
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name in _CALLABLE:
        return importlib.import_module(f".{name}", __name__)
    if name in _HOME:
        value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
