"""A check's result as strict JSON, for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ..findings import CheckResult


def to_json(result: CheckResult, indent: int | None = 2) -> str:
    """Strict JSON: NaN and infinities are null, and `nonfinite` counts them.

    `CheckResult.from_json(json.loads(text))` gives the result back (without the figures that were not finite).

    Args:
        result: what `check` found.
        indent: spaces per level; None for one line.
    """
    plain = _Plain()
    data = plain.of(result.to_json())
    return json.dumps(
        {**data, "nonfinite": plain.nonfinite}, indent=indent, allow_nan=False, ensure_ascii=False
    )


class _Plain:
    """Turns what evidence may hold into JSON's types, counting the numbers that JSON does not have."""

    def __init__(self) -> None:
        self.nonfinite = 0

    def of(self, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return _encodable(value)
        if hasattr(value, "tolist"):
            value = value.tolist()
        if isinstance(value, float):
            if math.isfinite(value):
                return value
            self.nonfinite += 1
            return None
        if isinstance(value, Mapping):
            return {_encodable(str(key)): self.of(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.of(item) for item in value]
        return value if isinstance(value, int | bool) or value is None else _encodable(str(value))


def _encodable(text: str) -> str:
    """Lone surrogates, which UTF-8 cannot carry and strict readers refuse, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
