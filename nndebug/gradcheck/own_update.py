"""The check of a user's own update function: what it does to parameters, against rate, gradient and penalty."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import UserError, did_you_mean
from ..signals import Array
from .calling import guarded
from .comparing import failed
from .containers import Path, gradients_of, name_of, numbers, rebuilt
from .result import Fault, GradCheck, Row
from .update import UPDATES, Case, Rule


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
        UserError: update raises, or params is no container of arrays.
    """
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
    alone, _ = _moved(call, params, start, silence)
    whole, shapes = _moved(call, params, start, gradients)
    for path in arrays:
        name = name_of(path)
        if shapes[path]:
            rows.append(failed(name, "update", "update", arrays[path].size, shapes[path]))
            faults.append(Fault(name, "update", "update", f"its update is wrong: {shapes[path]}"))
            continue
        chosen = sum(n > 1 for n in arrays[path].shape) > 1 if penalised is None else name in penalised
        case = Case(rule, start[path], gradients[path], not chosen, samples)
        quiet = Case(rule, start[path], silence[path], not chosen, samples)
        checks = [(case, "update", whole[path] - UPDATES * alone[path], replace(rule, decay=0.0))]
        if decay or alone[path].any():
            checks.append((quiet, "penalty", alone[path], rule))
        for one, equation, found, right in checks:
            row, fault = one.check(name, "", equation, found, right)
            rows.append(replace(row, parameter=equation))
            if fault:
                faults.append(_named(fault, equation))
    notes = (f"{UPDATES} updates in a row with random parameters and gradients (seed {seed}).",)
    return GradCheck("an update function", tuple(rows), (), tuple(faults), notes, 0, seed)


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
    """How far the updates move every parameter, and what is wrong with its shape (empty if nothing is).

    Every update starts from the same parameters, so that the penalty has the same share in each.
    """
    trouble = dict.fromkeys(start, "")
    moved = {path: np.zeros_like(value) for path, value in start.items()}
    for count in range(len(next(iter(gradients.values())))):
        before = {path: value.copy() for path, value in start.items()}
        given = {path: gradient[count].copy() for path, gradient in gradients.items()}
        container = rebuilt(params, before.__getitem__)
        returned = update(container, rebuilt(params, given.__getitem__))
        found, _ = gradients_of(container if returned is None else returned, start)
        for path, value in found.items():
            if value is None or value.shape != start[path].shape:
                trouble[path] = _shape(value, start[path].shape)
            else:
                moved[path] += value - start[path]
    return moved, trouble


def _shape(value: Array | None, shape: tuple[int, ...]) -> str:
    if value is None:
        return "update returns no such parameter"
    return f"it had shape {shape}, and has {value.shape} afterwards"
