"""The adapter for networks of layers with hooks: our core, and any core with the same few methods.

It costs one short call per step. For the steps that the schedule names it attaches observers for that one step, so
that all others run as if nobody watched. State k is the network before step k.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..deaths import fired
from ..probe import Probe
from ..recorder import Recorder
from ..replay import STEPS, Replay
from ..signals import RUN, Array
from ..stats import Moments, shift
from .nonfinite import producer

Values = dict[str, dict[str, float]]

_OF_THE_MODE = ("dropout", "batch_norm")
"""Kinds of layers that compute something else in training than in evaluation."""
_MASSACRE = 0.1
"""Where one update silences this share of a layer on the probe, the whole training set is searched at once …"""
_MASSACRES = 3
"""… but only so many times in a run: a search costs as much as evaluating the training set."""
_WORTH_COUNTING = 0.2
"""Units silent on the probe, as a share of a layer and new since the last count, that make an epoch count them."""
_LAST_COUNT = 0.1
"""The same for the last epoch, old ones included. Fewer are no finding; reports then say "at most"."""


class LayeredAdapter:
    """Watches one network through its hooks.

    Args:
        network: see the observer protocol in `network/hooks.py`.
        recorder: where rows go.

    Attributes:
        probe: judges states; None until the data is known.
        step: the next update.
        epoch: the epoch of the next update, from 1.
        seconds: time spent on recorded steps and probes.
    """

    def __init__(self, network: Any, recorder: Recorder) -> None:
        self.network, self.recorder = network, recorder
        self.probe: Probe | None = None
        self.step, self.epoch, self.seconds = 0, 1, 0.0
        self._due = 0
        self._searching = True
        self._massacres = _MASSACRES
        self._counted: dict[str, Array] | None = None
        self._error: Array | None = None
        self._flat = np.empty(0)
        self._dot: Callable[[Array], Any] = self._flat.dot
        self._replay: Replay | None = None
        self._compares = True
        self._row: Values = {}
        self._before = np.empty(0)
        self._batch = np.empty(0)
        self._preactivations: dict[str, Array] = {}
        self._parameters = [(name, value.reshape(-1)) for name, value in network.parameters.items()]
        self._gradients = [(name, value.reshape(-1)) for name, value in network.gradients.items()]
        self._always: list[Any] = []
        self._once: list[Any] = []

    def attach(self) -> None:
        """Starts watching."""
        self._always = [self.network.hook("before_step", self._before_step)]
        self._find_due(self.step)
        if self.step == 0:
            self._replaying(lambda: setattr(self, "_replay", Replay(self.network)))
        self._arm()

    def detach(self) -> None:
        """Takes every observer off again; may be called any number of times."""
        for handle in (*self._always, *self._once):
            handle.remove()
        self._always, self._once = [], []

    # --- every step -------------------------------------------------------------------------------------------

    def _before_step(self, optimizer: Any) -> None:
        if self._searching and not self._surely_finite():
            self.recorder.guard("the search for the first NaN", self._search, self._stop_searching)
        if self.step == self._due:
            self.recorder.guard("recording", lambda: self._record(optimizer), self.detach)
        self.step += 1
        if self.step == self._due and self._always and not self._once:
            self._arm()  # else `_after_step` of this step does, when its own row is written

    def pass_over(self) -> None:
        """Leaves out a step of which nothing is known, though it was due."""
        self._disarm()
        self._stop_replaying()  # it looks at what follows from one step to the next
        self.step += 1
        self._find_due(self.step)
        if self._always:
            self._arm()

    def _surely_finite(self) -> bool:
        """One product tells. It may overflow for huge finite values: a search then finds nothing."""
        error = self.network.output_gradient
        if error is not self._error:
            # Kept where it is a view: the core writes the error of every batch into the same array.
            self._flat, self._error = error.reshape(-1), error if error.flags.c_contiguous else None
            self._dot = self._flat.dot
        try:
            return math.isfinite(self._dot(self._flat))
        except (RuntimeWarning, FloatingPointError):  # where the user made errors of warnings
            return False

    @property
    def due(self) -> bool:
        """Whether the step that comes is to be recorded or its state probed."""
        return self.step == self._due

    @property
    def searching(self) -> bool:
        """Whether nothing that is not finite has been found yet."""
        return self._searching

    def nonfinite(self, step: int, facts: dict[str, Any]) -> None:
        """Records what made the first number that is not finite, at an update."""
        self._stop_searching()
        self.recorder.event("nonfinite", step, self.epoch, **facts)

    def _search(self) -> None:
        found = producer(self.network)
        if found:
            self.nonfinite(self.step, found)

    def _stop_searching(self) -> None:
        self._searching = False

    # --- a step that the schedule names -----------------------------------------------------------------------

    def _find_due(self, step: int) -> None:
        schedule = self.recorder.schedule
        self._due = min(schedule.next_due(step), schedule.next_probe(step))

    def _arm(self) -> None:
        """Attaches what the step that comes now is to be observed by."""
        tier, hook = self.recorder.schedule.tier(self.step), self.network.hook
        if self.step != self._due or tier is None:
            return
        self._row = {}
        self._once = [hook("loss", self._guarded(self._on_loss))]
        if self.step >= STEPS:
            self._stop_replaying()
        elif replay := self._replay:
            self._replaying(replay.before_step)
        if tier == 1:
            self._once.append(hook("forward", self._guarded(self._on_forward)))
            self._once.append(hook("backward", self._guarded(self._on_backward)))
        elif self.probe is not None:
            relus = [
                layer
                for layer in self.network.layers
                if layer.name in self.probe.alive and layer.kind == "relu"
            ]
            self._once += [layer.hook("forward", self._guarded(self._on_relu)) for layer in relus]

    def _disarm(self) -> None:
        for handle in self._once:
            handle.remove()
        self._once = []

    def _guarded(self, observe: Callable[..., None]) -> Callable[..., None]:
        return lambda *values: self.recorder.guard("recording", lambda: observe(*values), self.detach)

    def _values(self, site: str) -> dict[str, float]:
        return self._row.setdefault(site, {})

    def _on_loss(self, output: Array, target: Array, gradient: Array) -> None:
        self._values(RUN)["loss"] = float(
            np.mean(self.network.loss.per_sample(output, target), dtype=np.float64)
        )
        if replay := self._replay:
            replay.on_loss(target)

    def _on_relu(self, layer: Any, z: Array, a: Array) -> None:
        if self.probe is not None:
            self.probe.alive.saw(layer.name, fired(a), self.step)

    def _on_forward(self, layer: Any, x: Array, output: Array) -> None:
        values = self._values(layer.name)
        if layer is self.network.layers[0]:
            self._batch = np.array(x)
            if replay := self._replay:
                self._replaying(replay.on_forward)
            values |= Moments.of(x).summary("input.")
        if hasattr(layer, "derivative"):
            values |= Moments.of(output).summary("activation.")
            if self.probe is not None and layer.name in self.probe.alive:
                self._on_relu(layer, x, output)
        elif layer.parameters:
            values |= Moments.of(output).summary("preactivation.")
            self._preactivations[layer.name] = output

    def _on_backward(self, layer: Any, output_gradient: Array, input_gradient: Array | None) -> None:
        if replay := self._replay:
            replay.on_backward()
        # dLoss/dz of the layer: what BP1 and BP2 are about.
        if layer.parameters:
            self._values(layer.name).update(Moments.of(output_gradient).summary("output_gradient."))

    def _record(self, optimizer: Any) -> None:
        started = time.perf_counter()
        step, tier = self.step, self.recorder.schedule.tier(self.step)
        self._disarm()
        self._find_due(step + 1)
        if self.probe is not None and self.recorder.schedule.probe_due(step):
            self.measure(step)
        if tier is not None:
            self._values(RUN)["learning_rate"] = optimizer.rate
            for name, gradient in self._gradients:
                if tier == 1:
                    self._values(name).update(Moments.of(gradient).summary("gradient."))
                else:
                    self._values(name)["gradient.norm"] = math.sqrt(gradient.dot(gradient))
        if tier == 1:
            if optimizer.l2 or getattr(self.network, "penalties", None):
                self._values(RUN)["penalty"] = optimizer.penalty(self.network)
            self._before = self.network.flat_parameters.copy()
            if replay := self._replay:
                self._replaying(lambda: self._merge(replay.before_update(step, optimizer)))
            self._once = [self.network.hook("after_step", self._guarded(self._after_step))]
        elif tier == 0:
            self.recorder.step(step, self.epoch, self._row)
        self.seconds += time.perf_counter() - started

    def _after_step(self, optimizer: Any) -> None:
        started = time.perf_counter()
        step = self.step - 1
        update = self.network.flat_parameters - self._before
        start = 0
        for name, value in self._parameters:
            part = slice(start, start + value.size)
            start = part.stop
            before, change = Moments.of(self._before[part]), Moments.of(update[part])
            values = self._values(name)
            values |= before.summary("weight.")
            values |= change.summary("update.")
            if not name.endswith(".bias") and before.norm > 0:
                values["update_ratio"] = change.norm / before.norm
        if replay := self._replay:
            self._replaying(lambda: self._merge(replay.after_update(step)))
        if not self.recorder.schedule.probe_due(step + 1):
            self._batch_shift()
        self._disarm()
        self.recorder.step(step, self.epoch, self._row)
        if self._due == self.step:
            self._arm()
        self.seconds += time.perf_counter() - started

    def _merge(self, rows: Values) -> None:
        for site, values in rows.items():
            self._values(site).update(values)

    def _replaying(self, call: Callable[[], None]) -> None:
        """Whoever cannot be copied is watched without."""
        self.recorder.guard("replaying the first steps", call, self._stop_replaying)

    def _stop_replaying(self) -> None:
        self._replay = None

    def _batch_shift(self) -> None:
        """How far the update moved the pre-activations of its own batch."""
        if self.probe is None or any(layer.kind in _OF_THE_MODE for layer in self.network.layers):
            return  # units dropped at random, or statistics of another batch, would look like a move
        after = self.probe.observe(-1, self._batch).preactivation
        for site, z in self._preactivations.items():
            self._values(site)["shift"] = shift(Moments.of(after[site] - z), Moments.of(z))

    # --- states -----------------------------------------------------------------------------------------------

    def measure(self, step: int) -> None:
        """Judges the state before `step` on the probe, unless that was done."""
        probe = self.probe
        if probe is None or probe.measured == step:
            return
        silent = probe.silent_units()
        values, shifts = probe.measure(step)
        if shifts:
            self.recorder.step(step - 1, self.epoch, shifts)
        if shifts and self._massacres and probe.many_silent(_MASSACRE, silent):
            # So that "died at step 1" is true of the training set and not only of the probe.
            self._massacres -= 1
            probe.dead_units()
        self.recorder.probe(step, self.epoch, values)

    def _compare_gradients(self) -> None:
        """The gradient on many rows, beside which those of single batches show how much noise is in them."""
        if self.probe is None or (norm := self.probe.gradient_norm()) is None:
            self._stop_comparing()
        else:
            self.recorder.probe(self.step, self.epoch, {RUN: {"probe.gradient.norm": norm}})

    def _stop_comparing(self) -> None:
        self._compares = False

    def _worth_counting(self, probe: Probe, last: bool) -> bool:
        if last:
            return probe.cheap_to_count() or probe.many_silent(_LAST_COUNT)
        return probe.many_silent(_WORTH_COUNTING, self._counted)

    def end_epoch(self, number: int, facts: Mapping[str, float], last: bool = False) -> None:
        """Judges the state after an epoch (0: birth) with everything that is kept once per epoch.

        Args:
            number: of the epoch.
            facts: what the training says of it.
            last: count dead units again.
        """
        started = time.perf_counter()
        arrays: dict[str, Array] = {}
        if self.probe is not None and self._always:  # what has failed once is not tried again
            self.measure(self.step)
            if self._compares:
                self.recorder.guard(
                    "the gradient on the probe", self._compare_gradients, self._stop_comparing
                )
            dead: dict[str, Array] = {}
            if self._worth_counting(self.probe, last):
                dead = self.probe.dead_units()
                self._counted = self.probe.silent_units()
                counts = {site: {"probe.dead_units": int(units.sum())} for site, units in dead.items()}
                self.recorder.probe(self.step, number, counts)
            # Weight images change slowly and are the largest part of the file: epochs 0, 1, 2, 4, 8, … and the last.
            pictured = last or number & (number - 1) == 0
            arrays = self.probe.arrays(dead, self.recorder.run.manifest.get("image_shape"), pictured)
        self.recorder.epoch(number, self.step, facts, arrays)
        self.epoch = number + 1
        self.seconds += time.perf_counter() - started
