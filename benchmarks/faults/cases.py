"""A folder of cases: faulty programs as data, the fix of every fault, and the generators of their data."""

from __future__ import annotations

import copy
import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from network.data import Dataset

VARIANTS = ("faulty", "fixed")


@dataclass(frozen=True)
class Case:
    """One published program.

    Attributes:
        content: the file: `spec`, `faults`, `seeds` and what is known of its source.
    """

    content: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.content["id"])

    @property
    def seeds(self) -> list[int]:
        """The seeds to run; eight where the fault shows in some runs only."""
        return list(self.content["seeds"])

    @property
    def variants(self) -> tuple[str, ...]:
        """`faulty`, and `fixed` where there is something to fix."""
        return VARIANTS if any(fault["patch"] for fault in self.content["faults"]) else VARIANTS[:1]

    def spec(self, variant: str, seed: int) -> dict[str, Any]:
        """The specification of one run; `fixed` is the union of all patches."""
        spec: dict[str, Any] = copy.deepcopy(self.content["spec"])
        for fault in self.content["faults"] if variant == "fixed" else ():
            patched(spec, fault["patch"])
        spec["train"]["seed"] = seed
        return spec

    def facts(self) -> dict[str, Any]:
        """What a score needs to know."""
        kept = ("kind", "layers")
        return {
            "source": self.content["source"]["kind"],
            "quality": self.content["ground_truth"]["quality"],
            "goal": self.content["spec"]["metric"]["goal"],
            "control": self.content["control"],
            "faults": [{key: fault[key] for key in kept} for fault in self.content["faults"]],
        }


def read(folder: Path) -> list[Case]:
    """All cases of a folder, by name."""
    return [Case(json.loads(path.read_text("utf-8"))) for path in sorted(folder.glob("*.json"))]


def patched(spec: dict[str, Any], operations: Sequence[Mapping[str, Any]]) -> None:
    """Applies JSON Patch operations (RFC 6902: add, replace, remove); an item of a list may be named by its `name`.

    Raises:
        KeyError, ValueError: a path leads nowhere.
    """
    for operation in operations:
        *parents, last = operation["path"].strip("/").split("/")
        place: Any = spec
        for part in parents:
            place = place[_key(place, part)]
        key = _key(place, last)
        if operation["op"] == "remove":
            del place[key]
        elif operation["op"] == "add" and isinstance(place, list):
            place.insert(key, copy.deepcopy(operation["value"]))
        else:
            if operation["op"] == "replace" and isinstance(place, list):
                place[key]  # must exist
            place[key] = copy.deepcopy(operation["value"])


def _key(place: Any, part: str) -> Any:
    if not isinstance(place, list):
        return part
    named = [
        position for position, item in enumerate(place) if isinstance(item, dict) and item.get("name") == part
    ]
    return named[0] if named else len(place) if part == "-" else int(part)


Generator = Callable[[Mapping[str, Any]], Dataset]


def generators(folder: Path, mnist: str | None) -> Generator:
    """What makes the data of a specification: the `datasets.py` beside the cases, which this runs.

    Args:
        folder: the folder of cases; the file lies in it or in the folder above.
        mnist: folder of the MNIST files.

    Raises:
        FileNotFoundError: there is no such file.
    """
    path = next((p for p in (folder / "datasets.py", folder.parent / "datasets.py") if p.is_file()), None)
    if path is None:
        raise FileNotFoundError(f"no datasets.py in {folder} or above it")
    loaded = importlib.util.spec_from_file_location("published_datasets", path)
    if loaded is None or loaded.loader is None:
        raise FileNotFoundError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(loaded)
    loaded.loader.exec_module(module)

    def make(data: Mapping[str, Any]) -> Dataset:
        x, y, test_x, test_y = module.load(data, mnist)
        classes = int(y.max()) + 1 if y.dtype.kind == "i" else 0
        return Dataset(data["kind"], (np.asarray(x), y), (np.asarray(test_x), test_y), classes)

    return make


def jobs(cases: Sequence[Case], seeds: Sequence[int] | None) -> Iterator[tuple[Case, str, int]]:
    """Every run to be made: first all cases with their first seed, so that an early look shows all."""
    rounds = max((len(seeds or case.seeds) for case in cases), default=0)
    for position in range(rounds):
        for case in cases:
            chosen = list(seeds) if seeds else case.seeds
            for variant in case.variants if position < len(chosen) else ():
                yield case, variant, chosen[position]
