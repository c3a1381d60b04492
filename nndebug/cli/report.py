"""`nndebug report`: writes the report of a recorded run again."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import UserError
from .common import OK, Subparsers, add_open, note, open_page, quoted


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "report",
        help="write a run's report again",
        description="Runs the rules over a recorded run and writes its report.",
    )
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="run folder, as written by train, demo or watch"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="page to write (default: RUN/report.html)"
    )
    parser.add_argument("--png", type=Path, metavar="DIR", help="also draw a picture into this folder")
    add_open(parser)


def run(args: argparse.Namespace) -> int:
    from ..report import write
    from ..run import Run

    if args.output and not args.output.parent.is_dir():
        raise UserError(
            f"{args.output}: there is no folder {args.output.parent}",
            help=f"mkdir -p {quoted(args.output.parent)} makes it",
        )
    recorded = Run.load(args.run)
    epochs = recorded.epochs
    picture = args.png / f"epoch-{epochs[-1].number if epochs else 0:04d}.png" if args.png else None
    page = write(recorded, args.output or args.run / "report.html", png=picture)
    for path in (page, picture) if picture else (page,):
        note(f"wrote  {path}")
    if args.open:
        open_page(page)
    return OK
