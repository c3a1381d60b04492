"""`nndebug check`: runs the rules over a recorded run."""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import Subparsers, add_fail_on, add_format, exit_code, next_commands, quoted, show, words


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "check", help="run the rules over a run folder", description="Runs the rules over a recorded run."
    )
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="run folder, as written by train, demo or watch"
    )
    parser.add_argument("--select", type=words, default=[], metavar="RULES",
                        help="only these: codes, names or prefixes, as in NND2,not-learning")  # fmt: skip
    parser.add_argument("--ignore", type=words, default=[], metavar="RULES", help="all but these")
    add_format(parser)
    add_fail_on(parser)


def run(args: argparse.Namespace) -> int:
    from ..checking import check

    result = check(args.run, select=args.select, ignore=args.ignore)
    if args.format == "json":
        from ..report.machine import to_json

        print(to_json(result))
    else:
        show(result)
        next_commands(f"nndebug report {quoted(args.run)} --open")
    return exit_code(result, args.fail_on)
