"""Finds in a user's object what a check needs: by names first, and then by trying it on the user's own samples."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import UserError
from ...signals import Array
from .calling import Method, RaisedError, find, member, methods, override
from .data import Form, forms, split_pairs, unwrapped
from .gradients import Source, leaves, match, named_gradients
from .layout import chosen, dense_chains, named_parameter
from .members import Path, arrays, fetch, kept, name_of, store
from .model import OwnModel, to_float64
from .names import BACKWARD, DERIVATIVE, FORWARD, LOSS, SLOPES, UPDATE, VALUES

OVERRIDES = (
    "forward",
    "backward",
    "loss",
    "update",
    "weight",
    "bias",
    "gradient",
    "activation",
    "batch_axis",
)
ATTEMPTS, MOST_ATTEMPTS, ROWS = 4, 24, 8
"""Random parameters at which it is tried whether the output depends on an array; more where one with a parameter's name
has not been felt yet, for a single silent unit hides everything below it."""


FELT = 1e-9
"""A change of the output below this share of it is none."""


def looks_own(thing: Any) -> bool:
    """Whether something is a network of a user's own making: it has a method called like a backward or an update."""
    if isinstance(thing, type) or thing is None:
        return False
    return any(member(thing, name) is not None for name in (*BACKWARD, *UPDATE))


def find_model(model: Any, x: Any, y: Any, **given: Any) -> OwnModel:
    """What was found in a user's object. The object is as it was afterwards, to the bit.

    Args:
        model: the object, or a mapping of functions and parameters.
        x, y: samples as its own methods take them: rows, columns, or a list of single samples.
        given: what the user knows better, by the names in `OVERRIDES`: names of methods or functions, names of
            arrays; `batch_axis` 0 for rows, 1 for columns.

    Raises:
        UserError: something that is needed was not found; the help says how to name it.
    """
    unknown = [name for name in given if name not in OVERRIDES]
    if unknown:
        raise UserError(
            f"{unknown[0]} is none of {', '.join(OVERRIDES)}",
            help="gradcheck(model, x, y, forward='predict')",
        )
    x, y = unwrapped(*split_pairs(x, y))
    with kept(model), np.errstate(all="ignore"):
        to_float64(model)
        readings: list[OwnModel] = []
        error: UserError | None = None
        for inputs, targets in forms(x, y, given.get("batch_axis")):
            try:
                readings.append(_read(model, inputs, targets, x, y, given))
            except UserError as problem:
                error = error or problem
    if not readings:
        assert error is not None
        raise error
    # Where rows and columns both run, the way counts in which the parameters are layers.
    return max(readings, key=lambda found: (bool(found.chains), found.in_order))


def _read(model: Any, inputs: Form, targets: Form, x: Any, y: Any, given: dict[str, Any]) -> OwnModel:
    rows, answers = inputs.rows(x), targets.rows(y)
    rows = np.asarray(rows, np.float64)
    output, own = _forward(model, inputs, targets, rows, answers, given.get("forward"))
    outputs = output.shape[1]
    own.derivative = next((m for m in _derivatives(model)), None)
    own.parameters = _parameters(own, given)
    own.loss = _loss(own, given.get("loss"))
    own.backward = _first(model, "backward", BACKWARD, given.get("backward"), ("x", "y"))
    own.update = _first(model, "update", UPDATE, given.get("update"), ())
    if own.backward is None and own.update is None:
        raise UserError(
            f"no backward was found in {type(model).__name__}: it has {', '.join(methods(model)[:8]) or 'no methods'}",
            help="gradcheck(model, x, y, backward='name') or backward=lambda model, x, y: ...",
        )
    if own.backward is None or own.backward == own.update:
        own.backward, own.update = own.update, None
    assert own.backward is not None
    if own.backward.required == ("x",) and len(own.backward.arguments) == 1:
        own.backward = own.backward.renamed("x", "y")
    _match_gradients(own, given.get("gradient"))
    features = int(np.prod(rows.shape[1:]))
    biases = [str(given["bias"])] if isinstance(given.get("bias"), str) else list(given.get("bias") or ())
    known = {path: fetch(model, path) for path in own.parameters}
    own.chains = dense_chains(known, features, outputs, biases)
    if own.chains:
        order = [path for path in own.parameters if path in {at.weight for at in own.chains[0]}]
        own.in_order = order == [at.weight for at in own.chains[0]]
        own.parameters = {
            path: own.parameters[path]
            for at in own.chains[0]
            for path in (at.weight, at.bias)
            if path is not None
        }
    return own


