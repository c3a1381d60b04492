"""The gradient check of a user's own class: rebuilt layer by layer where that can be, else array by array."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from ...adapters.attributes import OwnModel, find_model
from ...adapters.attributes.calling import RaisedError, member
from ...adapters.attributes.members import Path, name_of
from ...errors import UserError
from ...signals import Array
from ..blackbox import gradcheck_function
from ..claimed import Claimed
from ..comparing import unresolved
from ..local import nature_of
from ..probe import refuse_nonfinite
from ..result import Fault, GradCheck, Row, Verdict
from ..structured import Structured
from ..tape import Tape
from .blame import Blame
from .deltas import Output
from .gradient_l2 import apart, judged, terms_of
from .orientation import Orientation
from .rebuilt import Layers, LossView, Pass, Rebuilt, describe, rebuild
from .slips import find_slip
from .sums import Piece, Sums
from .target import Target, choose_loss, fitting
from .updates import check_updates

MOST_SAMPLES = 16
"""Samples that are looked at one by one."""

NOT_CHECKED = "the output depends on it, and its gradient could not be checked"


def gradcheck_own(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    samples: int | None = None,
    seed: int = 0,
    exhaustive: bool = False,
    **overrides: Any,
) -> GradCheck:
    """Checks the gradients and the update of a class of the user's own, unedited and unharmed.

    Args:
        model: any object with a forward and a backward, called whatever they are called.
        x, y: samples as its own methods take them: rows, columns, or lists of single samples.
        samples: how many of them to check on.
        seed: seed of everything random in the check.
        exhaustive: take every entry by itself, with nothing but forward and loss known.
        overrides: what the guesses got wrong: `forward`, `backward`, `loss`, `update` (names or functions); `weight`,
            `bias`, `gradient` and `constant`, what is no parameter (names, one or a list); `batch_axis` (0 rows, 1 columns).

    Returns:
        A `GradCheck`: gradients, then what the update did.

    Raises:
        UserError: no forward or backward was found, or they raise; or the samples are not finite.
    """
    refuse_nonfinite(x=x, y=y)
    with np.errstate(all="ignore"):
        return _checked(*find(model, x, y, overrides), samples, seed, exhaustive)


def _checked(own: OwnModel, word: str | None, samples: int | None, seed: int, exhaustive: bool) -> GradCheck:
    notes = [_choose(own, samples)]
    rng = np.random.default_rng(seed)
    layers = None if exhaustive else rebuild(own, rng)
    target = choose_loss(own, layers, word)
    if layers is None or target is None or target.loss is None:
        if target is not None and target.penalty:  # its values are known by the class's own loss alone
            target = replace(target, loss=None)
        result = _array_by_array(own, target, seed, exhaustive)
        slip = find_slip(own, rng) if layers is None and not exhaustive else None
        if slip:  # the gradients are another matter, and cannot be judged beside it
            result = replace(result, faults=(slip,))
    else:
        result = _layer_by_layer(own, layers, target, rng, seed)
    rows, faults, more = check_updates(own, layers, rng, target)
    if result.faults and all(row.verdict is Verdict.UNRESOLVED for row in rows):
        rows = []  # the notes say why it could not be run, and the gradients come first
    name = type(own.model).__name__
    doubtful = [unresolved("", name_of(p), "", v.size, NOT_CHECKED) for p, v in own.doubtful.items()]
    return replace(
        result,
        network=f"{name}: {result.network}",
        rows=(*result.rows, *doubtful, *rows),
        faults=(*result.faults, *faults),
        notes=(
            *own.notes,
            *result.notes,
            *more,
            *filter(None, notes),
            f"Checked on {len(own.x)} of your samples (seed {seed}); your object is untouched.",
        ),
    )


def find(model: Any, x: Any, y: Any, overrides: Mapping[str, Any]) -> tuple[OwnModel, str | None]:
    """What is in a user's object, and the name of the loss if the user gave one that is no method of it."""
    word = overrides.get("loss")
    if not (isinstance(word, str) and member(model, word) is None):
        return find_model(model, x, y, **overrides), None
    own = find_model(model, x, y, **{name: value for name, value in overrides.items() if name != "loss"})
    own.loss = None
    return own, word


def _choose(own: OwnModel, samples: int | None) -> str:
    """Leaves out samples until their number is no layer's width, which would hide mixed-up axes; a note if that fails."""
    most = min(len(own.x), samples or MOST_SAMPLES)
    count, widths = most, {n for value in own.parameters.values() for n in value.shape}
    while own.batched and samples is None and count in widths and count > 1:
        count -= 1
    note = ""
    if count != most:
        try:
            with own.untouched():
                own.gradients(own.x[:count], own.y[:count])
        except RaisedError as error:
            note = (
                f"{str(error).strip()} when there are {count} samples. With {most} it runs, and that is how wide a layer is: "
                "samples and units are mixed up somewhere."
            )
            count = most
    own.x, own.y = own.x[:count], own.y[:count]
    return note


