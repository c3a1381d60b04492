"""What the commands share: a parser that explains, common flags, exit codes, places to write, colour."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from ..errors import UserError, did_you_mean

if TYPE_CHECKING:
    from ..findings import CheckResult

OK, FOUND, NOTHING_CHECKED = 0, 1, 3
PIPE_WIDTH = 110
_USAGE = 240  # characters: a longer usage hides what it is to help with

Subparsers = Any
"""What `add_subparsers` returns; argparse gives its class no public name."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are `UserError`s that offer the nearest flag."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        keywords.setdefault("allow_abbrev", False)
        width = min(shutil.get_terminal_size((100, 24)).columns, 110)
        keywords.setdefault(
            "formatter_class",
            lambda prog: argparse.HelpFormatter(prog, max_help_position=32, width=width),
        )
        super().__init__(*arguments, **keywords)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        values, extra = super().parse_known_args(args, namespace)
        if extra:  # here and not in `parse_args`, so that a command's parser answers for its own flags
            flags = [flag for action in self._actions for flag in action.option_strings]
            word = extra[0].split("=")[0]
            if word.startswith("-"):
                help = did_you_mean(word, flags) if len(word) > 2 else f"{self.prog} --help lists the flags"
                raise UserError(f"there is no flag {word} in {self.prog}", help=help)
            raise UserError(f"{self.prog} has no use for {word!r}", help=f"usage: {self.usage_line()}")
        return values, extra

    def error(self, message: str) -> NoReturn:
        match = re.fullmatch(r"argument (?:-\w/)?([^:]+): (.*)", message, re.DOTALL)
        # "-m: expected A... arguments": argparse's own sign for a word and all that follow it.
        message = (f"{match[1]}: {match[2]}" if match else message).replace("A... arguments", "one argument")
        usage = f"usage: {self.usage_line()}"
        raise UserError(message, help=usage if len(usage) <= _USAGE else f"{self.prog} --help")

    def usage_line(self) -> str:
        return " ".join(self.format_usage().removeprefix("usage: ").split())


def choice(what: str, *known: str) -> Callable[[str], str]:
    """An argparse type: one of the known words, else an error that offers the nearest."""

    def convert(word: str) -> str:
        if word in known:
            return word
        raise UserError(f"there is no {what} {word!r}", help=did_you_mean(word, known))

    return convert


def words(text: str) -> list[str]:
    """An argparse type: `NND2,dead-relu` as a list."""
    return [word.strip() for word in text.split(",") if word.strip()]


def add_format(parser: argparse.ArgumentParser, *others: str) -> None:
    """`--format`: text, and the others that this command has; json if none are named."""
    known = ("text", *(others or ("json",)))
    parser.add_argument(
        "--format",
        type=choice("format", *known),
        default="text",
        metavar="|".join(known),
        help="default: text",
    )


def add_fail_on(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fail-on",
        type=choice("severity", "error", "warning", "never"),
        default=None,
        metavar="error|warning|never",
        help="exit with 1 from this severity on (default: error, or fail-on in pyproject.toml)",
    )


def add_rules(parser: argparse.ArgumentParser) -> None:
    """`--select` and `--ignore`."""
    parser.add_argument("--select", type=words, default=[], metavar="RULES",
                        help="only these: codes, names or prefixes, as in NND2,not-learning")  # fmt: skip
    parser.add_argument("--ignore", type=words, default=[], metavar="RULES", help="all but these")


def add_open(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--open", action="store_true", help="open the report in the browser")


def exit_code(result: CheckResult, fail_on: str | None) -> int:
    """0 nothing at or above `fail_on` (that of the settings if None), 1 something, 3 nothing could be checked."""
    from ..config import load
    from ..findings import Severity

    fail_on = fail_on or load().fail_on
    looked_at = [*result.passed, *(finding.code for finding in result.findings)]
    if all(code.startswith("NND90") for code in looked_at):  # they are about the tool, not the network
        return NOTHING_CHECKED
    worst = result.worst()
    if fail_on == "never" or worst is None:
        return OK
    return FOUND if worst.rank >= Severity(fail_on).rank else OK


def free_folder(base: Path) -> Path:
    """This folder if it is empty or missing, else the first of `base-2`, `base-3`, ... that is."""
    number, folder = 1, base
    while folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        number += 1
        folder = base.with_name(f"{base.name}-{number}")
    return folder


def into_a_folder(file: Path | None) -> None:
    """Refuses a file to write whose folder is missing, before anything is done or printed.

    Raises:
        UserError: there is no such folder.
    """
    if file and not file.parent.is_dir():
        raise UserError(
            f"{file}: there is no folder {file.parent}", help=f"mkdir -p {quoted(file.parent)} makes it"
        )


def open_page(page: Path) -> None:
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        note(f"no browser could be opened; the report is {page}")


def open_streams() -> None:
    """Gives a process whose output or messages nobody takes (a shell's `>&-`, a script that closes them) streams to nowhere."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or stream.closed:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def note(line: str) -> None:
    """A line beside the result: stderr, so that stdout stays the result."""
    print(line, file=sys.stderr)


def wrote(folder: Path, open_it: bool) -> None:
    """Says where a run was written, and opens its report if that was asked for."""
    page = folder / "report.html"
    if not page.exists():  # the disk was full, or drawing failed: a warning has said so
        return note(f"wrote  {folder}")
    note(f"wrote  {page}")
    if open_it:
        open_page(page)


def next_commands(*commands: str) -> None:
    """The commands to type next."""
    for position, command in enumerate(commands):
        note(f"{'next' if position == 0 else '    '}   {command}")


def codes(result: CheckResult) -> list[str]:
    """The code for `nndebug rule CODE`: the one that the first `docs` line names, none where all is information."""
    from ..report.evidence import explained

    led = [finding for cause in result.causes[:1] for finding in explained(cause, result.findings)]
    found = led or [finding for finding in result.findings if finding.severity != "info"]
    return [finding.code for finding in found[:1]]


def quoted(path: Path) -> str:
    """A path as it has to be typed."""
    return shlex.quote(str(path))


def show(result: CheckResult, on_stderr: bool = False) -> None:
    """Prints a check's result on stdout, unless that belongs to somebody else."""
    from rich.console import Console

    from ..report import terminal

    # A pipe has no width; rich would take 80, which breaks more lines than it need.
    stream = sys.stderr if on_stderr else sys.stdout
    console = Console(file=stream, highlight=False, width=None if stream.isatty() else PIPE_WIDTH)
    terminal.render(result, console)


def in_colour(stream: TextIO) -> bool:
    """Whether to colour what goes to a stream: only a terminal, and not where NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, *codes: int, stream: TextIO | None = None) -> str:
    """Text in ANSI colours (SGR codes) where the stream shows them. Commands that must start fast avoid rich."""
    if not in_colour(stream or sys.stdout):
        return text
    return f"\x1b[{';'.join(map(str, codes))}m{text}\x1b[0m"
