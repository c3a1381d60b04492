"""The probe: a fixed batch of training rows on which states are judged, in evaluation mode, leaving no trace.

It only nominates dead units. A count that anybody reads comes from the whole training set, which is searched for
the nominated units alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .deaths import LastAlive, fired, share_fired
from .hardest import hardest
from .histogram import ExponentHistogram
from .signals import RUN, Array
from .stats import Moments, shift

PROBE_ROWS = 512
_CHUNK = 4096
_IMAGES_AT_ONCE = 512
"""Images are searched in smaller chunks: what a convolution gives is many times as large as they are."""
_SETTLED = 50
"""Updates that running statistics need before evaluation mode says what training does: 0.9 ** 50 is 0.5 %."""
_IMAGES = 30
_FEW = 3
GRADIENT_ROWS = 128
"""Rows that `gradient` is the mean of: enough to outweigh batches of a few rows, few enough for images."""
_WRONG_SIDE = 0.99
_SATURATED = 0.01
"""A unit is saturated where its derivative is below this share of the activation's largest derivative."""
_LARGEST_DERIVATIVE = {"sigmoid": 0.25, "tanh": 1.0}

Values = dict[str, dict[str, float]]


@dataclass
class State:
    """What one pass of the probe showed: arrays (rows, units) or (rows, channels, …) by site, and the output."""

    step: int
    preactivation: dict[str, Array] = field(default_factory=dict)
    activation: dict[str, Array] = field(default_factory=dict)
    output: Array = field(default_factory=lambda: np.empty((0, 0)))


