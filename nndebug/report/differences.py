"""The settings in which two runs differ: each once, by the name that people use."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .text import clean, number

_NOT_SETTINGS = frozenset(
    [
        "manifest.json",
        "created",
        "name",
        "status",
        "recording_seconds",
        "training_seconds",
        "schema",
        "command",
    ]
)
"""What differs between any two runs and says nothing of either."""

_SPEC = "experiment.spec."
"""What an experiment was asked to be; what was recorded of the network and its training says the same again."""

_RECORDED = (
    (r"optimizer\.lr", "optimizer.rate"),
    (r"optimizer\.name", "optimizer.kind"),
    (r"optimizer\.eps", "optimizer.epsilon"),
    (r"(optimizer\.\w+)", r"\1"),
    (r"train\.batch_size", "batch"),
    (r"train\.(epochs|seed)", r"\1"),
    (r"loss\.name", "loss"),
    (r"model\.dtype", "network.dtype"),
    (r"model\.layers\.\d+\.init\..*", "network.init"),
    (r"model\.(inputs|layers\.\d+\.(units|activation|type))", "sites"),
)
"""A key of an experiment → the one (or the beginning of those) under which it was recorded."""

_IMPLIED = (
    (r"sites\..*", "network.description"),
    (r"network\.seed", "seed"),
    (r"loss_settings\.takes", "loss"),
    (r"inputs\.(mean|std)", r"input.\1"),
    (r"inputs\.(standard_error|features_off)", "inputs.mean"),
    (r"inputs\.(standard_error|features_off)", "input.mean"),
)
"""A key → another one whose difference says it already."""

_NAMES = (
    ("network.description", "network"),
    ("network.parameters", "number of parameters"),
    ("network.init", "initial weights"),
    (r"network\.init\.(.*)", r"initial weights of \1"),
    (r"sites\.\d+\.(.*)", r"layer \1"),
    ("optimizer.kind", "optimiser"),
    ("optimizer.rate", "learning rate"),
    (r"optimizer\.l([12])", r"L\1 penalty"),
    (r"optimizer\.(.*)", r"\1"),
    ("batch", "batch size"),
    ("samples", "training samples"),
    (r"input\.(.*)", r"\1 of the inputs"),
    (r"inputs\.(mean|std)", r"\1 of training and held-out inputs"),
    (r"versions\.(.*)", r"version of \1"),
    ("experiment.fault", "planted fault"),
    (r"experiment\.spec\.data\.kind", "data"),
    (r"experiment\.spec\.(.*)", r"\1"),
)


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Settings that are not the same: name, and what each run has.

    Args:
        a: the manifest of a run.
        b: that of the other one.
    """
    first, second = (dict(_flat(manifest)) for manifest in (a, b))
    keys = list(dict.fromkeys([*first, *second]))
    both = {key: (first.get(key, "–"), second.get(key, "–")) for key in keys}
    apart = {key: _shown(*pair) for key, pair in both.items() if not _same(*pair)}
    shown = {key: pair for key, pair in apart.items() if not _told(key, apart, keys)}
    inits = [key for key in keys if key.startswith("network.init.")]
    if len({apart.get(key) for key in inits}) == 1:  # one change for all layers
        shown = {"network.init" if key in inits else key: pair for key, pair in shown.items()}
    for key, (one, two) in shown.items():
        yield clean(_name(key), 60), clean(one, 80), clean(two, 80)


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, int | float) and isinstance(two, int | float):
        return one == two or math.isclose(one, two, rel_tol=1e-6) or (one != one and two != two)
    return str(one) == str(two)


def _shown(one: Any, two: Any) -> tuple[str, str]:
    """As short as tells them apart."""
    words = [number(v) if isinstance(v, float) else str(v) for v in (one, two)]
    return (words[0], words[1]) if words[0] != words[1] else (f"{one:.9g}", f"{two:.9g}")


def _told(key: str, apart: Mapping[str, Any], keys: list[str]) -> bool:
    """Whether another difference says the same."""
    layers = ("network.init.", f"{_SPEC}model.layers.")
    if key.startswith(layers) and "–" in apart[key] and "network.description" in apart:
        return True  # a layer that only one of them has
    for pattern, other in _IMPLIED:
        if (found := re.fullmatch(pattern, key)) and found.expand(other) in apart:
            return True
    for pattern, other in _RECORDED if key.startswith(_SPEC) else ():
        if found := re.fullmatch(pattern, key.removeprefix(_SPEC)):
            recorded = found.expand(other)
            return any(k == recorded or k.startswith(f"{recorded}.") for k in keys)
    return False


def _name(key: str) -> str:
    for pattern, name in _NAMES:
        if found := re.fullmatch(pattern, key):
            key = found.expand(name)
            break
    return key.replace("_", " ").replace(".", " ") if re.fullmatch(r"[\w.]+", key) else key


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str | float]]:
    for key, item in value.items():
        if not prefix and key in _NOT_SETTINGS:
            continue
        if isinstance(item, Mapping):
            yield from _flat(item, f"{prefix}{key}.")
        elif isinstance(item, int | float) and not isinstance(item, bool):
            yield f"{prefix}{key}", item
        elif isinstance(item, list) and item and all(isinstance(i, Mapping) for i in item):
            yield from _flat({f"{key}.{place}": part for place, part in enumerate(item)}, prefix)
        elif isinstance(item, list):
            words = ", ".join(number(i) if isinstance(i, float) else str(i) for i in item)
            yield f"{prefix}{key}", f"{len(item)} entries: {words}" if len(item) > 8 else words or "none"
        else:
            yield f"{prefix}{key}", str(item)
