"""What a model is made of, as its first pass shows: which modules run in which order, and what follows what."""

from __future__ import annotations

from typing import Any

from ...signals import Site
from .chains import linear
from .functional import Applied
from .modules import activation_of, describe, describe_sites, kind_of, named, own_parameters
from .origins import Origins

OF_THE_MODE = ("batch_norm", "dropout", "dropout1d", "dropout2d", "dropout3d", "alphadropout")
"""Kinds of modules that compute something else in training than in evaluation."""


class Structure:
    """Follows the passes of a model.

    Args:
        model: a `torch.nn.Module`.

    Attributes:
        modules: by plain name.
        order: names of those that gave a tensor of floating point numbers, in the order of their first run.
        first: name of the one that runs first, whatever it gives; empty before the first pass.
        ungraded: names of those that ran where gradients are switched off.
        compiled: whether modules run without hooks.
        has_modes: whether training and evaluation mode differ.
    """

    def __init__(self, model: Any) -> None:
        self._model, self._origins = model, Origins()
        self.modules = dict(named(model))
        self.order: list[str] = []
        self.first = ""
        self.ungraded: set[str] = set()
        self._follows: dict[str, str] = {}
        self._functions: dict[str, str] = {}
        self.compiled = any(type(m).__name__ == "OptimizedModule" for m in model.modules())
        self.has_modes = any(kind_of(part) in OF_THE_MODE for part in self.modules.values())

    def begin(self) -> None:
        """The next step comes."""
        self._origins.begin()

    def wanted(self, name: str) -> bool:
        """Whether this module is looked at: all are before the first pass, later those that are sites, and the first."""
        module = self.modules[name]
        return self.first in ("", name) or bool(own_parameters(module) or activation_of(module))

    def is_data(self, name: str, given: Any) -> bool:
        """Whether a module is given the data: it runs first, and not once more on what layers made."""
        self.first = self.first or name
        return name == self.first and given.grad_fn is None

    def ran(self, name: str, given: Any, output: Any) -> str | None:
        """Takes a call, and says which module gave what it was given; None if none is known."""
        if name not in self.order:
            self.order.append(name)
        return self._origins.ran(name, given, output)

    def site_of(self, name: str, maker: str | None, first_step: bool) -> str | None:
        """The site that an activation module counts for: the layer that it follows, or itself; None if that is unclear.

        A module may follow several layers, in the first step it is seen which.
        """
        host = maker if maker and own_parameters(self.modules[maker]) else None
        if host and first_step:
            self._follows.setdefault(host, name)
        if host is None and name in self._follows.values():
            return None  # it follows a layer elsewhere, and nothing that is known here
        return host if host in self._follows else name

    def is_activation(self, found: Applied, first_step: bool) -> bool:
        """Whether a function is the activation of the layer that it follows; the first step says which one is."""
        if first_step and found.site not in self._follows:
            self._functions.setdefault(found.site, found.kind)
        return self._functions.get(found.site) == found.kind

    def linear(self) -> list[str]:
        """See `chains.linear`."""
        return linear(self.modules, self._origins.sources)

    def described(self) -> tuple[tuple[Site, ...], str]:
        """The sites, and the whole in one line."""
        sites = describe_sites(self._model, self.order, self._follows, self._functions)
        return sites, describe(self._model, sites, self.order)
