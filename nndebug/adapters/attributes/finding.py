"""Finds in a user's object what a check needs: by names first, and then by trying it on the user's own samples."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import UserError
from ...signals import Array
from .calling import Method, RaisedError, find, methods, override
from .data import Form, forms, split_pairs, unwrapped
from .layout import chosen, dense_chains
from .members import fetch, kept
from .model import OwnModel, to_float64
from .names import BACKWARD, DERIVATIVE, FORWARD, LOSS, SLOPES, UPDATE, VALUES, Name
from .parameters import first_guess, members_of, settle_parameters
from .sources import match_gradients

OVERRIDES = (
    "forward",
    "backward",
    "loss",
    "update",
    "weight",
    "bias",
    "constant",
    "gradient",
    "batch_axis",
)


def looks_own(thing: Any) -> bool:
    """Whether something is a network of a user's own making: it has a method called like a backward or an update."""
    if isinstance(thing, type) or thing is None:
        return False
    return any(True for names in (BACKWARD, UPDATE) for _ in find(thing, names))


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
            if inputs.axis is None and readings:
                break  # code for a batch often takes a single row too
            try:
                readings.append(_read(model, inputs, targets, x, y, given))
            except UserError as problem:
                # A way in which it runs tells more of what is missing than one in which it raises.
                if error is None or (isinstance(error, RaisedError) and not isinstance(problem, RaisedError)):
                    error = problem
    if not readings:
        assert error is not None
        raise error
    # Where rows and columns both run, the way counts in which the parameters are layers.
    return max(readings, key=lambda found: (bool(found.chains), found.in_order))


def _read(model: Any, inputs: Form, targets: Form, x: Any, y: Any, given: dict[str, Any]) -> OwnModel:
    rows, answers = inputs.rows(x), targets.rows(y)
    try:
        output, own = _forward(
            model, inputs, targets, np.asarray(rows, np.float64), answers, given.get("forward")
        )
    except UserError:
        if rows.dtype.kind not in "iu":
            raise
        # Whole numbers that must stay so are indices, as into the rows of an embedding.
        output, own = _forward(model, inputs, targets, rows, answers, given.get("forward"))
    outputs = output.shape[1]
    own.derivative = next((m for m in _derivatives(model)), None)
    members = members_of(own, given)
    own.parameters = first_guess(members)
    own.loss = _loss(own, given.get("loss"))
    own.backward = _first(model, "backward", BACKWARD, given.get("backward"), ("x", "y"))
    own.update = _first(model, "update", UPDATE, given.get("update"), ())
    if own.update is not None and not any(own.update.takes(role) for role in ("x", "y", "batch")):
        own.update = own.update.roles("gradients")
    elif own.update is not None and own.update.takes("y"):
        own.update = own.update.roles("x")  # whatever it is called
    if own.backward is None and own.update is None:
        raise UserError(
            f"no backward was found in {type(model).__name__}: it has {', '.join(methods(model)[:8]) or 'no methods'}",
            help="--backward NAME says which it is; in Python backward='name' or backward=lambda model, x, y: ...",
        )
    if own.backward is None or own.backward == own.update:
        own.backward, own.update = own.update, None
    assert own.backward is not None
    if own.backward.required == ("x",) and len(own.backward.arguments) == 1:
        own.backward = own.backward.renamed("x", "y")
    match_gradients(own, given.get("gradient"))
    settle_parameters(own, members, given.get("gradient"))
    if own.inputs.axis == 1 and not own.batched and len(own.x) > 1:
        own.notes.append(
            f"{own.backward} is given one sample at a time: on several its gradients have other shapes."
        )
    features = int(np.prod(rows.shape[1:]))
    biases = chosen(own.parameters, given["bias"]) if given.get("bias") else []
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
    classes: list[tuple[Array, OwnModel]] = []
    for method in candidates:
        own = OwnModel(model, inputs, targets, rows, answers, method.roles("x"))
        try:
            output = _outputs(own)
        except UserError as problem:
            error = error or problem
            continue
        if not own.gives_classes():
            return output, own
        classes.append((output, own))
    if classes:
        return classes[0]
    if error:
        raise error
    raise UserError(
        f"no forward was found in {type(model).__name__}: it has {', '.join(methods(model)[:8]) or 'no methods'}",
        help="--forward NAME says which it is; in Python forward='name' or forward=lambda model, x: ...",
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


def _first(
    model: Any, what: str, names: tuple[Name, ...], given: Any, fill: tuple[str, ...]
) -> Method | None:
    if given:
        return override(model, what, given).roles(*fill)
    return next((method.roles(*fill) for method in find(model, names)), None)
