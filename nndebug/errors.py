"""The error that the command line turns into `error:` and `help:` lines and exit code 2."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable

_NEAR = 0.7  # below it the nearest word is another word: `--bogus` and `--loss` agree in 0.62
_LISTED = 8


class UserError(Exception):
    """A mistake in what the user asked for.

    Args:
        message: what was expected and what came, in one line.
        help: the next thing to try, in one line; empty if there is none.
    """

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.help = help
        if help:
            self.add_note(f"help: {help}")  # Python's own traceback shows it too


def not_installed(error: BaseException | None) -> str:
    """What to do about a module that this Python does not have; empty where that is not the error."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    name = error.name.partition(".")[0]
    return f"install {name} for {sys.executable}, or run nndebug by the Python that has it"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The sentence that offers the nearest known word, or lists the first of the known ones."""
    candidates = list(known)
    near = difflib.get_close_matches(word, candidates, n=1, cutoff=_NEAR)
    if near:
        return f"did you mean {near[0]!r}?"
    return "known: " + ", ".join(candidates[:_LISTED]) + (", …" if len(candidates) > _LISTED else "")
