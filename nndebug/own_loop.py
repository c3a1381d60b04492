"""`Recorder`: for a training loop of one's own, whose arrays are at hand."""

from __future__ import annotations

import atexit
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .adapters.nonfinite import found
from .errors import UserError
from .histogram import ExponentHistogram
from .schedule import Schedule
from .session import Session, as_number, named_figures
from .signals import RUN, Array, Site
from .stats import Moments

ROWS = 512
"""So many training samples are one look at the state of the network: the loss of one batch jumps too much to judge by."""
FIRST = 5
"""So many first updates are held against their gradients: every optimiser starts downhill."""
STEPS = 16
"""The same in steps, where no activation says how many samples a batch has."""

Arrays = Mapping[str, Any]


class Recorder(Session):
    """Records a training whose loop tells what happens, from any framework whose arrays NumPy can read.

    A name stands for a layer (`"hidden1"`) or for a parameter of one (`"hidden1.weight"`, `"hidden1.bias"`); an activation and a
    weight of one name are one layer. Only what is given is recorded, and only on steps that the schedule names: rules that
    need more say so. Arrays are read during the call and never kept or changed.

    Use it as a context manager, or call `close` at the end; where nobody does, the end of the program does it.

    Args:
        folder: run folder; None records in memory only.
        interval, name, report, png, strict: as of `nndebug.watch`.
        loss_at_chance: the loss of a network that has learned nothing, as ln 10 for ten equally frequent classes; rules that
            ask whether a run has learned need it.

    Raises:
        UserError: the folder cannot be written to, or holds something else than a run.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        interval: int = 10,
        loss_at_chance: float | None = None,
        name: str | None = None,
        report: bool = True,
        png: bool = True,
        strict: bool = False,
    ) -> None:
        schedule = Schedule(interval=interval, thin_interval=25 * interval if interval > 1 else 1)
        manifest: dict[str, Any] = {"framework": "own loop", "sites": []}
        if loss_at_chance is not None:
            manifest["loss_at_chance"] = as_number("loss_at_chance", loss_at_chance)
        super().__init__(manifest, folder, schedule, name, report, png, strict)
        self._step, self._epoch, self._ended_at = 0, 1, 0
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._weights: dict[str, Array] = {}
        self._losses: list[float] = []
        self._rows, self._seconds = 0, 0.0
        self._recorder.epoch(0, 0, {}, {})
        self._started = time.perf_counter()
        atexit.register(self._leave)

    def step(
        self,
        *,
        loss: Any = None,
        activations: Arrays | None = None,
        weights: Arrays | None = None,
        gradients: Arrays | None = None,
        learning_rate: Any = None,
    ) -> None:
        """Records one update; call it once per update, after it.

        Args:
            loss: of the batch, before the update. NaN is a finding and no error.
            activations: layer → what came out of it (batch, ...).
            weights: parameter → its values after the update.
            gradients: parameter → what the update was made of.
            learning_rate: of the update.

        Raises:
            UserError: something is no number or no array of numbers, or a shape is not what it was; nothing is recorded then.
        """
        if not self._open:
            raise UserError("this recorder is closed", help="record the steps before close()")
        started = time.perf_counter()
        tier, following = (
            self._recorder.schedule.tier(self._step),
            self._recorder.schedule.tier(self._step + 1),
        )
        figures = {"loss": loss, "learning_rate": learning_rate}
        row = {RUN: {k: as_number(k, v) for k, v in figures.items() if v is not None}}
        value = row[RUN].get("loss")
        outputs, moved, slopes = {}, {}, {}
        failing = value is not None and not math.isfinite(value) and not self._nonfinite_known()
        if tier is not None or failing:
            outputs = self._read("activations", activations)
            slopes = self._read("gradients", gradients)
        if tier == 1 or following == 1 or failing:
            moved = self._read("weights", weights)
        if not self._shapes.keys() >= {*outputs, *moved, *slopes}:
            self._describe(outputs, moved, slopes)
        if tier is not None or failing:
            self._measure(row, tier == 1, outputs, moved, slopes)
            self._recorder.step(self._step, self._epoch, row)
            self._find_nonfinite(row[RUN].get("loss", 0.0), outputs, moved, slopes)
        self._weights = {k: v.copy() for k, v in moved.items()} if following == 1 else {}
        if value is not None:
            self._judge_window(value, outputs)
        self._step += 1
        self._seconds += time.perf_counter() - started

    def epoch(self, **facts: Any) -> None:
        """Ends an epoch.

        Args:
            facts: what is known of it, such as `accuracy=0.93`, `validation_loss=0.2`.

        Raises:
            UserError: one of them is no number.
        """
        figures = named_figures(facts)
        if not self._open:
            raise UserError("this recorder is closed", help="record the epochs before close()")
        self._end(figures)

    # --- inside -----------------------------------------------------------------------------------------------

    def _end(self, figures: Mapping[str, float]) -> None:
        if self._step == self._ended_at:
            self._recorder.figures(self._epoch - 1, self._step, figures)
            return
        self._count_time()
        arrays = {
            f"{name}/weight.histogram": ExponentHistogram.of(value).counts
            for name, value in self._weights.items()
        }
        self._recorder.epoch(self._epoch, self._step, figures, arrays)
        self._epoch += 1
        self._ended_at = self._step
        self._conclude("running", draw=self._open)
        self._started = time.perf_counter()

    def _read(self, what: str, given: Arrays | None) -> dict[str, Array]:
        """The arrays under the names of their places; shapes are those of the first time, but for the batch."""
        if given is None:
            return {}
        if not isinstance(given, Mapping):
            raise UserError(
                f"{what} are a mapping from names to arrays, got a {type(given).__name__}",
                help=f'{what}={{"hidden1": array}}',
            )
        read = {}
        for name, value in given.items():
            array = _array(f"{what}[{name!r}]", value)
            place = str(name) if what == "activations" else _parameter(str(name), array)
            shape = (array.ndim, *array.shape[1:]) if what == "activations" else array.shape
            known = self._shapes.get(place, shape)
            if shape != known:
                was = ("batch", *known[1:]) if what == "activations" else known
                raise UserError(
                    f"{what}[{name!r}] has shape {array.shape}, was ({', '.join(map(str, was))}) before",
                    help="give every array under the same name at every step",
                )
            read[place] = array
        return read

    def _describe(self, outputs: Arrays, weights: Arrays, gradients: Arrays) -> None:
        """Tells the manifest of layers that were not known yet."""
        for place in weights.keys() & gradients.keys():
            if weights[place].shape != gradients[place].shape:
                raise UserError(
                    f"the gradient of {place} has shape {gradients[place].shape}, it itself {weights[place].shape}",
                    help="a gradient has its parameter's shape",
                )
        for place, array in outputs.items():
            self._shapes.setdefault(place, (array.ndim, *array.shape[1:]))
        for place, array in {**gradients, **weights}.items():
            self._shapes.setdefault(place, array.shape)
        names: dict[str, list[str]] = {}
        for place in self._shapes:
            dotted = place.rpartition(".")
            is_parameter = dotted[2] in ("weight", "bias") and dotted[0]
            names.setdefault(dotted[0] if is_parameter else place, []).extend(
                [dotted[2]] if is_parameter else []
            )
        sites = []
        for name, kept in names.items():
            shape = self._shapes.get(f"{name}.weight", ())
            inputs, units = (shape[0], shape[1]) if len(shape) == 2 else (0, 0)
            out = self._shapes.get(name, ())
            if inputs and len(out) == 2 and out[1] == inputs != units:
                inputs, units = units, inputs  # weights of (units, inputs)
            sites.append(
                Site(name, "own", None, inputs, units or (out[-1] if len(out) == 2 else 0), tuple(kept))
            )
        count = sum(math.prod(self._shapes[f"{s.name}.{p}"]) for s in sites for p in s.parameters)
        network = {"description": f"own loop, {len(sites)} layers", "parameters": count}
        self._recorder.update_manifest({"sites": [site.to_json() for site in sites], "network": network})

    def _measure(
        self,
        row: dict[str, dict[str, float]],
        full: bool,
        outputs: Arrays,
        weights: Arrays,
        gradients: Arrays,
    ) -> None:
        for place, array in outputs.items():
            row.setdefault(place, {}).update(Moments.of(array).summary("activation."))
        for place, array in gradients.items():
            moments = Moments.of(array)
            row.setdefault(place, {}).update(
                moments.summary("gradient.") if full else {"gradient.norm": moments.norm}
            )
        slope = length = 0.0
        for place, array in weights.items() if full else ():
            before = self._weights.get(place)
            values = row.setdefault(place, {})
            values.update(Moments.of(array if before is None else before).summary("weight."))
            if before is not None:
                moved = array.astype(np.float64) - before
                change = Moments.of(moved)
                values.update(change.summary("update."))
                if place in gradients:
                    with np.errstate(all="ignore"):
                        slope += float(np.sum(moved * gradients[place]))
                    length += change.norm**2
                if not place.endswith(".bias") and values["weight.norm"] > 0:
                    values["update_ratio"] = change.norm / values["weight.norm"]
        if length > 0 and self._step < FIRST:
            row[RUN]["replay.claimed"] = slope / math.sqrt(length)

    def _judge_window(self, loss: float, outputs: Arrays) -> None:
        """The loss over the last few hundred samples stands for that on a fixed set of them."""
        self._losses.append(loss)
        self._rows = max((len(a) for a in outputs.values() if a.ndim), default=self._rows)
        if self._step == 0 or len(self._losses) * (self._rows or ROWS // STEPS) >= ROWS:
            self._recorder.probe(
                self._step, self._epoch, {RUN: {"probe.loss": sum(self._losses) / len(self._losses)}}
            )
            self._losses = []

    def _nonfinite_known(self) -> bool:
        return any(event.get("event") == "nonfinite" for event in self.run.events)

    def _find_nonfinite(self, loss: float, outputs: Arrays, weights: Arrays, gradients: Arrays) -> None:
        """Names the first array that is not finite, in the order in which a step makes them."""
        if self._nonfinite_known():
            return
        signals = (
            ("activation", outputs),
            ("gradient", gradients),
            ("weight", weights),
        )
        for signal, arrays in signals:
            for place, array in arrays.items():
                if not np.isfinite(array).all():
                    facts = found(place, signal, f"{place} {signal}", array, {})
                    return self._recorder.event("nonfinite", self._step, self._epoch, **facts)
        if not math.isfinite(loss):
            facts = found("loss", "values", "the loss", np.array(loss), {})
            self._recorder.event("nonfinite", self._step, self._epoch, **{**facts, "sample": None})

    def _detach(self) -> None:
        atexit.unregister(self._leave)
        if self._step > self._ended_at:
            self._recorder.guard("the end of the last epoch", lambda: self._end({}), lambda: None)

    def _leave(self) -> None:
        """The program ends, by itself or by an error that nobody caught."""
        error = getattr(sys, "last_value", None)
        self.__exit__(type(error) if error else None, error, None)

    def _place(self) -> tuple[int, int]:
        return self._step, self._epoch

    def _recording_seconds(self) -> float:
        return self._seconds


def _array(what: str, value: Any) -> Array:
    """Any array, tensor or nested list of real numbers, as NumPy sees it; shared with its owner where that is possible."""
    try:
        if hasattr(value, "detach"):  # a tensor that is part of a graph, or on a device
            value = value.detach().cpu()
            if str(value.dtype) == "torch.bfloat16":  # which NumPy does not have
                value = value.float()
        if not hasattr(value, "__array__") and hasattr(value, "__dlpack__"):
            value = np.from_dlpack(value)
        array = np.asarray(value)
    except Exception as error:  # whatever a foreign __array__ raises
        raise UserError(f"{what} cannot be read as an array: {error}", help="give a NumPy array") from None
    if array.dtype.kind not in "fiub":
        got = type(value).__name__ if array.dtype == object or array.dtype.kind in "US" else f"{array.dtype}"
        raise UserError(f"{what} is an array of real numbers, got {got}", help="give a NumPy array of floats")
    return array


def _parameter(name: str, array: Array) -> str:
    """`W1` is the weight of a layer `W1`, `b1` with one axis its bias; `hidden1.weight` says it all."""
    if name.endswith((".weight", ".bias")):
        return name
    return f"{name}.{'weight' if array.ndim > 1 else 'bias'}"
