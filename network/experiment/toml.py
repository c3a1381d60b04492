"""An experiment as the text of a TOML file, which the standard library reads and does not write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import ExperimentError


def write(spec: Mapping[str, Any], remarks: str = "") -> str:
    """TOML that reads back as `spec`: a table a section, a layer an entry of `[[model.layers]]`.

    Args:
        spec: plain data of at most two levels of tables below its sections; deeper ones are written in line.
        remarks: lines of comment for the top.

    Raises:
        ExperimentError: it holds a null, or something else that TOML has no form for.
    """
    lines = [f"# {_commented(line)}".rstrip() for line in remarks.splitlines()]
    for name, section in spec.items():
        lines += ["", f"[{_key(name)}]"] if lines else [f"[{_key(name)}]"]
        lines += _table(name, section)
    return "\n".join(lines) + "\n"


def _table(name: str, section: Mapping[str, Any]) -> Iterator[str]:
    entries = {key: value for key, value in section.items() if _are_tables(value)}
    for key, value in section.items():
        if key not in entries:
            yield f"{_key(key)} = {_value(value)}"
    for key, tables in entries.items():
        for table in tables:
            yield ""
            yield f"[[{_key(name)}.{_key(key)}]]"
            yield from (f"{_key(field)} = {_value(value)}" for field, value in table.items())


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, Mapping) for entry in value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = repr(value)
        return text if re.search(r"[.einf]", text) else f"{text}.0"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(entry) for entry in value)}]"
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(key)} = {_value(entry)}" for key, entry in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    raise ExperimentError(
        f"TOML has no form for {value!r}", help="write it as JSON: a name that ends in .json"
    )


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _quoted(key)


def _quoted(text: str) -> str:
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ExperimentError(
            f"TOML has no form for {text!r}", help="write it as JSON: a name that ends in .json"
        )
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _commented(line: str) -> str:
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", "\ufffd", line)
