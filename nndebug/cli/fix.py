"""`nndebug fix`: the experiment with the one thing changed that cures it, tried, proved, and written as a file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..wording import percent
from .common import FOUND, OK, Subparsers, free_folder, next_commands, note, quoted
from .trying import SECONDS, seconds, tried

if TYPE_CHECKING:
    from ..findings import CheckResult
    from ..run import Run

LEAST = 0.02
"""What the whole training must gain in accuracy for a change to be borne out."""


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "fix",
        help="write the experiment with what cures it changed",
        description="Tries what would cure the causes that the diagnosis names, one thing at a time, trains the whole "
        "program with the change that won, and writes it as an experiment file. Exits with 0 when there is a proven fix "
        "or nothing to fix, with 1 when nothing that was tried cures it.",
    )
    parser.add_argument(
        "target", type=Path, metavar="RUN|EXPERIMENT", help="run folder of `train`, or an experiment file"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE",
                        help="file to write, .toml or .json (default: NAME-fixed.toml)")  # fmt: skip
    parser.add_argument("--trials", type=seconds, default=SECONDS, metavar="SECONDS",
                        help=f"budget of the trials (default: {SECONDS:g} s)")  # fmt: skip
    parser.add_argument("--data-dir", metavar="DIR", help="folder with the MNIST files")


def run(args: argparse.Namespace) -> int:
    from ..checking import check
    from ..config import load
    from ..trials.fixing import fixed, winner
    from ..trials.program import program_of

    output = _output(args)
    folder = _recorded(args)
    recorded = _loaded(folder)
    before = check(recorded, settings=load())
    if not before.causes:
        print(f"nothing to fix: {before.verdict}")
        return OK
    program = program_of(recorded, args.data_dir)
    tried(recorded, args.trials, args.data_dir, proofs=True)
    before = check(recorded, settings=load())
    trial = winner(before.causes, recorded.trials) if recorded.trials else None
    if trial is None or recorded.trials is None:
        return _nothing(before, recorded)
    experiment = fixed(program, trial)
    after, result = _proved(experiment, folder, args.data_dir)
    _show(trial.what, recorded, before, after, result)
    if not _borne_out(recorded, after, result):
        print("the whole training does not bear it out: nothing was written")
        return FOUND
    _write(experiment, output, _remarks(trial.what, recorded, before, after, result))
    note(f"wrote  {output}")
    then = f"nndebug train {quoted(output)}" if result else f"nndebug fix {quoted(after.folder or output)}"
    next_commands(then, f"nndebug compare {quoted(folder)} {quoted(after.folder or output)}")
    return OK


def _output(args: argparse.Namespace) -> Path:
    """Where to write; refused before anything is trained.

    Raises:
        UserError: it is the experiment itself, no experiment file, or in no folder.
    """
    path: Path = args.output or Path(f"{_name(args.target)}-fixed.toml")
    if path.suffix not in (".toml", ".json"):
        raise UserError(f"{path}: an experiment is a .toml or .json file", help=f"-o {path.stem}.toml")
    if path.resolve() == args.target.resolve():
        raise UserError(f"{path} is the experiment that is to be fixed", help="-o another file")
    if not path.parent.is_dir() or path.is_dir():
        raise UserError(f"{path}: no file can be written there", help="-o another file")
    return path


def _name(target: Path) -> str:
    return target.stem if target.suffix in (".toml", ".json") else target.resolve().name


def _recorded(args: argparse.Namespace) -> Path:
    """The run folder; an experiment is trained first."""
    from ..core import load_core
    from .session import train

    if args.target.suffix not in (".toml", ".json") or args.target.is_dir():
        return Path(args.target)
    experiment = load_core("experiment").Experiment.from_file(args.target)
    folder = free_folder(Path("reports") / _name(args.target))
    train(experiment, folder, args.data_dir, quiet=True, title=f"training {args.target}", png=False)
    return folder


def _loaded(folder: Path) -> Run:
    from ..run import Run

    return Run.load(folder)


def _proved(experiment: Any, folder: Path, data_dir: str | None) -> tuple[Run, CheckResult]:
    """The whole training of the changed program, with the same seed."""
    from .session import train

    into = free_folder(folder.with_name(f"{folder.resolve().name}-fixed"))
    result, _ = train(experiment, into, data_dir, quiet=True, title="training the changed program", png=False)
    return _loaded(into), result


def _reached(run: Run) -> tuple[str, float] | None:
    """What the run reached on held-out rows: the figure's name and its last value."""
    for name in ("validation.accuracy", "validation.loss"):
        if series := run.series(name):
            return name, float(series.last)
    return None


def _figure(run: Run) -> str:
    reached = _reached(run)
    if reached is None:
        return "no held-out figure"
    name, value = reached
    return f"accuracy {percent(value, 2)}" if name == "validation.accuracy" else f"loss {value:.4g}"


def _borne_out(before: Run, after: Run, result: CheckResult) -> bool:
    """Whether the whole training is better too; losses of two kinds cannot be compared, there the rules decide."""
    old, new = _reached(before), _reached(after)
    if old and new and old[0] == new[0] == "validation.accuracy":
        return new[1] >= old[1] + LEAST or bool(result)
    return bool(result) or bool(old and new and new[1] < old[1])


def _lines(before: Run, result: CheckResult, after: Run, fixed: CheckResult) -> list[str]:
    from ..findings import PASSED_MARK
    from ..report.text import clean

    rows = [("before", before, result), ("after", after, fixed)]
    return [
        f"{word:7} {_figure(run):16}  {of.severity.mark if of.severity else PASSED_MARK} {clean(of.verdict, 200)}"
        for word, run, of in rows
    ]


def _show(what: str, before: Run, result: CheckResult, after: Run, fixed: CheckResult) -> None:
    from ..report.text import clean

    print(f"changed {clean(what, 200)}")
    for line in _lines(before, result, after, fixed):
        print(line)


def _remarks(what: str, before: Run, result: CheckResult, after: Run, fixed: CheckResult) -> str:
    from ..report.text import clean

    return "\n".join(
        [f"Changed by nndebug fix: {clean(what, 200)}", *_lines(before, result, after, fixed), ""]
    ).rstrip()


def _write(experiment: Any, path: Path, remarks: str) -> None:
    from ..atomic import write_atomically
    from ..core import load_core

    spec = experiment.to_dict()
    if path.suffix == ".json":  # which has no comments
        text = json.dumps(spec, indent=2, allow_nan=False) + "\n"
    else:
        text = load_core("experiment.toml").write(spec, remarks)
    write_atomically(path, text.encode("utf-8"))


def _nothing(result: CheckResult, run: Run) -> int:
    from ..report.text import clean
    from ..trials.deciding import in_words

    print(f"nothing that was tried cures it: {clean(result.verdict, 400)}")
    if run.trials:
        for trial in run.trials.trials:
            print(f"  {clean(in_words(run.trials, trial), 300)}")
    return FOUND
