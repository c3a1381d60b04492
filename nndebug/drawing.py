"""Report and pictures of a run that trains: rewritten within a small share of its time, and completed at its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .checking import check

if TYPE_CHECKING:
    from .findings import CheckResult
    from .run import Run

SHARE = 0.05
"""Of the time since the run began; what would cost more waits for a later epoch."""

MOST_PICTURES = 10
"""Drawn after the training; of more epochs that have none, those whose number is a power of two: 1, 2, 4, 8 …"""

_TOLD = 2.0  # seconds of drawing after which a bar and a line say what takes so long


class Drawing:
    """Draws one run.

    Args:
        run: what is recorded.
        folder: where to.
        pictures: draw a PNG of every epoch beside the page.

    Attributes:
        seconds: spent so far while the run went on.
        after: spent after its end.
    """

    def __init__(self, run: Run, folder: Path, pictures: bool) -> None:
        self._run, self._folder, self._pictures = run, folder, pictures
        self.seconds = self.after = 0.0
        self._started = time.perf_counter()
        # What the first one of each will cost is not known: guesses that include loading the libraries for it.
        self._page_cost, self._picture_cost = 0.4, 1.5
        self._missing: list[int] = []

    def epoch(self, result: Callable[[], CheckResult | None]) -> None:
        """Draws what there is time for after an epoch; a page says that the training still runs."""
        number = self._last_epoch()
        left = SHARE * (time.perf_counter() - self._started) - self.seconds
        if self._pictures and number:
            self._missing.append(number)
        if left < self._page_cost:
            return
        started = time.perf_counter()
        found = result()
        if found is not None:
            self._page(self._run, found)
            self._page_cost = time.perf_counter() - started
            if self._pictures and number and left >= self._page_cost + self._picture_cost:
                drawn = time.perf_counter()
                self._picture(self._run, found, number)
                self._picture_cost = time.perf_counter() - drawn
                self._missing.remove(number)
        self.seconds += time.perf_counter() - started

    def finish(self, result: CheckResult | None, complete: bool = True) -> None:
        """Writes the last page and its picture, and pictures of epochs that there was no time for.

        Args:
            result: the last check.
            complete: draw pictures of earlier epochs too; else only the last one, for somebody who has interrupted the training.
        """
        if result is None:
            return
        started = time.perf_counter()
        self._page(self._run, result)
        number = self._last_epoch()
        if self._pictures and number:
            self._picture(self._run, result, number)
            missing = [m for m in self._missing if m != number] if complete else []
            if len(missing) > MOST_PICTURES:
                missing = [m for m in missing if m.bit_count() == 1]
            self._missing = []
            each = time.perf_counter() - started
            for epoch in _bar(missing, each * len(missing)):
                then = self._run.until(epoch)
                with np.errstate(all="ignore"):
                    self._picture(then, check(then), epoch)
            if each * len(missing) > _TOLD:
                took = time.perf_counter() - started
                print(f"drew   the pictures of {len(missing)} more epochs in {took:.1f} s", file=sys.stderr)
        self.after += time.perf_counter() - started

    def _last_epoch(self) -> int:
        epochs = self._run.epochs
        return epochs[-1].number if epochs else 0

    def _page(self, run: Run, result: CheckResult) -> None:
        from .report import build, html

        html.write(build(run, result), self._folder / "report.html")

    def _picture(self, run: Run, result: CheckResult, number: int) -> None:
        from .report import build, figures

        figures.dashboard(build(run, result), picture(self._folder, number))


def picture(folder: Path, epoch: int) -> Path:
    """The file of an epoch's picture."""
    return folder / f"epoch-{epoch:04d}.png"


def _bar(epochs: list[int], seconds: float) -> Iterable[int]:
    """A progress bar on a terminal's stderr where it will take long."""
    if seconds < _TOLD or not sys.stderr.isatty():
        return epochs
    from rich.console import Console
    from rich.progress import track

    return track(epochs, "drawing earlier epochs", console=Console(stderr=True), transient=True)
