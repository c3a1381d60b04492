"""`nndebug`: finds the command, runs it, and turns whatever goes wrong into two lines and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import TextIO

from .. import __version__
from ..errors import UserError, did_you_mean
from .common import Parser, open_streams

COMMANDS = (
    "demo",
    "train",
    "run",
    "gradcheck",
    "inspect",
    "check",
    "fix",
    "report",
    "compare",
    "merge",
    "watch",
    "export",
    "rule",
)
"""In the order of `--help`. Each is a module here that imports nothing heavy before it runs."""

FAILED = 2
INTERRUPTED = 130
PIPE_CLOSED = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        The exit code: 0 nothing at or above `--fail-on`; 1 something; 2 usage, unreadable input or internal error;
        3 nothing could be checked; 130 interrupted; 141 the reader of the output went away.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = next((word for word in words if not word.startswith("-")), None)
    if command != "run":  # there, streams and warnings are the script's
        warnings.showwarning = _warn
        open_streams()
        for stream in (sys.stdout, sys.stderr):
            if hasattr(
                stream, "reconfigure"
            ):  # a mark that the terminal cannot show must not end the program
                stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(command, words)
        open_streams()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # What is still buffered would raise again when the interpreter closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt as stop:
        return _fail("interrupted", str(stop), INTERRUPTED)  # the text says where the partial run is
    except Exception as error:
        return _explain(error, f"nndebug {command} --help" if command in COMMANDS else "nndebug --help")


def _run(command: str | None, arguments: list[str]) -> int:
    if command is not None and command not in COMMANDS:
        raise UserError(f"there is no command {command!r}", help=did_you_mean(command, COMMANDS))
    parser = Parser(
        prog="nndebug",
        usage="nndebug [-h] [--version] COMMAND ...",
        description="Finds out what is wrong with a neural network: where, since when, why, and what to do.",
        epilog="`nndebug demo` shows it on a broken network, `nndebug COMMAND --help` lists a command's flags. "
        "Exit codes: 0 nothing found, 1 something found, 2 wrong use or input, 3 nothing could be checked.",
    )
    parser.add_argument("--version", action="version", version=f"nndebug {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND [flags]", prog="nndebug")
    # One command needs one parser; the overview needs them all.
    for name in (command,) if command else COMMANDS:
        importlib.import_module(f".{name}", __package__).add_parser(subparsers)
    try:
        values = parser.parse_args(arguments)
    except SystemExit as done:  # after --help and --version
        return int(done.code or 0)
    if command is None:
        parser.print_help()
        return FAILED
    return int(importlib.import_module(f".{command}", __package__).run(values))


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """One line: the place in the source is of no use to who typed a command."""
    print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)


def _explain(error: Exception, more: str) -> int:
    """Says what went wrong; `more` is the command to type where nothing better is known."""
    if os.environ.get("NNDEBUG_TRACEBACK") == "1":
        traceback.print_exc()
    if isinstance(error, UserError) or (isinstance(error, ValueError) and hasattr(error, "help")):
        return _fail(str(error), getattr(error, "help", "") or more)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return _fail(
            f"{place}{error.strerror or error}",
            "check the path and its permissions, or name another",
        )
    if isinstance(error, MemoryError):
        detail = str(error).replace("Unable to allocate", "cannot allocate")
        return _fail(
            "not enough memory" + (f": {detail}" if detail else ""),
            "narrower layers, a smaller batch or fewer samples need less",
        )
    return _fail(
        f"internal error: {type(error).__name__}: {error}",
        "this is a fault of nndebug; NNDEBUG_TRACEBACK=1 before the command shows where",
    )


def _fail(message: str, help: str, code: int = FAILED) -> int:
    """Two lines at most, whatever the message holds."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    if help:
        print(f"help: {' '.join(help.split())}", file=sys.stderr)
    return code
