"""Rows in; a live run and a run folder out. What fails here is reported once and never reaches the training."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .run import Run
from .schedule import Schedule
from .signals import RUN, Array
from .storage import RunFolder

if TYPE_CHECKING:
    from .preflight.result import Preflight

Values = Mapping[str, Mapping[str, float]]


class Recorder:
    """Takes rows of figures and keeps them, in memory and (if a folder is given) on disk.

    Args:
        folder: run folder to write, or None for memory only.
        manifest: what is known of the run at its start.
        schedule: which tier is due at which step.
        strict: raise what fails instead of reporting it; for tests.

    Raises:
        UserError: the folder cannot be written to, or holds something else than a run.
    """

    def __init__(
        self,
        folder: str | Path | None,
        manifest: Mapping[str, Any],
        schedule: Schedule | None = None,
        strict: bool = False,
    ) -> None:
        self.schedule = schedule or Schedule()
        self.strict = strict
        self.folder = None if folder is None else RunFolder.create(folder, manifest)
        self.run = Run(manifest, None if folder is None else Path(folder))
        self._failures: set[str] = set()

    def step(self, step: int, epoch: int, data: Values) -> None:
        """Records quantities of update `step`."""
        self._append({"kind": "step", "step": step, "epoch": epoch, "data": data})

    def probe(self, step: int, epoch: int, data: Values) -> None:
        """Records figures of the state before `step`."""
        self._append({"kind": "probe", "step": step, "epoch": epoch, "data": data})

    def epoch(self, number: int, step: int, data: Mapping[str, float], arrays: Mapping[str, Array]) -> None:
        """Records the end of an epoch after `step` updates; number 0 is birth."""
        self.run.add_epoch(number, step, arrays)
        self._on_disk(lambda folder: folder.write_epoch(number, arrays, step))
        if number:
            self.figures(number, step, data)

    def figures(self, number: int, step: int, data: Mapping[str, float]) -> None:
        """Records what is known of an epoch as a whole, after `step` updates."""
        self._append({"kind": "epoch", "step": step, "epoch": number, "data": {RUN: data}})

    def of_rank(self, step: int, epoch: int, **facts: Any) -> None:
        """Records what the ranks are merged and compared by (`nndebug.ranks`); no quantity of this run."""
        self._append({"kind": "rank", "step": step, "epoch": epoch, "data": {}, **facts})

    def event(self, event: str, step: int, epoch: int, **facts: Any) -> None:
        """Records something that happened once."""
        self._append({"kind": "event", "event": event, "step": step, "epoch": epoch, **facts})

    def update_manifest(self, facts: Mapping[str, Any]) -> None:
        """Adds facts to the manifest."""
        self.run.manifest = {**self.run.manifest, **facts}
        self._on_disk(lambda folder: folder.write_manifest(self.run.manifest))

    def preflight(self, result: Preflight) -> None:
        """Keeps what was measured before the first step."""
        self.run.preflight = result
        self._on_disk(lambda folder: folder.write_preflight(result.to_json()))

    def write_findings(self, findings: Mapping[str, Any]) -> None:
        """Replaces `findings.json`."""
        self._on_disk(lambda folder: folder.write_findings(findings))

    def close(self) -> None:
        """Writes what waits."""
        self._on_disk(lambda folder: folder.close())

    def _append(self, row: dict[str, Any]) -> None:
        self.run.add(row)
        self._on_disk(lambda folder: folder.append(row))

    def _on_disk(self, write: Callable[[RunFolder], None]) -> None:
        """Writes, unless there is no folder or writing has failed before; the run in memory goes on."""
        if self.folder is None:
            return
        try:
            write(self.folder)
        except OSError as error:
            folder, self.folder = self.folder, None
            self.report(
                f"cannot write to {folder.path}: {error.strerror or error}; recording goes on in memory",
                error,
            )

    def guard(self, what: str, call: Callable[[], None], give_up: Callable[[], None]) -> None:
        """Runs a part of the diagnostics; if it raises, reports it and gives the part up."""
        try:
            call()
        except Exception as error:
            give_up()
            self.report(
                f"{what} failed and is switched off ({type(error).__name__}: {error}); training goes on",
                error,
            )

    def report(self, message: str, error: Exception) -> None:
        """Says once what failed.

        Raises:
            Exception: the error itself, in strict mode.
        """
        if self.strict:
            raise error
        self.tell(message)

    def tell(self, message: str) -> None:
        """Says once what is not checked, and goes on."""
        if message in self._failures:
            return
        self._failures.add(message)
        self._append({"kind": "event", "event": "failure", "step": self.run.steps, "message": message})
        warnings.warn(f"nndebug: {message}", RuntimeWarning, stacklevel=3)
