"""`nndebug gradcheck`: a backward pass against numerical derivatives; of the core, or of the user's own network."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

from ..errors import UserError, did_you_mean
from .common import FOUND, NOTHING_CHECKED, OK, PIPE_WIDTH, Subparsers, add_format, next_commands, note, paint
from .overrides import add_overrides, overrides

if TYPE_CHECKING:
    from ..gradcheck import GradCheck

WIDTHS = (12, 9, 8, 5)
"""Of the networks that the check of the core runs: all different, so that mixed-up axes show."""

KINDS = ("dense", "flatten", "dropout")
GIVE_PROBABILITIES = ("sigmoid", "softmax")
"""Activations after which a loss on probabilities means something."""

COLOURS = {"○": 32, "▲": 31, "■": 33}


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "gradcheck",
        help="check a backward pass, every entry",
        description="Checks every entry of a network's gradient against numerical derivatives and names the "
        "mistake. Without TARGET or --layers it checks every layer, activation and loss of the core.",
    )
    parser.add_argument(
        "target",
        nargs="?",
        metavar="TARGET",
        help="file.py:factory or module:factory; returns (network, x, y), your own class or ours, or (loss, params, grads)",
    )
    parser.add_argument("--layers", metavar="N,N,...", help="check one network of these widths: 784,30,10")
    parser.add_argument("--activation", metavar="NAME", help="of the hidden layers (default: relu)")
    parser.add_argument("--output-activation", metavar="NAME", help="of the last layer (default: none)")
    parser.add_argument(
        "--loss", metavar="NAME", help="default: cross_entropy; with TARGET the method, or quadratic"
    )
    parser.add_argument("--samples", type=int, metavar="N", help="rows to check on (default: about 10)")
    parser.add_argument(
        "--exhaustive",
        action="store_true",
        help="every entry by itself, knowing only how to compute the loss (slow)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    add_overrides(parser)
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    flags = ("layers", "activation", "output_activation", *(() if args.target else ("loss",)))
    described = [f for f in flags if getattr(args, f) is not None]
    if args.samples is not None and args.samples < 1:
        raise UserError(f"--samples takes 1 or more, got {args.samples}", help="--samples 10")
    if args.seed < 0:
        raise UserError(f"--seed takes 0 or more, got {args.seed}", help="--seed 0")
    if args.target and described:
        flag = "--" + described[0].replace("_", "-")
        raise UserError(f"{flag} describes a network, and so does {args.target}", help="give one of the two")
    if args.target:
        return _check_target(args)
    if overrides(args):
        flag = "--" + next(iter(overrides(args))).replace("_", "-")
        raise UserError(
            f"{flag} is for a class of your own", help=f"nndebug gradcheck file.py:factory {flag} NAME"
        )
    if described:
        network = build(
            args.layers or "784,30,10", args.activation, args.output_activation, args.loss, args.seed
        )
        return _finish(_check(network, None, None, args), args, "nndebug gradcheck file.py:factory")
    return _check_core(args)


def build(
    layers: str, activation: str | None, output_activation: str | None, loss: str | None, seed: int
) -> Any:
    """A fully connected network of the core.

    Raises:
        UserError: the widths are no widths, or there is no such activation or loss.
    """
    from ..core import load_core
    from .train import widths

    core = load_core()
    sizes = widths(layers)
    activations, losses = load_core("activations").ACTIVATIONS, load_core("losses").LOSSES
    hidden = _known("activation", activation or "relu", activations)
    last = _known("activation", output_activation, activations) if output_activation else None
    chosen_loss = _known("loss", loss or "cross_entropy", losses)
    parts: list[Any] = []
    for position, (inputs, units) in enumerate(itertools.pairwise(sizes)):
        parts.append(core.Dense(inputs, units))
        function = hidden if position < len(sizes) - 2 else last
        parts += [function()] if function else []
    return core.Sequential(*parts, loss=chosen_loss(), seed=seed)


def _known(what: str, word: str, known: dict[str, Any]) -> Any:
    key = word.replace("-", "_").lower()
    if key in ("none", "linear") and what == "activation":
        return None
    if key not in known:
        raise UserError(f"there is no {what} {word!r}", help=did_you_mean(key, known))
    return known[key]


def _check(network: Any, x: Any, y: Any, args: argparse.Namespace) -> GradCheck:
    from ..gradcheck import gradcheck

    given = overrides(args) | ({"loss": args.loss} if args.target and args.loss else {})
    result: GradCheck = gradcheck(
        network, x, y, samples=args.samples, seed=args.seed, exhaustive=args.exhaustive, **given
    )
    return result


def _check_target(args: argparse.Namespace) -> int:
    from ..gradcheck.target import loaded

    # What the user's code prints is not the result.
    with (
        contextlib.redirect_stdout(sys.stderr),
        loaded(args.target, bool(overrides(args))) as (first, second, third),
    ):
        result = _check(first, second, third, args)
    again = f"nndebug gradcheck {shlex.quote(args.target)}"
    return _finish(result, args, f"nndebug inspect {shlex.quote(args.target)}" if result else again)


def _finish(result: GradCheck, args: argparse.Namespace, following: str) -> int:
    if args.format == "json":
        print(json.dumps(result.to_json(), ensure_ascii=False, indent=2, allow_nan=False))
        return result.exit_code
    for line in str(result).splitlines():
        print(_coloured(line))
    next_commands(following)
    return result.exit_code


def _coloured(line: str) -> str:
    for mark, colour in COLOURS.items():
        before, found, after = line.partition(mark)
        if found:
            return before + paint(found + after, colour)
    return line


# --- every layer, activation and loss of the core ---------------------------------------------------------------


def _check_core(args: argparse.Namespace) -> int:
    from ..core import load_core
    from ..gradcheck import Verdict

    activations, losses = load_core("activations").ACTIVATIONS, load_core("losses").LOSSES
    results: dict[tuple[str, str, str], GradCheck] = {
        (kind, activation, loss): _check_combination(kind, activations[activation], losses[loss], args)
        for kind in KINDS
        for activation in activations
        for loss in losses
        if losses[loss].takes != "probabilities" or activation in GIVE_PROBABILITIES
    }
    verdicts = {result.verdict for result in results.values()}
    worst = next((v for v in (Verdict.DISAGREES, Verdict.UNRESOLVED) if v in verdicts), Verdict.AGREES)
    if args.format == "json":
        networks = [
            {"layers": kind, "activation": activation, "loss": loss, **result.to_json()}
            for (kind, activation, loss), result in results.items()
        ]
        data = {"schema": 1, "verdict": worst.value, "networks": networks}
        print(json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False))
    else:
        _print_core(results, list(activations), list(losses))
    return {Verdict.AGREES: OK, Verdict.DISAGREES: FOUND, Verdict.UNRESOLVED: NOTHING_CHECKED}[worst]


def _check_combination(kind: str, activation: Any, loss: Any, args: argparse.Namespace) -> GradCheck:
    import numpy as np

    from ..core import load_core

    core = load_core()
    parts: list[Any] = [core.Flatten()] if kind == "flatten" else []
    for inputs, units in itertools.pairwise(WIDTHS):
        parts += [core.Dense(inputs, units), activation()]
        if kind == "dropout" and units != WIDTHS[-1]:
            parts.append(core.Dropout(0.5))
    network = core.Sequential(*parts, loss=loss(), seed=args.seed)
    if kind != "flatten":
        return _check(network, None, None, args)
    images = np.random.default_rng(args.seed).normal(size=(args.samples or 10, 3, WIDTHS[0] // 3))
    return _check(network, images, None, args)


def _print_core(
    results: dict[tuple[str, str, str], GradCheck], activations: list[str], losses: list[str]
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("layers", "activation", *losses):
        own = title in losses
        heading = title.replace("_", " ") if own else title
        table.add_column(heading, no_wrap=not own, min_width=len("■ unresolved") if own else None)
    styles = {"agrees": "green", "disagrees": "red", "unresolved": "yellow"}
    for kind in KINDS:
        for activation in activations:
            cells = []
            for loss in losses:
                result = results.get((kind, activation, loss))
                if result is None:
                    cells.append(Text(""))
                    continue
                number = f"{result.worst:.0e}" if result else result.verdict.value
                cells.append(Text(f"{result.verdict.mark} {number}", styles[result.verdict.value]))
            table.add_row(kind if activation == activations[0] else "", activation, *cells)
    # A pipe takes lines of any length.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH + 14 * len(losses))
    console.print(table)
    console.print()
    console.print(summary(results))
    bad = next((key for key, result in results.items() if not result), None)
    if bad:
        print()
        for line in str(results[bad]).splitlines():
            print(_coloured(line))
        note("")
        next_commands(f"nndebug gradcheck --layers 12,9,8,5 --activation {bad[1]} --loss {bad[2]}")
    else:
        next_commands("nndebug gradcheck --layers 784,30,10", "nndebug gradcheck file.py:factory")


def summary(results: dict[tuple[str, str, str], GradCheck]) -> str:
    """One sentence: how many networks and entries, and whether they agree."""
    entries = sum(row.entries for result in results.values() for row in result.rows)
    bad = sum(1 for result in results.values() if not result)
    worst = max(result.worst for result in results.values())
    said = f"all agree; worst relative error {worst:.0e}" if not bad else f"{bad} do not agree"
    return f"{len(results)} networks, {entries:,} entries of their gradients: {said}."
