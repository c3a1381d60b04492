"""`nndebug train`: trains the network core, watched, from flags or from an experiment file."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError
from .common import (
    Subparsers,
    add_fail_on,
    add_open,
    choice,
    codes,
    exit_code,
    free_folder,
    next_commands,
    quoted,
    show,
    wrote,
)
from .trying import add_trials, judged_again

FLAGS = (
    *(
        "layers",
        "activation",
        "output_activation",
        "loss",
        "init",
        "bias_init",
        "optimizer",
        "lr",
        "l2",
        "batch",
    ),
    *("epochs", "seed", "dtype"),
)
"""The flags that describe an experiment, as `Experiment.mlp` calls them."""

DEFAULTS: dict[str, dict[str, Any]] = {
    "digits": {"layers": (64, 30, 10), "epochs": 30},
    "mnist": {"layers": (784, 30, 10), "epochs": 30},
}
"""Where no file says otherwise, beside the defaults of `Experiment.mlp`."""


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "train",
        help="train a network, watched; a report per epoch",
        description="Trains the network core with nndebug attached and says what is wrong. "
        "Flags override the experiment file; without one they describe a fully connected network.",
    )
    parser.add_argument("experiment", nargs="?", metavar="EXPERIMENT", help="experiment as .toml or .json")
    parser.add_argument("--data", type=choice("data set", "digits", "mnist"), metavar="digits|mnist",
                        help="default: digits, which is part of the package")  # fmt: skip
    parser.add_argument("--data-dir", metavar="DIR", help="folder with the MNIST files")
    parser.add_argument("--layers", type=widths, metavar="N,N,...", help="widths, inputs first: 784,30,10")
    parser.add_argument("--activation", metavar="NAME", help="of the hidden layers (default: relu)")
    parser.add_argument("--output-activation", metavar="NAME", help="of the last layer (default: none)")
    parser.add_argument("--loss", metavar="NAME", help="default: cross_entropy")
    parser.add_argument("--init", metavar="NAME", help="of the weights (default: he)")
    parser.add_argument("--bias-init", metavar="NAME", help="of the biases (default: zeros)")
    parser.add_argument("--optimizer", metavar="NAME", help="sgd, momentum or adam (default: sgd)")
    parser.add_argument("--lr", type=float, metavar="RATE", help="learning rate (default: 0.1)")
    parser.add_argument("--l2", type=float, metavar="LAMBDA", help="penalty λ/(2n) Σ w² (default: 0)")
    parser.add_argument("--batch", type=int, metavar="N", help="samples per update (default: 10)")
    parser.add_argument("--epochs", type=int, metavar="N", help="default: 30")
    parser.add_argument("--seed", type=int, metavar="N", help="default: 0")
    parser.add_argument("--dtype", metavar="float32|float64", help="default: float32")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="run folder (default: reports/NAME)")
    parser.add_argument("-q", "--quiet", action="store_true", help="print the diagnosis only")
    parser.add_argument("--no-preflight", action="store_true",
                        help="do not look at network and data before the first step (about a second)")  # fmt: skip
    add_trials(parser)
    add_fail_on(parser)
    add_open(parser)


def run(args: argparse.Namespace) -> int:
    from .session import train

    experiment = describe(args)
    if args.data_dir and (kind := experiment.to_dict()["data"]["kind"]) != "mnist":
        raise UserError(
            f"--data-dir names the folder of MNIST, but the data is {kind!r}",
            help="add --data mnist, or leave it out",
        )
    name = Path(args.experiment).stem if args.experiment else args.data or "digits"
    folder = args.output or free_folder(Path("reports") / name)
    result, reached = train(experiment, folder, args.data_dir, args.quiet, preflight=not args.no_preflight)
    if args.trials and not result:
        result = judged_again(folder, args.trials, args.data_dir, experiment)
    show(result)
    print(reached)
    wrote(folder, args.open)
    fix = [] if result else [f"nndebug fix {quoted(folder)}"]
    next_commands(*(f"nndebug rule {c}" for c in codes(result)), f"nndebug check {quoted(folder)}", *fix)
    return exit_code(result, args.fail_on)


def widths(text: str) -> list[int]:
    """An argparse type: `784,30,10`.

    Raises:
        UserError: it is no list of at least two whole numbers.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise UserError(
            f"--layers takes the widths of all layers, got {text!r}",
            help="inputs first, outputs last: --layers 784,30,10",
        )
    return [int(part) for part in parts]


def describe(args: argparse.Namespace) -> Any:
    """The experiment that the file and the flags describe.

    Raises:
        ExperimentError: the file cannot be read, or a field or flag is wrong.
    """
    from ..core import load_core

    experiment = load_core("experiment").Experiment
    given = {name: value for name in FLAGS if (value := getattr(args, name)) is not None}
    if args.experiment is None:
        data = args.data or "digits"
        return experiment.mlp(**{"data": data, **DEFAULTS[data], **given})
    spec = experiment.from_file(args.experiment).to_dict()
    if args.data:
        spec["data"] = {"kind": args.data}
    override(spec, given)
    return experiment.from_dict(spec)


SETTINGS = {
    "lr": ("optimizer", "lr"),
    "l2": ("optimizer", "l2"),
    "batch": ("train", "batch_size"),
    "epochs": ("train", "epochs"),
    "seed": ("train", "seed"),
    "dtype": ("model", "dtype"),
}
"""Flags that are one field of an experiment: its section and its name there."""


def override(spec: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Changes the full form of an experiment to what the flags say."""
    model = spec["model"]
    if "layers" in given:
        model["inputs"] = given["layers"][0]
        model["layers"] = resized(model["layers"], given["layers"][1:])
    *hidden, output = [layer for layer in model["layers"] if layer["type"] == "dense"] or [{}]
    for layers, flag in ((hidden, "activation"), ([output], "output_activation")):
        for layer in layers if flag in given else ():
            layer.pop("slope", None)
            layer["activation"] = given[flag]
    for layer in (*hidden, output):
        layer.update({flag: given[flag] for flag in ("init", "bias_init") if flag in given})
    if "loss" in given:
        spec["loss"] = {"name": given["loss"]}
    if "optimizer" in given:
        # The other fields belong to the optimiser that the file has.
        settings = {field: spec["optimizer"][field] for field in ("lr", "l2") if field in spec["optimizer"]}
        spec["optimizer"] = {"name": given["optimizer"], **settings}
    for flag, (section, field) in SETTINGS.items():
        if flag in given:
            spec[section][field] = given[flag]


def resized(layers: Sequence[dict[str, Any]], units: Sequence[int]) -> list[dict[str, Any]]:
    """Dense layers of these widths: hidden ones like the file's first, the last like its last."""
    dense = [layer for layer in layers if layer["type"] == "dense"] or [{"type": "dense"}]
    chosen = [dense[0]] * (len(units) - 1) + [dense[-1]]
    # A name would stand twice.
    like = [{key: value for key, value in layer.items() if key != "name"} for layer in chosen]
    return [{**layer, "units": width} for layer, width in zip(like, units, strict=True)]
