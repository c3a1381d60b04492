"""`nndebug report`: writes the report of a recorded run again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from .common import OK, Subparsers, add_open, into_a_folder, note, open_page

if TYPE_CHECKING:
    from ..run import Run

FIGURE_DPI = 150


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "report",
        help="write a run's report again",
        description="Runs the rules over a recorded run and writes its report.",
    )
    parser.add_argument(
        "run",
        type=Path,
        metavar="RUN",
        help="run folder, as written by train, demo or watch; or a folder of runs, for a page that lists them",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="page to write (default: RUN/report.html)"
    )
    parser.add_argument(
        "--png", type=Path, metavar="DIR", help="also draw the first screen and every figure into this folder"
    )
    parser.add_argument("--dpi", type=int, default=FIGURE_DPI, metavar="N",
                        help=f"dots per inch of the figures (default: {FIGURE_DPI}; 300 for print)")  # fmt: skip
    add_open(parser)


def draw(recorded: Run, folder: Path, dpi: int) -> tuple[Path, ...]:
    """Every figure of a run's report as a PNG of its own."""
    from ..checking import check
    from ..report import build, pictures

    return pictures.write(build(recorded, check(recorded)), folder, dpi)


def run(args: argparse.Namespace) -> int:
    from ..ranks import is_parent
    from ..report import write
    from ..run import Run

    if not 10 <= args.dpi <= 1200:
        raise UserError(f"--dpi takes 10 to 1200, got {args.dpi}", help="--dpi 300")
    if args.dpi != FIGURE_DPI and not args.png:
        raise UserError(
            "--dpi is of the figures that --png draws", help="nndebug report RUN --png DIR --dpi 300"
        )
    if args.png and args.png.exists() and not args.png.is_dir():
        raise UserError(f"{args.png} is a file, figures need a folder", help="choose another folder")
    into_a_folder(args.output)
    is_run = is_parent(args.run) or (args.run / "manifest.json").exists()
    if not is_run and any(args.run.glob("**/manifest.json")):
        return _index(args)
    recorded = Run.load(args.run)
    epochs = recorded.epochs
    picture = args.png / f"epoch-{epochs[-1].number if epochs else 0:04d}.png" if args.png else None
    page = write(recorded, args.output or args.run / "report.html", png=picture)
    note(f"wrote  {page}")
    if picture:
        note(f"wrote  {picture}")
        figures = draw(recorded, args.png, args.dpi)
        note(f"wrote  {len(figures)} figures into {args.png}")
    if args.open:
        open_page(page)
    return OK


def _index(args: argparse.Namespace) -> int:
    """One page on all runs in a folder."""
    from ..report import index

    if args.png:
        raise UserError(f"{args.run} holds several runs", help="--png takes the folder of one run")
    page, count = index.write(args.run, args.output)
    note(f"wrote  {page}: {count} run{'s' if count != 1 else ''}")
    if args.open:
        open_page(page)
    return OK
