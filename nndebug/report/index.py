"""Many runs on one page: what each was, what was found in it, how far it came."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ..atomic import write_atomically
from ..checking import check
from ..errors import UserError
from ..findings import CheckResult
from ..run import Run
from ..storage import FINDINGS, MANIFEST
from ..strict_json import revive
from . import settings
from .html import environment
from .learning import accuracy
from .model import Chart
from .plots import Curve, chart
from .text import clean, percent, plural
from .vocabulary import quantity


@dataclass(frozen=True)
class Row:
    """One run; `folder` is its place below that of the page, `link` leads to its report, empty if there is none."""

    name: str
    folder: str
    link: str
    severity: str
    verdict: str
    summary: str
    accuracy: str
    length: str
    created: str
    thumbnail: Chart | None


def rows(folder: Path) -> tuple[Row, ...]:
    """The runs in a folder and below it, the newest first.

    Raises:
        UserError: there are none.
    """
    found = sorted(path.parent for path in folder.rglob(MANIFEST))
    made = [row for number, place in enumerate(found) if (row := _row(folder, place, number))]
    if not made:
        raise UserError(f"{folder} holds no run", help=f"nndebug train -o {folder / 'run'} writes one")
    return tuple(sorted(made, key=lambda row: row.created, reverse=True))


def write(folder: Path, path: Path | None = None) -> tuple[Path, int]:
    """Writes the page, `index.html` in the folder if no path is given; returns where it is, and how many runs it has.

    Raises:
        UserError: there is no run in the folder.
        OSError: the page cannot be written.
    """
    listed = rows(folder)
    path = path or folder / "index.html"
    if path.parent != folder:
        # Links are to the folder of the runs, from wherever the page is.
        prefix = quote(os.path.relpath(folder, path.parent))
        listed = tuple(
            Row(**{**vars(row), "link": f"{prefix}/{row.link}" if row.link else ""}) for row in listed
        )
    title = f"{plural(len(listed), 'run')} · {clean(folder.resolve().name, 60)}"
    page = environment().get_template("index.html.j2").render(title=title, rows=listed)
    write_atomically(path, page.encode("utf-8", "replace"))
    return path, len(listed)


def _row(base: Path, folder: Path, number: int) -> Row | None:
    """None for what is no run after all, or cannot be read."""
    try:
        run = Run.load(folder)
        result = _result(run, folder)
    except (UserError, OSError):
        return None
    reached = accuracy(run)
    loss = run.series("probe.loss") or run.series("loss")
    curve = Curve("loss", loss.steps, loss.values)
    page = folder / "report.html"
    return Row(
        clean(run.manifest.get("name") or folder.name, 60),
        clean(folder.relative_to(base).as_posix() if folder != base else folder.resolve().name, 120),
        quote(page.relative_to(base).as_posix()) if page.exists() else "",
        result.severity.value if result.severity else "passed",
        clean(result.verdict, 200),
        settings.summary(run.manifest),
        percent(reached[0]) if reached else "–",
        f"{plural(max(0, len(run.epochs) - 1), 'epoch')}, {plural(run.steps, 'step')}",
        settings.when(run.manifest.get("created", "")),
        chart(f"run-{number}", "Loss", quantity("probe.loss"), [curve], most=70),
    )


def _result(run: Run, folder: Path) -> CheckResult:
    """What the run's own last check found; checked now where that is not there, or no longer true."""
    if run.manifest.get("status") != "running":
        try:
            result = CheckResult.from_json(revive(json.loads((folder / FINDINGS).read_bytes())))
            if result.run.get("steps") == run.steps:
                return result
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
    return check(run)
