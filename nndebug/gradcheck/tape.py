"""One frozen pass through a network, and re-runs of any part of it under the same randomness."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from ..errors import UserError
from ..signals import Array
from .claimed import BackwardError, Claimed, RandomLossError
from .coupling import coupled
from .differences import POINTS, roughness
from .independent import generators
from .slopes import pieces

AGAIN = 1e-9
"""Two runs of the same pass may differ by this much, relative to the largest entry."""

WIGGLES = 8
DIRECTIONS = 2
TREMOR = 1e-5
"""Step of the fourth differences that show noise; what is smooth changes by its fourth power."""

FINER = 0.1
"""What that step is multiplied with to tell noise from a sharp bend, as of a norm over almost equal numbers."""


class Tape:
    """A forward pass with its inputs, outputs and random states, layer by layer.

    Args:
        network: an independent copy: it is run at will.
        x: inputs (batch, …).
        y: targets (batch,) or (batch, outputs).

    Attributes:
        inputs, outputs: arrays of every layer (batch, …); copies.
        mixers: layers (the number of layers: the loss) that mix samples, as batch normalisation does.
        per_sample: each sample's share of the loss (batch,); they add up to `loss_value`.
        eps: machine epsilon of the coarsest layer.
        changed: (layer index, parameter) that a pass changed, which no pass must; put back at once.
        notes: sentences worth telling the user.

    Raises:
        UserError: the network's forward raised, or its loss is not made of samples.
    """

    def __init__(self, network: Any, x: Array, y: Array) -> None:
        self.network, self.layers, self.loss = network, list(network.layers), network.loss
        self.x, self.y, self.batch = x, y, len(x)
        self.notes: list[str] = []
        self._start = [
            (g, g.bit_generator.state) for layer in (network, *self.layers) for g in generators(layer)
        ]
        # A wrong backward may leave others in their place.
        self._gradients = [getattr(layer, "gradients", {}) for layer in self.layers]
        self._arrays = [dict(gradients) for gradients in self._gradients]
        self._parameters = [
            {name: (value, np.array(value)) for name, value in getattr(layer, "parameters", {}).items()}
            for layer in self.layers
        ]
        self.changed: set[tuple[int, str]] = set()
        self._states: list[list[tuple[np.random.Generator, Any]]] = []
        self.inputs: list[Array] = []
        self.outputs: list[Array] = []
        self._record()
        self._weigh()
        self.mixers = {index for index in range(len(self.layers) + 1) if coupled(self, index)}

    @property
    def output(self) -> Array:
        return self.outputs[-1] if self.outputs else self.x

    def rewind(self) -> None:
        """Sets every random generator back to where the pass began."""
        for generator, state in self._start:
            generator.bit_generator.state = state

    def forward(self, index: int, x: Array) -> Array:
        """Layer `index` on x (batch, …), with the random numbers of the recorded pass. May be a reused buffer."""
        for generator, state in self._states[index]:
            generator.bit_generator.state = state
        output: Array = self.layers[index].forward(x)
        return output

    def replay(self) -> None:
        """Runs every layer as in the recorded pass."""
        for index, x in enumerate(self.inputs):
            self.forward(index, x)

    def above(self, level: int, stack: Array, copies: int) -> tuple[Array, Array]:
        """Runs layers `level` and up on stacked copies of the batch.

        Args:
            level: index of the first layer to run; the number of layers runs the loss only.
            stack: (copies · batch, …), the input of that layer.
            copies: how many batches are stacked.

        Returns:
            Per-sample losses (copies, batch), and how many ReLU-like units of each sample are on another side of
            their kink than in the recorded pass (copies, batch).
        """
        flips = np.zeros((copies, self.batch), np.int64)
        for index in range(level, len(self.layers)):
            layer = self.layers[index]
            side = pieces(layer, stack)
            if side is not None:
                before = pieces(layer, self.inputs[index]).reshape(self.batch, -1)
                flips += np.count_nonzero(side.reshape(copies, self.batch, -1) != before, axis=2)
            if index in self.mixers:  # what flips in one sample is felt by all
                flips[...] = flips.sum(axis=1, keepdims=True)
            # Random: the mask of the batch, again for every copy. Mixing: a copy must not see the others.
            if self._states[index] or index in self.mixers:
                blocks = stack.reshape((copies, self.batch, *stack.shape[1:]))
                stack = np.concatenate([np.array(self.forward(index, block)) for block in blocks])
            else:
                stack = layer.forward(stack)
        target = np.tile(self.y, (copies,) + (1,) * (self.y.ndim - 1))
        losses = np.asarray(self.loss.per_sample(stack, target)).reshape(copies, self.batch)
        return losses * self.weight, flips

    def noise(self, level: int) -> Array:
        """Rounding noise of the per-sample losses (batch,), as a standard deviation, seen from layer `level`.

        Measured: the input of that layer is moved by a unit in the last place; and far enough for a layer that
        computes in float32 behind a float64 face to show its steps.
        """
        base = self.outputs[level - 1] if level else self.x
        rng = np.random.default_rng(0)
        wiggles = base * (1 + self.eps * rng.choice([-1.0, 1.0], (WIGGLES, *base.shape)))
        direction = rng.normal(size=(DIRECTIONS, 1, *base.shape))
        change, moved = self._shaken(level, wiggles, TREMOR * direction)
        noise: Array = np.sqrt(np.mean(change**2, axis=0)) + 0.5 * self.eps * np.abs(self.per_sample)
        floor, usual = roughness(moved), 30 * float(np.median(noise))
        if floor > usual:
            _, finer = self._shaken(level, wiggles[:0], FINER * TREMOR * direction)
            floor = min(floor, roughness(finer))
            if floor > usual:
                floor = 3 * roughness(moved, 1.0)  # rounding to float32 is uneven: count with the worst
        return np.maximum(noise, floor)

    def _shaken(self, level: int, wiggles: Array, direction: Array) -> tuple[Array, Array]:
        """Changes of the per-sample losses at inputs of layer `level`: at wiggles (copies, batch), and at `POINTS`
        along directions (directions · batch, points) where nothing flips."""
        base = self.outputs[level - 1] if level else self.x
        moves = base + POINTS.reshape((-1,) + (1,) * base.ndim) * direction
        stack = np.concatenate([wiggles, moves.reshape(-1, *base.shape)]).astype(base.dtype)
        losses, flips = self.above(level, stack.reshape(-1, *base.shape[1:]), len(stack))
        change, first = losses - self.per_sample, len(wiggles)
        shape = (len(direction), len(POINTS), self.batch)
        smooth = ~flips[first:].reshape(shape).any(axis=1)
        return change[:first], change[first:].reshape(shape).swapaxes(1, 2)[smooth]

    def claimed(self) -> Claimed:
        """Runs the network's own forward and backward, then its layers one by one."""
        self._clear()
        gradients = self._differentiate()
        again = self._differentiate()
        skipping = None
        if _takes(getattr(self.network, "differentiate", None), "input_gradient"):
            self._clear()
            skipping = self._differentiate(input_gradient=False)
        self._clear()
        deltas, loss_gradient, broken = self._chain()
        self.restore()
        chained = self.layer_gradients()
        if broken and not gradients:
            gradients = again = {key: value for key, value in chained.items() if key[0] > broken.index}
            skipping = None
        return Claimed(gradients, again, skipping, chained, loss_gradient, deltas, broken)

    def draws(self, index: int) -> bool:
        """Whether layer `index` draws random numbers."""
        return bool(self._states[index])

    def layer_gradients(self) -> dict[tuple[int, str], Array]:
        """What lies in every layer's `gradients` now, copied."""
        return {
            (index, name): np.array(value)
            for index, layer in enumerate(self.layers)
            for name, value in getattr(layer, "gradients", {}).items()
            if value is not None
        }

    # --- inside -----------------------------------------------------------------------------------------------

    def _record(self) -> None:
        self.rewind()
        x = self.x
        for index, layer in enumerate(self.layers):
            self._states.append([(g, g.bit_generator.state) for g in generators(layer)])
            given = np.array(x)
            try:
                output = np.array(layer.forward(x))
            except Exception as error:
                raise UserError(
                    f"the forward pass of {site(self.layers, index)} raises {type(error).__name__}: {error}",
                    help=getattr(error, "help", "") or "check x: rows are samples",
                ) from error
            if not np.array_equal(given, x, equal_nan=True):
                self.notes.append(f"{site(self.layers, index)} changes its input in place in forward.")
            self.inputs.append(given)
            self.outputs.append(output)
            x = output
        output = self.output
        kinds = [o.dtype for o in self.outputs if o.dtype.kind == "f"]
        self.eps = max((float(np.finfo(kind).eps) for kind in kinds), default=float(np.finfo(np.float64).eps))
        twice = self.x
        for index in range(len(self.layers)):
            twice = np.array(self.forward(index, twice))
        if not np.array_equal(twice, output, equal_nan=True):
            raise RandomLossError([float(self.loss(np.array(o), self.y)) for o in (output, twice)])
        self.rewind()
        whole = np.array(self.network.forward(self.x))
        if whole.shape != output.shape or not np.allclose(
            whole, output, rtol=1e4 * self.eps, atol=0, equal_nan=True
        ):
            raise UserError(
                "network.forward is not the chain of its layers",
                help="gradcheck needs network.layers in the order in which forward runs them",
            )

    def _weigh(self) -> None:
        """Finds how per-sample losses make up the loss, and whether the loss is the same twice."""
        if not hasattr(self.loss, "per_sample"):
            raise UserError(
                f"the loss {type(self.loss).__name__} has no per_sample",
                help="give it per_sample(output, target) -> (batch,); gradcheck differentiates each sample by itself",
            )
        values = [float(self.loss(np.array(self.output), self.y)) for _ in range(2)]
        self.loss_value = values[0]
        if values[0] != values[1] and not np.isnan(values).all():
            raise RandomLossError(values)
        per_sample = np.asarray(self.loss.per_sample(np.array(self.output), self.y))
        if per_sample.shape != (self.batch,):
            raise UserError(
                f"loss.per_sample gives shape {per_sample.shape} for a batch of {self.batch}",
                help=f"one loss per sample: ({self.batch},)",
            )
        total = float(per_sample.sum())
        for weight in (1 / self.batch, 1.0):
            if np.isclose(total * weight, self.loss_value, rtol=1e4 * self.eps, atol=0, equal_nan=True):
                self.weight = weight
                break
        else:
            raise UserError(
                f"the loss is {self.loss_value:.6g}, but its samples have mean {total / self.batch:.6g} "
                f"and sum {total:.6g}",
                help="loss(output, target) must be the mean or the sum of loss.per_sample(output, target)",
            )
        self.per_sample = per_sample * self.weight

    def restore(self) -> None:
        """Puts back every parameter that a pass changed or replaced, and remembers which."""
        for index, (layer, kept) in enumerate(zip(self.layers, self._parameters)):
            for name, (array, values) in kept.items():
                if layer.parameters.get(name) is array and np.array_equal(array, values, equal_nan=True):
                    continue
                self.changed.add((index, name))
                layer.parameters[name] = array
                array[...] = values

    def clear(self, index: int) -> None:
        """Zeroes the gradients of layer `index`, in the arrays that it came with."""
        layer, kept = self.layers[index], self._gradients[index]
        if kept and layer.gradients is not kept:
            layer.gradients = kept
        for name, value in (*getattr(layer, "gradients", {}).items(), *self._arrays[index].items()):
            if isinstance(value, np.ndarray):
                value[...] = 0
            if name in self._arrays[index]:
                layer.gradients[name] = self._arrays[index][name]

    def _clear(self) -> None:
        for index in range(len(self.layers)):
            self.clear(index)

    def _differentiate(self, **how: bool) -> dict[tuple[int, str], Array]:
        self.rewind()
        try:
            if hasattr(self.network, "differentiate"):
                self.network.differentiate(self.x, self.y, **how)
            else:
                output = self.network.forward(self.x)
                self.network.backward(self.loss.gradient(output, self.y))
        except Exception:  # the chain below finds out which layer it was
            return {}
        finally:
            self.restore()
        return self.layer_gradients()

    def _chain(self) -> tuple[list[Array | None], Array | None, BackwardError | None]:
        self.rewind()
        x = self.x
        for layer in self.layers:
            x = layer.forward(x)
        deltas: list[Array | None] = [None] * len(self.layers)
        try:
            loss_gradient = np.array(self.loss.gradient(np.array(x), self.y))
        except Exception as error:
            return deltas, None, BackwardError(len(self.layers), "loss.gradient", error)
        gradient: Any = loss_gradient
        for index in reversed(range(len(self.layers))):
            deltas[index] = np.array(gradient)
            try:
                gradient = self.layers[index].backward(gradient)
            except Exception as error:
                return (
                    deltas,
                    loss_gradient,
                    BackwardError(index, f"{site(self.layers, index)}.backward", error),
                )
            if gradient is None:
                break
        return deltas, loss_gradient, None


def _takes(function: Any, keyword: str) -> bool:
    try:
        return keyword in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def site(layers: list[Any], index: int) -> str:
    """The name of a layer, or its kind where it has none."""
    layer = layers[index]
    name = getattr(layer, "name", "") or getattr(layer, "kind", "") or type(layer).__name__.lower()
    return str(name)
