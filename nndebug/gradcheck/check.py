"""`gradcheck`: puts the ways of checking together."""

from __future__ import annotations

from typing import Any

import numpy as np

from .claimed import Claimed
from .comparing import BLURRED_BY, LEAPS, unresolved
from .equations import equation_of
from .faults import Diagnosis
from .independent import independent
from .local import disagreeing, try_layer
from .plain import plainly
from .probe import dtype_of, probe
from .result import Fault, GradCheck, Row, Verdict
from .structured import Structured
from .tape import RandomLossError, Tape, site
from .ties import at_ties
from .update import check_update
from .widening import in_float64, widened

NUDGE = 0.3
"""How far parameters are moved (standard deviation) where units sit on their kinks."""

MOST_KINKS = 0.5
"""A layer with a larger share of its units exactly on their kinks is looked at beside that point."""

ON_KINKS = "Units sit exactly on their kinks"

COARSEST = 1e-5
"""The largest machine epsilon with which derivatives can be told from rounding; that of float32 is 1.2e-7."""


def gradcheck(
    network: Any,
    x: Any = None,
    y: Any = None,
    *,
    samples: int | None = None,
    seed: int = 0,
    optimizer: Any = None,
) -> GradCheck:
    """Checks every entry of a network's gradient against numerical derivatives, and names what is wrong.

    Works on a float64 copy in training mode with frozen random masks; the network, its generators and the
    optimiser stay as they are.

    Args:
        network: layers with `forward`, `backward`, `parameters` and `gradients`; a loss with `per_sample` and
            `gradient`, as in the core.
        x: inputs (batch, …); random ones if None.
        y: targets; random ones that suit the loss if None.
        samples: rows to check on. By default all rows of x up to 32, else 10 or so of them, never as many as a
            layer is wide.
        seed: seed of everything random in the check.
        optimizer: its update and L2 penalty are checked too.

    Returns:
        A `GradCheck`: truthy when all agrees; prints as a table.

    Raises:
        UserError: the network has no layers or loss, its forward raises, or x and y do not fit it.
    """
    rng = np.random.default_rng(seed)
    copied, sentence = independent(network)
    with np.errstate(all="ignore"):
        inputs, targets, rows_from = probe(copied, x, y, samples, rng)
        if dtype_of(copied) != np.float64:
            wide = in_float64(lambda: independent(network)[0], inputs, targets)
            if wide is not None:
                copied, inputs, targets = wide, widened(inputs), widened(targets)
                sentence = sentence.replace("a copy", "a float64 copy")
        description = _describe(network)
        sizes = _sizes(x, optimizer)
        notes = [f"{sentence[:-1]}, on {rows_from} (seed {seed})."]
        try:
            tape = Tape(copied, inputs, targets)
            claimed = Claimed(tape)
        except RandomLossError as error:
            rows = _nothing(copied, str(error))
            return GradCheck(description, tuple(rows), notes=tuple(notes), samples=len(inputs), seed=seed)
        if tape.eps > COARSEST:
            reason = "a layer computes in half precision: too coarse to differentiate"
            rows = _nothing(copied, reason)
            return GradCheck(description, tuple(rows), notes=tuple(notes), samples=len(inputs), seed=seed)
        faults: list[Fault] = []
        state = rng.bit_generator.state
        plain = plainly(tape, claimed, rng)
        if plain:
            (rows, parts), why = plain, ""
        else:
            rng.bit_generator.state = state  # what the full check draws does not depend on the plain one
            rows, parts, faults, kinked = _compare(tape, claimed, rng, sizes)
            wrong = any(row.verdict is Verdict.DISAGREES for row in (*rows, *parts))
            # What is wrong at the point asked for stays wrong, however right it is beside it.
            why = "" if wrong else ON_KINKS if kinked > MOST_KINKS else _awkward(rows)
        if why:
            # Zero weights do that. The code is the same beside that point, and there it can be judged.
            for value in copied.parameters.values():
                value += NUDGE * rng.normal(size=value.shape)
            tape = Tape(copied, inputs, targets)
            tape.notes.append(f"{why}: for the check parameters were moved by {NUDGE:g}.")
            rows, parts, faults, _ = _compare(tape, Claimed(tape), rng, sizes)
        if optimizer is not None:
            update_rows, update_faults = check_update(copied, optimizer, rng)
            rows, faults = [*rows, *update_rows], [*faults, *update_faults]
    notes = [*_shared(network), *_changed(tape), *tape.notes, *notes]
    return GradCheck(description, tuple(rows), tuple(parts), tuple(faults), tuple(notes), tape.batch, seed)


