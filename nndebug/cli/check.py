"""`nndebug check`: runs the rules over a recorded run."""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import (
    Subparsers,
    add_fail_on,
    add_format,
    add_rules,
    exit_code,
    into_a_folder,
    next_commands,
    note,
    quoted,
    show,
)
from .trying import add_trials, drawn_again, tried_or_told


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "check", help="run the rules over a run folder", description="Runs the rules over a recorded run."
    )
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="run folder, as written by train, demo or watch"
    )
    add_rules(parser)
    parser.add_argument(
        "--baseline", type=Path, metavar="FILE", help="leave out the findings that this file knows"
    )
    parser.add_argument("--write-baseline", type=Path, metavar="FILE",
                        help="write what is found now as known findings")  # fmt: skip
    add_trials(parser)
    parser.add_argument("--data-dir", metavar="DIR", help="folder with the MNIST files, for --trials")
    add_format(parser, "concise", "json", "github", "junit", "sarif")
    add_fail_on(parser)


def run(args: argparse.Namespace) -> int:
    from .. import baseline
    from ..checking import check
    from ..config import load
    from ..report.text import clean
    from ..run import Run

    into_a_folder(args.write_baseline)
    recorded = Run.load(args.run)
    known = baseline.read(args.baseline) if args.baseline else None
    if args.trials:
        tried_or_told(recorded, args.trials, args.data_dir)
        drawn_again(recorded, check(recorded, settings=load()))
    result = check(recorded, select=args.select, ignore=args.ignore, settings=load())
    if args.write_baseline:
        count = baseline.write(result, args.write_baseline)
        note(f"wrote  {args.write_baseline}: {count} known finding{'s' if count != 1 else ''}")
    if known is not None:
        result, gone = baseline.without(recorded, result, known)
        for words in gone:
            note(f"no longer found, take it out of {args.baseline}: {clean(words, 120)}")
    if args.format == "text":
        show(result)
        next_commands(f"nndebug report {quoted(args.run)} --open")
    else:
        from ..report.formats import FORMATS

        print(FORMATS[args.format](result))
    return exit_code(result, args.fail_on)
