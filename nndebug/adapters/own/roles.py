"""Which methods of a user's object are seen, what part each plays, and what a call of one was given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import UserError, did_you_mean
from ..attributes import OVERRIDES
from ..attributes.calling import Method, find, member, method_of, methods
from ..attributes.model import OwnModel
from ..attributes.names import (
    BACKWARD,
    DERIVATIVE,
    EVALUATION,
    FORWARD,
    LOSS,
    TRAINING,
    UPDATE,
    Name,
    training_role,
)

NAMES: dict[str, tuple[Name, ...]] = {
    "update": UPDATE,
    "backward": BACKWARD,
    "train": TRAINING,
    "evaluate": EVALUATION,
    "loss": (*LOSS, *DERIVATIVE),
    "forward": FORWARD,
}
"""Part → the names of methods that play it."""

WORDS = (*OVERRIDES, "evaluate", "train", "rate")
"""What a user can say of an object."""

_FILL = {"forward": ("x",), "backward": ("x", "y"), "loss": ("output", "y"), "evaluate": ("batch",)}


def parts_of(model: Any, given: Mapping[str, Any]) -> dict[str, str]:
    """The methods to be seen, and the part that each plays.

    Raises:
        UserError: there is no backward and no update, or a word is none of those that can be given.
    """
    for word in given:
        if word not in WORDS:
            raise UserError(f"watch takes no {word!r}", help=did_you_mean(word, WORDS))
    found: dict[str, str] = {}
    for role, names in NAMES.items():
        name = given.get(role)
        if isinstance(name, str) and member(model, name) is not None:
            found.setdefault(name, role)
        elif not callable(name):
            for method in find(model, names):
                found.setdefault(method.name, role)
    if not {"update", "backward"} & set(found.values()):
        listed = ", ".join(methods(model)[:8]) or "no methods"
        raise UserError(
            f"cannot watch a {type(model).__name__}: it has no layers with hooks, and no backward was found among {listed}",
            help="watch a network.Sequential, a torch.nn.Module, or your own class: watch(model, folder, backward='name')",
        )
    return found


def method_as(role: str, name: str, function: Callable[..., Any], own: OwnModel | None) -> Method:
    """A method with a role for each argument.

    Args:
        role: the part that it plays.
        name: of it; function: itself.
        own: what is known of the object, None if nothing is yet.
    """
    known = {"forward": own.forward, "backward": own.backward, "update": own.update} if own else {}
    method = known.get(role)
    if method is not None and method.name == name:
        return method
    method = method_of(name, function)
    if role in ("train", "evaluate"):
        arguments = tuple((word, training_role(word), need) for word, _, need in method.arguments)
        method = Method(name, function, arguments)
    return method.roles(*_FILL.get(role, ()))


def bound(method: Method, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """What a method is called with, by role, or by its own word where that says nothing."""
    roles = {word: role or word for word, role, _ in method.arguments}
    given = {roles[word]: value for (word, _, _), value in zip(method.arguments, arguments)}
    return given | {roles.get(word, word): value for word, value in keywords.items()}
