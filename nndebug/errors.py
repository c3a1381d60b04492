"""The error that the command line turns into `error:` and `help:` lines and exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in what the user asked for.

    Args:
        message: what was expected and what came, in one line.
        help: the next thing to try, in one line; empty if there is none.
    """

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.help = help


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The sentence that offers the nearest known word, or lists the known ones."""
    candidates = list(known)
    near = difflib.get_close_matches(word, candidates, n=1)
    return f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(candidates)
