"""Do the parts fit: what network, loss and targets say of each other, and what the batch size changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..signals import Array
from .ranges import label_facts, output_facts, target_facts
from .subject import NotApplicable, Subject

SAME = 1e-3
"""Per-sample results that differ by less than this, relative to their size, are the same (float32 rounding is 1e-6)."""


def fit(subject: Subject) -> dict[str, Any]:
    """Loss, output and targets: kinds, shapes and ranges."""
    output = subject.output
    y = np.asarray(subject.y)
    found: dict[str, Any] = {
        "loss": subject.loss.kind,
        "takes": subject.takes,
        "output_activation": subject.activation,
        "outputs": subject.outputs,
        "output_shape": list(output.shape[1:]),
        "target_shape": list(y.shape[1:]),
        "layers": [
            {"name": layer.name, "kind": layer.kind, "parameters": bool(layer.parameters)}
            for layer in subject.original.layers
        ],
        "linear": list(subject.linear),
        "refusal": subject.refusal,
    }
    found |= label_facts(y) | output_facts(output)
    targets = subject.targets
    if targets is not None and targets.size:
        found |= target_facts(targets, subject.activation)
        if subject.labels is not None:
            found["classes"] = int(np.unique(subject.labels).size)
        found["edge"] = _edge(subject, targets)
    return found


def _edge(subject: Subject, targets: Array) -> dict[str, Any] | None:
    """What the loss makes of probabilities that are exactly 0 and 1, on the wrong side; None if it takes none."""
    if subject.takes != "probabilities" or targets.ndim != 2:
        return None
    right = np.array(targets[subject.rows[:8]], subject.dtype)
    wrong = np.ascontiguousarray(1 - np.rint(right))
    loss = np.asarray(subject.loss.per_sample(wrong, right))
    slope = np.asarray(subject.loss.gradient(wrong, right))
    return {
        "loss_finite": bool(np.isfinite(loss).all()),
        "gradient_finite": bool(np.isfinite(slope).all()),
        "gradient_zero": bool((slope == 0).all()),
    }


def batch(subject: Subject) -> dict[str, Any]:
    """Every sample's output and loss by itself, against what batches of several sizes give.

    At each size forward, loss and backward are run; the gradient of a batch must be the mean of its samples'.
    """
    targets = subject.needs_targets
    count = min(len(subject.x), subject.awkward)
    rows = subject.rows[:count] if len(subject.rows) >= count else np.arange(count)
    x, y = subject.x[rows], targets[rows]
    alone = [_pass(subject, x[i : i + 1], y[i : i + 1]) for i in range(count)]
    each = [single for single in alone if not isinstance(single, str)]
    widths = {layer.units for layer in subject.original.layers if getattr(layer, "units", 0)}
    sizes = sorted({n for n in (2, *widths, subject.outputs, subject.batch, subject.awkward) if n > 1})
    found: dict[str, Any] = {
        "sizes": {},
        "awkward": subject.awkward,
        "coupled_layer": None,
        "coupled_loss": False,
    }
    if broken := next((single for single in alone if isinstance(single, str)), None):
        found["sizes"]["1"] = {"raises": broken}
        each = []
    for size in sizes:
        if size > 4 * count + 256:
            continue  # wide layers: what shows at all shows at the smaller sizes
        subject.clock.check()
        take = np.arange(size) % count
        result = _pass(subject, x[take], y[take])
        if isinstance(result, str):
            found["sizes"][str(size)] = {"raises": result}
        else:
            found["sizes"][str(size)] = _compare(each, take, result) if each else {}
    found["coupled_layer"], found["coupled_loss"] = _coupling(subject, x, y)
    return found


def _pass(subject: Subject, x: Array, y: Array) -> tuple[Array, Array, Array] | str:
    """Output, per-sample loss and flat gradient of a batch; the error's text if it raises."""
    network = subject.network()
    try:
        with np.errstate(all="ignore"):
            output = network.differentiate(x, y)
            loss = np.asarray(network.loss.per_sample(output, y), np.float64)
        return np.array(output, np.float64), loss, np.array(network.flat_gradients)
    except Exception as error:  # layers of the user's own
        return " ".join(f"{type(error).__name__}: {error}".split())


