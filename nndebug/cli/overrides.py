"""Flags by which a user says what was guessed wrong about a class of one's own."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from .common import choice, words

METHODS = {
    "forward": "method that gives the output",
    "backward": "method that gives the gradients",
    "update": "method that changes the parameters",
}
ARRAYS = {
    "weight": "attributes that hold weights",
    "bias": "attributes that hold biases",
    "constant": "attributes that are no parameters",
    "gradient": "attributes in which backward leaves gradients",
}
"""Of these there may be several: `--weight W1,W2` or `--weight W1 --weight W2`."""


def add_overrides(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group(
        "for a class of your own", "what `nndebug inspect TARGET` has guessed wrong"
    )
    for name, text in METHODS.items():
        group.add_argument(f"--{name}", metavar="NAME", help=text)
    for name, text in ARRAYS.items():
        group.add_argument(f"--{name}", type=words, action="extend", metavar="NAME,...", help=text)
    group.add_argument(
        "--batch-axis",
        type=choice("axis", "0", "1"),
        metavar="0|1",
        help="rows (0) or columns (1) are samples",
    )
    return group


def overrides(args: argparse.Namespace) -> dict[str, Any]:
    """Those that were given, as keywords of `gradcheck`."""
    names = (*METHODS, *ARRAYS)
    given: dict[str, Any] = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if args.batch_axis is not None:
        given["batch_axis"] = int(args.batch_axis)
    return given


def as_flags(given: dict[str, Any]) -> str:
    """Overrides as they have to be typed."""
    values = {
        name: ",".join(value) if isinstance(value, list) else str(value) for name, value in given.items()
    }
    return " ".join(f"--{name.replace('_', '-')} {shlex.quote(value)}" for name, value in values.items())
