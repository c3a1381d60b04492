"""The batch that a network is checked on: random, without symmetries, of a size that no layer has."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import UserError
from ..signals import Array

SAMPLES = 10
MOST_SAMPLES = 32


def widths(network: Any) -> set[int]:
    """The lengths of all parameter axes: a batch of such a size would hide mixed-up axes."""
    layers = network.layers
    return {n for layer in layers for value in getattr(layer, "parameters", {}).values() for n in value.shape}


def dtype_of(network: Any) -> np.dtype[Any]:
    """What the network computes in: float64 for a copy that could be converted."""
    values = [v for layer in network.layers for v in getattr(layer, "parameters", {}).values()]
    kinds = [value.dtype for value in values if value.dtype.kind == "f"]
    return np.result_type(*kinds) if kinds else np.dtype(np.float64)


def probe(
    network: Any, x: Any, y: Any, samples: int | None, rng: np.random.Generator
) -> tuple[Array, Array, str]:
    """The inputs (batch, …), the targets, and a few words on where they come from.

    Raises:
        UserError: y without x, different lengths, no rows, not finite, or a network whose input or targets cannot be guessed.
    """
    if samples is not None and samples < 1:
        raise UserError(f"samples is {samples}", help="give 1 or more, or leave it out")
    dtype = dtype_of(network)
    if x is None:
        if y is not None:
            raise UserError("gradcheck got y without x", help="gradcheck(network, x, y)")
        count = samples or _free_size(network, SAMPLES)
        inputs = made_inputs(network, count, rng).astype(dtype)
        return inputs, made_targets(network, inputs, rng), f"{count} random rows"
    inputs = np.asarray(x)
    if inputs.dtype.kind not in "fiub":
        raise UserError(f"x is {inputs.dtype}, not numbers", help="give an array of floats (batch, features)")
    if inputs.ndim < 1 or not len(inputs):
        raise UserError("x has no rows", help="gradcheck needs at least one sample")
    refuse_nonfinite(x=inputs, y=y)
    inputs = inputs.astype(dtype)
    targets = made_targets(network, inputs, rng) if y is None else np.asarray(y)
    if targets.dtype.kind == "f":
        targets = in_dtype(targets, dtype)
    if len(targets) != len(inputs):
        raise UserError(f"x has {len(inputs)} rows and y has {len(targets)}", help="one target per sample")
    total = len(inputs)
    if samples is None and total <= MOST_SAMPLES:
        return inputs, targets, f"{total} rows"
    count = min(total, samples or _free_size(network, SAMPLES))
    if count == total:
        return inputs, targets, f"{total} rows"
    chosen = np.sort(rng.choice(total, count, replace=False))
    return inputs[chosen], targets[chosen], f"{count} of {total:,} rows"


def in_dtype(targets: Array, dtype: Any) -> Array:
    """Targets in another dtype; rows of probabilities, which sum to 1 as far as float32 goes, do so in float64 as well.

    The usual gradient of a cross-entropy, softmax − y, holds for no others.
    """
    found = targets.astype(dtype)
    if targets.dtype == np.float32 and found.dtype == np.float64 and found.ndim == 2 and (found >= 0).all():
        total = found.sum(axis=1, keepdims=True)
        if (np.abs(total - 1) <= found.shape[1] * np.finfo(np.float32).eps).all():
            found /= total
    return found


def refuse_nonfinite(**data: Any) -> None:
    """Says that NaN or infinity comes in with the samples, where it would look like a fault of the network.

    Raises:
        UserError: an array of floats among these, or a list that makes one, is not finite.
    """
    for name, given in data.items():
        try:
            values = np.asarray(given)
        except (TypeError, ValueError, RuntimeError):  # lists of samples of unlike shapes, or not of NumPy
            continue
        if values.ndim and values.dtype.kind == "f" and not np.isfinite(values).all():
            place = ", ".join(map(str, np.argwhere(~np.isfinite(values))[0]))
            raise UserError(
                f"{name} has NaN or infinity, first at [{place}]",
                help="gradcheck needs samples that are finite",
            )


def made_inputs(network: Any, count: int, rng: np.random.Generator) -> Array:
    """Normal inputs (count, features) of the width that the first dense layer takes.

    Raises:
        UserError: no layer says how wide its input is.
    """
    for layer in network.layers:
        parameters = getattr(layer, "parameters", {})
        matrix = next((value for value in parameters.values() if value.ndim == 2), None)
        if matrix is not None:
            return rng.normal(size=(count, matrix.shape[0]))
        if parameters:
            break
    raise UserError("the width of the input cannot be guessed", help="gradcheck(network, x, y)")


def made_targets(network: Any, x: Array, rng: np.random.Generator) -> Array:
    """Targets that suit the loss: class numbers for cross-entropy, else values between 0 and 1 (batch, outputs).

    Raises:
        UserError: the loss does not take them.
    """
    output = np.asarray(network.forward(x))
    kind = getattr(network.loss, "kind", "")
    if output.ndim != 2:
        raise UserError(f"the network's output has shape {output.shape}", help="it must be (batch, outputs)")
    if kind == "cross_entropy" and output.shape[1] == 1:
        return np.ones(output.shape)  # probabilities: a row must sum to 1
    if kind == "cross_entropy":
        return rng.integers(0, output.shape[1], len(output))
    targets = rng.uniform(0.05, 0.95, output.shape)
    try:
        network.loss.per_sample(np.array(output), targets)
    except Exception as error:
        raise UserError(
            f"no targets can be guessed for the loss {kind or type(network.loss).__name__}: {error}",
            help="gradcheck(network, x, y)",
        ) from error
    return targets


def _free_size(network: Any, count: int) -> int:
    taken = widths(network)
    while count in taken:
        count += 1
    return count
