"""Where the gradient of each parameter comes out of a backward, found by running it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...errors import UserError
from ...signals import Array
from .gradients import Source, is_called_for, leaves, match, named_gradients
from .layout import chosen, named
from .members import Path, arrays, fetch, kept, numbers
from .model import OwnModel

Places = Mapping[str, Mapping[Path, Array]]
"""`returned` and `attribute` → every array there that may be a gradient."""


def match_gradients(own: OwnModel, given: object) -> None:
    """Finds `own.sources`, and whether backward takes a batch.

    Args:
        own: its parameters are known.
        given: names of the arrays in which backward leaves gradients, None to find them.

    Raises:
        UserError: backward raises, or gives none.
    """
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
    # Code for one column at a time adds up nothing: on several its bias gradients are as wide as the batch.
    best = max(tried, key=lambda t: (t[0], t[1])) if own.inputs.axis == 1 else tried[0]
    _, own.batched, own.sources = best


def spare_gradients(own: OwnModel) -> dict[tuple[str, Path], Array]:
    """Gradients that are no known parameter's, by kind and path."""
    count = len(own.x) if own.batched else 1
    with kept(own.model):
        returned, _ = own.run_backward(own.x[:count], own.y[:count])
        places = _places(own, returned, arrays(own.model))
        taken = {(source.kind, source.path) for source in own.sources.values()}
        return {
            (kind, path): np.array(value)
            for kind, found in places.items()
            for path, value in found.items()
            if (kind, path) not in taken
        }


def gradient_of(path: Path, spare: Mapping[tuple[str, Path], Array]) -> tuple[str, Path] | None:
    """The gradient that is called as this array's."""
    return next((key for key in spare if is_called_for(path, key[1])), None)


# --- inside -------------------------------------------------------------------------------------------------------


def _places(own: OwnModel, returned: object, after: Mapping[Path, Array]) -> Places:
    return {"returned": leaves(returned), "attribute": named_gradients(after, own.parameters)}


def _sources(own: OwnModel, x: Array, y: Array, given: object) -> tuple[dict[Path, Source], float]:
    """Where each gradient is, and the share of the parameters with one of their shape."""
    before = {path: np.array(fetch(own.model, path)) for path in own.parameters}
    returned, _ = own.run_backward(x, y)
    after = arrays(own.model)
    # `np.sum(delta)` without an axis leaves one number where the gradient of all biases belongs.
    after |= {path: np.array(value) for path, value in numbers(own.model).items() if path not in before}
    places = _places(own, returned, after)
    found = _found(before, places)
    if given:
        told = {path: after[path] for path in chosen(after, named(given))}
        without = {path: value for path, value in before.items() if path not in found}
        # Few names are of what nothing was found for; as many as there are parameters say it of all.
        of_those = match(without, told) if len(told) < len(before) else {}
        pairs = of_those if len(of_those) == len(told) else match(before, told)
        found |= {path: Source("attribute", candidate) for path, candidate in pairs.items()}
    if not found:
        moved = [p for p in before if p in after and not np.array_equal(before[p], after[p])]
        found = {path: Source("moved") for path in (own.parameters if moved else ())}
        return _or_complain(own, found), float(bool(moved))
    good = sum(
        (leaves(returned) if source.kind == "returned" else after)[source.path].shape == before[path].shape
        for path, source in found.items()
    )
    return found, good / len(before)


def _found(before: Mapping[Path, Array], places: Places) -> dict[Path, Source]:
    """The place that has the most gradients, and from the others those that are called as an array is."""
    best: dict[Path, Source] = {}
    fit = 0
    for kind, candidates in places.items():
        pairs = match(before, candidates)
        good = sum(candidates[c].shape == before[p].shape for p, c in pairs.items())
        if (len(pairs), good) > (len(best), fit):
            best, fit = {p: Source(kind, c) for p, c in pairs.items()}, good
    for kind, candidates in places.items():
        for path in before:
            for c in candidates:
                if path not in best and Source(kind, c) not in best.values() and is_called_for(path, c):
                    best[path] = Source(kind, c)
    return best


def _or_complain(own: OwnModel, found: dict[Path, Source]) -> dict[Path, Source]:
    if not found:
        raise UserError(
            f"{own.backward} returns no gradients and leaves none in an attribute called so",
            help="gradcheck(model, x, y, gradient='name of the attribute')",
        )
    return found