# --- forward ------------------------------------------------------------------------------------------------------


def _forward(
    model: Any, inputs: Form, targets: Form, rows: Array, answers: Array, given: Any
) -> tuple[Array, OwnModel]:
    candidates = [override(model, "forward", given)] if given else list(find(model, FORWARD))
    error: UserError | None = None
    for method in candidates:
        own = OwnModel(model, inputs, targets, rows, answers, method.roles("x"))
        try:
            output = _outputs(own)
        except UserError as problem:
            error = error or problem
            continue
        return output, own
    if error:
        raise error
    raise UserError(
        f"no forward was found in {type(model).__name__}: it has {', '.join(methods(model)[:8]) or 'no methods'}",
        help="gradcheck(model, x, y, forward='name') or forward=lambda model, x: ...",
    )


def _outputs(own: OwnModel) -> Array:
    """The output for all samples, after finding out whether forward takes them together."""
    rows, count = own.x, len(own.x)
    own.forward_batched = False
    single = own.output(rows)
    if own.inputs.axis is not None:
        own.forward_batched = True
        try:
            whole = own.output(rows)
        except (RaisedError, ValueError):
            whole = np.empty(0)
        own.forward_batched = whole.shape == (count, single.shape[1])
    output = own.output(rows)
    if output.ndim != 2 or output.dtype.kind != "f":
        raise UserError(
            f"{own.forward} gives {output.dtype} {output.shape}", help="forward='name of another method'"
        )
    return output


# --- parameters -----------------------------------------------------------------------------------------------------


def _parameters(own: OwnModel, given: dict[str, Any]) -> dict[Path, Array]:
    """The arrays on which the output depends."""
    named: list[Path] = []
    before = arrays(own.model)
    for what in ("weight", "bias"):
        if given.get(what):
            named += chosen(before, given[what])
    if named:
        return {path: value for path, value in before.items() if path in named}
    reached: set[Path] = set()
    rng = np.random.default_rng(0)
    # Zero weights hide those below them and silent units those above: the test is whether the code reads an array
    # at all, so it is tried at several random parameters.
    words = {path for path, value in before.items() if named_parameter(path) and value.size}
    for attempt in range(MOST_ATTEMPTS):
        if attempt >= ATTEMPTS and words <= reached:
            break
        with kept(own.model):
            for path, value in before.items():
                if path in words:
                    store(own.model, path, rng.normal(size=value.shape) / np.sqrt(max(value.shape)))
            reached |= {
                path
                for path, v in before.items()
                if v.size and path not in reached and _is_felt(own, path, rng)
            }
    felt = {path: value for path, value in before.items() if path in reached}
    chosen_by_name = {path: value for path, value in felt.items() if named_parameter(path)}
    found = chosen_by_name or felt
    if not found:
        raise UserError(
            f"no array in {type(own.model).__name__} changes what {own.forward} gives",
            help="gradcheck(model, x, y, weight='name', bias='name')",
        )
    extra = [name_of(path) for path in felt if path not in found]
    if extra:
        own.notes.append(f"{', '.join(extra)}: changes the output, and is not taken for a parameter.")
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
        value = fetch(own.model, path)
        size = float(np.abs(value).max(initial=0.0)) or 1.0
        store(own.model, path, value + 0.5 * size * rng.normal(size=value.shape))
        try:
            after = own.output(x)
        except UserError:
            return True
    return not np.allclose(after, before, rtol=FELT, atol=FELT * float(np.abs(before).max()), equal_nan=True)


def _to_float64(model: Any) -> None:
    for path, value in arrays(model).items():
        if value.dtype != np.float64:
            store(model, path, value.astype(np.float64))


# --- loss, backward, update -----------------------------------------------------------------------------------------


def _derivatives(model: Any) -> Iterator[Method]:
    for method in (*find(model, DERIVATIVE), *_inside(model, SLOPES)):
        if method.takes("x") and not method.takes("output"):
            method = method.renamed("x", "output")
        yield method.roles("output", "y")


