"""One frozen pass through a network, and re-runs of any part of it under the same randomness."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import UserError
from ..signals import Array
from .coupling import coupled
from .independent import generators


class Tape:
    """A forward pass with its inputs, outputs and random states, layer by layer.

    Args:
        network: an independent copy: it is run at will.
        x: inputs (batch, …).
        y: targets (batch,) or (batch, outputs).

    Attributes:
        inputs, outputs: arrays of every layer (batch, …); copies.
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
        self._owned = [generators(layer) for layer in self.layers]
        self._start = [
            (g, g.bit_generator.state) for owned in (generators(network), *self._owned) for g in owned
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
        self._mixes: dict[int, bool] = {}
        self._record()
        self._weigh()

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

    def run(self, index: int, stack: Array) -> Array:
        """Layer `index` on copies of the batch (copies, batch, …), each by itself; may be a reused buffer."""
        copies, batch = stack.shape[:2]
        # Random: the mask of the batch, again for every copy. Mixing: a copy must not see the others.
        if self._states[index] or self.mixes(index):
            return np.stack([np.array(self.forward(index, block)) for block in stack])
        output = self.layers[index].forward(stack.reshape(copies * batch, *stack.shape[2:]))
        result: Array = output.reshape(copies, batch, *output.shape[1:])
        return result

    def losses(self, outputs: Array) -> Array:
        """Each sample's share of the loss (copies, batch) for copies of the output (copies, batch, …)."""
        copies = len(outputs)
        target = np.broadcast_to(self.y, (copies, *self.y.shape)).reshape(-1, *self.y.shape[1:])
        losses = np.asarray(self.loss.per_sample(outputs.reshape(-1, *outputs.shape[2:]), target))
        return losses.reshape(copies, self.batch) * self.weight

    def mixes(self, index: int) -> bool:
        """Whether layer `index` (the number of layers: the loss) mixes samples, as batch normalisation does."""
        if index not in self._mixes:
            self._mixes[index] = coupled(self, index)
        return self._mixes[index]

    def separate(self, index: int) -> None:
        """Notes that layer `index` is known not to mix samples."""
        self._mixes[index] = False

    def forget(self, index: int) -> None:
        """Takes `separate` back."""
        self._mixes.pop(index, None)

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
            self._states.append([(g, g.bit_generator.state) for g in self._owned[index]])
            given = np.array(x)
            try:
                output = np.array(layer.forward(x))
            except Exception as error:
                raise UserError(
                    f"the forward pass of {site(self.layers, index)} raises {type(error).__name__}: {error}",
                    help=getattr(error, "help", "") or "check x: rows are samples",
                ) from error
            if not equal(given, x):
                self.notes.append(f"{site(self.layers, index)} changes its input in place in forward.")
            self.inputs.append(given)
            self.outputs.append(output)
            x = output
        kinds = [o.dtype for o in self.outputs if o.dtype.kind == "f"]
        self.eps = max((float(np.finfo(kind).eps) for kind in kinds), default=float(np.finfo(np.float64).eps))

    def _weigh(self) -> None:
        """Finds how per-sample losses make up the loss, and whether the loss is the same twice."""
        if not hasattr(self.loss, "per_sample"):
            raise UserError(
                f"the loss {type(self.loss).__name__} has no per_sample",
                help="give it per_sample(output, target) -> (batch,); gradcheck differentiates each sample by itself",
            )
        self.loss_value = float(self.loss(np.array(self.output), self.y))
        per_sample = np.asarray(self.loss.per_sample(np.array(self.output), self.y))
        if per_sample.shape != (self.batch,):
            raise UserError(
                f"loss.per_sample gives shape {per_sample.shape} for a batch of {self.batch}",
                help=f"one loss per sample: ({self.batch},)",
            )
        total = float(per_sample.sum())
        for weight in (1 / self.batch, 1.0):
            if _near(total * weight, self.loss_value, 1e4 * self.eps):
                self.weight = weight
                break
        else:
            again = float(self.loss(np.array(self.output), self.y))
            if again != self.loss_value:
                raise RandomLossError([self.loss_value, again])
            raise UserError(
                f"the loss is {self.loss_value:.6g}, but its samples have mean {total / self.batch:.6g} "
                f"and sum {total:.6g}",
                help="loss(output, target) must be the mean or the sum of loss.per_sample(output, target)",
            )
        self.per_sample = per_sample * self.weight

    def compare_with_whole(self, whole: Any) -> None:
        """Whether the network is the chain of its layers, and gives the same twice.

        Args:
            whole: what a pass through the network gave; it is run once more if that is no output.
        """
        output = self.output
        if not isinstance(whole, np.ndarray) or whole.shape != output.shape:
            self.rewind()
            whole = np.array(self.network.forward(self.x))
        if equal(whole, output):
            return
        twice = self.x
        for index in range(len(self.layers)):
            twice = np.array(self.forward(index, twice))
        if not equal(twice, output):
            raise RandomLossError([float(self.loss(np.array(o), self.y)) for o in (output, twice)])
        if whole.shape != output.shape or not np.allclose(
            whole, output, rtol=1e4 * self.eps, atol=0, equal_nan=True
        ):
            raise UserError(
                "network.forward is not the chain of its layers",
                help="gradcheck needs network.layers in the order in which forward runs them",
            )

    def restore(self) -> None:
        """Puts back every parameter that a pass changed or replaced, and remembers which."""
        for index, (layer, kept) in enumerate(zip(self.layers, self._parameters)):
            for name, (array, values) in kept.items():
                if layer.parameters.get(name) is array and equal(array, values):
                    continue
                self.changed.add((index, name))
                layer.parameters[name] = array
                array[...] = values

    def clear(self, index: int) -> None:
        """Zeroes the gradients of layer `index`, in the arrays that it came with."""
        layer, kept = self.layers[index], self._gradients[index]
        if kept and layer.gradients is not kept:
            layer.gradients = kept
        arrays = self._arrays[index]
        for name, value in list(getattr(layer, "gradients", {}).items()):
            if isinstance(value, np.ndarray) and value is not arrays.get(name):
                value[...] = 0
        for name, value in arrays.items():
            if isinstance(value, np.ndarray):
                value[...] = 0
            layer.gradients[name] = value

    def clear_all(self) -> None:
        """Zeroes all gradients."""
        for index in range(len(self.layers)):
            self.clear(index)

    def fill(self, value: float) -> None:
        """Puts a number into every gradient."""
        for layer in self.layers:
            for gradient in getattr(layer, "gradients", {}).values():
                if isinstance(gradient, np.ndarray):
                    gradient[...] = value


def equal(a: Array, b: Array) -> bool:
    """Whether two arrays are the same, NaN for NaN: looked for only where they are not the same without it."""
    return np.array_equal(a, b) or np.array_equal(a, b, equal_nan=True)


def _near(a: float, b: float, relative: float) -> bool:
    return a == b or abs(a - b) <= relative * abs(b) or (math.isnan(a) and math.isnan(b))


class RandomLossError(Exception):
    """The loss gave two values for the same output."""

    def __init__(self, values: list[float]) -> None:
        super().__init__(f"the loss is random: same parameters gave {values[0]:.6g} and {values[1]:.6g}")


def site(layers: list[Any], index: int) -> str:
    """The name of a layer, or its kind where it has none."""
    layer = layers[index]
    name = getattr(layer, "name", "") or getattr(layer, "kind", "") or type(layer).__name__.lower()
    return str(name)
