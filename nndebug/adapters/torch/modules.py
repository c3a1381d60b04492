"""The sites of a model: every module with parameters of its own, and the activations that follow them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...signals import Site

ACTIVATIONS = {
    "ReLU": "relu",
    "ReLU6": "relu6",
    "LeakyReLU": "leaky_relu",
    "ELU": "elu",
    "SELU": "selu",
    "GELU": "gelu",
    "SiLU": "silu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
}
"""Class of a module → kind of activation in the words of the core."""

KINDS = {
    "Linear": "dense",
    "LazyLinear": "dense",
    "Conv1d": "conv1d",
    "Conv2d": "conv2d",
    "Conv3d": "conv3d",
    "BatchNorm1d": "batch_norm",
    "BatchNorm2d": "batch_norm",
    "BatchNorm3d": "batch_norm",
    "LayerNorm": "layer_norm",
    "Embedding": "embedding",
}
"""Class of a module → kind of layer in the words of the core; others keep their class's name."""

WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
"""What compiling, sharding and checkpoints put into the names of a model's parts; data parallelism puts `module` first."""

WIDTHS = {"inputs": ("in_features", "in_channels"), "units": ("out_features", "out_channels", "num_features")}


def plain(name: str) -> str:
    """The name that a part has in the user's own model."""
    parts = [part for part in name.split(".") if part not in WRAPPERS]
    return ".".join(parts[1:] if parts[:1] == ["module"] else parts)


def own_parameters(module: Any) -> dict[str, Any]:
    """Parameters that belong to this module itself and have a shape already, by name."""
    # What `named_parameters(recurse=False)` gives, in a tenth of the time: this is asked at every call of a module.
    found = module._parameters.items()
    return {n: p for n, p in found if p is not None and type(p).__name__ != "UninitializedParameter"}


def kind_of(module: Any) -> str:
    name = type(module).__name__
    return KINDS.get(name) or ACTIVATIONS.get(name) or name.lower()


def activation_of(module: Any) -> str | None:
    return ACTIVATIONS.get(type(module).__name__)


def named(model: Any) -> Iterator[tuple[str, Any]]:
    """Every module once, with its plain name; the model itself is called by its class."""
    for name, module in model.named_modules():
        yield plain(name) or type(module).__name__.lower(), module


def describe_sites(
    model: Any, order: list[str], follows: dict[str, str], functions: dict[str, str]
) -> tuple[Site, ...]:
    """The sites in the order in which they ran.

    Args:
        model: the module.
        order: names of the modules in the order of their first run. Those with parameters that did not run come last, other
            activations are none of the model's then; nothing is left out if none is known to have run.
        follows: module with parameters → the activation module that follows it, and shares its name.
        functions: module with parameters → kind of the activation that follows it and is no module.
    """
    modules = dict(named(model))
    kinds = functions | {host: kind_of(modules[name]) for host, name in follows.items()}
    place = {name: number for number, name in enumerate(order)}
    names = [
        name
        for name, module in modules.items()
        if own_parameters(module) or (activation_of(module) and (name in place or not order))
    ]
    names.sort(key=lambda name: place.get(name, len(place)))
    return tuple(
        Site(
            name=name,
            kind=kind_of(modules[name]),
            activation=activation_of(modules[name]) or kinds.get(name),
            inputs=_width(modules[name], "inputs"),
            units=_width(modules[name], "units"),
            parameters=tuple(own_parameters(modules[name])),
        )
        for name in names
        if name not in follows.values()
    )


def _width(module: Any, which: str) -> int:
    widths = (getattr(module, attribute, 0) for attribute in WIDTHS[which])
    return next((int(width) for width in widths if isinstance(width, int) and width > 0), 0)


def describe(model: Any, sites: tuple[Site, ...], order: list[str]) -> str:
    """The architecture in one line: the layers that ran, in the order of `order`; all of them if none is known to have run."""
    dense = [site for site in sites if site.units and (site.name in order or not order)]
    if not dense or len(dense) > 12:
        return f"{type(model).__name__} of {len(sites)} layers"
    parts = [str(dense[0].inputs)] if dense[0].inputs else []
    for site in dense:
        if site.kind not in ("batch_norm", "layer_norm"):
            parts.append(f"{site.units}{f' {site.activation}' if site.activation else ''}")
    return " → ".join(parts)
