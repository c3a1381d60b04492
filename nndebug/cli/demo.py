"""`nndebug demo`: trains a network with a planted fault and diagnoses it."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from pathlib import Path
from typing import Any

from ..errors import UserError, did_you_mean
from .common import (
    FOUND,
    OK,
    PIPE_WIDTH,
    Subparsers,
    add_open,
    codes,
    next_commands,
    note,
    paint,
    show,
    wrote,
)
from .trying import add_trials, judged_again


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "demo",
        help="train a planted fault and diagnose it",
        description="Trains a network with a planted fault and says what is wrong with it. "
        "Exits with 0 when the diagnosis names the planted fault, with 1 when it does not.",
    )
    parser.add_argument(
        "fault", nargs="?", metavar="FAULT", help="which fault (default: the first of --list)"
    )
    parser.add_argument("--list", action="store_true", help="list the faults")
    parser.add_argument(
        "--fixed", action="store_true", help="train the healthy twin; exits with 0 when nothing is found"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="run folder (default: reports/demo-FAULT)"
    )
    add_trials(parser)
    add_open(parser)


def run(args: argparse.Namespace) -> int:
    from ..faults import DEFAULT, FAULTS

    if args.list:
        print(overview())
        return OK
    name = args.fault or DEFAULT
    if name not in FAULTS:
        raise UserError(f"there is no fault {name!r}", help=did_you_mean(name, FAULTS))
    return train(FAULTS[name], args)


def overview() -> str:
    """All faults, a line each, by family; the default first."""
    from ..faults import DEFAULT, FAMILIES, FAULTS

    width = max(map(len, FAULTS))
    room = min(shutil.get_terminal_size((PIPE_WIDTH, 24)).columns, PIPE_WIDTH) - width - 4
    lines: list[str] = []
    for family, faults in FAMILIES.items():
        lines += ["", paint(family, 1)]
        for fault in sorted(faults, key=lambda fault: fault.name != DEFAULT):
            summary = textwrap.wrap(fault.summary, max(room, 30))
            lines.append(f"  {paint(f'{fault.name:{width}}', 34)}  {summary[0]}")
            lines += [" " * (width + 4) + rest for rest in summary[1:]]
    count = f"{len(FAULTS)} faults; `nndebug demo` plants {DEFAULT}"
    return "\n".join([*lines[1:], "", f"{count}, `nndebug demo FAULT --fixed` trains a healthy twin."])


def train(fault: Any, args: argparse.Namespace) -> int:
    """Trains one fault, or its healthy twin, and says whether the diagnosis was right."""
    from .session import train

    folder = args.output or Path("reports") / f"demo-{fault.name}{'-fixed' if args.fixed else ''}"
    title = f"{'the healthy twin of ' if args.fixed else 'planted: '}{fault.name}: {fault.summary}"
    experiment = fault.fixed() if args.fixed else fault.experiment()
    result, reached = train(experiment, folder, title=title)
    if args.trials and not result:
        result = judged_again(folder, args.trials, None, experiment)
    show(result)
    print(reached)
    wrote(folder, args.open)
    if args.fixed:
        next_commands(f"nndebug demo {fault.name}")
        right = bool(result)
    else:
        next_commands(
            *(f"nndebug rule {code}" for code in codes(result)), f"nndebug demo {fault.name} --fixed"
        )
        right = bool(result.causes) and result.causes[0].kind == fault.cause
        if not right:
            named = result.causes[0].kind if result.causes else "nothing"
            note(f"the planted fault is {fault.cause}; the diagnosis named {named}")
    return OK if right else FOUND
