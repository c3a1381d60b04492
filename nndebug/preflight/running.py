"""`preflight`: runs the parts in order of worth until the budget is spent."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import UserError
from ..gradcheck import gradcheck
from ..gradcheck.result import GradCheck
from ..signals import Array
from . import contract, data, labels, learning, start
from .result import FAILED, Preflight
from .subject import Clock, NotApplicable, OutOfTime, Subject

PARTS: Mapping[str, Callable[[Subject], dict[str, Any]]] = {
    "fit": contract.fit,
    "data": data.data,
    "start": start.start,
    "optimizer": contract.optimizer,
    "batch": contract.batch,
    "reduction": contract.reduction,
    "gradcheck": lambda subject: {},  # see `_gradcheck`
    "overfit": learning.overfit,
    "labels": labels.labels,
    "overlap": data.overlap,
    "sweep": learning.sweep,
}
"""The parts by name, the most telling for its time first."""

_GRADCHECK_ROWS = 512
_SHARE = 0.5
"""Of the budget that is left, what the gradient check may be expected to take."""


def preflight(
    network: Any,
    x: Any,
    y: Any,
    *,
    optimizer: Any = None,
    batch: int | None = None,
    seconds: float = 1.0,
    validation: tuple[Array, Array] | None = None,
    strict: bool = False,
) -> Preflight:
    """Measures what can be known before the first step: do the parts fit, can it learn, do the labels belong.

    Works on copies: network, optimiser, data and every random generator stay as they are, bit for bit.

    Args:
        network: layers with hooks and a loss, such as `network.Sequential`.
        x: training inputs (samples, …).
        y: targets, as the training gets them.
        optimizer: the update; without it nothing is trained for a try.
        batch: samples per update.
        seconds: the budget. The parts run in order of worth; what did not fit is in `not_checked`.
        validation: held-out x and y.
        strict: raise what fails in a part, instead of noting it; for tests.

    Raises:
        UserError: the network has no layers with hooks, or there are no samples.
    """
    if not all(hasattr(network, name) for name in ("layers", "hook", "twin", "copy", "loss")):
        raise UserError(
            f"cannot look at a {type(network).__name__} before training: it has no layers with hooks",
            help="of a class of your own it runs in nndebug.watch(net, preflight=True), around its training; "
            "nndebug gradcheck takes other networks",
        )
    x, y = np.asarray(x), np.asarray(y)
    if not x.ndim or not len(x) or len(x) != len(y):
        raise UserError(
            f"x has {len(x) if x.ndim else 0} rows and y has {len(y) if y.ndim else 0}",
            help="preflight(network, x, y) takes one target per sample",
        )
    clock = Clock(seconds)
    before = [np.array(value) for value in (network.flat_parameters, *network.state.values())]
    generators = random.getstate(), np.random.get_state()
    measured: dict[str, dict[str, Any]] = {}
    took: dict[str, float] = {}
    missed: dict[str, str] = {}
    checked: GradCheck | None = None
    try:
        subject = Subject(network, x, y, optimizer, batch, validation, clock)
        for name, part in PARTS.items():
            started = clock.spent
            try:
                clock.check()
                with np.errstate(all="ignore"):
                    if name == "gradcheck":
                        checked = _gradcheck(subject)
                    else:
                        measured[name] = part(subject)
            except OutOfTime:
                missed[name] = f"the budget of {seconds:g} s was spent"
            except NotApplicable as reason:
                missed[name] = str(reason)
            except Exception as error:
                if strict:
                    raise
                missed[name] = f"{FAILED}{' '.join(f'{type(error).__name__}: {error}'.split())}"
            took[name] = clock.spent - started
    finally:
        random.setstate(generators[0])
        np.random.set_state(generators[1])
        for value, old in zip((network.flat_parameters, *network.state.values()), before):
            # A layer of the user's own may share with its copies what it should not.
            if value.tobytes() != old.tobytes():
                value[...] = old
    facts = _facts(subject)
    # Through JSON and back, so that a rule sees the same live and from a folder.
    return Preflight.from_json(Preflight(measured, checked, clock.spent, took, missed, facts).to_json())


def _gradcheck(subject: Subject) -> GradCheck:
    """The gradient check on as many rows as the budget allows.

    Raises:
        OutOfTime: not even three rows fit.
    """
    rows = subject.rows[:_GRADCHECK_ROWS]
    x, y = subject.x[rows], subject.y[rows]
    network = subject.original.copy(dtype="float64")
    started = time.perf_counter()
    network.forward(x[:11])
    one_pass = time.perf_counter() - started
    # Four points for each entry that a layer with parameters gives; on average half of the layers are run again.
    columns = sum(int(np.prod(np.shape(output)[1:])) for output in _outputs(network, x[:1]))
    expected = 2 * columns * one_pass
    samples = None
    if expected > _SHARE * subject.clock.left:
        samples = int(11 * _SHARE * subject.clock.left / expected)
        if samples < 3:
            raise NotApplicable(f"it would take about {expected:.0f} s: nndebug gradcheck")
    if own := getattr(subject.original, "check_gradients", None):
        # It stands for an object of the user's own, which has its own gradients and its own update.
        try:
            found: GradCheck = own(x, y, samples)
        except UserError as error:  # it raises on these samples: the part `batch` says at which sizes
            raise NotApplicable(str(error)) from error
        return found
    return gradcheck(subject.original, x, y, optimizer=subject.optimizer, samples=samples)


def _outputs(network: Any, x: Array) -> list[Array]:
    found = []
    for layer in network.layers:
        x = layer.forward(x)
        if layer.parameters:
            found.append(x)
    return found


def _facts(subject: Subject) -> dict[str, Any]:
    from ..adapters.sites import describe_sites

    network, optimizer = subject.original, subject.optimizer
    return {
        "name": "preflight",
        "network": {"description": network.describe(), "dtype": str(network.dtype)},
        "sites": [site.to_json() for site in describe_sites(network)],
        "loss": subject.loss.kind,
        "samples": len(subject.x),
        "batch": subject.batch,
        "optimizer": {}
        if optimizer is None
        else {
            "kind": getattr(optimizer, "kind", ""),
            "rate": optimizer.rate,
            "l2": getattr(optimizer, "l2", 0.0),
        },
    }
