"""A member under test: how to make a fresh one, what it takes, what it claims."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st

from ..errors import UserError, did_you_mean
from ..strategies.arrays import Shape
from .registry import KINDS, battery, describe

TAGS: Mapping[str, str] = {
    "random": "draws random numbers in training; in evaluation mode, if it has one, it does not",
    "stateful": "training changes more than its parameters, as running statistics",
    "batch_coupled": "in training the output of a sample depends on the other samples",
    "linear": "the output is linear in the input, but for a constant",
    "mixes_units": "an activation whose outputs depend on more than their own input, as softmax",
    "constant": "an initialiser that draws nothing",
    "penalised": "an optimiser that moves parameters which have no gradient, as weight decay does",
    "one_hot": "a loss that takes one value per output only, no class numbers",
    "probabilities": "a loss whose outputs are probabilities, rows that sum to 1",
    "regression": "a loss whose targets are any numbers, not classes",
}
"""What a member may say about itself; a check that does not hold for it is left out."""

KNOWN_TAGS: Mapping[str, frozenset[str]] = {
    "batch_norm": frozenset({"batch_coupled", "stateful"}),
    **{kind: frozenset({"linear"}) for kind in ("dense", "conv", "flatten", "avg_pool", "identity")},
    "softmax": frozenset({"mixes_units"}),
    **{kind: frozenset({"constant"}) for kind in ("zeros", "constant")},
}
"""Those of the core, by kind."""

Takes: TypeAlias = "Shape | st.SearchStrategy[Shape]"


@dataclass(frozen=True)
class Case:
    """One member with everything that its battery needs to know.

    Attributes:
        kind: which battery; one of `registry.KINDS`.
        label: the member in messages.
        name: the member in pytest's ids.
        make: gives a fresh member each time.
        takes: shapes of one sample; None where the battery needs none.
        tags: see `TAGS`.
        reference: what it must equal: a plain function that is easy to trust.
        claims: further figures, by name; see `case`.
        expected_failures: check → why it may fail.
    """

    kind: str
    label: str
    name: str
    make: Callable[[], Any]
    takes: st.SearchStrategy[Shape] | None = None
    tags: frozenset[str] = frozenset()
    reference: Callable[..., Any] | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    expected_failures: Mapping[str, str] = field(default_factory=dict)


def case(
    member: Any,
    *,
    kind: str | None = None,
    takes: Takes | None = None,
    tags: Iterable[str] = (),
    reference: Callable[..., Any] | None = None,
    name: str | None = None,
    expected_failures: Mapping[str, str] | None = None,
    **claims: Any,
) -> Case:
    """Says more about a member than its class does.

    Args:
        member: the object, of which every example gets a copy; or a class or function without arguments that makes one.
        kind: which battery, where that cannot be seen: layer, activation, loss, initializer, optimizer, network.
        takes: shape of one sample, as (3, 8, 8), or a strategy of them; found by trying if None.
        tags: see `TAGS`; those in an attribute `nndebug_tags` count too.
        reference: what it must equal, as a plain function. Layers: reference(x, parameters) or reference(x), in
            evaluation mode; activations: of z; losses: reference(output, target) → (batch,) per sample;
            optimisers: reference(parameters, gradients) → the parameters after so many steps; initialisers: none.
        name: in pytest's ids; the class's if None.
        expected_failures: check → why it is known to fail.
        claims: figures that are checked where they are given. Layers: least_rows, the smallest batch that training
            mode takes (1); losses: bound (0 if not given; None for no bound),
            outputs, loss (of networks that have none); initialisers: variance(shape), mean(shape).

    Raises:
        UserError: an unknown tag, check or kind, or nothing says what the member is.
    """
    if isinstance(member, Case):
        return _with(member, tags, reference, name, expected_failures, claims)
    found = kind or kind_of(member)
    if found not in KINDS:
        raise UserError(f"there is no battery for a {found!r}", help=did_you_mean(str(found), KINDS))
    from .wrapping import wrapped

    make = wrapped(found, _maker(found, member), claims.get("loss"))
    sample = make()
    known = {*tags, *getattr(member, "nndebug_tags", ()), *getattr(sample, "nndebug_tags", ())}
    for tag in known:
        if tag not in TAGS:
            raise UserError(f"there is no tag {tag!r}", help=did_you_mean(tag, TAGS))
    known |= _seen(sample)
    label = describe(member if found == "initializer" or describe(member) != _class_name(member) else sample)
    made = Case(
        kind=found,
        label=label,
        name=name or _short(label),
        make=make,
        takes=None,
        tags=frozenset(known),
        reference=reference,
        claims=claims,
        expected_failures=_known_checks(found, expected_failures or {}),
    )
    return replace(made, takes=_takes(made, takes))


def kind_of(member: Any) -> str:
    """Which battery suits a member, by what it has.

    Raises:
        UserError: nothing says what it is.
    """
    from .own_members import is_loss
    from .wrapping import framework_kind

    known = framework_kind(member)
    if known:
        return known
    if inspect.isfunction(member) and len(inspect.signature(member).parameters) >= 2:
        names = list(inspect.signature(member).parameters)
        return "initializer" if names[0] in ("rng", "generator", "random") else "optimizer"
    thing = member if inspect.isclass(member) else member() if inspect.isfunction(member) else member

    def has(*names: str) -> bool:
        return all(hasattr(thing, name) for name in names)

    if framework_kind(thing):
        return framework_kind(thing)
    if has("layers", "loss"):
        return "network"
    if has("value", "derivative"):
        return "activation"
    if has("forward", "backward"):
        return "loss" if is_loss(thing) else "layer"
    if has("gradient"):
        return "loss"
    if has("step") or has("update"):
        return "optimizer"
    raise UserError(
        f"nothing says what {describe(member)} is",
        help="a layer has forward and backward, a loss gradient, an optimiser step or update; or say case(..., kind=...)",
    )


def _maker(kind: str, member: Any) -> Callable[[], Any]:
    if kind in ("initializer", "optimizer") and inspect.isfunction(member):
        return lambda: member
    if inspect.isclass(member):
        from .wrapping import framework_kind

        return (lambda: member) if framework_kind(member) else member
    if inspect.isfunction(member) and not inspect.signature(member).parameters:
        return member
    return lambda: copy.deepcopy(member)


def _seen(sample: Any) -> set[str]:
    """Tags that show: a generator of its own, state, and what the core is known for."""
    found = set(KNOWN_TAGS.get(getattr(sample, "kind", "") or getattr(sample, "__name__", ""), ()))
    if getattr(sample, "takes", None) == "probabilities":
        found.add("probabilities")
    if getattr(sample, "state", None):
        found.add("stateful")
    if any(isinstance(value, np.random.Generator) for value in getattr(sample, "__dict__", {}).values()):
        found.add("random")
    return found


def _takes(made: Case, takes: Takes | None) -> st.SearchStrategy[Shape] | None:
    if isinstance(takes, st.SearchStrategy):
        return takes
    if takes is not None:
        return st.just(tuple(takes))
    if made.kind not in ("layer", "activation", "network"):
        return None
    from .shapes import accepted

    return accepted(made.make, made.label)


def _known_checks(kind: str, expected: Mapping[str, str]) -> Mapping[str, str]:
    names = [check.name for check in battery(kind)]
    for name, reason in expected.items():
        if name not in names:
            raise UserError(f"there is no check {name!r} of a {kind}", help=did_you_mean(name, names))
        if not reason:
            raise UserError(
                f"{name} is expected to fail, and nothing says why", help="give a reason: {check: reason}"
            )
    return dict(expected)


def _with(
    made: Case,
    tags: Iterable[str],
    reference: Callable[..., Any] | None,
    name: str | None,
    expected: Mapping[str, str] | None,
    claims: Mapping[str, Any],
) -> Case:
    return replace(
        made,
        tags=made.tags | frozenset(tags),
        reference=reference or made.reference,
        name=name or made.name,
        expected_failures={**made.expected_failures, **_known_checks(made.kind, expected or {})},
        claims={**made.claims, **claims},
    )


def _class_name(member: Any) -> str:
    return member.__name__ if inspect.isfunction(member) or inspect.isclass(member) else type(member).__name__


def _short(label: str) -> str:
    """The class's name of a label, as `Dense` of `Dense(inputs=3, units=2)`."""
    return label.partition("(")[0].strip() or label
