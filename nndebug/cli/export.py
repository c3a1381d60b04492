"""`nndebug export`: a run's figures for other tools."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from .common import OK, Subparsers, choice, next_commands, note

FORMS = ("csv", "parquet", "tensorboard", "mlflow", "wandb")


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "export",
        help="a run's figures for other tools",
        description="Writes the recorded figures of a run for TensorBoard, MLflow, W&B (offline), or as a table.",
    )
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="run folder, as written by train, demo or watch"
    )
    parser.add_argument(
        "--to", type=choice("form", *FORMS), default="csv", metavar="|".join(FORMS), help="default: csv"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder to write (default: RUN/export/FORM)"
    )


def run(args: argparse.Namespace) -> int:
    from ..checking import check
    from ..exporting import export
    from ..run import Run

    recorded = Run.load(args.run)
    folder = args.output or args.run / "export" / args.to
    written = export(recorded, check(recorded), args.to, folder)
    note(f"wrote  {written}")
    place = shlex.quote(str(written))
    opens = {
        "tensorboard": f"tensorboard --logdir {place}",
        "mlflow": f"mlflow ui --backend-store-uri {place}",
        "wandb": f"wandb sync {place}/offline-run-*",
    }
    if args.to in opens:
        next_commands(opens[args.to])
    return OK
