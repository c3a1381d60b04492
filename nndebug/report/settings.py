"""What a run was: its settings in one line and in full, and the commands that go on from it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from importlib.util import find_spec
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ..findings import CheckResult
from .layers import WORDS
from .text import clean, number, percent, shorten

if TYPE_CHECKING:
    from ..run import Run


def summary(manifest: Mapping[str, Any]) -> str:
    network = _mapping(manifest.get("network"))
    optimizer = _mapping(manifest.get("optimizer"))
    kind, rate = str(optimizer.get("kind", "")), optimizer.get("rate")
    names = {"sgd": "SGD", "momentum": "Momentum", "adam": "Adam"}
    parts = [
        architecture(network.get("description", "")),
        clean(manifest.get("loss", ""), 40).replace("_", "-"),
        f"{names.get(kind, clean(kind, 30))} {number(rate) if isinstance(rate, int | float) else ''}".strip(),
        f"batch {clean(manifest['batch'], 12)}" if manifest.get("batch") else "",
        ", ".join(_inits(manifest.get("init") or network.get("init"))),
    ]
    return ", ".join(part for part in parts if part)


def architecture(description: Any) -> str:
    """A network in one line: layers that follow one another often are told once, activations by their usual names.

    >>> architecture("64 → 30 relu → 30 relu → 30 relu → 10")
    '64 → 30 ReLU (3 times) → 10'
    """
    parts = []
    for layer, alike in groupby(clean(description or "", 5000).split(" → ")):
        words = " ".join(WORDS.get(word, word) for word in layer.split(" "))
        count = len(list(alike))
        parts += [f"{words} ({count} times)"] if count > 2 else [words] * count
    return shorten(" → ".join(parts), 120)


def _inits(init: Any) -> list[str]:
    """Names of the initializers of the weights, each once."""
    if isinstance(init, str):
        return [{"he": "He", "xavier": "Xavier", "lecun": "LeCun"}.get(init, clean(init, 30))]
    names: dict[str, None] = {}
    for key, value in _mapping(init).items():
        if "bias" not in str(key):
            names.update(dict.fromkeys(_inits(value)))
    return list(names)[:3]


def cost(manifest: Mapping[str, Any]) -> str:
    """What recording took: in seconds, and as a share of the training's, which is large in a short one."""
    recording, training = manifest.get("recording_seconds"), manifest.get("training_seconds")
    if isinstance(recording, int | float) and isinstance(training, int | float) and training > 0:
        share = percent(round(recording / training, 2)) if recording >= 0.005 * training else "under 1\u00a0%"
        return f"recording took {recording:.2g} s, {share} of training"
    return ""


def facts(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    versions = [f"{clean(k, 20)} {clean(v, 20)}" for k, v in _mapping(manifest.get("versions")).items()][:6]
    return tuple(filter(None, [when(manifest.get("created", "")), *versions]))


def when(created: Any) -> str:
    """A time of day as a reader likes it: `2025-01-18 09:41 UTC`"""
    text = clean(created, 40)
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)[\d:.]*(Z|\+00:00)?", text)
    return f"{match[1]} {match[2]}{' UTC' if match[3] else ''}" if match else text


def reproduce(manifest: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    optimizer = _mapping(manifest.get("optimizer"))
    network = _mapping(manifest.get("network"))
    entries: list[tuple[str, Any]] = [
        ("command", manifest.get("command")),
        ("seed", manifest.get("seed")),
        ("network", network.get("description")),
        ("parameters", network.get("parameters")),
        ("dtype", network.get("dtype")),
        ("loss", manifest.get("loss")),
        ("optimizer", ", ".join(f"{k} {_plain(v)}" for k, v in optimizer.items())),
        (
            "initial values",
            ", ".join(f"{k} {_plain(v)}" for k, v in _mapping(manifest.get("init")).items())
            or manifest.get("init"),
        ),
        ("batch", manifest.get("batch")),
        ("epochs", manifest.get("epochs")),
        ("training samples", manifest.get("samples")),
        ("probe rows", manifest.get("probe_rows")),
        ("versions", ", ".join(f"{k} {v}" for k, v in _mapping(manifest.get("versions")).items())),
        ("created", manifest.get("created")),
    ]
    return tuple(
        (key, f"{v:,}" if isinstance(v, int) else clean(v, 500))
        for key, v in entries
        if v not in (None, "", {})
    )


def _plain(value: Any) -> str:
    return (
        " ".join(f"{k} {v}" for k, v in value.items())
        if isinstance(value, Mapping)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def commands(run: Run, result: CheckResult) -> tuple[tuple[str, str], ...]:
    """The next things to type; only commands that this installation has."""
    folder = _shown_path(run)
    codes = list(dict.fromkeys(f.code for f in result.findings))
    wanted = [
        ("fix", f"nndebug fix {folder}", "writes the experiment with what cures it changed")
        if codes and "experiment" in run.manifest
        else None,
        ("rule", f"nndebug rule {clean(codes[0], 20)}", "explains the first rule that fired")
        if codes
        else None,
        ("check", f"nndebug check {folder}", "checks this run again"),
        ("report", f"nndebug report {folder}", "writes this page again"),
        ("compare", f"nndebug compare {folder} OTHER", "shows what differs from another run"),
    ]
    return tuple((line, why) for command, line, why in filter(None, wanted) if _has_command(command))


def _has_command(name: str) -> bool:
    try:
        return find_spec(f"nndebug.cli.{name}") is not None
    except ModuleNotFoundError:
        return False


def _shown_path(run: Run) -> str:
    if not run.folder:
        return "RUN"
    near = os.path.relpath(run.folder)
    return shlex.quote(clean(run.folder if near.startswith("..") else near, 300))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
