"""Layers that follow one another with nothing between them that is not linear: together they are one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .modules import kind_of

_WEIGHING = ("dense", "conv1d", "conv2d", "conv3d")
_LINEAR = (
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "flatten",
    "batch_norm",
    "avgpool1d",
    "avgpool2d",
    "avgpool3d",
)
"""Kinds of modules that change nothing about two such layers being one, as `preflight.subject.LINEAR` has them."""


def linear(modules: Mapping[str, Any], sources: Mapping[str, str]) -> list[str]:
    """Names of layers with weights, each given what another one gave, in the order in which they ran.

    A function between them makes another tensor, and ends the chain; so does a convolution in groups, which is one half of a
    separable one on purpose.

    Args:
        modules: name → module.
        sources: see `Origins`.
    """
    found: dict[str, None] = {}
    for name in sources:
        if not _weighs(modules[name]):
            continue
        source, passed = sources.get(name), {name}
        while source is not None and kind_of(modules[source]) in _LINEAR and source not in passed:
            passed.add(source)
            source = sources.get(source)
        if source is not None and source != name and _weighs(modules[source]):
            found |= {source: None, name: None}
    return list(found)


def _weighs(module: Any) -> bool:
    return kind_of(module) in _WEIGHING and getattr(module, "groups", 1) == 1