class Probe:
    """Judges the states of one network.

    Args:
        network: has `twin()`: the same parameter arrays with buffers of their own.
        x: the training inputs (samples, …).
        y: the training targets, encoded as (samples, outputs).
        labels: class numbers (samples,), or None.
        rows: rows to judge on; they are drawn once, from a seed of their own.
    """

    def __init__(
        self, network: Any, x: Array, y: Array, labels: Array | None, rows: int = PROBE_ROWS
    ) -> None:
        self.network, self.loss = network.twin(), network.loss
        count = min(rows, len(x))
        self.rows = np.sort(np.random.default_rng(0).choice(len(x), count, replace=False))
        self.x, self.y = x[self.rows], y[self.rows]
        self.labels = None if labels is None else labels[self.rows]
        self.all_x = x
        self._classes = 0 if labels is None else max(2, y.shape[1])
        relus = {layer.name: layer for layer in self.network.layers if layer.kind == "relu"}
        self.state = self.observe(-1, self.x)
        self.measured = -1
        self.alive = LastAlive({name: self.state.activation[name].shape[1] for name in relus})
        self._normalised = _behind_batch_norm(self.network)
        self._silent: dict[str, Array] = {}
        self._at_birth = network.copy().twin()
        self._born_dead = {name: np.zeros(self.state.activation[name].shape[1], bool) for name in relus}

    def observe(self, step: int, x: Array) -> State:
        """One forward pass of x through the twin."""
        state = State(step)

        def keep(layer: Any, values: Array, output: Array) -> None:
            if hasattr(layer, "derivative"):
                state.preactivation[layer.name] = values
                state.activation[layer.name] = output
            elif layer.parameters:
                state.preactivation[layer.name] = output

        with self.network.hook("forward", keep), np.errstate(all="ignore"):
            state.output = self.network.forward(x)
        return state

    def measure(self, step: int) -> tuple[Values, Values]:
        """Judges the state before `step`.

        Returns:
            What a probe row says of this state, and what a step row says of the update before it: how far it moved
            each layer's pre-activations, if the state before that update was measured too.
        """
        before, self.state, self.measured = self.state, self.observe(step, self.x), step
        with np.errstate(all="ignore"):
            values = {site: self._site(site) for site in self.state.preactivation}
            values[RUN] = self._run(values)
            shifts: Values = {}
            if before.step == step - 1 >= 0:
                for site, z in self.state.preactivation.items():
                    shifts[site] = {
                        "probe.shift": shift(
                            Moments.of(z - before.preactivation[site]), Moments.of(before.preactivation[site])
                        )
                    }
        for site in filter(self._judges, self.alive.sites):
            firing = fired(self.state.activation[site])
            self.alive.saw(site, firing, step)
            self._silent[site] = ~firing
        return values, shifts

    def gradient_norm(self) -> float | None:
        """Norm of the gradient of the loss (a mean over rows) in all parameters, on 128 rows or fewer from all over the
        probe: the state as it is now, in evaluation mode, without penalties. None where the backward pass cannot run on
        so many, which is its user's affair: rule hidden-by-batch-size is about it."""
        chosen = np.linspace(0, len(self.x) - 1, min(GRADIENT_ROWS, len(self.x))).astype(np.int64)
        x, y = self.x[chosen], self.y[chosen]
        with np.errstate(all="ignore"):
            try:
                self.network.differentiate(x, y, input_gradient=False)
            except Exception:
                return None
            norm = float(np.linalg.norm(self.network.flat_gradients.astype(np.float64)))
        return norm / len(x) if getattr(self.loss, "reduction", "mean") == "sum" else norm

    def _run(self, values: Values) -> dict[str, float]:
        output = self.state.output
        row = {"probe.loss": float(np.mean(self.loss.per_sample(output, self.y), dtype=np.float64))}
        if self.labels is not None:
            predictions = self.loss.predictions(output)
            shares = np.bincount(predictions) / len(predictions)
            row["probe.accuracy"] = float(np.mean(predictions == self.labels))
            row["probe.top_class"] = int(shares.argmax())
            row["probe.top_class_share"] = float(shares.max())
        row["probe.output_std"] = float(np.std(output, axis=0, dtype=np.float64).mean())
        return row

    def _site(self, site: str) -> dict[str, float]:
        z, a = self.state.preactivation[site], self.state.activation.get(site)
        row = {
            f"probe.preactivation.{k}": v
            for k, v in Moments.of(z).summary().items()
            if k not in ("norm", "zero_share")
        }
        signal = z if a is None else a
        # How much of a layer's size tells samples apart; 0 where every sample gives the same.
        size = float(np.sqrt(np.mean(np.square(signal, dtype=np.float64))))
        spread = float(np.sqrt(np.mean(np.var(signal, axis=0, dtype=np.float64))))
        row["probe.variation"] = spread / size if size > 0 else 0.0
        if a is None:
            return row
        row["probe.zero_share"] = float(np.mean(a == 0))
        kind = self._kind(site)
        if kind == "relu" and self._judges(site):
            row["probe.silent_units"] = int(np.count_nonzero(~fired(a)))
        if kind in _LARGEST_DERIVATIVE:
            derivative = a * (1 - a) if kind == "sigmoid" else 1 - a * a
            saturated = derivative < _SATURATED * _LARGEST_DERIVATIVE[kind]
            row["probe.saturated_share"] = float(np.mean(saturated))
            # Only a loss whose gradient passes through this derivative gets stuck where it is wrong and flat.
            if site == self.network.layers[-1].name and self.loss.kind == "quadratic":
                wrong = saturated & (np.abs(a - self.y) > _WRONG_SIDE)
                row["probe.wrong_side_share"] = float(np.mean(wrong))
        return row

    def _kind(self, site: str) -> str:
        kinds = {layer.name: layer.kind for layer in self.network.layers if hasattr(layer, "derivative")}
        return str(kinds.get(site, ""))

    def _judges(self, site: str) -> bool:
        """Whether units silent at this state are news: while running statistics are young, evaluation mode is not what
        training does, and units that fire in every batch may look silent."""
        return site not in self._normalised or self.state.step >= _SETTLED

    # --- dead units -------------------------------------------------------------------------------------------

    def silent_units(self) -> dict[str, Array]:
        """Units (units,) of bool that fired for no probe row at the state last measured, by ReLU site."""
        return dict(self._silent)

    def many_silent(self, share: float, since: Mapping[str, Array] | None = None) -> bool:
        """Whether some layer has so many silent units, or so many more than `since`, that they are worth a count.

        Args:
            share: of the layer, and at least three units.
            since: an earlier answer of `silent_units`.
        """
        for site, silent in self._silent.items():
            fresh = silent if since is None else silent & ~since.get(site, np.zeros_like(silent))
            if int(fresh.sum()) >= max(_FEW, share * len(silent)):
                return True
        return False

    def cheap_to_count(self) -> bool:
        """Whether only the first layer has silent units: then a count needs no forward pass, only their columns."""
        first = self.network.layers[0]
        return all(
            (site, first.kind) == (first.name, "dense")
            for site, silent in self._silent.items()
            if silent.any()
        )

    def dead_units(self) -> dict[str, Array]:
        """Units (units,) of bool that fire for no training sample at the state last measured, by ReLU site.

        This costs up to one forward pass of the whole training set, and a second one, the first time that a unit
        is found dead that was never seen to fire, over the initial parameters: was it dead at birth?
        """
        nominated = {site: np.flatnonzero(silent) for site, silent in self._silent.items()}
        confirmed = never_fire(self.network, self.all_x, nominated)
        dead = {site: _mask(len(silent), confirmed.get(site, [])) for site, silent in self._silent.items()}
        unknown = {}
        for site, units in dead.items():
            self.alive.saw(site, ~units, self.state.step)
            unknown[site] = np.flatnonzero((self.alive.died_at(site, units) == 0) & ~self._born_dead[site])
        born_dead = never_fire(self._at_birth, self.all_x, unknown)
        for site, units in unknown.items():
            stillborn = _mask(len(dead[site]), born_dead.get(site, []))
            self._born_dead[site] |= stillborn
            self.alive.saw(site, _mask(len(dead[site]), units) & ~stillborn, 0)
        return dead

    # --- arrays of an epoch -----------------------------------------------------------------------------------

    def arrays(
        self, dead: Mapping[str, Array], image_shape: Sequence[int] | None = None, pictured: bool = True
    ) -> dict[str, Array]:
        """The arrays of an epoch's file (see `run.py`) at the state last measured.

        Args:
            dead: what `dead_units` returned for this state.
            image_shape: (height, width), if the inputs are flat grey images.
            pictured: keep the first weights as images, where the inputs are images.
        """
        found: dict[str, Array] = {}
        for site, z in self.state.preactivation.items():
            found[f"{site}/preactivation.histogram"] = ExponentHistogram.of(z).counts
        for site, a in self.state.activation.items():
            found[f"{site}/activation.histogram"] = ExponentHistogram.of(a).counts
            if a.ndim >= 2:
                found[f"{site}/activity"] = share_fired(a)
        for site, units in dead.items():
            found[f"{site}/dead"] = units
            found[f"{site}/died_at"] = self.alive.died_at(site, units)
        for name, value in self.network.parameters.items():
            found[f"{name}/weight.histogram"] = ExponentHistogram.of(value).counts
            if pictured and image_shape and value.ndim in (2, 4):
                if value.ndim == 2 and len(value) == np.prod(image_shape):
                    found[f"{name}/images"] = value.T[:_IMAGES].reshape(-1, *image_shape).astype(np.float32)
                pictured = False  # the first layer only: what others see are no input images
        predictions = None if self.labels is None else self.loss.predictions(self.state.output)
        with np.errstate(all="ignore"):
            losses = self.loss.per_sample(self.state.output, self.y)
        found |= hardest(self.x, self.rows, losses, self.labels, predictions, image_shape)
        if self.labels is not None and self._classes > 1:
            pairs = self.labels * self._classes + predictions
            counts = np.bincount(pairs, minlength=self._classes**2)
            found["run/confusion"] = counts.reshape(self._classes, self._classes)
        return found