# --- layer by layer -----------------------------------------------------------------------------------------------


def _layer_by_layer(
    own: OwnModel, layers: Layers, target: Target, rng: np.random.Generator, seed: int
) -> GradCheck:
    assert target.loss is not None
    values = own.start()
    orientation = Orientation(
        columns=own.inputs.axis == 1 or (own.inputs.axis is None and own.inputs.shape[-1:] == (1,) != own.inputs.shape),
        turned=layers.chain[0].turned, single=not own.batched,
    )  # fmt: skip
    target, passed, pieces, summed = settle(own, layers, target)
    assert target.loss is not None
    notes = [*target.notes]
    mean = (target.mean or not own.batched) and not summed
    if summed:
        notes.append(f"{own.backward} gives the sum over the samples, so the loss is taken to be their sum.")
    y = target.encoded(own.y, passed.activations[-1].shape[1])
    scale = 1 / len(own.x) if own.batched and mean else 1.0
    slope = target.loss.gradient(passed.activations[-1], y) * scale
    terms, meant = terms_of(layers, values, passed, pieces, slope, target.penalty, own.loss is not None)
    notes += [meant] * bool(meant)
    end = Output(target.loss, y, scale, not own.batched, own.y)
    weights = [layers.weight(values, number) for number in range(len(layers.chain))]
    seen = {} if any(term.part == "bias" for term in terms) else _seen(own, layers, scale)
    fused = target.loss.partner == layers.functions[-1].name

    def blame(pieces: list[Piece]) -> Blame:
        return Blame(Sums(layers, weights, passed, pieces, seen, orientation), end, slope, fused)

    pieces, ratio = apart(pieces, terms, len(own.x), lambda these: blame(these).faults())
    claims = _claims(own, layers, pieces)
    network = Rebuilt(layers, values, LossView(target.loss.per_sample, target.loss.gradient, mean), claims)
    tape = Tape(network, passed.x, y)
    natures = {index: nature_of(tape, index, rng) for index in range(len(tape.layers))}
    structured = Structured(tape, Claimed(tape), natures, rng)
    structured.loss()
    rows = structured.rows()
    faults: list[Fault] = []
    if target.broadcast:
        faults.append(Fault(layers.chain[-1].name, "", "loss", target.broadcast))
    if any(row.verdict is Verdict.DISAGREES for row in rows):
        found = blame(pieces)
        faults += _isolated(found.faults(), rows)
        notes += found.notes
    penalties, more = judged(terms, ratio, len(own.x))
    rows, faults = [*rows, *penalties], [*faults, *more]
    return GradCheck(describe(layers, values), tuple(rows), (), tuple(faults), tuple(notes), len(own.x), seed)


def settle(own: OwnModel, layers: Layers, target: Target) -> tuple[Target, Pass, list[Piece], bool]:
    """What the class's own gradients say of its loss.

    Returns:
        The loss, a forward pass, the gradients, and whether those of a batch are sums where nothing says what they should be.
    """
    passed, pieces = layers.run(own.start(), own.x), _pieces(own, layers)
    if target.assumed:
        target = fitting(own, layers, target, passed, pieces)
    summed = own.batched and own.loss is None and _summed(own, layers, pieces[0])
    return target, passed, pieces, summed


def _pieces(own: OwnModel, layers: Layers) -> list[Piece]:
    """The user's gradients: of the whole batch, or of every sample where backward takes one at a time."""
    every = [slice(0, len(own.x))] if own.batched else [slice(i, i + 1) for i in range(len(own.x))]
    pieces = []
    for rows in every:
        with own.untouched():
            given = own.gradients(own.x[rows], own.y[rows])
        pieces.append(Piece(rows, _by_layer(own, layers, given)))
    return pieces


def _summed(own: OwnModel, layers: Layers, whole: Piece) -> bool:
    """Whether the gradients of a batch are the sum of those of its samples."""
    total: dict[str, Array] = {}
    for i in range(len(own.x)):
        try:
            with own.untouched():
                given = own.gradients(own.x[i : i + 1], own.y[i : i + 1])
        except (UserError, ValueError):
            return False
        one = _by_layer(own, layers, given)[-1]
        total = {part: g + total.get(part, 0) for part, g in one.items()}
    mine = whole.given[-1]
    return bool(mine) and any(
        g.shape == total[part].shape and np.allclose(g, total[part], rtol=1e-6, atol=1e-9 * np.abs(g).max())
        for part, g in mine.items()
        if part in total and g.any()
    )


