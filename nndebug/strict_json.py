"""Strict JSON for figures: NaN and infinities, which JSON does not have, are stored as strings and revived."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

NONFINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""How floats that are not finite are written."""

# Strings under these keys are texts, even where a layer is called "NaN".
_TEXTS = frozenset(
    {"name", "kind", "event", "site", "layer", "activation", "parameters", "command", "message"}
)


_WRITER = json.JSONEncoder(
    allow_nan=False, separators=(",", ":")
)  # `json.dumps` would make one for every row


def encode(value: Any) -> str:
    """Strict JSON on one line, in ASCII; floats that are not finite become strings.

    Raises:
        TypeError: something in it has no form in JSON.
    """
    try:
        return _WRITER.encode(value)
    except (TypeError, ValueError):
        return _WRITER.encode(plain(value))


def plain(value: Any) -> Any:
    """The same in plain Python types: NumPy numbers and arrays converted, non-finite floats as strings."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, os.PathLike) else value


def decode(text: str | bytes) -> Any:
    """The value of strict JSON, not yet revived.

    Raises:
        ValueError: it is not strict JSON, or nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not strict JSON")


def revive(value: Any) -> Any:
    """The decoded value with "NaN", "Infinity" and "-Infinity" as floats, except where texts stand."""
    if isinstance(value, str):
        return NONFINITE.get(value, value)
    if isinstance(value, list):
        return [revive(item) for item in value]
    if isinstance(value, dict):
        return {
            key: item if key in _TEXTS and not _is_figure(item) else revive(item)
            for key, item in value.items()
        }
    return value


def _is_figure(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(item, dict) for item in value)
    )
