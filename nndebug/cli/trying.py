"""`--trials`: what `train`, `demo`, `check` and `fix` share: the flag, the bar, and a run that is judged and drawn again."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from .common import note

if TYPE_CHECKING:
    from ..findings import CheckResult
    from ..run import Run
    from ..trials.running import Progress

SECONDS = 10.0


def add_trials(parser: argparse.ArgumentParser) -> None:
    """`--trials [SECONDS]`."""
    parser.add_argument("--trials", type=seconds, nargs="?", const=SECONDS, default=None, metavar="SECONDS",
                        help="where causes are left, change one thing on a copy, train it again, and let the result "
                             f"decide; with a budget (default: {SECONDS:g} s)")  # fmt: skip


def seconds(text: str) -> float:
    """An argparse type: a budget.

    Raises:
        UserError: it is no positive number.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UserError(
            f"--trials takes a number of seconds, got {text!r}", help="--trials=10, or --trials at the end"
        )
    return value


def tried(
    run: Run, budget: float, data_dir: str | None = None, experiment: Any = None, proofs: bool = False
) -> None:
    """Tries what would cure the causes of a run; what was found is kept in it.

    Raises:
        UserError: the program cannot be tried again.
    """
    from ..trials import trials

    with _bar() as progress:
        found = trials(run, experiment, seconds=budget, data_dir=data_dir, proofs=proofs, progress=progress)
    if found is not None:
        count = sum(len(trial.curves) for trial in (found.control, *found.trials))
        note(f"trials {count} trainings of {found.steps:,} steps in {found.seconds:.1f} s")
        for what, why in found.not_tried.items():
            note(f"       not tried: {what}: {why}")


def tried_or_told(run: Run, budget: float, data_dir: str | None = None, experiment: Any = None) -> None:
    """The same; where the program cannot be tried again, a line says why."""
    try:
        tried(run, budget, data_dir, experiment)
    except UserError as error:
        note(f"trials {error}" + (f" ({error.help})" if error.help else ""))
    except Exception as error:  # what was recorded is to be shown, whatever happens to the trials
        if os.environ.get("NNDEBUG_TRACEBACK") == "1":
            raise
        note(f"trials broke off: {' '.join(f'{type(error).__name__}: {error}'.split())}")


def judged_again(folder: Path, budget: float, data_dir: str | None, experiment: Any) -> CheckResult:
    """Tries a run that has just been recorded, and draws it again if that told something."""
    from ..checking import check
    from ..config import load
    from ..run import Run

    run = Run.load(folder)
    tried_or_told(run, budget, data_dir, experiment)
    result = check(run, settings=load())
    drawn_again(run, result)
    return result


def drawn_again(run: Run, result: CheckResult) -> None:
    """After trials: writes the findings, and the page and the last epoch's picture where there are any, with what is known now."""
    from ..drawing import picture
    from ..report import write
    from ..storage import RunFolder

    folder = run.folder
    if folder is None or run.trials is None or run.manifest.get("status") == "running":
        return
    RunFolder(folder).write_findings(result.to_json())
    if (folder / "report.html").exists():
        last = picture(folder, run.epochs[-1].number) if run.epochs else None
        write(run, folder / "report.html", result, png=last if last and last.exists() else None)


@contextmanager
def _bar() -> Iterator[Progress | None]:
    """A bar of the budget on stderr; none where nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("trying"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda share, what: bar.update(task, completed=share, description=_plain(what))


def _plain(what: str) -> str:
    from rich.markup import escape

    from ..report.text import clean

    return escape(clean(what, 60))
