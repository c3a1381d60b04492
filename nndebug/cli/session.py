"""One watched training at the terminal: a progress bar on stderr, at most a line an epoch on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import load_core
from ..errors import UserError
from ..findings import CheckResult, Finding
from ..wording import percent
from .common import note, quoted

if TYPE_CHECKING:
    from ..watching import Watch

_NAMED = 3
"""New findings that an epoch's line names; the end of the training names them all."""


def train(
    experiment: Any,
    folder: Path,
    data_dir: str | None = None,
    quiet: bool = False,
    title: str = "",
    preflight: bool = True,
    png: bool = True,
) -> tuple[CheckResult, str]:
    """Trains an experiment under watch.

    Args:
        experiment: a `network.experiment.Experiment`.
        folder: the run folder to write.
        data_dir: folder of data that is read from files.
        quiet: print nothing while it trains.
        preflight: look at network and data before the first step.
        png: draw pictures of epochs beside the report.
        title: a line for stderr once the run folder stands, so that a refusal has nothing above it.

    Returns:
        What was found in the end, and a sentence on the held-out data.

    Raises:
        UserError: the folder cannot be written to, or the run could not be judged.
        NetworkError: the experiment cannot be built, or its data cannot be loaded.
        KeyboardInterrupt: with a text that says where the recorded part is.
    """
    import numpy as np

    from ..watching import watch

    core = load_core()
    with _bar(quiet) as bar:
        network, optimizer, dataset = experiment.build(data_dir, progress=bar.download)
        options = experiment.fit_options(dataset)
        updates = -(-len(dataset.train[0]) // options["batch"]) * options["epochs"]
        watching = watch(network, folder, png=png, preflight=preflight, experiment=experiment)
        if title:
            note(title)
        with _interruptible(folder), watching:
            # After the watch: when a line is printed, the rules have seen its epoch.
            if not quiet:
                network.hook("begin", lambda training: _print_preflight(watching))
                network.hook("epoch", _EpochLines(watching, options["epochs"]))
            bar.attach(network, updates)
            # What overflows is for the rules to report, and not for a warning in between.
            with np.errstate(all="ignore"):
                core.fit(
                    network,
                    dataset.train,
                    optimizer,
                    validation=dataset.validation or dataset.test,
                    **options,
                )
    if watching.result is None:
        raise UserError("the run could not be judged", help=f"nndebug check {quoted(folder)}")
    with np.errstate(all="ignore"):
        return watching.result, _reached(core.evaluate(network, dataset.test), dataset.name)


@contextmanager
def _interruptible(folder: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"what was recorded is in {quoted(folder)}: nndebug check {quoted(folder)}"
        ) from None


def _reached(held_out: Any, name: str) -> str:
    share = held_out.accuracy
    figure = f"loss {held_out.loss:.4g}" if share is None else f"accuracy {percent(share, 2)}"
    return f"{name}: {figure} on {held_out.samples:,} held-out samples after the last epoch"


def _print_preflight(watching: Watch) -> None:
    """One line on what was looked at before the first step, and what was not."""
    found = watching.run.preflight
    if found is None or watching.run.steps:
        return
    line = (
        f"preflight  {len(found.measurements) + (found.gradcheck is not None)} parts in {found.seconds:.1f} s"
    )
    if found.gradcheck is not None:
        rows = [row for row in found.gradcheck.rows if row.equation not in ("update", "penalty")]
        entries = sum(row.entries for row in rows)
        line += f"  gradient {found.gradcheck.verdict.value} ({entries:,} entries)"
    if found.not_checked:
        line += f"  not checked: {', '.join(found.not_checked)}"
    print(line, flush=True)


class _EpochLines:
    """Prints one line an epoch; a finding is named when it is new or worse than before."""

    def __init__(self, watching: Watch, epochs: int) -> None:
        self._watching, self._epochs = watching, epochs
        self._seen: dict[str, int] = {}

    def __call__(self, result: Any) -> None:
        width = len(str(self._epochs))
        held_out = result.validation_accuracy is not None or result.validation_loss is not None
        accuracy = result.validation_accuracy if held_out else result.train_accuracy
        loss = result.validation_loss if held_out else result.train_loss
        parts = [f"epoch {result.epoch:>{width}}/{self._epochs}", f"loss {loss:<8.4g}"]
        parts += [f"accuracy {100 * accuracy:6.2f} %"] if accuracy is not None else []
        parts += [f"{result.seconds:5.1f} s"]
        print("  ".join([*parts, *self._news(self._watching.result)]), flush=True)

    def _news(self, result: CheckResult | None) -> list[str]:
        findings = () if result is None else result.findings  # a result is false where something is wrong
        risen = [f for f in findings if f.severity.rank > self._seen.get(f.fingerprint, 0)]
        new = [f for f in risen if f.fingerprint not in self._seen]
        worse = [f for f in risen if f not in new]
        self._seen.update((f.fingerprint, f.severity.rank) for f in risen)
        return [f"{word}: {_places(group)}" for word, group in (("new", new), ("worse", worse)) if group]


def _places(findings: list[Finding]) -> str:
    """The first few; the line of an epoch stays a line."""
    named = ", ".join(f"{f.severity.mark} {f.code} {f.site}" for f in findings[:_NAMED])
    return named + (f", +{len(findings) - _NAMED}" if len(findings) > _NAMED else "")


class _Bar:
    """A rich progress bar."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task: Any = None
        self._file = ""

    def attach(self, network: Any, updates: int) -> None:
        """Counts the updates of a network."""
        self._task = self._progress.add_task("training", total=updates)
        network.hook("after_step", lambda optimizer: self._progress.advance(self._task))

    def download(self, name: str, done: int, total: int) -> None:
        """Shows how far a download has come."""
        if name != self._file:
            self._file, self._task = name, self._progress.add_task(f"fetching {name}", total=total)
        self._progress.update(self._task, completed=done, total=total)


class _NoBar(_Bar):
    """Where nobody looks: stderr is no terminal, or `--quiet`. Downloads still get a line each."""

    def __init__(self) -> None:
        self._file = ""

    def attach(self, network: Any, updates: int) -> None:
        pass

    def download(self, name: str, done: int, total: int) -> None:
        if name != self._file:
            self._file = name
            note(f"fetching {name} ({total / 1e6:.1f} MB)")


@contextmanager
def _bar(quiet: bool) -> Iterator[_Bar]:
    if quiet or not sys.stderr.isatty():
        yield _NoBar()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    # Lines printed while the bar lives are put above it when both go to a terminal; a pipe on stdout gets them as they are.
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as progress:
        yield _Bar(progress)