def _mask(length: int, indices: Any) -> Array:
    mask = np.zeros(length, bool)
    mask[np.asarray(indices, np.int64)] = True
    return mask


def _behind_batch_norm(network: Any) -> set[str]:
    """Sites whose values depend on the running statistics of a batch normalisation."""
    kinds = [layer.kind for layer in network.layers]
    first = kinds.index("batch_norm") if "batch_norm" in kinds else len(kinds)
    return {layer.name for layer in network.layers[first:]}


def never_fire(network: Any, x: Array, nominated: Mapping[str, Array]) -> dict[str, Array]:
    """Which of the nominated units fire for no row of x.

    Args:
        network: a twin; its layers are run directly.
        x: all training inputs (samples, …).
        nominated: site → indices of units to look at.

    Returns:
        site → the indices that never fired. The search stops as soon as every nominated unit has fired.
    """
    pending = {site: np.asarray(units) for site, units in nominated.items() if len(units)}
    chunk = _CHUNK if x.ndim == 2 else _IMAGES_AT_ONCE
    for start in range(0, len(x), chunk):
        if not pending:
            break
        value = x[start : start + chunk]
        unseen = set(pending)
        for layer in network.layers:
            if not unseen:
                break
            site = layer.name
            if site in unseen and layer.kind == "dense" and unseen == {site}:
                # The last site to look at: only the columns of its nominated units are needed.
                columns = pending[site]
                z = value @ layer.parameters["weight"][:, columns]
                z += layer.parameters["bias"][columns] if "bias" in layer.parameters else 0
                firing = fired(z)
            else:
                value = layer.forward(value)
                if site not in unseen or layer.kind != "relu":
                    continue
                firing = fired(value[:, pending[site]])
            unseen.discard(site)
            pending[site] = pending[site][~firing]
        pending = {site: units for site, units in pending.items() if len(units)}
    return pending