def _compare(
    each: list[tuple[Array, Array, Array]], take: Array, result: tuple[Array, Array, Array]
) -> dict[str, Any]:
    output, loss, gradient = result
    alone = np.concatenate([each[i][0] for i in take])
    # A sample that stands in the batch several times counts so often.
    shares = np.bincount(take, minlength=len(each)) / len(take)
    mean = np.zeros(gradient.shape)
    for share, (_, _, own) in zip(shares, each):
        mean += share * own
    size = float(np.linalg.norm(mean))
    ratio = float(gradient @ mean) / size**2 if size > 0 else None
    losses = np.concatenate([np.atleast_1d(each[i][1]) for i in take])
    return {
        "output": _difference(alone, output),
        "loss": _difference(losses, loss),
        "gradient": _difference(mean, gradient) if size > 0 else 0.0,
        # 1 where the loss is a mean over the batch, its size where it is a sum.
        "gradient_ratio": ratio,
    }


def _difference(right: Array, got: Array) -> float | None:
    """Largest difference, relative to the largest entry; None if the shapes differ."""
    if right.shape != got.shape:
        return None
    size = float(np.abs(right).max(initial=0.0))
    gap = float(np.abs(right - got).max(initial=0.0))
    return gap / size if size > 0 else gap


def _coupling(subject: Subject, x: Array, y: Array) -> tuple[str | None, bool]:
    """The first layer whose result for one sample depends on the others, and whether the loss does so."""
    network = subject.network()
    value = np.asarray(x, subject.dtype)
    for layer in network.layers:
        try:
            whole = np.array(layer.forward(value), np.float64)
            alone = np.array(layer.forward(value[:1]), np.float64)
            if (gap := _difference(alone, whole[:1])) is None or gap > SAME:
                return str(layer.name), False
            value = layer.forward(value)
        except Exception:  # told by the sizes
            return None, False
    try:
        whole = np.asarray(subject.loss.per_sample(value, y), np.float64)
        alone = np.asarray(subject.loss.per_sample(value[:1], y[:1]), np.float64)
    except Exception:
        return None, False
    gap = _difference(np.atleast_1d(alone), np.atleast_1d(whole)[:1])
    return None, gap is None or gap > SAME


def reduction(subject: Subject) -> dict[str, Any]:
    """The loss and the size of its gradient on the same rows once, twice and four times: growing means summed."""
    targets = subject.needs_targets
    rows = subject.rows[:8]
    x, y = subject.x[rows], targets[rows]
    losses, norms = [], []
    for times in (1, 2, 4):
        result = _pass(subject, np.concatenate([x] * times), np.concatenate([y] * times))
        if isinstance(result, str):
            raise NotApplicable(f"a batch of {times * len(rows)} raises {result}")
        losses.append(float(np.mean(result[1])))
        norms.append(float(np.linalg.norm(result[2])))
    grown = [n / norms[0] if norms[0] > 0 else None for n in norms]
    return {"losses": losses, "gradient_growth": grown, "batch": subject.batch}


def optimizer(subject: Subject) -> dict[str, Any]:
    """Which parameters one step of the optimiser moves, given a gradient for every entry."""
    if subject.optimizer is None:
        raise NotApplicable("no optimiser was given")
    if hasattr(subject.original, "check_gradients"):
        raise NotApplicable("the gradient check runs the update of a class of one's own")
    network = subject.original.copy(dtype="float64")
    before = {name: np.array(value) for name, value in network.parameters.items()}
    rng = np.random.default_rng(0)
    for gradient in network.gradients.values():
        gradient[...] = rng.choice((-1.0, 1.0), gradient.shape)
    subject.make_optimizer(l2=False).step(network)
    moved = {name: bool(np.any(value != before[name])) for name, value in network.parameters.items()}
    return {
        "moved": [name for name, yes in moved.items() if yes],
        "unmoved": [name for name, yes in moved.items() if not yes],
        "frozen": list(getattr(subject.original, "frozen_layers", ())),
    }
