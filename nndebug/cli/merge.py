"""`nndebug merge`: the runs of several processes as one run folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import UserError
from .common import OK, Subparsers, next_commands, note, quoted


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "merge",
        help="write the runs of several processes as one",
        description="Merges the folders rank-0000, rank-0001, … of one training into a run of its own: the statistics that "
        "one process would have recorded of all samples. The other commands read such a folder as it is.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder that holds rank-0000, rank-0001, …")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="RUN", help="run folder to write (default: DIR/merged)"
    )


def run(args: argparse.Namespace) -> int:
    from ..ranks import is_parent, write

    if not is_parent(args.folder):
        raise UserError(
            f"{args.folder} holds no rank-0000 with a run"
            if args.folder.is_dir()
            else f"there is no folder {args.folder}",
            help="give the folder that was given to watch, which holds one folder for each process",
        )
    target = args.output or args.folder / "merged"
    merged = write(args.folder, target)
    ranks = merged.manifest["ranks"]
    note(f"wrote  {target}: {len(ranks)} of {merged.manifest['world']} ranks, {merged.steps:,} steps")
    next_commands(f"nndebug check {quoted(target)}", f"nndebug report {quoted(target)} --open")
    return OK
