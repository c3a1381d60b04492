"""What a class's own update does to its parameters, against the gradients that its own backward gives.

Two updates in a row, so that a gradient that was never cleared shows; the gradient's own mistakes are not the update's,
so it is compared with what the class's backward says and not with the right one.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...adapters.attributes.calling import RaisedError
from ...adapters.attributes.members import Path, fetch, name_of, words_of
from ...adapters.attributes.model import OwnModel
from ...adapters.attributes.names import is_bias
from ...errors import UserError
from ...signals import Array
from ..comparing import compare, failed, unresolved
from ..recognising import PLAIN, recognise
from ..result import Fault, Mistake, Row, Verdict
from ..rule import Rule
from ..steps import Steps, near
from .penalties import check_penalty
from .places import PLURAL, RATE, Place, batch, batch_size
from .rebuilt import Layers
from .target import Target

EVERYWHERE = "the network"


def check_updates(
    own: OwnModel, layers: Layers | None, rng: np.random.Generator, target: Target | None
) -> tuple[list[Row], list[Fault], list[str]]:
    """Rows `weight update`, what is wrong with them, and notes; nothing where the class has no update."""
    if own.update is None:
        return [], [], _piled(own)
    if target is not None and not own.sources:
        return [], [], []
    places = _places(own, layers)
    try:
        steps, rate_note = _run(own, rng)
    except UserError as error:
        short = (
            f"{own.update.name} raises {type(error.error).__name__}"
            if isinstance(error, RaisedError)
            else str(error)
        )
        note = [f"The update could not be checked: {str(error).strip()}."] if short != str(error) else []
        return _nothing(own, places, short), [], note
    rate = own.rate_of(own.update, RATE)
    seen = recognise(steps, rate, lambda path: places[path].part, own.number)
    notes = [rate_note] if rate_note else []
    if seen.expected and seen.name != PLAIN:
        notes.append(f"{own.update} {seen.name}.")
    rows: list[Row] = []
    wrong: dict[Path, tuple[Mistake, ...]] = {}
    for path, place in places.items():
        if path in seen.open:
            name = f"{place.name} update"
            rows.append(unresolved(place.layer, name, "update", own.parameters[path].size, seen.open[path]))
            continue
        row = _row(place, steps[path], seen.expected.get(path, steps[path].mean))
        rows.append(row)
        if row.verdict is Verdict.DISAGREES:
            wrong[path] = seen.mistakes.get(path, ())
    if (wrong or seen.open) and own.carried:
        reason = f"{own.update.name} changes {', '.join(map(name_of, own.carried))} too, on which the output depends"
        return _nothing(own, places, reason), [], notes
    faults = _faults(wrong, places)
    if own.update.takes("decay"):
        penalties, more = check_penalty(own, places, rng)
        rows, faults = [*rows, *penalties], [*faults, *more]
    return rows, faults, notes


def _piled(own: OwnModel) -> list[str]:
    """A note if a second backward adds to the gradients of the first, where no update shows whether they are cleared."""
    rows = slice(None) if own.batched else slice(0, 1)
    with own.untouched():
        once = own.gradients(own.x[rows], own.y[rows])
        try:
            again = own.gradients(own.x[rows], own.y[rows])
        except UserError:  # a state that moves on may be another matter
            return []
    pairs = [(g, again[path]) for path, g in once.items() if g is not None and g.any()]
    if not any(second is not None and second.shape == g.shape and near(second, 2 * g) for g, second in pairs):
        return []
    return [f"A second {own.backward} adds to the gradients of the first: clear them before every batch."]


def rule_seen(own: OwnModel, rng: np.random.Generator) -> Rule | None:
    """The rule by which the class's own update moves its parameters, as two updates on a copy show it.

    Returns:
        With the rate 1; None where it is none of the core's, or cannot be run.
    """
    if own.update is None or not own.sources:
        return None
    try:
        steps, _ = _run(own, rng)
    except (UserError, ValueError):
        return None
    return recognise(steps, 1.0, lambda _: "weight", own.number).rule()


def _nothing(own: OwnModel, places: Mapping[Path, Place], reason: str) -> list[Row]:
    return [
        unresolved(place.layer, f"{place.name} update", "update", own.parameters[path].size, reason)
        for path, place in places.items()
    ]


# --- running ------------------------------------------------------------------------------------------------------


def _places(own: OwnModel, layers: Layers | None) -> dict[Path, Place]:
    """Every parameter's place, from the output down as in the table above."""
    found: dict[Path, Place] = {}
    if layers is not None:
        for at in reversed(layers.chain):
            found[at.weight] = Place(at.name, "weight", "weight")
            if at.bias is not None:
                found[at.bias] = Place(at.name, "bias", "bias")
        return found
    return {
        path: Place("", "bias" if is_bias(words_of(path)) else "weight", name_of(path))
        for path in own.parameters
    }


