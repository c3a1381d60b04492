"""Calls of the user's functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..errors import UserError


def takes_an_argument(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) for p in parameters)


def guarded(function: Callable[..., Any], what: str) -> Callable[..., Any]:
    """The function, with its exceptions as errors of the user's."""

    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"{what} raises {type(error).__name__}: {error}",
                help="call it by itself first, with float64 copies of params",
            ) from error

    return call
