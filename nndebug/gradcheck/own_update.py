"""The check of a user's own update function: what it does to parameters, against rate, gradient and penalty."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import UserError, did_you_mean
from ..signals import Array
from .calling import guarded
from .comparing import compare, failed, unresolved
from .containers import Path, gradients_of, name_of, numbers, rebuilt
from .excusing import as_declared
from .mistakes import DIFFERENT
from .recognising import PLAIN, recognise
from .result import Fault, GradCheck, Row, Verdict
from .rule import Rule
from .steps import Steps
from .update import FORGOTTEN, UPDATES, Case

MEANT = {
    "rate": "a positive number: what the step is the gradient times",
    "momentum": "from 0 to below 1: the share of the last step that is kept",
    "l2": "λ, 0 or more",
    "samples": "how many samples the training set has, 1 or more",
}
"""What the numbers of an update may be."""


def check_update(
    update: Callable[[Any, Any], Any],
    params: Any,
    *,
    rate: float,
    momentum: float = 0.0,
    l2: float = 0.0,
    samples: int = 1,
    penalised: Collection[str] | None = None,
    seed: int = 0,
) -> GradCheck:
    """Checks two updates in a row against gradient descent, with parameters and gradients of its own.

    The second one shows gradients that are never cleared. State that the function keeps is not reset in between.

    Args:
        update: called as `update(params, grads)`; changes the parameters in place, or returns the new ones.
        params: a container like the user's; only its shapes count, and it stays as it is.
        rate: learning rate that the function is meant to use.
        momentum: share of the last step that is kept, as in `v = momentum * v + gradient; w -= rate * v`.
        l2: λ; the penalty adds λ / samples · w to the gradient.
        samples: of the training set.
        penalised: names of the parameters that the penalty reaches; by default those with two axes longer than 1.
        seed: seed of parameters and gradients.

    Returns:
        A `GradCheck` with a row `update` for every parameter, and a row `penalty` if there is one.

    Raises:
        UserError: update raises, params is no container of arrays, or a number cannot be meant.
    """
    for what, value, fits in (
        ("rate", rate, rate > 0),
        ("momentum", momentum, 0 <= momentum < 1),
        ("l2", l2, l2 >= 0),
        ("samples", samples, samples >= 1),
    ):
        if not (fits and np.isfinite(value)):
            raise UserError(f"{what} is {value}", help=MEANT[what])
    arrays = numbers(params)
    names = [name_of(path) for path in arrays]
    for name in penalised or ():
        if name not in names:
            raise UserError(f"there is no parameter {name!r} to be penalised", help=did_you_mean(name, names))
    if momentum and l2:
        raise UserError(
            "momentum and penalty cannot be checked together: what is kept of the one shows in the other",
            help="check twice: with l2=0 and an update without penalty, then with momentum=0",
        )
    rng = np.random.default_rng(seed)
    decay = l2 / samples
    rule = Rule("momentum" if momentum else "sgd", rate, decay, momentum=momentum)
    start = {path: rng.normal(size=a.shape) for path, a in arrays.items()}
    gradients = {path: rng.normal(size=(UPDATES, *a.shape)) for path, a in arrays.items()}
    silence = {path: np.zeros((1, *a.shape)) for path, a in arrays.items()}
    rows: list[Row] = []
    faults: list[Fault] = []
    call = guarded(update, "update")
    # Without gradients only the penalty moves anything. It goes first: what is kept of zeros does no harm.
    quiet_moves, _ = _moved(call, params, start, silence)
    alone = {path: moved[0] for path, moved in quiet_moves.items()}
    moves, shapes = _moved(call, params, start, gradients)
    steps: dict[Path, Steps] = {}
    for path in arrays:
        name = name_of(path)
        if shapes[path]:
            rows.append(failed(name, "update", "update", arrays[path].size, shapes[path]))
            faults.append(Fault(name, "update", "update", f"its update is wrong: {shapes[path]}"))
            continue
        chosen = sum(n > 1 for n in arrays[path].shape) > 1 if penalised is None else name in penalised
        case = Case(rule, start[path], gradients[path], not chosen, samples)
        quiet = Case(rule, start[path], silence[path], not chosen, samples)
        checks = [(case, "update", moves[path].sum(axis=0) - UPDATES * alone[path], replace(rule, decay=0.0))]
        both = np.stack([start[path]] * UPDATES)
        steps[path] = Steps(both, (alone[path] - moves[path]) / rate, gradients[path], None, None, 1, rate)
        if decay or alone[path].any():
            checks.append((quiet, "penalty", alone[path], rule))
        for one, equation, found, right in checks:
            row, fault = one.check(name, "", equation, found, right)
            rows.append(replace(row, parameter=equation))
            if fault:
                faults.append(_named(fault, equation))
    rows, faults, said = _by_its_rule(steps, rule, rows, faults)
    notes = (
        *said,
        f"{UPDATES} updates in a row with random parameters and gradients (seed {seed}).",
    )
    return GradCheck("an update function", tuple(rows), (), tuple(faults), notes, 0, seed)


def _by_its_rule(
    steps: Mapping[Path, Steps], rule: Rule, rows: list[Row], faults: list[Fault]
) -> tuple[list[Row], list[Fault], list[str]]:
    """Judges what is no plain descent, and has no mistake's name, by the rule that it follows."""
    moving = any(row.parameter == "update" and row.verdict is Verdict.AGREES for row in rows)
    unnamed = {
        f.layer
        for f in faults
        # Momentum may be for weights only, or for none.
        if f.equation == "update" and (not f.mistakes or (moving and f.mistakes[0].name == FORGOTTEN))
    }
    if not unnamed & {name_of(path) for path in steps}:
        return rows, faults, []
    seen = recognise(steps, rule.rate, lambda _: "weight", lambda _, usual: usual)
    notes = []
    for path, s in steps.items():
        name = name_of(path)
        if name not in unnamed:
            continue
        at = next(i for i, row in enumerate(rows) if (row.parameter, row.layer) == ("update", name))
        fault = next(f for f in faults if (f.layer, f.equation) == (name, "update"))
        if path in seen.mistakes:
            faults[faults.index(fault)] = replace(fault, mistakes=seen.mistakes[path])
        elif path in seen.expected and (as_declared(seen, rule) or (seen.entries and not rule.momentum)):
            error = 16 * 2.3e-16 * (np.abs(s.start) / rule.rate + np.abs(s.done))
            row = compare(name, "update", "update", s.done, seen.expected[path], error, resolution=DIFFERENT)
            rows[at] = replace(row, index=row.index[1:], entries=rows[at].entries)
            notes.append(f"update {seen.name}.")
        elif path in seen.expected and rule.momentum == 0 and seen.name != PLAIN:
            rows[at] = unresolved(name, "update", "update", rows[at].entries, f"it {seen.name}")
        elif path in seen.open and rule.momentum == 0:
            rows[at] = unresolved(name, "update", "update", rows[at].entries, seen.open[path])
    still = {(row.layer, row.parameter) for row in rows if row.verdict is Verdict.DISAGREES}
    kept = [f for f in faults if (f.layer, f.equation) in still]
    return rows, kept, list(dict.fromkeys(notes))


