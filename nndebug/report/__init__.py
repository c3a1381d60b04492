"""Reports of a run: one self-contained HTML page, a PNG dashboard, a terminal summary, JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .build import build

if TYPE_CHECKING:
    from ..findings import CheckResult
    from ..run import Run

__all__ = ["build", "write"]


def write(
    run: Run | str | Path,
    path: str | Path | None = None,
    result: CheckResult | None = None,
    png: str | Path | None = None,
) -> Path:
    """Writes the HTML report of a run; returns where it is.

    Args:
        run: what was recorded, or its folder.
        path: the page to write; `report.html` in the run's folder if None.
        result: what `check` found; checked now if None.
        png: also draw the first screen into this file.

    Raises:
        UserError: the run is in memory only and no path is given.
        OSError: the file cannot be written.
    """
    from ..checking import check
    from ..errors import UserError
    from ..run import Run
    from . import html

    if not isinstance(run, Run):
        run = Run.load(run)

    if path is None:
        if run.folder is None:
            raise UserError(
                "a run in memory has no folder for its report",
                help="give a path: nndebug.report(run, 'out.html')",
            )
        path = run.folder / "report.html"
    report = build(run, result if result is not None else check(run))
    if png is not None:
        from . import figures

        figures.dashboard(report, png)
    return html.write(report, path)
