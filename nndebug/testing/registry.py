"""The named checks: each a function of a case and Hypothesis' `draw` that raises `Failure`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ..strategies.arrays import Draw
from ..strategies.members import CALLS

if TYPE_CHECKING:
    from .case import Case

Body: TypeAlias = Callable[["Case", Draw], None]
Applies: TypeAlias = Callable[["Case"], str]

KINDS = ("layer", "activation", "loss", "initializer", "optimizer", "network")
"""What can be put through a battery."""


@dataclass(frozen=True)
class Check:
    """One check of one battery.

    Attributes:
        name: as in `batch_of_one`.
        kind: the battery that it belongs to.
        body: runs one example; raises `Failure`.
        applies: why it does not apply to a case; empty if it does.
        draws: False where nothing is drawn, so that once is enough.
    """

    name: str
    kind: str
    body: Body
    applies: Applies
    draws: bool = True

    @property
    def summary(self) -> str:
        """What must hold, in one sentence."""
        return inspect.cleandoc(self.body.__doc__ or "").split("\n\n")[0].replace("\n", " ")


_checks: dict[tuple[str, str], Check] = {}


def check(
    kind: str, *, unless: Mapping[str, str] | None = None, when: Applies | None = None, draws: bool = True
) -> Callable[[Body], Body]:
    """Registers a function as the check of its own name.

    Args:
        kind: one of `KINDS`.
        unless: tag → why the check does not apply to what has it.
        when: further reasons, as a function of the case; empty where it applies.
        draws: see `Check`.
    """

    def applies(case: Case) -> str:
        for tag, reason in (unless or {}).items():
            if tag in case.tags:
                return reason
        return when(case) if when else ""

    def register(body: Body) -> Body:
        name = body.__name__.strip("_")
        _checks[kind, name] = Check(name, kind, body, applies, draws)
        return body

    return register


def battery(kind: str) -> tuple[Check, ...]:
    """The checks of a kind, in the order in which they are written; an activation is a layer first."""
    from . import (  # noqa: F401  # noqa: F401
        activation_checks,
        initializer_checks,
        layer_checks,
        loss_checks,
        memory_checks,
        mode_checks,
        network_checks,
        optimizer_checks,
    )

    kinds: tuple[str, ...] = ("layer", "activation") if kind == "activation" else (kind,)
    return tuple(c for wanted in kinds for (of, _), c in _checks.items() if of == wanted)


def _call(thing: Any) -> str:
    try:
        return CALLS.get(thing, "")
    except TypeError:  # what cannot be hashed or referred to weakly was not drawn
        return ""


def describe(thing: Any) -> str:
    """What to call a member: the call that made it, its repr where it has one of its own, or its class."""
    label = getattr(thing, "nndebug_label", "") or _call(thing)
    if label:
        return str(label)
    if inspect.isfunction(thing) or inspect.isclass(thing):
        return thing.__name__
    kind = type(thing)
    own = getattr(kind, "__repr__") != object.__repr__  # noqa: B009
    text = repr(thing) if own else kind.__name__
    return text if "\n" not in text and len(text) <= 80 else kind.__name__