def _inside(model: Any, names: tuple[str, ...]) -> Iterator[Method]:
    """Methods of a loss that is an object or a class of its own, as in `self.cost.fn(a, y)`."""
    for name in LOSS:
        inner = model.get(name) if isinstance(model, Mapping) else getattr(model, name, None)
        if inner is None or inspect.isroutine(inner):
            continue
        for method in find(inner, names):
            yield replace(method, name=f"{name}.{method.name}")


def _loss(own: OwnModel, given: Any) -> Method | None:
    """A method that gives one number for these samples; the roles of its two arguments are found by trying."""
    candidates = (
        [override(own.model, "loss", given)]
        if given
        else [*find(own.model, LOSS), *_inside(own.model, VALUES)]
    )
    for method in candidates:
        as_named = method.roles("y") if method.takes("x") else method.roles("output", "y")
        for attempt in (
            *(as_named, as_named.renamed("x", "output")),
            *(method.roles("x", "y"), method.roles("y", "output")),
        ):
            own.loss = attempt
            count = len(own.x) if own.inputs.axis is not None and own.forward_batched else 1
            try:
                with kept(own.model):
                    value = own.run_loss(own.x[:count], own.y[:count])
            except (UserError, ValueError, TypeError):
                continue
            if np.isfinite(value):
                return attempt
    if given:
        raise UserError(
            f"loss: {candidates[0]} gives no number for your samples", help="loss=lambda model, x, y: ..."
        )
    return None


def _first(model: Any, what: str, names: tuple[str, ...], given: Any, fill: tuple[str, ...]) -> Method | None:
    if given:
        return override(model, what, given).roles(*fill)
    return next((method.roles(*fill) for method in find(model, names)), None)


def _match_gradients(own: OwnModel, given: Any) -> None:
    """Where the gradients come out, and whether backward takes a batch, by running it."""
    error: UserError | None = None
    tried: list[tuple[float, bool, dict[Path, Source]]] = []
    for batched in (True, False) if own.inputs.axis is not None else (False,):
        count = len(own.x) if batched else 1
        try:
            with kept(own.model):
                sources, fit = _sources(own, own.x[:count], own.y[:count], given)
        except UserError as problem:
            error = error or problem
            continue
        tried.append((fit, batched, sources))
        if fit == 1.0:
            break
    if not tried:
        assert error is not None
        raise error
    columns = own.inputs.axis == 1
    # Code for one column at a time adds up nothing: on several its bias gradients are as wide as the batch.
    best = max(tried, key=lambda t: (t[0], t[1])) if columns else tried[0]
    _, own.batched, own.sources = best
    if columns and not own.batched and len(own.x) > 1:
        own.notes.append(
            f"{own.backward} is given one sample at a time: on several its gradients have other shapes."
        )


def _sources(own: OwnModel, x: Array, y: Array, given: Any) -> tuple[dict[Path, Source], float]:
    before = {path: np.array(fetch(own.model, path)) for path in own.parameters}
    returned, _ = own.run_backward(x, y)
    after = arrays(own.model)
    result = leaves(returned)
    places: list[tuple[str, dict[Path, Array]]] = [("returned", result)]
    attributes = named_gradients(after, own.parameters)
    if given:
        attributes = {path: after[path] for path in chosen(after, given)}
        places = []
    places.append(("attribute", attributes))
    best: dict[Path, Source] = {}
    fit = 0.0
    for kind, candidates in places:
        pairs = match(before, candidates)
        good = sum(candidates[c].shape == before[p].shape for p, c in pairs.items()) / len(before)
        if len(pairs) > len(best) or (len(pairs) == len(best) and good > fit):
            best, fit = {p: Source(kind, c) for p, c in pairs.items()}, good
    if not best:
        moved = [p for p in before if p in after and not np.array_equal(before[p], after[p])]
        best = {path: Source("moved") for path in (own.parameters if moved else ())}
        fit = float(bool(moved))
    if not best:
        raise UserError(
            f"{own.backward} returns no gradients and leaves none in an attribute called so",
            help="gradcheck(model, x, y, gradient='name of the attribute')",
        )
    return best, fit
