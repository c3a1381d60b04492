"""`nndebug inspect`: what nndebug finds in a network of the user's own, and what it guesses."""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import sys

from .common import OK, Subparsers, add_format, next_commands
from .overrides import add_overrides, as_flags, overrides


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "inspect",
        help="show what is found in a network of your own",
        description="Shows what nndebug finds in a class of your own: its methods, its parameters and their gradients, where "
        "the samples lie, its activations and its loss. The flags say it better where a guess is wrong.",
    )
    parser.add_argument(
        "target", metavar="TARGET", help="file.py:factory or module:factory; returns (model, x, y)"
    )
    parser.add_argument(
        "--loss", metavar="NAME", help="method that gives the loss, or the name of a usual one: quadratic"
    )
    add_overrides(parser)
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    from ..gradcheck.inspecting import inspect
    from ..gradcheck.target import loaded

    given = overrides(args) | ({"loss": args.loss} if args.loss else {})
    # What the user's code prints is not the result.
    with contextlib.redirect_stdout(sys.stderr), loaded(args.target, bool(given)) as (first, second, third):
        found = inspect(first, second, third, **given)
    if args.format == "json":
        print(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
        return OK
    print(found)
    next_commands(f"nndebug gradcheck {shlex.quote(args.target)} {as_flags(given)}".rstrip())
    return OK
