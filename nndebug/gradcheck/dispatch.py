"""`nndebug.gradcheck`: a network with inputs and targets, or any function with parameters and gradients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..adapters.attributes import OVERRIDES, looks_own
from ..errors import UserError
from .blackbox import gradcheck_function
from .check import gradcheck as gradcheck_network
from .own import gradcheck_own
from .result import GradCheck
from .whole import gradcheck_whole

KEYS = ("loss", "params", "grads")
"""Of a target given as a dict."""

NETWORK_ONLY = ("samples", "optimizer")


def gradcheck(target: Any, *arguments: Any, **keywords: Any) -> GradCheck:
    """Checks every entry of a gradient against numerical derivatives, and names what is wrong.

    Called in one of four ways:

        gradcheck(network, x, y, samples=None, optimizer=None)    layers with forward and backward, and a loss
        gradcheck(model, x, y, forward=None, backward=None, …)    an object of your own; see `gradcheck_own`
        gradcheck(loss, params, grads)                            any scalar function of arrays
        gradcheck({"loss": loss, "params": params, "grads": grads})

    Args:
        target: a network, a function or a dict; what has layers or a backward is a network.
        arguments: as above; see `gradcheck_network`, `gradcheck_own` and `gradcheck_function`.
        keywords: those of the three; `seed` and `exhaustive` (every entry by itself, slow) are of all.

    Returns:
        A `GradCheck`: truthy when all agrees; prints as a table.

    Raises:
        UserError: what is given is none of these, or cannot be run.
    """
    if isinstance(target, Mapping) and not (looks_own(target) and arguments):
        if arguments or not set(KEYS) <= set(target):
            raise UserError(
                f"a dict with the keys {', '.join(map(str, target)) or '(none)'} is no target",
                help='gradcheck({"loss": loss, "params": params, "grads": grads})',
            )
        return gradcheck_function(*(target[key] for key in KEYS), **_of_functions(keywords))
    if not is_function(target):
        told = any(keywords.get(name) is not None for name in OVERRIDES)
        if not is_layered(target) and (told or (looks_own(target) and not is_layer(target))):
            return gradcheck_own(target, *arguments, **keywords)
        _refuse(keywords, OVERRIDES, "classes of your own; this one has layers of its own")
        if keywords.pop("exhaustive", False):
            _refuse(keywords, ("optimizer",), "the check layer by layer")
            return gradcheck_whole(target, *arguments, **keywords)
        return gradcheck_network(target, *arguments, **keywords)
    named = {key: keywords.pop(key) for key in KEYS[1:] if key in keywords}
    given = dict(zip(KEYS[1:], arguments)) | named
    if len(arguments) > 2 or len(given) < 2:
        raise UserError(
            "a function is checked with its parameters and gradients", help="gradcheck(loss, params, grads)"
        )
    return gradcheck_function(target, given["params"], given["grads"], **_of_functions(keywords))


def is_function(thing: Any) -> bool:
    """Whether this is a function to be checked, and no network."""
    return callable(thing) and not hasattr(thing, "layers") and not looks_own(thing)


def is_layered(thing: Any) -> bool:
    """Whether this is a network of layers like the core's: each with its own parameters and backward, and a loss."""
    layers = getattr(thing, "layers", None)
    if not isinstance(layers, list | tuple) or not hasattr(thing, "loss"):
        return False
    return all(hasattr(layer, "forward") and hasattr(layer, "backward") for layer in layers) and any(
        isinstance(getattr(layer, "parameters", None), Mapping) for layer in layers
    )


def is_layer(thing: Any) -> bool:
    """Whether this is a single layer like the core's."""
    both = (getattr(thing, name, None) for name in ("parameters", "gradients"))
    return all(isinstance(value, Mapping) for value in both) and not hasattr(thing, "layers")


def _of_functions(keywords: dict[str, Any]) -> dict[str, Any]:
    only = "networks; nothing is known about the inside of a function"
    _refuse(keywords, (*NETWORK_ONLY, *OVERRIDES), only, "leave it out: gradcheck(loss, params, grads)")
    return keywords


def _refuse(keywords: dict[str, Any], names: Iterable[str], only: str, help: str = "leave it out") -> None:
    """Takes keywords out that mean nothing here.

    Raises:
        UserError: one of them has a value.
    """
    for name in names:
        if keywords.pop(name, None) is not None:
            raise UserError(f"{name} is for {only}", help=help)