def _run(own: OwnModel, rng: np.random.Generator) -> tuple[dict[Path, Steps], str]:
    assert own.update is not None
    count = batch_size(own)
    rate = own.rate_of(own.update, RATE)
    note = "" if own.update.takes("rate") else f"{own.update} takes no rate: taken to be {rate:g}."
    start = _state(own)
    points: list[dict[Path, Array]] = [start]
    means: list[dict[Path, Array]] = []
    ends: list[tuple[dict[Path, Array], dict[Path, Array]] | None] = []
    batches = [batch(own, count, rng) for _ in range(2)]
    with own.at(start):
        for x, y in batches:
            own.run_update(x, y, rate)
            points.append(_state(own))
    for (x, y), point in zip(batches, points):
        with own.at(point):  # as it came: what the first update left behind is not there
            mean, first, last = _gradients(own, x, y)
        with own.at(point):
            again, _, _ = _gradients(own, x, y)
        if not all(np.array_equal(mean[path], again[path], equal_nan=True) for path in mean):
            raise UserError("its gradients are random: the same parameters gave two")
        means.append(mean)
        ends.append((first, last) if first and last else None)
    steps = {}
    for path in own.parameters:
        same = len({point[path].shape for point in points}) == 1
        done = (
            np.stack([(a[path] - b[path]) / rate for a, b in itertools.pairwise(points)])
            if same
            else points[-1][path]
        )
        steps[path] = Steps(
            np.stack([point[path] for point in points[:2]]) if same else start[path],
            done,
            np.stack([mean[path] for mean in means]),
            np.stack([end[0][path] for end in ends if end]) if all(ends) else None,
            np.stack([end[1][path] for end in ends if end]) if all(ends) else None,
            count,
            rate,
        )
    return steps, note


def _state(own: OwnModel) -> dict[Path, Array]:
    """The parameters, and what else an update moves with them."""
    paths = (*own.parameters, *own.doubtful, *own.carried)
    return {path: np.array(fetch(own.model, path)) for path in paths}


def _gradients(
    own: OwnModel, x: Array, y: Array
) -> tuple[dict[Path, Array], dict[Path, Array], dict[Path, Array]]:
    """The mean gradient of a batch by the class's own backward, and those of its first and last sample."""

    def single(i: int) -> dict[Path, Array]:
        with own.untouched():
            return _fitting(own, own.gradients(x[i : i + 1], y[i : i + 1]))

    if not own.batched:
        each = [single(i) for i in range(len(x))]
        return {path: _sum(each, path) / len(x) for path in own.parameters}, each[0], each[-1]
    with own.untouched():
        whole = _fitting(own, own.gradients(x, y))
    try:
        each = [single(i) for i in range(len(x))]
    except (UserError, ValueError):
        return whole, {}, {}
    summed = all(near(whole[path], _sum(each, path)) for path in whole)
    mean = {p: g / len(x) for p, g in whole.items()} if summed and own.loss is None else whole
    return mean, each[0], each[-1]


def _sum(each: list[dict[Path, Array]], path: Path) -> Array:
    return sum((one[path] for one in each[1:]), start=each[0][path])


def _fitting(own: OwnModel, given: Mapping[Path, Array | None]) -> dict[Path, Array]:
    """Gradients of the parameters' shapes; those that an update would broadcast are."""
    found = {}
    for path, gradient in given.items():
        shape = own.parameters[path].shape
        if gradient is None:
            raise UserError(f"{name_of(path)} has no gradient")
        try:
            found[path] = np.array(np.broadcast_to(gradient, shape))
        except ValueError:
            raise UserError(
                f"the gradient of {name_of(path)} has shape {gradient.shape}, the parameter {shape}"
            ) from None
    return found


# --- judging ------------------------------------------------------------------------------------------------------


def _row(place: Place, s: Steps, expected: Array) -> Row:
    """What was done against what the rule says."""
    name = f"{place.name} update"
    if s.done.shape != s.mean.shape:
        return failed(place.layer, name, "update", s.start.size, _shape(s))
    size = np.abs(s.start).max() / RATE + np.abs(s.done).max()
    error = np.full(s.mean.shape, 8 * 2.3e-16 * float(size))
    row = compare(place.layer, name, "update", s.done, expected, error)
    entries = s.mean[0].size
    # Which of the two steps it was is no index of the parameter.
    return replace(row, index=row.index[1:], entries=entries, wrong=min(row.wrong, entries))


def _faults(wrong: Mapping[Path, tuple[Mistake, ...]], places: Mapping[Path, Place]) -> list[Fault]:
    """One fault for each mistake, with everything that it befalls."""
    groups: dict[tuple[str, ...], list[Path]] = {}
    for path, mistakes in wrong.items():
        groups.setdefault(tuple(m.name for m in mistakes), []).append(path)
    faults = []
    for paths in groups.values():
        here, others = [places[p] for p in paths], [place for p, place in places.items() if p not in paths]
        parts = sorted({place.part for place in here}, reverse=True)
        sentence = f"the update of its {' and '.join(PLURAL[part] for part in parts)} is wrong"
        named = wrong[paths[0]]
        if named and named[0].name.startswith("nothing changed") and others:
            if {place.part for place in others} == {"bias"}:
                sentence += ": only biases are updated"
            elif {place.layer for place in others} == {next(iter(places.values())).layer}:
                sentence += ": only the last layer is updated"
        if named:
            worst = max(wrong[path][0].residual for path in paths)
            named = (replace(named[0], residual=worst), *named[1:])
        faults.append(Fault(_whose(here, places), "update", "update", sentence, named))
    return faults


def _whose(here: list[Place], places: Mapping[Path, Place]) -> str:
    """The layers, or the arrays where layers are not known; the network if it is all of them."""
    names = list(dict.fromkeys(place.layer or place.name for place in here))
    everything = {place.layer or place.name for place in places.values()}
    return EVERYWHERE if set(names) == everything and len(everything) > 1 else ", ".join(names)


def _shape(s: Steps) -> str:
    return f"the parameter has shape {s.start.shape} before the update and {s.done.shape} after two"
