"""What watching needs to know of a user's object: its layers, its loss, its update, and how to run it on a copy of its state."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import UserError
from ...gradcheck.inspecting import Found, inspected
from ...gradcheck.own.check import find, settle
from ...gradcheck.own.rebuilt import Layers, rebuild
from ...gradcheck.own.target import choose_loss
from ...gradcheck.own.updates import rule_seen
from ...gradcheck.rule import Rule
from ...signals import Array
from ..attributes.members import Path
from ..attributes.model import OwnModel
from .parts import OwnLoss, loss_of

SAMPLES = 16
"""Samples on which an object is looked at."""

Plain = Callable[[], AbstractContextManager[Any]]
"""Makes the object what it is without us, within a block."""


@dataclass
class Understood:
    """A user's object, as layers with a loss and an update.

    Attributes:
        own: its methods, its parameters, how it wants samples.
        layers: where the parameters of each dense layer are, and its activation.
        loss: as the core has it.
        fused: whether the output's activation is part of the loss.
        divided: whether a backward gives sums of which the update takes the mean.
        rule: what the update does with a gradient, None if that is not known.
        found: what `nndebug inspect` prints of it.
        given: what the user said of it.
        plain: see `Plain`.
    """

    own: OwnModel
    layers: Layers
    loss: OwnLoss
    fused: bool
    divided: bool
    rule: Rule | None
    found: Found
    given: Mapping[str, Any]
    plain: Plain

    @property
    def paths(self) -> Iterator[tuple[str, Path, bool]]:
        """`hidden1.weight`, its path and whether it is kept as (outputs, inputs), in order."""
        for at in self.layers.chain:
            yield f"{at.name}.weight", at.weight, at.turned
            if at.bias is not None:
                yield f"{at.name}.bias", at.bias, False

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Within the block the user's methods are their own again, and what they print is not seen."""
        with self.plain(), contextlib.redirect_stdout(io.StringIO()):
            yield

    def values(self, parameters: Mapping[str, Array]) -> dict[Path, Array]:
        """The core's arrays as the user keeps them."""
        return {
            path: (parameters[name].T if turned else parameters[name]).reshape(
                self.own.parameters[path].shape
            )
            for name, path, turned in self.paths
        }

    def gradients(self, parameters: Mapping[str, Array], x: Array, y: Array) -> dict[str, Array]:
        """The gradients that the user's own backward gives of a batch; the object is left as it is.

        Args:
            parameters: by the core's names.
            x, y: rows (samples, features) and (samples, outputs).

        Raises:
            UserError: it raises.
        """
        own = self.own
        y = self.targets(y)
        every = [slice(0, len(x))] if own.batched else [slice(i, i + 1) for i in range(len(x))]
        total: dict[str, Array] = {}
        with self.quiet(), own.at(self.values(parameters)):
            for rows in every:
                with own.untouched() if len(every) > 1 else contextlib.nullcontext():
                    given = own.gradients(np.asarray(x[rows], np.float64), y[rows])
                for name, path, turned in self.paths:
                    one = as_core(given.get(path), parameters[name].shape, turned)
                    total[name] = total[name] + one if name in total else one
        count = len(x) if self.divided or not own.batched else 1
        return {name: value / count for name, value in total.items()}

    def targets(self, y: Array) -> Array:
        """Encoded targets in the form of the user's: class numbers where those are what it takes."""
        own = self.own.y
        if own.ndim > 1 and own.shape[1] == y.shape[1]:
            return np.asarray(y, np.float64)
        numbers = np.asarray(y[:, 0] if y.shape[1] == 1 else y.argmax(axis=1)).astype(own.dtype)
        return numbers.reshape(-1, *own.shape[1:])


def as_core(given: Array | None, shape: tuple[int, ...], turned: bool) -> Array:
    """A user's array as the core keeps it; what has another shape is spread out as an update would do it.

    Raises:
        ValueError: it does not fit.
    """
    if given is None:
        return np.zeros(shape)
    value = np.asarray(given)
    if len(shape) == 1:
        return value.ravel() if value.size == shape[0] else np.array(np.broadcast_to(value, shape))
    value = value.T if turned and value.ndim == 2 else value
    return value if value.shape == shape else np.array(np.broadcast_to(value, shape))


def understand(model: Any, x: Any, y: Any, given: Mapping[str, Any], plain: Plain) -> Understood:
    """Finds out what a user's object is; it is as it was afterwards.

    Args:
        model: the object, or a mapping of functions.
        x, y: samples as its own methods take them.
        given: what the user knows better, see `nndebug.adapters.attributes.OVERRIDES`.
        plain: see `Plain`.

    Raises:
        UserError: it cannot be watched, and what would help.
    """
    rng = np.random.default_rng(0)
    with plain(), contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        own, word = find(model, x, y, given)
        layers = rebuild(own, rng)
        name = type(model).__name__
        if layers is None:
            raise UserError(
                f"no dense layers with known activations give what {own.forward} of {name} gives",
                help="nndebug gradcheck checks its gradients; nndebug.Recorder records any loop",
            )
        target = choose_loss(own, layers, word)
        if target is None or target.loss is None or target.penalty:
            raise UserError(f"the loss of {name} is none that is known", help="say which: loss='quadratic'")
        target, _, _, summed = settle(own, layers, target)
        assert target.loss is not None
        mean = target.mean or not own.batched
        loss, fused = loss_of(target.loss, layers.functions[-1].name, "mean" if mean else "sum")
        rule = rule_seen(own, rng)
        return Understood(
            own, layers, loss, fused, summed, rule, inspected(own, layers, target), dict(given), plain
        )
