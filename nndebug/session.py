"""One recorded training: what was recorded, what the rules say of it, and its report. The same whoever records."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from . import __version__
from .checking import check
from .config import load
from .drawing import Drawing
from .errors import UserError
from .findings import CheckResult
from .recorder import Recorder
from .run import Run
from .schedule import Schedule
from .selection import Selection


class Session:
    """What every way of watching is built on; a context manager.

    A subclass attaches its observers, calls `_conclude` where an epoch or the training ends, and says in `_detach` how they
    come off again.

    Args:
        manifest: what is known of the run at its start; when, with what and by which command it was begun is added.
        folder: run folder; None records in memory only.
        schedule: which tier is due at which step.
        name: name of the run; the folder's name if None.
        report: write `report.html` into the folder after an epoch, where that costs at most a 20th of the time so far,
            and at the end.
        png: draw a picture of every epoch beside it, likewise; those that are missing are drawn at the end.
        strict: raise what fails inside the diagnostics, for tests.

    Raises:
        UserError: the folder cannot be written to, or holds something else than a run; or the settings are wrong.
    """

    def __init__(
        self,
        manifest: Mapping[str, Any],
        folder: str | Path | None,
        schedule: Schedule,
        name: str | None = None,
        report: bool = True,
        png: bool = True,
        strict: bool = False,
    ) -> None:
        self._settings = load()
        Selection(self._settings)  # a wrong word is told before the training, not after it
        self._folder = None if folder is None else Path(folder)
        self._result: CheckResult | None = None
        self._stale = False
        self._concluded: tuple[int, int] | None = None
        self._status = "finished"
        self._started: float | None = None
        self._training_seconds = 0.0
        named = name or (self._folder.resolve().name if self._folder else "")
        known = {**_origin(), **manifest, **({"name": named} if named else {})}
        self._recorder = Recorder(folder, known, schedule, strict)
        self._drawing = Drawing(self.run, self._folder, png) if report and self._folder is not None else None
        self._open = True

    @property
    def report_seconds(self) -> float:
        """Time spent on drawing while the training ran."""
        return self._drawing.seconds if self._drawing else 0.0

    @property
    def drawn_after(self) -> float:
        """Time spent on the last report, and on pictures that the training had left no time for."""
        return self._drawing.after if self._drawing else 0.0

    @property
    def run(self) -> Run:
        """What has been recorded so far."""
        return self._recorder.run

    @property
    def result(self) -> CheckResult | None:
        """The check of what the last epoch to end has left; None before the first one has ended.

        The rules run when this is asked for, when a report is drawn and at the end, and else not: after every epoch
        of a small network they would cost as much as all the recording.
        """
        if self._stale:
            self._recorder.guard("judging", self._judge, lambda: None)
        return self._result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._status = "interrupted"
            self._recorder.guard("noting the crash", lambda: self._crashed(error), lambda: None)
        self.close()

    def close(self) -> None:
        """Stops watching: takes every observer off, judges the run once more and writes the last report."""
        if not self._open:
            return
        self._open = False
        self._detach()
        if self._concluded != self._extent_of_run():
            self._recorder.guard("the last report", lambda: self._conclude(self._status), lambda: None)
        self._recorder.close()

    # --- for those who record ---------------------------------------------------------------------------------

    def _detach(self) -> None:
        """Takes every observer off; may be called any number of times."""

    def _place(self) -> tuple[int, int]:
        """The step and the epoch that the training is in."""
        return self.run.steps, 0

    def _recording_seconds(self) -> float:
        """Time spent on recording so far."""
        return 0.0

    def _count_time(self) -> None:
        if self._started is not None:
            self._training_seconds += time.perf_counter() - self._started
            self._started = None

    def _extent_of_run(self) -> tuple[int, int]:
        return self.run.steps, len(self.run.events)

    def _judge(self) -> None:
        self._stale = False
        self._result = check(self.run, settings=self._settings)
        self._recorder.write_findings(self._result.to_json())

    def _conclude(self, status: str, draw: bool = True) -> None:
        """Runs the rules, now or when somebody asks; writes findings and report."""
        self._stale = True
        if status != "running":
            self._concluded = self._extent_of_run()
            seconds = {
                "recording_seconds": self._recording_seconds(),
                "training_seconds": self._training_seconds,
            }
            self._recorder.update_manifest({"status": status, **seconds})
            self._judge()
        if draw and self._drawing:
            drawing = self._drawing
            complete = status == "finished"
            self._recorder.guard(
                "the report",
                lambda: (
                    drawing.epoch(lambda: self.result)
                    if status == "running"
                    else drawing.finish(self._result, complete)
                ),
                self._stop_drawing,
            )

    def _stop_drawing(self) -> None:
        self._drawing = None

    def _crashed(self, error: BaseException) -> None:
        text = str(error).lower()
        shape = isinstance(error, ValueError | RuntimeError) and any(
            word in text for word in ("shape", "broadcast", "aligned", "expects")
        )
        message = f"{type(error).__name__}: {error}" if not shape else str(error)
        step, epoch = self._place()
        self._recorder.event("shape" if shape else "crashed", step, epoch, site="run", message=message)


def _program(file: Path) -> list[str]:
    """How the program that runs is called: a file, or `python -m` a package."""
    return ["python", "-m", file.parent.name] if file.name == "__main__.py" else [file.name]


def _origin() -> dict[str, Any]:
    """When, with what and by which command a run was begun."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join([*_program(Path(sys.argv[0])), *sys.argv[1:]]),
        "versions": {"nndebug": __version__, "numpy": np.__version__, "python": platform.python_version()},
        "status": "running",
    }


def named_figures(facts: Mapping[str, Any]) -> dict[str, float]:
    """Figures of an epoch under the names that rules know: `validation_loss` is `validation.loss`, `accuracy` is `train.accuracy`.

    Raises:
        UserError: one is no number.
    """
    names = {"loss": "train.loss", "accuracy": "train.accuracy"}
    return {names.get(key, key.replace("_", ".", 1)): as_number(key, value) for key, value in facts.items()}


def as_number(name: str, value: Any) -> float:
    """A figure that somebody hands over: a number, or an array or tensor of one entry.

    Raises:
        UserError: it is no number.
    """
    try:
        value = value.detach() if hasattr(value, "detach") else value
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError):
        shape = getattr(value, "shape", None)
        what = type(value).__name__ if shape is None else f"{type(value).__name__} of shape {tuple(shape)}"
        raise UserError(f"{name} is a number, got a {what}", help=f"{name}=0.5, as one number") from None
