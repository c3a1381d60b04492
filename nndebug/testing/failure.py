"""A check that fails, and how it is told: layer, check, smallest input, expected against got, how to run it again."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import UserError

LABEL = 11  # width of "expected   ", "got        "
MOST_ENTRIES = 60
"""Entries of an array that are printed; a larger one is told by its shape."""


class Refused(UserError):
    """What was given cannot be checked at all."""


@dataclass
class Failure(Exception):
    """What a check found.

    Attributes:
        what: the fact in one sentence, without a full stop.
        expected: what should be, in words or numbers.
        got: what is.
        help: what to look at; empty if there is nothing to say.
        given: what went in, by name: arrays and settings, in order.
    """

    what: str
    expected: str
    got: str
    help: str = ""
    given: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(self.what)


def message(failure: Failure, member: str, check: str, again: str) -> str:
    """The whole text.

    >>> print(message(Failure("output[0] is wrong", "1", "2", "", {"x": np.zeros((1, 1))}), "MyLayer()", "linear", "…"))
    MyLayer() fails `linear`: output[0] is wrong.
      expected   1
      got        2
      smallest   x = np.array([[0.]])
      again      …
    """
    rows = [("expected", failure.expected), ("got", failure.got)]
    given = [(name, shown(name, value)) for name, value in failure.given.items()]
    rows += [("smallest" if not i else "", text) for i, (_, text) in enumerate(given)]
    rows += [("help", failure.help)] if failure.help else []
    rows += [("again" if not i else "", line) for i, line in enumerate(again.splitlines())]
    lines = [f"{member} fails `{check}`: {failure.what}."]
    for label, text in rows:
        first, *rest = text.splitlines() or [""]
        lines += [f"  {label:<{LABEL}}{first}", *(f"  {'':<{LABEL}}{line}" for line in rest)]
    return "\n".join(lines)


def shown(name: str, value: Any) -> str:
    """One thing that went in, as code where that is short."""
    if not isinstance(value, np.ndarray):
        return f"{name} = {value}" if name else str(value)
    if value.size > MOST_ENTRIES or (not value.size and value.ndim > 1):
        return f"{name} of shape {value.shape}, {value.dtype}"
    dtype = "" if value.dtype in (np.float64, np.int64) else f", np.{value.dtype}"
    body = np.array2string(value, separator=", ", threshold=MOST_ENTRIES + 1, max_line_width=90, precision=6)
    layout = "" if value.flags.c_contiguous else "      # not contiguous"
    text = f"{name} = np.array({body}{dtype}){layout}"
    return text.replace("\n", "\n" + " " * len(f"{name} = np.array("))


def how_again(call: str, seed: int | None) -> str:
    """The command that runs a failing check again: the test where there is one, and the call."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    option = "" if seed is None else f" --hypothesis-seed={seed}"
    return (f"pytest {shlex.quote(test)}{option}\n" if test else "") + call
