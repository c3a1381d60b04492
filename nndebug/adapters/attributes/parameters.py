"""Which arrays of an object are its parameters: those on which the output depends and for which there is a gradient.

A name says it, as `W1` or `bias`; else a gradient of that name, a place in what backward returns, or an update that moves
the array, and moves it otherwise for other targets. An array that forward overwrites is a cache. What is left is a constant
if it looks like one (a mean, a mask), and in doubt if not: `OwnModel.doubtful`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import UserError
from ...signals import Array
from .layout import chosen, named_parameter
from .members import Path, arrays, fetch, kept, name_of, number_of, numbers, store, words_of
from .model import OwnModel
from .names import is_constant, is_gradient
from .sources import gradient_of, match_gradients, spare_gradients

ATTEMPTS, MOST_ATTEMPTS, ROWS = 4, 24, 8
"""Random parameters at which it is tried whether the output depends on an array; more where one with a parameter's name
has not been felt yet, for a single silent unit hides everything below it."""

FELT = 1e-9
"""A change of the output below this share of it is none."""

MOST_SAMPLES = 16
RATE = 0.125


@dataclass(frozen=True)
class Members:
    """What forward does with the object's arrays.

    Attributes:
        felt: those on which the output depends, in the order in which the code made them.
        idle: the others that forward leaves alone.
        written: paths of those that forward itself overwrites.
        listed: paths of those that the user calls weights or biases; none: of those that the user says are no parameters.
    """

    felt: dict[Path, Array]
    idle: dict[Path, Array]
    written: frozenset[Path]
    listed: tuple[Path, ...]
    none: tuple[Path, ...]

    @property
    def named(self) -> list[Path]:
        return [path for path in self.felt if named_parameter(path)]


def members_of(own: OwnModel, given: Mapping[str, object]) -> Members:
    """Tries on random numbers which arrays change the output.

    Raises:
        UserError: none does, or the user names one that is not there.
    """
    before = arrays(own.model)
    listed = _listed(before, given, "weight", "bias")
    none = _listed({**before, **numbers(own.model)}, given, "constant")
    reached: set[Path] = set()
    rng = np.random.default_rng(0)
    # Zero weights hide those below them and silent units those above: the test is whether the code reads an array
    # at all, so it is tried at several random parameters.
    words = {p for p, value in before.items() if (named_parameter(p) or p in listed) and value.size}
    for attempt in range(MOST_ATTEMPTS):
        if attempt >= ATTEMPTS and words <= reached:
            break
        with kept(own.model):
            for path, value in before.items():
                if path in words:
                    store(
                        own.model, path, rng.normal(size=value.shape) / np.sqrt(max(value.shape, default=1))
                    )
            reached |= {
                path
                for path, v in before.items()
                if v.size and path not in reached and _is_felt(own, path, rng)
            }
    written = _written(own, before)
    felt = {p: v for p, v in before.items() if p in reached and p not in none}
    if not felt and not listed:
        raise UserError(
            f"no array in {type(own.model).__name__} changes what {own.forward} gives",
            help="gradcheck(model, x, y, weight='name', bias='name')",
        )
    idle = {p: v for p, v in before.items() if p not in reached and p not in none and p not in written}
    return Members(felt, idle, frozenset(written), tuple(listed), tuple(none))


def first_guess(members: Members) -> dict[Path, Array]:
    """The parameters by their names; where no name says it, all arrays but those that look like constants."""
    named = members.named or [
        path
        for path, value in members.felt.items()
        if path not in members.written and not is_constant(words_of(path)) and not _is_mask(value)
    ]
    return {p: v for p, v in (members.felt | members.idle).items() if p in named or p in members.listed}


def settle_parameters(own: OwnModel, members: Members, gradient: object) -> None:
    """Takes in what has a gradient or is moved by an update, and tells what is in doubt; `own.sources` is known before."""
    changed, moved = _moved(own)
    inputs = {own.x[0].size, own.x.size}
    spare, extra = spare_gradients(own), []
    for path, value in members.felt.items():
        if path in own.parameters or path in members.written:
            continue
        source = gradient_of(path, spare)
        if source is None and not _looks_constant(own, path, value):
            source = _by_place(value, spare, inputs if path not in moved else set())
        if source is not None:
            spare.pop(source)
            extra.append(path)
        elif path in moved and _by_moving(own):
            extra.append(path)
    unused = [p for p in members.idle if _is_unused(own, members, p) and gradient_of(p, spare) is not None]
    if extra or unused:
        everything = members.felt | members.idle
        taken = {*own.parameters, *extra, *unused}
        own.parameters = {path: value for path, value in everything.items() if path in taken}
        match_gradients(own, gradient)
    _drop_doubtful(own, members, moved)
    single = {p: v for p, v in _trained_numbers(own, spare).items() if p not in members.none}
    own.carried = [p for p in members.felt if p in changed and p not in own.parameters and p not in moved]
    _tell(own, members, moved, unused)
    for path, number in single.items():
        own.doubtful[path] = np.array(number)
        own.notes.append(
            f"{name_of(path)} is a number that changes the output and has a gradient, and only arrays are checked: "
            f"write it as np.array({number:g}), or say --constant {shlex.quote(name_of(path))}."
        )


# --- what forward does ----------------------------------------------------------------------------------------------


def _listed(before: Mapping[Path, object], given: Mapping[str, object], *words: str) -> list[Path]:
    found: list[Path] = []
    for word in words:
        if given.get(word):
            found += chosen(before, given[word])
    return found


def _is_felt(own: OwnModel, path: Path, rng: np.random.Generator) -> bool:
    x = rng.normal(size=(ROWS, *own.x.shape[1:]))
    with kept(own.model):
        try:
            before = own.output(x)
        except UserError:  # code that takes no such numbers
            x = own.x
            before = own.output(x)
    with kept(own.model):
        value = np.asarray(fetch(own.model, path))
        size = float(np.abs(value).max(initial=0.0)) or 1.0
        store(own.model, path, value + 0.5 * size * rng.normal(size=value.shape))
        try:
            after = own.output(x)
        except UserError:
            return True
    return not np.allclose(after, before, rtol=FELT, atol=FELT * float(np.abs(before).max()), equal_nan=True)


def _written(own: OwnModel, before: Mapping[Path, Array]) -> set[Path]:
    with kept(own.model):
        copies = {path: value.copy() for path, value in before.items()}
        own.output(own.x)
        after = arrays(own.model)
        return {
            path
            for path, value in before.items()
            if after.get(path) is not value or not np.array_equal(value, copies[path], equal_nan=True)
        }


# --- what an update does --------------------------------------------------------------------------------------------


def _moved(own: OwnModel) -> tuple[set[Path], set[Path]]:
    """The arrays that an update changes, and those of them that other targets change otherwise.

    Running statistics change too, whatever the targets.
    """
    method = own.update or own.backward
    assert method is not None
    alone = own.inputs.axis is None and not method.takes("batch")
    count = 1 if alone or (not own.batched and method is own.backward) else min(len(own.x), MOST_SAMPLES)
    x, ends = own.x[:count], []
    for y in (own.y[:count], _other_targets(own.y, count)):
        with own.untouched():
            before = {path: value.copy() for path, value in arrays(own.model).items()}
            try:
                if own.update is not None:
                    own.run_update(x, y, own.rate_of(method, RATE))
                else:
                    own.run_backward(x, y)
            except (UserError, ValueError):
                return set(), set()
            after = arrays(own.model)
            ends.append({p: after[p].copy() for p in before if p in after})
    first, second = ends
    changed = {p for p in first if p in second and not _equal(first[p], before[p])}
    return changed, {path for path in changed if not _equal(first[path], second[path])}


def _equal(a: Array, b: Array) -> bool:
    return np.array_equal(a, b, equal_nan=True)


def _other_targets(y: Array, count: int) -> Array:
    """Targets of other samples; where all are alike, other numbers."""
    for shift in range(1, len(y)):
        other = np.roll(y, -shift, axis=0)[:count]
        if not np.array_equal(other, y[:count]):
            return other
    return 1 - y[:count] if y.dtype.kind in "iub" else 0.5 * y[:count] + 0.25


# --- what the rest is -----------------------------------------------------------------------------------------------


def _by_place(
    value: Array, spare: Mapping[tuple[str, Path], Array], inputs: set[int]
) -> tuple[str, Path] | None:
    """A gradient of this shape in a list that says nothing of whose it is; not one that may be that of the inputs."""
    if not value.ndim or value.size in inputs:
        return None
    fitting = [
        key
        for key, g in spare.items()
        if key[0] == "returned" and not words_of(key[1]) and g.shape == value.shape
    ]
    return fitting[0] if fitting else None


def _looks_constant(own: OwnModel, path: Path, value: Array) -> bool:
    """Whether an array is called a mean, a mask …, or is one."""
    if is_constant(words_of(path)) or _is_mask(value):
        return True
    x = own.x
    usual = (
        [x.mean(axis=0), x.std(axis=0), x.min(axis=0), x.max(axis=0), np.ptp(x, axis=0)] if x.ndim > 1 else []
    )
    if len(x) > 1:
        usual.append(x.std(axis=0, ddof=1))
    return any(
        value.size == of.size > 1 and np.allclose(value.ravel(), of.ravel(), atol=1e-5) for of in usual
    )


def _is_mask(value: Array) -> bool:
    """Zeros and one other number, both of them."""
    kinds = np.unique(value)
    return len(kinds) == 2 and not kinds.all()


def _is_unused(own: OwnModel, members: Members, path: Path) -> bool:
    """Whether an array that changes nothing is no copy, moment or gradient of one that does."""
    if any(isinstance(key, str) and is_gradient(key.lower()) for _, key in path):
        return False
    known = {(words_of(p), number_of(p)) for p in members.felt}
    return path not in own.parameters and (words_of(path), number_of(path)) not in known


def _family(path: Path) -> tuple[object, ...]:
    """A path without its numbers: `layers[#].W#`."""
    return tuple("#" if isinstance(key, int) else re.sub(r"\d+", "#", str(key)) for _, key in path)


def _trained_numbers(own: OwnModel, spare: Mapping[tuple[str, Path], Array]) -> dict[Path, float]:
    """Numbers that are no arrays, on which the output depends and for which there is a gradient."""
    with kept(own.model):
        count = len(own.x) if own.batched else 1
        own.run_backward(own.x[:count], own.y[:count])
        after = [("attribute", path) for path in numbers(own.model) if is_gradient(words_of(path))]
    gradients = dict.fromkeys([*after, *spare], np.empty(0))
    found = {p: v for p, v in numbers(own.model).items() if gradient_of(p, gradients) is not None}
    return {
        p: v
        for p, v in found.items()
        if not is_gradient(words_of(p)) and _is_felt(own, p, np.random.default_rng(0))
    }


def _by_moving(own: OwnModel) -> bool:
    """Whether backward is the update, so that what it moves is the gradient."""
    return any(source.kind == "moved" for source in own.sources.values())


def _drop_doubtful(own: OwnModel, members: Members, moved: set[Path]) -> None:
    """Takes out of the parameters what only their lack of names made one, and which has no gradient."""
    sure = {p for p, source in own.sources.items() if source.kind != "moved" or p in moved}
    sure |= {p for p in own.parameters if p in members.listed or named_parameter(p)}
    families = {_family(path) for path in sure}
    own.parameters = {p: v for p, v in own.parameters.items() if p in sure or _family(p) in families}
    own.sources = {path: source for path, source in own.sources.items() if path in own.parameters}


def _tell(own: OwnModel, members: Members, moved: set[Path], unused: Sequence[Path]) -> None:
    """Sorts what is left into constants and what is in doubt, and notes it."""
    rest = {p: v for p, v in members.felt.items() if p not in own.parameters and p not in members.written}
    all_listed = set(own.parameters) <= set(members.listed)
    constant = [p for p, v in rest.items() if p not in moved and (all_listed or _looks_constant(own, p, v))]
    own.constants = [name_of(path) for path in (*members.none, *constant)]
    own.doubtful = {p: v for p, v in rest.items() if p not in constant}
    if constant:
        why = ", since you say which the parameters are" * all_listed
        own.notes.append(
            f"{', '.join(map(name_of, constant))}: taken for {'constants' if len(constant) > 1 else 'a constant'}{why}."
        )
    if states := [name_of(p) for p in members.felt if p in members.written and p not in own.parameters]:
        own.notes.append(
            f"{own.forward} changes {', '.join(states)}, on which its output depends: a second call gives another one."
        )
    for path in unused:
        own.notes.append(f"{name_of(path)} has a gradient, but does not change what {own.forward} gives.")
    for path in members.idle:
        if named_parameter(path) and path not in own.parameters and _is_unused(own, members, path):
            own.notes.append(
                f"{name_of(path)} is called like a parameter, but does not change what {own.forward} gives: not checked."
            )
    if trained := [name_of(path) for path in own.doubtful if path in moved]:
        own.notes.append(
            f"{own.update} changes {', '.join(trained)}, and no gradient of {_it(trained)} was found: "
            f"--gradient NAME says where backward leaves {_it(trained)} (gradient='NAME')."
        )
    if unknown := [name_of(path) for path in own.doubtful if path not in moved]:
        all_of_them, typed = ", ".join(unknown), shlex.quote(",".join(unknown))
        own.notes.append(
            f"{all_of_them}: the output depends on {_it(unknown)}, and no gradient of {_it(unknown)} was found. "
            f"If trained, say --weight {typed}; if not, --constant {typed} (in Python weight=[...], constant=[...])."
        )


def _it(names: Sequence[str]) -> str:
    return "them" if len(names) > 1 else "it"
