"""What can run again: an experiment with its data, of which every training is built anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import load_core
from ..errors import UserError
from ..faults import FAULTS

if TYPE_CHECKING:
    from ..run import Run

MOST_NUMBERS = 8_000_000
"""Numbers of training inputs; of more data a sample of the rows is tried, the same for every trial."""


@dataclass(frozen=True)
class Parts:
    """What a program is built into.

    Attributes:
        network, optimizer, dataset: of the core.
        options: the keyword arguments of `fit`.
    """

    network: Any
    optimizer: Any
    dataset: Any
    options: Mapping[str, Any]


class Program:
    """A program that can run again.

    Args:
        experiment: a `network.experiment.Experiment`, or a planted fault's.
        data: its data before preprocessing, where it is none that the specification names.
        data_dir: folder of data that is read from files.
    """

    def __init__(self, experiment: Any, data: Any = None, data_dir: str | Path | None = None) -> None:
        self.experiment, self._data, self._data_dir = experiment, data, data_dir

    @property
    def spec(self) -> dict[str, Any]:
        """The specification; a copy."""
        return dict(self.experiment.to_dict())

    @property
    def patched(self) -> bool:
        """Whether a change that no specification expresses comes after it."""
        return hasattr(self.experiment, "changed")

    @cached_property
    def raw(self) -> Any:
        """The data before preprocessing.

        Raises:
            DataError: it cannot be loaded.
        """
        data = self._data
        if data is None:
            read = load_core("experiment.data").read_data
            data = read(self.experiment.spec["data"], self._data_dir, download=False)
        self.rows = len(data.train[0])
        most = max(MOST_NUMBERS // max(data.features, 1), 100)
        if self.rows <= most:
            return data
        chosen = np.sort(np.random.default_rng(0).choice(self.rows, most, replace=False))
        return replace(data, train=(data.train[0][chosen], data.train[1][chosen]))

    def build(self, spec: Mapping[str, Any], after: Callable[[Parts], Parts] | None = None) -> Parts:
        """A fresh network with all that trains it.

        Args:
            spec: this program's own, or a changed one.
            after: a change of what was built.

        Raises:
            NetworkError: the parts do not fit together.
        """
        kind = load_core("experiment").Experiment
        experiment = self.experiment.changed(spec) if self.patched else kind.from_dict(spec)
        network, optimizer, dataset = experiment.build(data=self.raw)
        optimizer.samples = self.rows  # what a penalty is divided by, also where rows are left out
        parts = Parts(network, optimizer, dataset, experiment.fit_options(dataset))
        return after(parts) if after else parts

    @cached_property
    def mark(self) -> str:
        """What is in no specification and makes another program: the patch, and data that was handed over."""
        digest = hashlib.sha256(str(getattr(self.experiment, "name", "")).encode())
        if self._data is not None:
            for part in (*self._data.train, *self._data.test):
                digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()


def key(program: Program, spec: Mapping[str, Any], change: str, steps: int) -> str:
    """The same for the same training, whenever and wherever it is made."""
    text = json.dumps([spec, change if program.patched else "", steps, program.mark], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def program_of(run: Run, data_dir: str | Path | None = None) -> Program:
    """The program behind a run.

    Raises:
        UserError: the run does not say how it can be run again.
    """
    kept = run.manifest.get("experiment")
    if not isinstance(kept, Mapping):
        raise UserError(
            "cannot be tried again because the run does not hold its experiment",
            help="nndebug train EXPERIMENT.toml keeps it, and watch(net, folder, experiment=...)",
        )
    experiment = load_core("experiment").Experiment
    try:
        made = experiment.from_dict(kept["spec"])
        if "fault" in kept:
            made = FAULTS[kept["fault"]].of(made)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"cannot be tried again because the experiment in its manifest is broken: {reason}",
            help="train it again",
        ) from None
    return Program(made, data_dir=data_dir)
