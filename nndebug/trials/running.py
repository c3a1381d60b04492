"""`trials`: tries, best first, what would cure the causes that the diagnosis leaves, until the budget is spent."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..causes.evidence import PROOF
from ..causes.vocabulary import Kind
from ..core import load_core
from ..errors import UserError
from ..findings import Cause
from ..preflight.subject import Clock, OutOfTime
from ..storage import RunFolder
from . import training
from .changes import CHANGES, Change
from .cures import CURES, GENERAL, cures_of
from .deciding import cured, open_question, promising
from .program import Parts, Program, key, program_of
from .result import Curve, Trial, Trials
from .task import task_of

if TYPE_CHECKING:
    from ..run import Run

SECONDS = 10.0
STARTS = 2
"""Starts of the control, and of every change that did something from the first."""
SHORTEST, LONGEST = 100, 3000
"""Updates of a trial: a few hundred show most, and no trial is longer unless the whole training is cheap."""
_SHARE = 1 / 12
"""Of the budget that one training may take: a control and four or five changes from two starts fit."""
WITHIN = 4
"""A cause is left where it is not this many times less certain than the first."""

Progress = Callable[[float, str], None]
"""Told how much of the budget is spent (0 to 1), and what is tried."""


def trials(
    run: Run | str | Path,
    experiment: Any = None,
    *,
    seconds: float = SECONDS,
    data: Any = None,
    data_dir: str | Path | None = None,
    proofs: bool = False,
    progress: Progress | None = None,
) -> Trials | None:
    """Changes one thing on a copy and trains it again, so that the result decides between the causes that are left.

    The run is not changed but for what was tried: `Run.trials`, in its folder `trials.json`. What was tried before is
    not tried again. Networks, optimisers and random generators of the caller stay as they are.

    Args:
        run: a run, or its folder.
        experiment: how to train it again, an `Experiment`; by default the one in its manifest.
        seconds: the budget; at its end what was not tried is in `not_tried`.
        data: the experiment's data before preprocessing, where it is none that it names.
        data_dir: folder of data that is read from files.
        proofs: try cures of proven causes too; they need no trial to be believed.
        progress: see `Progress`.

    Returns:
        What was tried; None where there is nothing to decide: no cause above information, or a proven one.

    Raises:
        UserError: the program cannot be tried again, and why.
    """
    from ..checking import check
    from ..run import Run

    loaded = run if isinstance(run, Run) else Run.load(run)
    untried = copy.copy(loaded)
    untried.trials = None
    causes = check(untried).causes
    if not causes or (causes[0].certainty >= PROOF and not proofs):
        return None
    program = program_of(loaded, data_dir) if experiment is None else Program(experiment, data, data_dir)
    with training.same_generators():
        found = _Trying(program, loaded.trials, Clock(seconds), seconds, progress).all(causes, proofs)
    loaded.trials = found
    if loaded.folder is not None:
        RunFolder(loaded.folder).write_trials(found.to_json())
    return found


class _Trying:
    """One session of trials."""

    def __init__(
        self, program: Program, before: Trials | None, clock: Clock, seconds: float, progress: Progress | None
    ) -> None:
        self.program, self.clock, self.seconds, self.progress = program, clock, seconds, progress
        self.known = {} if before is None else _curves(before)
        self.before = before
        self.changed: dict[str, tuple[Change, dict[str, Any], str]] = {}
        self.curves: dict[str, list[Curve]] = {}
        self.missed: dict[str, str] = {}
        self.sizes: dict[str, float] = {}
        self.words = "the program as it is"

    def all(self, causes: Sequence[Cause], proofs: bool) -> Trials:
        spec = self.program.spec
        try:
            parts = self._build(spec, None, spec["train"].get("seed", 0))
            self.task = task_of(self.program.raw, parts.dataset, parts.network.loss)
            self.whole = training.whole_length(parts)
            self.steps = self._length(parts)
            self._train("", spec, None, 0)
        except OutOfTime:
            raise UserError(
                f"cannot be tried again because {self.seconds:g} s are not enough for one short training",
                help="give it more seconds",
            ) from None
        except load_core("errors").NetworkError as error:
            raise UserError(
                f"cannot be tried again because it does not run: {error}", help=error.help
            ) from None
        try:
            self._listed(causes, proofs)
        except OutOfTime:
            for name in self.changed:
                if name not in self.curves:
                    self.missed[self.changed[name][2]] = f"the budget of {self.seconds:g} s was spent"
        return self.result()

    def _listed(self, causes: Sequence[Cause], proofs: bool) -> None:
        """Best causes first, and of each the first change first; then from a second start what did something."""
        open_ = [c for c in causes if proofs or causes[0].certainty / WITHIN <= c.certainty < PROOF]
        lists = [CURES.get(cause.kind, ()) for cause in open_]
        self._prepare([name for names in lists for name in names])
        for depth in range(max(map(len, lists), default=0)):
            for cause, names in zip(open_, lists):
                done = cured(self.result(), cause.kind)
                if depth < len(names) and not done:
                    self._try(names[depth], 0)
        self._confirm()
        if open_question(causes, self.result()):
            self._prepare(tuple(GENERAL))
            for name in GENERAL:
                self._try(name, 0)
            self._confirm()

    def _prepare(self, names: Sequence[str]) -> None:
        for name in names:
            if name in self.changed:
                continue
            change, spec = CHANGES[name], self.program.spec
            if name == "longer" and self.steps < self.whole:
                continue  # a part of the training says nothing of more of it
            if self.program.patched and change.after is None and name in _SPOILED_BY_PATCH:
                continue
            what = change.edit(spec, self.task)
            if what is not None:
                self.changed[name] = change, spec, what

    def _try(self, name: str, start: int) -> None:
        if name not in self.changed or self.changed[name][2] in self.missed:
            return
        change, spec, self.words = self.changed[name]
        try:
            self._train(name, spec, change, start)
        except OutOfTime:
            raise
        except Exception as error:  # a change may make a program that raises anything
            self.missed[self.words] = f"it does not run: {' '.join(str(error).split())}"[:500]

    def _confirm(self) -> None:
        """Further starts, for the control and the changes that did something from the first."""
        for start in range(1, STARTS):
            worth = [t.change for t in self.result().trials if promising(self.result(), t)]
            if not worth:
                return
            for name in ("", *worth):
                if len(self.curves[name]) > start:
                    continue
                if name:
                    self._try(name, start)
                else:
                    self._train("", self.program.spec, None, start)

    def _train(self, name: str, spec: Mapping[str, Any], change: Change | None, start: int) -> None:
        seed = int(self.program.spec["train"].get("seed", 0)) + start
        spec = {**spec, "train": {**spec["train"], "seed": seed}}
        rows = len(self.program.raw.train[0])
        factor = change.length(self.program.spec, dict(spec), rows) if change else 1.0
        steps = round(self.steps * factor)
        mark = key(self.program, spec, name, steps)
        curve = self.known.get(mark)
        if curve is None:
            self.clock.check()
            parts = self._build(spec, change, seed)
            self.sizes.setdefault(name, _weight_size(parts.network))
            curve = training.train(parts, self.task, steps, seed, mark, self.clock, self._tick)
        self.curves.setdefault(name, []).append(curve)
        self._tick()

    def _build(self, spec: Mapping[str, Any], change: Change | None, seed: int) -> Parts:
        after = change.after if change and self.program.patched else None
        return self.program.build(spec, after)

    def _length(self, parts: Parts) -> int:
        """Updates of every trial; those of an earlier session where there was one."""
        if self.before is not None:
            steps = self.before.steps
            if key(self.program, self.program.spec, "", steps) in self.known:
                return steps
        update, measurement = training.cost(parts, self.task, self.clock)
        build = self.clock.spent
        affordable = (self.seconds * _SHARE - measurement * training.POINTS - build / 4) / max(update, 1e-7)
        if affordable >= self.whole:
            return self.whole
        steps = int(min(max(affordable, SHORTEST), LONGEST))
        return min(round(steps, -1) if steps < 1000 else round(steps, -2), self.whole)

    def _tick(self) -> None:
        if self.progress is not None:
            self.progress(min(self.clock.spent / self.seconds, 1.0), self.words)

    def _cures(self, name: str) -> tuple[str, ...]:
        """The kinds of causes that a change would cure; what initial values were is seen from what they became."""
        if name != "init" or not {"", "init"} <= self.sizes.keys():
            return cures_of(name)
        before, after = self.sizes[""], self.sizes["init"]
        return (Kind.INIT_TOO_SMALL.value if before < after else Kind.INIT_TOO_LARGE.value,)

    def result(self) -> Trials:
        """What was tried so far."""
        tried = tuple(
            Trial(name, self.changed[name][2], self._cures(name), tuple(curves))
            for name, curves in self.curves.items()
            if name
        )
        control = Trial("", "nothing changed", (), tuple(self.curves.get("", ())))
        earlier = self.before.seconds if self.before is not None else 0.0
        return Trials(
            self.task.measure,
            self.task.chance,
            control,
            tried,
            dict(self.missed),
            self.steps,
            self.steps >= self.whole,
            round(earlier + self.clock.spent, 2),
        )


_SPOILED_BY_PATCH = ("scaled-once", "plain-inputs", "same-preprocessing", "standardise-targets", "aligned")
"""Changes of the data that come before a patch of it, and so change nothing about what it does."""


def _weight_size(network: Any) -> float:
    """Root mean square of all weights."""
    weights = network.flat_parameters[network.weight_mask > 0].astype(np.float64)
    return float(np.sqrt(np.mean(np.square(weights)))) if weights.size else 0.0


def _curves(before: Trials) -> dict[str, Curve]:
    return {curve.key: curve for trial in (before.control, *before.trials) for curve in trial.curves}