def _awkward(rows: list[Row]) -> str:
    """Why the point should be another one, empty if it is good: bends that blur what is otherwise right."""
    sharp = (BLURRED_BY, LEAPS)
    blurred = any(row.verdict is Verdict.UNRESOLVED and row.reason.startswith(sharp) for row in rows)
    return "The loss bends sharply here" if blurred else ""


def _compare(
    tape: Tape, claimed: Claimed, rng: np.random.Generator, sizes: tuple[int, ...]
) -> tuple[list[Row], list[Row], list[Any], float]:
    """Rows of the network, rows of the parts, faults, and the largest share of a layer that sits on kinks."""
    layers = tape.layers
    downwards = list(reversed(range(len(layers))))
    trials = {index: try_layer(tape, index, rng) for index in downwards}
    natures = {index: trial.nature for index, trial in trials.items()}
    if any(trial.error or disagreeing(trial) for trial in trials.values()):
        tape.replay()  # a layer that looks at others must see what they got together
        for index in downwards:
            trials[index] = try_layer(tape, index, rng)
            tape.forward(index, tape.inputs[index])
    structured = Structured(tape, claimed, natures, rng)
    loss_row, loss_right = structured.loss()
    rows = structured.rows()
    for index, trial in trials.items():
        if trial.nature.form is None and getattr(layers[index], "kind", "") == "dense":
            tape.notes.append(f"{site(layers, index)}: its forward is not x @ weight + bias.")
    forms = {index: trial.nature.form for index, trial in trials.items()}
    faults = Diagnosis(tape, claimed, forms, rows, sizes).faults(loss_row, loss_right, list(trials.values()))
    parts = [loss_row, *(row for trial in trials.values() for row in trial.rows)]
    for trial in trials.values():
        if not structured.share or disagreeing(trial):
            continue
        below = natures[trial.index - 1].slopes if trial.index else None
        tied = at_ties(tape, trial, below, rng)
        if tied:
            parts.append(tied[0])
            faults += [tied[1]] if tied[1] else []
    return rows, parts, faults, structured.share


def _sizes(x: Any, optimizer: Any) -> tuple[int, ...]:
    """How many samples the data set may have."""
    given = len(x) if x is not None else 1
    return tuple(sorted({given, int(getattr(optimizer, "samples", 1))} - {1}))


def _nothing(network: Any, reason: str) -> list[Row]:
    return [
        unresolved(site(network.layers, index), name, equation_of(name, value), value.size, reason)
        for index in reversed(range(len(network.layers)))
        for name, value in getattr(network.layers[index], "parameters", {}).items()
    ]


def _shared(network: Any) -> list[str]:
    """Parameters that lie in the same memory: each gradient is right, yet their sum is what counts."""
    found = [
        (index, name, value)
        for index, layer in enumerate(network.layers)
        for name, value in getattr(layer, "parameters", {}).items()
        if value.size
    ]
    return [
        f"{site(network.layers, i)}.{first} and {site(network.layers, j)}.{second} share memory: "
        "the true gradient of both is the sum of the two."
        for at, (i, first, a) in enumerate(found)
        for j, second, b in found[at + 1 :]
        if np.may_share_memory(a, b)
    ]


def _changed(tape: Tape) -> list[str]:
    """Parameters that a forward or backward pass changed."""
    return [
        f"{site(tape.layers, index)} changes its {name} in its own pass, though an update belongs after the whole "
        "backward pass: checked with the old values put back."
        for index, name in sorted(tape.changed)
    ]


def _describe(network: Any) -> str:
    describe = getattr(network, "describe", None)
    return str(describe()) if callable(describe) else type(network).__name__
