"""`nndebug run`: any training script, recorded without an edit; to the script nothing is different."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError, not_installed
from .common import (
    NOTHING_CHECKED,
    OK,
    Subparsers,
    add_fail_on,
    codes,
    exit_code,
    free_folder,
    next_commands,
    note,
    open_streams,
    quoted,
    show,
    wrote,
)

if TYPE_CHECKING:
    from ..attaching import Attaching


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "run",
        usage="nndebug run [-o DIR] [--interval N] [--fail-on SEVERITY] (SCRIPT | -m MODULE) [ARGUMENTS ...]",
        help="run a training script, recorded without an edit",
        description="Runs a script or module as `python` would, and records what it trains: networks of the core and "
        "PyTorch models, each into a folder of its own. Its exit code comes first; where it is 0, what was found decides.",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="run folder (default: reports/SCRIPT)"
    )
    parser.add_argument(
        "--interval", type=int, default=10, metavar="N", help="steps between records (default: 10)"
    )
    add_fail_on(parser)
    parser.add_argument("-m", dest="module", nargs=argparse.PARSER, metavar="MODULE",
                        help="run a module, with all that follows as its arguments")  # fmt: skip
    script = parser.add_argument(
        "script",
        nargs=argparse.PARSER,
        metavar="SCRIPT",
        help="run a script, with all that follows as its arguments",
    )
    script.required = False


def run(args: argparse.Namespace) -> int:
    from ..scripts import end_by_signal, execute, execute_module, report

    words = args.module or args.script
    if not words:
        raise UserError("nothing to run", help="nndebug run SCRIPT.py, or nndebug run -m MODULE")
    if args.interval < 1:
        raise UserError(
            f"--interval is at least 1, got {args.interval}", help="--interval 1 records every step"
        )
    from ..attaching import Attaching

    name = words[0].rpartition(".")[2] if args.module else Path(words[0]).stem
    base = (args.output or Path("reports") / name).absolute()  # the script may go elsewhere
    attaching = Attaching(lambda number: _place(base, args.output is not None, number), args.interval)
    code = OK
    with attaching:
        try:
            (execute_module if args.module else execute)(words[0], words[1:])
        except BaseException as error:
            if isinstance(error, UserError) and _is_ours(error):
                raise
            code = report(error)  # before anything of ours is said
            attaching.failed(error)
    code = _conclude(attaching, code, args.fail_on)
    if code == 128 + signal.SIGINT:
        end_by_signal(signal.SIGINT)
    return code


def _place(base: Path, given: bool, number: int) -> Path:
    """The n-th run's folder: the one that was asked for, or the first free one."""
    if number == 1 and given:
        return base
    return free_folder(base if number == 1 or not given else base.with_name(f"{base.name}-{number}"))


def _conclude(attaching: Attaching, code: int, fail_on: str | None) -> int:
    """Shows what was found beside the script's own output, and gives the exit code."""
    if attaching.is_copy:
        return code
    open_streams()
    for line in attaching.notes:
        note(f"note: {line}")
    for reason in attaching.refused:  # a script may hide warnings
        note(f"a training was not recorded: {reason}")
    if not attaching.sessions:
        absent = not_installed(attaching.error)
        if absent or not attaching.refused:
            note(
                f"nothing was trained: {absent}"
                if absent
                else "nothing was trained that could be recorded: no `fit` of the core, no PyTorch optimiser's step"
            )
        return code or NOTHING_CHECKED
    found = []
    for session, folder in zip(attaching.sessions, attaching.folders, strict=True):
        if (result := session.result) is None:
            note(f"{quoted(folder)} could not be judged")
            continue
        show(result, on_stderr=True)
        wrote(folder, False)
        next_commands(*(f"nndebug rule {code}" for code in codes(result)), f"nndebug check {quoted(folder)}")
        found.append(exit_code(result, fail_on))
    return code or max(found, default=NOTHING_CHECKED)


def _is_ours(error: BaseException) -> bool:
    """Whether it was raised by the running itself, and not in the script."""
    from .. import scripts

    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename == scripts.__file__
