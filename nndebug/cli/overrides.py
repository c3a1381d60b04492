"""Flags by which a user says what was guessed wrong about a class of one's own."""

from __future__ import annotations

import argparse
from typing import Any

from .common import choice

WHAT = {
    "forward": "method that gives the output",
    "backward": "method that gives the gradients",
    "update": "method that changes the parameters",
    "weight": "attribute that holds the weights",
    "bias": "attribute that holds the biases",
    "gradient": "attribute in which backward leaves gradients",
}


def add_overrides(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group(
        "for a class of your own", "what `nndebug inspect TARGET` has guessed wrong"
    )
    for name, text in WHAT.items():
        group.add_argument(f"--{name}", metavar="NAME", help=text)
    group.add_argument(
        "--batch-axis",
        type=choice("axis", "0", "1"),
        metavar="0|1",
        help="rows (0) or columns (1) are samples",
    )
    return group


def overrides(args: argparse.Namespace) -> dict[str, Any]:
    """Those that were given, as keywords of `gradcheck`."""
    given: dict[str, Any] = {name: getattr(args, name) for name in WHAT if getattr(args, name) is not None}
    if args.batch_axis is not None:
        given["batch_axis"] = int(args.batch_axis)
    return given
