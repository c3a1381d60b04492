"""`nndebug compare`: what changed between two runs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from .common import OK, Subparsers, add_format, into_a_folder, note, paint

if TYPE_CHECKING:
    from ..report.comparing import Comparison


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "compare",
        help="what changed between two runs",
        description="Compares two runs: settings that differ, findings gone and new, and the first step and place at "
        "which they part.",
    )
    parser.add_argument("first", type=Path, metavar="A", help="a run folder")
    parser.add_argument("second", type=Path, metavar="B", help="another run folder")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="also write a page with both curves"
    )
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    from ..checking import check
    from ..report import comparing
    from ..run import Run

    into_a_folder(args.output)
    runs = [(recorded := Run.load(folder), check(recorded)) for folder in (args.first, args.second)]
    compared = comparing.compare(runs[0], runs[1])
    if args.format == "json":
        from ..strict_json import plain

        print(json.dumps(plain(compared.to_json()), indent=2, allow_nan=False))
    else:
        show(compared)
    if args.output:
        note(f"wrote  {comparing.write(compared, args.output)}")
    return OK


def show(c: Comparison) -> None:
    """Prints a comparison on stdout."""
    from ..report.html import MARKS
    from ..report.text import number

    width = max(map(len, c.names))
    for name, severity, verdict in zip(c.names, c.severities, c.verdicts):
        print(f"{paint(f'{name:{width}}', 1)}  {MARKS[severity]} {verdict}")
    print()
    print("Settings that differ" if c.settings else "No setting differs.")
    if c.settings:
        cells = [("", *c.names), *c.settings]
        sizes = [max(len(row[i]) for row in cells) for i in range(3)]
        for row in cells:
            print("  " + "  ".join(f"{cell:{size}}" for cell, size in zip(row, sizes)).rstrip())
    for title, words in (("gone", c.gone), ("new", c.new), ("in both", c.stayed)):
        print(f"Findings {title}:{'' if words else ' none'}")
        for line in words:
            print(f"  {line}")
    if c.parting:
        p = c.parting
        values = f"{number(p.first)} against {number(p.second)}"
        print(f"They part at step {p.step:,}, first seen in {p.site}: {p.name} {values}.")
    elif c.shared_steps:
        print(f"No recorded figure differs, at {c.shared_steps:,} steps that both recorded.")
    else:
        print("They recorded nothing in common.")
