"""From trials to the program with the one thing changed that cured it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core import load_core
from ..errors import UserError
from ..findings import Cause
from .changes import CHANGES
from .cures import CURES
from .deciding import Outcome, gains, outcome
from .program import Program
from .result import Trial, Trials
from .task import task_of


def winner(causes: Sequence[Cause], trials: Trials) -> Trial | None:
    """The change that cured: what the first cause asks for before what did as well; None if nothing did."""
    cures = [
        trial for trial in trials.trials if outcome(trials, trial) in (Outcome.CURES, Outcome.CURES_LESS)
    ]
    for cause in causes:
        own = [trial for trial in cures if trial.change in CURES.get(cause.kind, ())]
        if own:
            return max(own, key=lambda trial: sum(gains(trials, trial)) / len(gains(trials, trial)))
    return max(cures, key=lambda trial: min(gains(trials, trial)), default=None)


def fixed(program: Program, trial: Trial) -> Any:
    """The experiment with the change of a trial.

    Raises:
        UserError: a planted fault's patch is part of the program, which no file can express.
    """
    if program.patched:
        raise UserError(
            "the fault is planted into the program's code, which no experiment file holds",
            help=f"the change that cures it: {trial.what}",
        )
    spec = program.spec
    parts = program.build(spec)
    CHANGES[trial.change].edit(spec, task_of(program.raw, parts.dataset, parts.network.loss))
    return load_core("experiment").Experiment.from_dict(spec)