def _by_layer(own: OwnModel, layers: Layers, given: dict[Path, Array | None]) -> list[dict[str, Array]]:
    found = []
    for at in layers.chain:
        here = {}
        weight, bias = given.get(at.weight), given.get(at.bias) if at.bias else None
        if weight is not None:
            fits = weight.shape == own.parameters[at.weight].shape
            here["weight"] = at.matrix(weight) if fits or weight.ndim == 2 else weight
        if bias is not None and at.bias is not None:
            here["bias"] = bias.ravel() if bias.shape == own.parameters[at.bias].shape else bias
        found.append(here)
    return found


def _claims(own: OwnModel, layers: Layers, pieces: list[Piece]) -> dict[str, dict[str, Array]]:
    """The gradients of the mean loss that these calls say."""
    claims: dict[str, dict[str, Array]] = {}
    for number, at in enumerate(layers.chain):
        claims[at.name] = {}
        for part in ("weight", "bias"):
            given = [piece.given[number].get(part) for piece in pieces]
            present = [g for g in given if g is not None]
            if len(present) == len(given) and len({g.shape for g in present}) == 1:
                claims[at.name][part] = sum(present[1:], start=present[0]) / len(present)
    return claims


def _seen(own: OwnModel, layers: Layers, scale: float) -> dict[int, Array]:
    """Delta of every layer (samples, units): for a single sample the gradient of the biases is that delta."""
    singles: list[list[dict[str, Array]]] = []
    for i in range(len(own.x)):
        try:
            with own.untouched():
                given = own.gradients(own.x[i : i + 1], own.y[i : i + 1])
        except (UserError, ValueError):
            return {}
        singles.append(_by_layer(own, layers, given))
    seen = {}
    for number in range(len(layers.chain)):
        each = [single[number].get("bias") for single in singles]
        units = layers.weight(own.parameters, number).shape[1]
        if all(b is not None and b.size == units for b in each):
            seen[number] = scale * np.array([np.ravel(b) for b in each if b is not None])
    return seen


def _isolated(faults: list[Fault], rows: list[Row]) -> list[Fault]:
    """Says of the first fault whether everything after its layer agrees."""
    if not faults:
        return faults
    first, *rest = faults
    after = rows[: next(i for i, row in enumerate(rows) if row.layer == first.layer)]
    clean = bool(after) and all(row.verdict is Verdict.AGREES for row in after)
    return [replace(first, isolated=clean), *rest]


# --- array by array -----------------------------------------------------------------------------------------------


def _array_by_array(own: OwnModel, target: Target | None, seed: int, exhaustive: bool) -> GradCheck:
    """Every array by itself: nothing is known but forward, loss and gradients."""
    names = {name_of(path): path for path in own.parameters}
    values = own.start()
    start = {name: values[path] for name, path in names.items()}
    if target is None:
        nothing = [unresolved("", name, "", value.size, "no loss was found") for name, value in start.items()]
        note = "Your class has no loss: pass loss='name' or loss=lambda model, x, y: ..., or a known one, loss='quadratic'."
        return GradCheck("array by array", tuple(nothing), notes=(note,), samples=len(own.x), seed=seed)

    def loss(params: Any) -> float:
        with own.at({path: params[name] for name, path in names.items()}):
            return target.value(own)

    def check() -> tuple[dict[str, Any], GradCheck]:
        with own.untouched():
            given = _whole_gradient(own)
        grads = {name: given[path] for name, path in names.items() if given.get(path) is not None}
        return grads, gradcheck_function(loss, start, grads, seed=seed, exhaustive=exhaustive)

    grads, result = check()
    if result.verdict is Verdict.DISAGREES:
        # The forward before it may have moved on what the object keeps, as the state of a recurrent network.
        own.alone = True
        with suppress(UserError):  # it needs one
            grads, result = max((grads, result), check(), key=lambda found: bool(found[1]))
        own.alone = bool(result)
    missing = {name: f"{own.backward} gives no gradient of it" for name in names if name not in grads}
    rows = [replace(row, reason=missing.get(row.parameter, row.reason)) for row in result.rows]
    absent = (Fault(name, "", "function", sentence) for name, sentence in missing.items())
    return replace(
        result,
        network="array by array",
        rows=tuple(rows),
        faults=(*absent, *result.faults),
        notes=(*target.notes, *result.notes),
    )


def _whole_gradient(own: OwnModel) -> dict[Path, Array | None]:
    if own.batched:
        return own.gradients(own.x, own.y)
    total: dict[Path, Array | None] = {}
    for i in range(len(own.x)):
        with own.untouched():
            one = own.gradients(own.x[i : i + 1], own.y[i : i + 1])
        for path, g in one.items():
            before = total.get(path)
            total[path] = None if g is None else g / len(own.x) + (0 if before is None else before)
    return total
