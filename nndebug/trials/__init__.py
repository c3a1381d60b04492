"""`nndebug.trials`: changes one thing on a copy, trains it again, and lets the result decide between causes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .result import Trials

if TYPE_CHECKING:
    from .running import trials as trials

__all__ = ["Trials", "trials"]


def __getattr__(name: str) -> Any:
    # The diagnosis reads what was tried; only who tries needs the core and the faults.
    if name == "trials":
        from .running import trials

        return trials
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
