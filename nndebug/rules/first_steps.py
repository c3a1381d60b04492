"""NND3 and NND4: what the replay of the first steps proves about gradient and update (see `replay.py`)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run

NO_MULTIPLE = "no multiple of the right one"
_UPHILL = "w + rate * gradient"
_EXACT = 0.01
"""Relative differences below it are rounding (healthy: below 1e-5); mistakes make at least 0.18."""


@rule("NND307", "gradient-not-slope", needs=("replay.slope", "replay.claimed"))
def gradient_not_slope(run: Run, *, most: float = 0.005, times: int = 3) -> Iterator[Symptom]:
    """The gradient is not the slope of the loss: measured along the update, the loss changes by another amount.

    What it measures: for the first five updates, the slope of the batch's own loss (penalty included) along the update,
    by central differences in float64 on a copy, against gradient · update; off by more than half a percent
    at three of them, beyond what the slopes ahead and behind differ by: at a kink, as a ReLU's, there are two slopes.

    Why it matters: an optimiser believes its gradient. With a wrong one it descends another surface than the loss.

    What to try: `nndebug gradcheck` says which layer and which equation it is.

    False alarms: a loss whose gradient is cut on purpose (clipping inside the loss, straight-through estimators), and
    gradients that were clipped or scaled before the update. 160 healthy runs lie below 1e-7, the planted mistakes of the
    backward pass at 0.004 to 2, half of them above 0.3 (`python -m benchmarks.first_steps_margins`).

    References: the directional form of the check in I. Goodfellow et al., "Deep Learning", section 11.5.
    """
    slope, claimed, doubt = (run.series(f"replay.{name}") for name in ("slope", "claimed", "doubt"))
    unsure = doubt.values if len(doubt) == len(slope) else 0.0  # runs of before have none
    size = np.maximum(np.abs(slope.values), np.abs(claimed.values))
    with np.errstate(all="ignore"):
        beyond = np.maximum(np.abs(slope.values - claimed.values) - unsure, 0.0)
        off = np.where(size > 0, beyond / size, 0.0)
    wrong = off > most
    if np.count_nonzero(wrong) < min(times, len(off)) or not len(off):
        return
    ratios = claimed.values[wrong] / slope.values[wrong]
    ratio = float(np.median(ratios))
    constant = bool(np.all(np.abs(ratios - ratio) <= 0.02 * abs(ratio)))
    said = f"{ratio:.3g} × it" if constant else "another number at every step"
    yield Symptom(
        "run",
        f"the gradient is not the slope of the loss: along the first updates it says {said}",
        Severity.ERROR,
        first_step=int(slope.steps[wrong][0]),
        last_step=int(slope.steps[wrong][-1]),
        evidence={
            "ratio": ratio,
            "constant": constant,
            "largest": float(off.max()),
            "steps_wrong": int(np.count_nonzero(wrong)),
            "series": [{"name": "replay.slope", "site": "run"}, {"name": "replay.claimed", "site": "run"}],
        },
        help="nndebug gradcheck names the layer and the equation",
    )


@rule("NND404", "gradients-not-cleared", needs=("replay.own",))
def gradients_not_cleared(run: Run, *, most: float = _EXACT, times: int = 3) -> Iterator[Symptom]:
    """Every batch's gradient is added to those before it, because nothing clears them.

    What it measures: the gradient of a step minus that of the step before against the batch's own gradient, computed
    on a copy: equal at three steps, while the gradient itself is not the batch's own. Or the same of the update: it is
    what the sum of all gradients so far would give.

    Why it matters: old gradients never fade; the parameters are pushed on in directions that were right long ago.

    What to try: clear the gradients before every backward pass (`zero_grad`), or assign instead of adding.

    False alarms: none known. Accumulating over several batches on purpose changes parameters only after the last of
    them, and the differences are then sums, not single gradients. Healthy runs differ by 0.3 and more.

    References: PyTorch documentation, "Zeroing out gradients".
    """
    own, leftover = run.series("replay.own"), run.series("replay.leftover")
    # The gradient before the first one is none, so the first is right.
    same = leftover.values <= most
    differs = np.array([own.at(step) > most for step in leftover.steps.tolist()], bool)
    hits = leftover.steps[same & differs]
    where = "gradient"
    if len(hits) < times:
        hits, where = _uncleared(run, most, times), "update"
    if len(hits) < times:
        return
    what = {
        "gradient": f"its gradient is the batch's own plus that of all steps before (at {len(hits)} of the first steps)",
        "update": f"its update adds up the gradients of all steps before (at {len(hits)} of the first steps)",
    }
    yield Symptom(
        "run",
        what[where],
        Severity.ERROR,
        first_step=int(hits[0]),
        last_step=run.steps,
        evidence={"in": where, "steps_equal": [int(step) for step in hits]},
        help="clear the gradients before every backward pass, or assign them instead of adding",
    )


def _uncleared(run: Run, most: float, times: int) -> list[int]:
    """Steps after the first at which every resolved parameter moved as piled-up gradients would have moved it."""
    found = []
    names = run.where("update.uncleared")
    for step in range(1, times + 1):
        right = [_exactly(run, "update.error", name, step) for name in names]
        piled = [_exactly(run, "update.uncleared", name, step) for name in names]
        known = [(a, b) for a, b in zip(right, piled) if not math.isnan(a)]
        if known and all(b <= most for _, b in known) and any(a > most for a, _ in known):
            found.append(step)
    return found


def _exactly(run: Run, name: str, site: str, step: int) -> float:
    series = run.series(name, site)
    here = series.values[series.steps == step]
    return float(here[0]) if len(here) else math.nan


@rule("NND405", "wrong-direction", needs=("replay.claimed",))
def wrong_direction(run: Run, *, share: float = 0.9, least: int = 4) -> Iterator[Symptom]:
    """The updates go uphill: each makes the loss of its own batch larger.

    What it measures: the slope of the batch's loss along the update, by differences on a copy, for the first five
    updates; positive at every one. The gradients say whether the update or the gradient has the wrong sign. Of an own
    loop, what its gradients say of its updates, alone.

    Why it matters: gradient ascent. The loss grows until something saturates.

    What to try: w - rate * gradient, and (output - target), not the reverse.

    False alarms: maximising something on purpose. Healthy runs have no such step among their first five
    (`python -m benchmarks.first_steps_margins`): even a rate that is far too high starts downhill.

    References: A. Cauchy, "Méthode générale pour la résolution des systèmes d'équations simultanées", 1847.
    """
    claimed = run.series("replay.claimed")
    measured = run.series("replay.slope")
    slope = measured or claimed
    if len(slope) < least or np.count_nonzero(slope.values > 0) < share * len(slope):
        return
    by_update = bool(np.count_nonzero(claimed.values > 0) >= share * len(claimed))
    uphill = int(np.count_nonzero(slope.values > 0))
    why = (
        "it goes along the gradient instead of against it"
        if by_update
        else "it follows a gradient with the wrong sign"
    )
    yield Symptom(
        "run",
        f"the update raises the loss of its own batch at {uphill} of the first {len(slope)} steps: {why}"
        if measured
        else f"the update goes along the gradient instead of against it at {uphill} of the first {len(slope)} steps",
        Severity.ERROR,
        first_step=int(slope.steps[0]),
        last_step=run.steps,
        evidence={
            "uphill": uphill,
            "of": len(slope),
            "in": "update" if by_update else "gradient",
            "series": [{"name": "replay.slope" if measured else "replay.claimed", "site": "run"}],
        },
        help="w - rate * gradient, with the gradient of (output - target)",
    )


class Mistaken(NamedTuple):
    """What stands where the right update belongs."""

    name: str
    formula: str


@rule("NND406", "update-wrong", needs=("update.error",))
def update_wrong(run: Run, *, most: float = _EXACT, times: int = 2) -> Iterator[Symptom]:
    """An update is not what rate, gradient, penalty and optimiser say.

    What it measures: the change of every parameter in the first four updates against the change that the optimiser's own
    rule gives for the same gradients, in float64; ‖a - b‖ / (‖a‖ + ‖b‖) above 0.01 at two of them. A parameter that does
    not change at all is left to parameter-frozen, gradients that pile up to gradients-not-cleared. The L2 penalty, which
    often is a millionth of the gradient, is judged by the preflight's check of the update, where it stands alone.

    Why it matters: a right gradient that is applied wrongly is one of the commonest bugs, and no gradient check sees it.

    What to try: the message says what your update equals; the usual ones are a missing or doubled division by the batch, a
    missing rate, and a sign.

    False alarms: an optimiser of your own that calls itself `sgd` or `adam` and means to be another: give it a `kind` of its
    own. Known are SGD, Momentum (Nesterov's too), Adam, RMSprop and Adadelta; clipped gradients are not judged. Healthy runs lie below 1e-5 in float32, planted mistakes at 0.09 and more (`python -m
    benchmarks.first_steps_margins`).

    References: `nndebug.gradcheck.check_update` checks an update function by itself.
    """
    wrong: dict[str, list[str]] = {}
    shown: dict[str, tuple[Mistaken, float, int, float]] = {}
    if len(_uncleared(run, most, 3)) >= 3:
        return
    for parameter in run.where("update.error"):
        errors = run.series("update.error", parameter)
        bad = errors.values > most
        if np.count_nonzero(bad) < min(times, len(errors)):
            continue
        factors, residuals = (run.series(f"update.{n}", parameter) for n in ("factor", "residual"))
        factor, residual = (float(np.median(s.values[-3:])) if s else math.nan for s in (factors, residuals))
        if abs(factor) < 1e-6:
            continue
        mistake = _mistake(run, factor, residual)
        wrong.setdefault(mistake.name, []).append(parameter)
        shown.setdefault(mistake.name, (mistake, factor, int(errors.steps[bad][0]), float(errors.maximum)))
    for name, parameters in wrong.items():
        mistake, factor, step, error = shown[name]
        others = "" if len(parameters) == 1 else f", and {len(parameters) - 1} more"
        yield Symptom(
            parameters[0],
            f"its update is wrong{others}: {mistake.name}, {mistake.formula}",
            Severity.ERROR,
            first_step=step,
            last_step=run.steps,
            evidence={
                "equation": "update",
                "mistake": mistake.name,
                "factor": factor,
                "error": error,
                "parameters": parameters,
                "series": [{"name": "update.error", "site": parameters[0]}],
                "threshold": most,
                "threshold_label": "rounding",
            },
            help="subtract the update instead of adding it: w - rate * gradient"
            if mistake.formula == _UPHILL
            else f"yours does {mistake.formula}; compare that line with the rule of {_optimizer(run)}",
        )
    yield from _penalty(run)


def _penalty(run: Run) -> Iterator[Symptom]:
    """What the preflight found wrong with the penalty, all parameters together."""
    checked = run.preflight.gradcheck if run.preflight else None
    faults = [fault for fault in checked.faults if fault.equation == "penalty"] if checked is not None else []
    if not faults:
        return
    mistake = faults[0].mistakes[0] if faults[0].mistakes else None
    parameters = [f"{fault.layer}.{fault.part}" for fault in faults]
    others = "" if len(parameters) == 1 else f", and {len(parameters) - 1} more"
    named = mistake.name if mistake else "no known mistake"
    yield Symptom(
        parameters[0],
        f"its L2 penalty is wrong{others}: {named}",
        Severity.ERROR,
        first_step=0,
        last_step=run.steps,
        evidence={
            "equation": "penalty",
            "mistake": named,
            "factor": math.nan,
            "error": 1.0,
            "parameters": parameters,
        },
        help=f"write {mistake.should}, where {mistake.yours} stands"
        if mistake
        else "nndebug gradcheck shows every entry",
    )


def _optimizer(run: Run) -> str:
    return str(run.manifest.get("optimizer", {}).get("kind", "the optimiser"))


def _mistake(run: Run, factor: float, residual: float) -> Mistaken:
    """What the update is, from the factor of the right one that comes nearest to it."""
    if not residual <= _EXACT:
        return Mistaken(NO_MULTIPLE, f"{factor:.3g} × the right update at best")
    optimizer = run.manifest.get("optimizer", {})
    batch, samples = float(run.manifest.get("batch", 1)), float(run.manifest.get("samples", 1))
    rate = float(optimizer.get("rate", 1.0))
    known = (
        (batch, "not divided by the batch", f"{batch:g} × the right update"),
        (1 / batch, "divided by the batch twice", f"1/{batch:g} of the right update"),
        (batch / samples, "divided by the data set instead of the batch", f"{batch:g}/{samples:g} of the right update"),
        (1 / samples, "divided by the data set as well", f"1/{samples:g} of the right update"),
        (1 / rate, "the rate missing", f"{1 / rate:g} × the right update"),
        (rate, "the rate applied twice", f"{rate:g} × the right update"),
        (2.0, "applied twice", "2 × the right update"),
        (0.5, "a factor of one half", "0.5 × the right update"),
    )  # fmt: skip
    uphill = factor < 0
    for value, name, formula in ((1.0, "", ""), *known):
        if value and math.isclose(abs(factor), value, rel_tol=_EXACT):
            if not uphill:
                return Mistaken(name or "right", formula)
            name = f"the sign flipped, and {name}" if name else "the sign flipped"
            return Mistaken(name, f"-{formula}" if formula else _UPHILL)
    name = "the sign flipped, and scaled" if uphill else "scaled"
    return Mistaken(name, f"{factor:.3g} × the right update")