def _named(fault: Fault, equation: str) -> Fault:
    return replace(
        fault, part=equation, sentence=f"its {'L2 penalty' if equation == 'penalty' else equation} is wrong"
    )


def _moved(
    update: Callable[[Any, Any], Any],
    params: Any,
    start: Mapping[Path, Array],
    gradients: Mapping[Path, Array],
) -> tuple[dict[Path, Array], dict[Path, str]]:
    """How far each update moves every parameter (updates, …), and what is wrong with its shape (empty if nothing is).

    Every update starts from the same parameters, so that the penalty has the same share in each.
    """
    trouble = dict.fromkeys(start, "")
    count = len(next(iter(gradients.values())))
    moved = {path: np.zeros((count, *value.shape)) for path, value in start.items()}
    for at in range(count):
        before = {path: value.copy() for path, value in start.items()}
        given = {path: gradient[at].copy() for path, gradient in gradients.items()}
        container = rebuilt(params, before.__getitem__)
        returned = update(container, rebuilt(params, given.__getitem__))
        found, _ = gradients_of(container if returned is None else returned, start)
        for path, value in found.items():
            if value is None or value.shape != start[path].shape:
                trouble[path] = _shape(value, start[path].shape)
            else:
                moved[path][at] = value - start[path]
    return moved, trouble


def _shape(value: Array | None, shape: tuple[int, ...]) -> str:
    if value is None:
        return "update returns no such parameter"
    return f"it had shape {shape}, and has {value.shape} afterwards"
