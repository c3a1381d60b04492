"""A network of the user's own class, run through its own methods: rows in, rows out, gradients by parameter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import UserError
from ...signals import Array
from .calling import Method
from .data import Form, joined
from .gradients import Source, leaves
from .layout import DenseAt
from .members import Path, arrays, fetch, kept, redrawn, store
from .names import ROLES


@dataclass
class OwnModel:
    """What was found in a user's object, and how to run it. Nothing is changed outside of `untouched`.

    Attributes:
        model: the user's object.
        inputs, targets: how its code wants x and y.
        x, y: the samples as rows (samples, features) and (samples, outputs) or (samples,).
        forward, backward: its methods; loss, derivative and update, where it has them.
        parameters: path → the array that lay there at first, in the order of the layers where that is known.
        sources: path → where its gradient is found.
        constants: names of arrays that the output depends on and that are no parameters.
        doubtful: path → the same of arrays that may be parameters, but have no gradient.
        carried: paths of arrays that the output depends on and an update changes whatever the targets, as running means.
        chains: the ways in which the parameters can be dense layers.
        batched, forward_batched: whether backward and forward take a whole batch.
        in_order: whether the layers follow each other as their weights were found.
        alone: whether backward is called without a forward before it, as one that runs its own.
        notes: what else was guessed.
    """

    model: Any
    inputs: Form
    targets: Form
    x: Array
    y: Array
    forward: Method
    backward: Method | None = None
    loss: Method | None = None
    derivative: Method | None = None
    update: Method | None = None
    parameters: dict[Path, Array] = field(default_factory=dict)
    sources: dict[Path, Source] = field(default_factory=dict)
    constants: list[str] = field(default_factory=list)
    doubtful: dict[Path, Array] = field(default_factory=dict)
    carried: list[Path] = field(default_factory=list)
    chains: list[tuple[DenseAt, ...]] = field(default_factory=list)
    batched: bool = True
    forward_batched: bool = True
    in_order: bool = True
    alone: bool = False
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Within the block the object may be run and changed; afterwards it is what it was, to the bit."""
        with kept(self.model), np.errstate(all="ignore"):
            to_float64(self.model)
            yield

    @contextmanager
    def at(self, values: Mapping[Path, Array]) -> Iterator[None]:
        """Within the block its parameters are these, float64 copies."""
        with self.untouched():
            self.put(values)
            yield

    def put(self, values: Mapping[Path, Array]) -> None:
        for path, value in values.items():
            store(self.model, path, np.array(value))

    def start(self) -> dict[Path, Array]:
        """The parameters as they are, in float64."""
        return {path: np.array(fetch(self.model, path), np.float64) for path in self.parameters}

    # --- inside `untouched` -----------------------------------------------------------------------------------

    def output(self, x: Array) -> Array:
        """What forward gives for rows (samples, features), as rows (samples, outputs)."""
        if self.forward_batched:
            given = self._output_of(self.forward.call({"x": self._x(x)}))
            return self._as_rows(given, len(x))
        return joined([self._output_of(self.forward.call({"x": self._one(x, i)})) for i in range(len(x))])

    def gives_classes(self) -> bool:
        """Whether forward is a `predict` that gives the numbers of classes, which have no slope."""
        with kept(self.model):
            given = self.forward.call({"x": self._one(self.x, 0)})
        return isinstance(given, int) or getattr(given, "dtype", np.dtype(float)).kind in "iub"

    def gradients(self, x: Array, y: Array) -> dict[Path, Array | None]:
        """The gradients of one call of backward, of the shape in which they come; None where there is none.

        Args:
            x, y: rows; a single one where backward takes one sample at a time.
        """
        before = {path: np.array(fetch(self.model, path)) for path in self.parameters}
        returned, rate = self.run_backward(x, y)
        given = leaves(returned)
        result: dict[Path, Array | None] = {}
        for path in self.parameters:
            source = self.sources.get(path)
            if source is None:
                result[path] = None
            elif source.kind == "returned":
                result[path] = _copy(given.get(source.path))
            elif source.kind == "moved":
                result[path] = (before[path] - fetch(self.model, path)) / rate
            else:
                try:
                    result[path] = _copy(fetch(self.model, source.path))
                except KeyError:
                    result[path] = None
        return result

    def run_backward(self, x: Array, y: Array) -> tuple[Any, float]:
        """Forward, then backward; what backward returned, and the rate that it was given."""
        if self.backward is None:
            raise UserError(
                "no backward was found", help="gradcheck(model, x, y, backward='name of the method')"
            )
        values: dict[str, Any] = {"x": self._x(x), "y": self._y(y)}
        if self.alone:
            rate = self.rate_of(self.backward, 1.0)
            return self.backward.call({**values, "rate": rate}), rate
        with redrawn(self.model):  # a backward that runs forward itself drops out what this one did
            passed = self.forward.call({"x": self._x(x)})
        values |= {"output": self._output_of(passed), "cache": passed}
        if isinstance(passed, tuple) and len(passed) == 2:
            values["cache"] = passed[1]
        if self.backward.takes("upstream"):
            values["upstream"] = self._upstream(values)
        rate = self.rate_of(self.backward, 1.0)
        values["rate"] = rate
        return self.backward.call(values), rate

    def run_loss(self, x: Array, y: Array) -> float:
        """What its own loss says of rows."""
        assert self.loss is not None
        values: dict[str, Any] = {"x": self._x(x), "y": self._y(y)}
        if not (self.loss.takes("x") and self.loss.takes("y") and not self.loss.takes("output")):
            with redrawn(self.model):
                values["output"] = self._output_of(self.forward.call({"x": self._x(x)}))
        value = np.asarray(self.loss.call(values), np.float64)
        return float(value) if value.size == 1 else float(value.mean())

    def run_update(self, x: Array, y: Array, rate: float, **more: float) -> None:
        """One update on rows, as its own code does it."""
        assert self.update is not None
        values: dict[str, Any] = {"rate": rate, "decay": 0.0, "samples": len(x), **more}
        if self.update.takes("batch"):
            values["batch"] = [(self._one(x, i), self._one_target(y, i)) for i in range(len(x))]
        else:
            values |= {"x": self._x(x), "y": self._y(y)}
            if not (self.update.takes("x") or self.update.takes("y")):
                values["gradients"], _ = self.run_backward(x, y)
        self.update.call(values)

    def rate_of(self, method: Method, wanted: float) -> float:
        """The learning rate of a method: what we give it, or what the object keeps under such a name."""
        return wanted if method.takes("rate") else self.number(ROLES["rate"], 1.0)

    def number(self, words: Iterable[str], usual: float) -> float:
        """The first number that the object keeps under one of these names, else the usual one."""
        for word in words:
            value = (
                self.model.get(word) if isinstance(self.model, Mapping) else getattr(self.model, word, None)
            )
            if isinstance(value, int | float) and not isinstance(value, bool) and value:
                return float(value)
        return usual

    def found_arrays(self) -> dict[Path, Array]:
        return arrays(self.model)

    # --- samples ------------------------------------------------------------------------------------------------

    def _x(self, rows: Array) -> Any:
        if self.inputs.axis is None:
            return self.inputs.one(rows[0])
        return self.inputs.batch(rows)

    def _y(self, rows: Array) -> Any:
        if self.targets.axis is None:
            return self.targets.one(rows[0])
        return self.targets.batch(rows)

    def _one(self, rows: Array, index: int) -> Any:
        """A single sample: (features, 1), (1, features) or (features,)."""
        return self._x(rows[index : index + 1])

    def _one_target(self, rows: Array, index: int) -> Any:
        return self._y(rows[index : index + 1])

    def _as_rows(self, output: Array, count: int) -> Array:
        if self.inputs.axis == 1 and output.ndim == 2:
            return np.array(output.T)
        if output.ndim == 2 and output.shape[0] == count:
            return np.array(output)
        return np.array(output.reshape(count, -1))

    def _output_of(self, given: Any) -> Array:
        """The output in what forward returned: an array, the first of a tuple, the last of a list."""
        if given is None:
            return self._left_output()
        if isinstance(given, Mapping):
            named = [v for k, v in given.items() if str(k).lower() in ROLES["output"]]
            return self._output_of(named[0] if named else list(given.values())[-1])
        if isinstance(given, tuple) and given:
            lists = [item for item in given if isinstance(item, list)]
            return self._output_of(lists[-1] if lists and not _is_array(given[0]) else given[0])
        if isinstance(given, list) and given and _is_array(given[-1]):
            return self._output_of(given[-1])
        return np.array(given, np.float64)

    def _left_output(self) -> Array:
        """The output that a forward without a result leaves in an attribute."""
        found = arrays(self.model)
        for path, value in found.items():
            if len(path) == 1 and str(path[0][1]).lower().lstrip("_") in ROLES["output"]:
                return np.array(value, np.float64)
        fresh = {path: v for path, v in found.items() if path not in self.parameters}
        if not fresh:
            raise UserError(
                f"{self.forward} returns nothing", help="gradcheck(model, x, y, forward=lambda model, x: ...)"
            )
        return np.array(list(fresh.values())[-1], np.float64)

    def _upstream(self, values: Mapping[str, Any]) -> Any:
        if self.derivative is None:
            raise UserError(
                f"{self.backward} takes the gradient of the loss, and no derivative of a loss was found",
                help="gradcheck(model, x, y, backward=lambda model, x, y: ...)",
            )
        return self.derivative.call(values)


def to_float64(model: Any) -> None:
    """Puts a float64 copy in the place of every array of another float type."""
    for path, value in arrays(model).items():
        if value.dtype != np.float64:
            store(model, path, value.astype(np.float64))


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype != object


def _copy(value: Array | None) -> Array | None:
    return None if value is None else np.array(value, np.float64)
