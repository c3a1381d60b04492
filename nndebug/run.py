"""What was recorded, for rules and reports: the same object while training runs and from a folder afterwards.

Rows reach it through `Run.add` only, live as well as when a folder is read: what a rule sees cannot differ.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from operator import index
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from .epochs import Epoch, epoch_files, read_arrays, read_head
from .errors import UserError
from .series import Column, Series
from .signals import RUN, Array, Site
from .storage import SCHEMA, read_manifest, read_rows, read_table
from .strict_json import NONFINITE, decode, encode, revive

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .preflight.result import Preflight
    from .trials.result import Trials

MAX_EVENTS = 1000
"""Events kept; the first ones, because those tell what happened."""

PREFLIGHT = "preflight."
"""What the parts of the preflight are called among the names of what was recorded."""

_OF_AN_UPDATE = ("loss", "learning_rate", "penalty")
"""What is recorded of the run with an update, and not at the end of an epoch."""

MAX_EPOCHS = 128
"""Epochs whose arrays are kept in memory when there is no folder."""


class Run:
    """The record of one training run.

    Args:
        manifest: what is known of the run as a whole; see `RunFolder.write_manifest`.
        folder: where the arrays of epochs are stored; without one they stay in memory.

    Attributes:
        folder: see above.
        preflight: what was measured before the first step, None if nothing was.
        trials: what was tried to decide between causes, None if nothing was.
        lost: rows and epochs in the folder that could not be read.

    Raises:
        UserError: the sites in the manifest are broken.
    """

    preflight: Preflight | None
    trials: Trials | None

    def __init__(self, manifest: Mapping[str, Any], folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self.manifest = manifest
        self._forget()

    def _forget(self) -> None:
        self.lost = 0
        self._columns: dict[str, dict[str, Column]] = {}
        self._events: list[dict[str, Any]] = []
        self._steps = 0
        self._position = 0
        self._epochs: dict[int, Epoch] = {}
        self._files: dict[int, tuple[int, Epoch | None]] = {}
        self._names: dict[tuple[str, ...], frozenset[str]] = {}
        self._held: tuple[Epoch, ...] | None = None
        self.preflight = self.trials = None

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Run:
        """Reads a run folder, also while it is being written; of a folder of ranks (`rank-0000`, …), all of them as one run.

        Raises:
            UserError: no such folder, not a run, broken, or written by a newer nndebug.
        """
        from .ranks import is_parent, merged

        if is_parent(Path(folder)):
            return merged(Path(folder))
        run = cls(read_manifest(folder), folder)
        run._read_beside(Path(folder))
        try:
            run._read_on(Path(folder))
        except OSError as error:
            raise UserError(
                f"cannot read {folder}: {error.strerror}", help="check its permissions"
            ) from error
        return run

    def refresh(self) -> int:
        """Reads what was added to the folder since `load`; returns the number of new rows.

        Only for a run that was loaded: a live one is told by `add`. If another run has taken the folder over, this
        one becomes that one.
        """
        if self.folder is None:
            return 0
        created = self._manifest.get("created")
        self.manifest = read_manifest(self.folder)
        if self._manifest.get("created") != created:
            self._forget()
        self._read_beside(self.folder)
        return self._read_on(self.folder)

    def _read_beside(self, folder: Path) -> None:
        """Reads what stands beside the rows, as far as it is not there yet."""
        from .preflight.result import Preflight
        from .trials.result import Trials

        for name, made in (("preflight", Preflight.from_json), ("trials", Trials.from_json)):
            try:
                if getattr(self, name) is None and (data := read_table(folder, f"{name}.json")) is not None:
                    setattr(self, name, made(data))
            except (OSError, TypeError, ValueError, KeyError, AttributeError, OverflowError):
                self.lost += 1

    def _read_on(self, folder: Path) -> int:
        count = 0
        for row, end in read_rows(folder, self._position):
            try:
                if row is None:
                    raise ValueError("no row")
                self.add(row)
                count += 1
            except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
                self.lost += 1
            self._position = end
        return count

    @property
    def manifest(self) -> dict[str, Any]:
        """What is known of the run as a whole. Assigning passes it through JSON, as storing does."""
        return self._manifest

    @manifest.setter
    def manifest(self, manifest: Mapping[str, Any]) -> None:
        self._manifest: dict[str, Any] = {"schema": SCHEMA, **revive(decode(encode(manifest)))}
        try:
            self._sites = tuple(Site.from_json(site) for site in self._manifest.get("sites", ()))
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise UserError(
                f"the manifest's sites are broken: {error}", help="record the run again"
            ) from error

    @property
    def sites(self) -> tuple[Site, ...]:
        """The layers with what belongs to them, in the order of the network."""
        return self._sites

    @property
    def steps(self) -> int:
        """Updates recorded so far."""
        return self._steps

    @property
    def events(self) -> tuple[dict[str, Any], ...]:
        """Rows of the kind "event", as in `{"event": "nonfinite", "step": 94, ...}`."""
        return tuple(self._events)

    def add(self, row: Mapping[str, Any]) -> None:
        """Takes in one row, the same that is stored.

        Raises:
            TypeError, ValueError, KeyError, AttributeError, OverflowError: it is not a row; nothing of it is kept.
        """
        kind, step = row["kind"], index(row["step"])
        if not 0 <= step < 2**63:
            raise ValueError(f"there is no step {step}")
        if kind == "event":
            if len(self._events) < MAX_EVENTS:
                self._events.append(revive(decode(encode(row))))
            return
        # Everything is converted before anything is kept.
        figures = [
            (str(site), name, NONFINITE[value] if isinstance(value, str) else float(value))
            for site, values in row["data"].items()
            for name, value in values.items()
            if value is not None
        ]
        columns = self._columns
        for site, name, figure in figures:
            try:
                column = columns[site][name]
            except KeyError:
                column = columns.setdefault(site, {}).setdefault(name, Column())
            column.append(step, figure)
        self._steps = max(self._steps, step + 1 if kind == "step" else step)

    def add_epoch(self, number: int, step: int, arrays: Mapping[str, Array]) -> None:
        """Keeps the arrays of an epoch until they are in the folder; without a folder, for good."""
        stored = {} if self.folder is None else epoch_files(self.folder)
        self._epochs = {old: epoch for old, epoch in self._epochs.items() if old not in stored}
        kept = MappingProxyType({name: np.array(array) for name, array in arrays.items()})
        self._epochs[number] = Epoch(number, step, kept.keys(), lambda: kept)
        if len(self._epochs) > MAX_EPOCHS:
            # Birth, the first and the last epochs stay; in between every second goes.
            for old in sorted(self._epochs)[16:-32:2]:
                del self._epochs[old]

    @property
    def epochs(self) -> tuple[Epoch, ...]:
        """Birth (number 0) and the ends of epochs, as far as stored and readable."""
        if self._held is not None:
            return self._held
        epochs: dict[int, Epoch | None] = dict(self._epochs)
        for number, path in ({} if self.folder is None else epoch_files(self.folder)).items():
            try:
                written = path.stat().st_mtime_ns
            except OSError:  # A new run has just taken the folder over.
                continue
            if self._files.get(number, (None,))[0] != written:
                head, epoch = read_head(path), None
                if head:
                    # Nearly all epochs have the same names: one set serves them all.
                    names = self._names.setdefault(head[1], frozenset(head[1]))
                    epoch = Epoch(number, head[0], names, partial(read_arrays, path, written))
                self._files[number] = (written, epoch)
                self.lost += epoch is None
            epochs[number] = self._files[number][1]
        return tuple(epoch for _, epoch in sorted(epochs.items()) if epoch is not None)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within it `epochs` stays as it is now: one judgement sees one state of the folder, and reads it once."""
        self._held = self.epochs
        try:
            yield
        finally:
            self._held = None

    def until(self, epoch: int) -> Run:
        """The run as it was when an epoch had ended: without its folder, for a look at its past."""
        epochs = [e for e in self.epochs if e.number <= epoch]
        step = epochs[-1].step if epochs else 0
        goes_on = any(e.number > epoch for e in self.epochs)
        then = Run({**self._manifest, **({"status": "running"} if goes_on else {})})
        then.preflight = self.preflight
        then._epochs = {e.number: e for e in epochs}
        then._steps = min(self._steps, step)
        then._events = [event for event in self._events if event["step"] <= step]
        for site, columns in self._columns.items():
            for name, column in columns.items():
                # Update k belongs to the epoch after state k; what is said of the state itself, to the one before.
                of_a_state = name.startswith("probe.") or (site == RUN and name not in _OF_AN_UPDATE)
                if (cut := column.until(step if of_a_state else step - 1)).steps:
                    then._columns.setdefault(site, {})[name] = cut
        return then

    def last_array(self, name: str) -> Array | None:
        """The array of this name from the last epoch that has it; None if none has."""
        having = (epoch.arrays.get(name) for epoch in reversed(self.epochs) if name in epoch.names)
        return next((found for found in having if found is not None), None)

    def series(self, name: str, site: str = RUN) -> Series:
        """A quantity over steps; empty if it was never recorded."""
        column = self._columns.get(site, {}).get(name)
        return column.series() if column else Series.empty()

    def has(self, name: str, site: str | None = None) -> bool:
        """Whether a quantity was recorded: at this site, or at any; of `preflight.labels`, whether it was measured."""
        if name.startswith(PREFLIGHT):
            return self.preflight is not None and self.preflight.has(name.removeprefix(PREFLIGHT))
        if site is not None:
            return name in self._columns.get(site, {})
        return any(name in columns for columns in self._columns.values())

    def where(self, name: str) -> tuple[str, ...]:
        """The sites and parameters at which a quantity was recorded, in the order of the network."""
        order = [RUN]
        for site in self._sites:
            order += [site.name, *(f"{site.name}.{parameter}" for parameter in site.parameters)]
        place = {site: position for position, site in enumerate(order)}
        found = [site for site, columns in self._columns.items() if name in columns]
        return tuple(sorted(found, key=lambda site: place.get(site, len(place))))

    def names(self, site: str = RUN) -> tuple[str, ...]:
        """The quantities recorded at a site."""
        return tuple(self._columns.get(site, {}))

    def plot(self, name: str, site: str | None = None) -> Figure:
        """A matplotlib figure of a quantity over steps, as in `run.plot("update_ratio")`.

        Args:
            name: as in `series`.
            site: one layer or parameter; all that recorded it if None.

        Raises:
            UserError: it was not recorded.
        """
        from .report.pictures import plot

        return plot(self, name, site)

    def __repr__(self) -> str:
        place = "in memory" if self.folder is None else f"in {str(self.folder)!r}"
        return f"<Run {self._manifest.get('name', '')!r}: {self.steps} steps, {len(self._sites)} layers, {place}>"

    def _repr_html_(self) -> str:
        network, loss = self._manifest.get("network"), self.series("probe.loss")
        rows = {
            "run": self._manifest.get("name", ""),
            "network": network.get("description", "") if isinstance(network, dict) else "",
            "steps": self.steps,
            "probe loss": f"{loss.first:.4g} → {loss.last:.4g}" if loss else "not recorded",
            "folder": self.folder or "in memory",
        }
        cells = "".join(f"<tr><th>{key}</th><td>{_escape(value)}</td></tr>" for key, value in rows.items())
        return f"<table>{cells}</table>"


def _escape(value: object) -> str:
    """As text of HTML; characters that no encoding has (lone surrogates) become question marks."""
    return html.escape(str(value).encode("utf-8", "replace").decode("utf-8"))
