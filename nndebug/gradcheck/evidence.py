"""What is known about a layer that disagrees, put together for the catalogue of mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..signals import Array
from .catalogue import CATALOGUES, elementwise_loss
from .claimed import Claimed
from .functions import recognise
from .linear import Linear
from .local import Trial, by_columns
from .mistakes import Evidence, name_mistakes
from .norms import normalisation
from .result import Mistake
from .tape import Tape
from .windows import convolution, pair_of, pooling


class Clues:
    """Evidence about the layers of one pass.

    Args:
        tape: the recorded pass.
        claimed: the network's gradients.
        forms: layer index → its linear form.
        sizes: how many samples the data set may have.

    Attributes:
        owners: indices of the layers with parameters.
    """

    def __init__(
        self, tape: Tape, claimed: Claimed, forms: Mapping[int, Linear | None], sizes: tuple[int, ...]
    ) -> None:
        self.tape, self.claimed, self.forms, self.sizes = tape, claimed, forms, sizes
        self.layers = tape.layers
        self.owners = [i for i, layer in enumerate(self.layers) if getattr(layer, "parameters", {})]

    def mistakes(self, trial: Trial, parameter: str, part: str) -> tuple[Mistake, ...]:
        """The mistakes that explain what a layer gave for a parameter (or `input`) at a random point.

        All other layers stand where the recorded pass left them: what takes something from there is known too.
        """
        given = trial.given.get(parameter)
        if given is None:
            if parameter != "input":
                return ()
            line = self.names(trial.index)["before"]
            return (
                Mistake("the error not passed on (backward returns None)", f"dL/d{line} = None", "", 0.0),
            )
        return name_mistakes(self._of(trial, parameter, part, given), CATALOGUES)

    def of_loss(self, right: Array) -> Evidence:
        """Evidence about the loss's gradient (batch, outputs)."""
        tape, kind = self.tape, str(getattr(self.tape.loss, "kind", ""))
        output = np.asarray(tape.output, np.float64)
        target = self._encoded(output)
        raw = np.asarray(tape.loss.per_sample(np.array(tape.output), tape.y))
        return Evidence(
            "loss", np.asarray(self.claimed.loss_gradient), right, output, output, np.ones_like(output),
            self.names(len(self.layers)), loss=kind, target=target, per_sample=raw,
            elementwise=None if target is None else elementwise_loss(kind, output, target), rows=self.sizes,
        )  # fmt: skip

    def names(self, index: int) -> dict[str, str]:
        """Fields of the templates for layer `index`: layers with weights count from 1, as in delta2 = error of W2."""
        last, number = len(self.owners), self._number(index)
        incoming = f"delta{number + 1} @ W{number + 1}.T"
        if number == last:
            incoming = f"dC/da{number}"
        elif self.owners[number] != index + 1 or not self.forms.get(self.owners[number]):
            incoming = f"dL/da{number}"
        kind = getattr(self.layers[index], "kind", "") if index < len(self.layers) else ""
        activated = bool(self.owners) and self.owners[-1] < len(self.layers) - 1
        return {
            "delta": f"delta{number}" if number else "dL/dx",
            "incoming": incoming,
            "W": f"W{number}",
            "b": f"b{number}",
            "z": f"z{number}" if number else "x",
            "a": f"a{number}",
            "before": f"a{number - 1}" if number > 1 else "x",
            "out": f"{'a' if activated else 'z'}{last}",
            "f": str(kind or "f"),
        }

    # --- inside -----------------------------------------------------------------------------------------------

    def _number(self, index: int) -> int:
        return sum(1 for owner in self.owners if owner <= index)

    def _of(self, trial: Trial, parameter: str, part: str, given: Array) -> Evidence:
        """Evidence at the point of a trial."""
        index, names = trial.index, self.names(trial.index)
        facts: dict[str, Any] = {"weight": trial.weight, "rows": self.sizes}
        right = trial.right.get(parameter)
        if part == "activation":
            facts["function"] = recognise(trial.x, trial.y)
            pools = pair_of(
                getattr(self.layers[index], "kernel", None)
            )  # of one entry a window: the identity
            if trial.x.ndim == 4 and (facts["function"] is None or pools):  # pooling that keeps the shape
                part = "passed back"
        if self.forms.get(index) is None and part not in ("activation", "dropout"):
            part, closed = self._recognised(trial, parameter, part, facts, names)
            right = closed if right is None else right
        if right is None:
            right = by_columns(self.tape, trial, parameter, np.random.default_rng(0))
        return Evidence(
            part, given, right, trial.x, trial.y, trial.u, names,
            others=self._other_weights(index), elsewhere=self._elsewhere(index), **facts,
        )  # fmt: skip

    def _recognised(
        self, trial: Trial, parameter: str, part: str, facts: dict[str, Any], names: dict[str, str]
    ) -> tuple[str, Array | None]:
        """The part of a layer of images or a norm by the name that the catalogue has, and the right gradient if it is known.

        Parts of anything else are called `own`, so that no product of matrices is tried on them.
        """
        layer, x, y, u = self.layers[trial.index], trial.x, trial.y, trial.u
        parameters = dict(getattr(layer, "parameters", {}))
        what = "input" if parameter == "input" else part
        kernel = next((v for v in parameters.values() if v.ndim == 4), None)
        vectors = [v for v in parameters.values() if v.ndim == 1]
        if kernel is not None and len(parameters) == 1 + len(vectors) <= 2:
            windows = convolution(x, y, kernel, vectors[0] if vectors else None)
            if windows:
                facts.update(windows=windows, weight=kernel)
                what = "input" if what == "input" else "weight" if parameters[parameter].ndim == 4 else "bias"
                if what == "input":
                    return "conv input", windows.to_input(u, kernel)
                return f"conv {what}", windows.to_weight(x, u) if what == "weight" else u.sum(axis=(0, 2, 3))
        if not parameters and x.ndim == 4:
            called = f"{getattr(layer, 'kind', '')} {type(layer).__name__}".lower()
            averages = any(word in called for word in ("avg", "average", "mean"))
            pool = pooling(x, y, pair_of(getattr(layer, "kernel", None)), averages)
            if pool:
                names.update(delta=names["incoming"], before=names["a"])
                facts.update(windows=pool[0], padded_mean=pool[1] == "mean with padding")
                return ("max pool" if pool[1] == "max" else "mean pool"), None
        if len(parameters) == 2:
            weight, bias = parameters.values()
            norm = normalisation(x, y, weight, bias)
            if norm:
                facts.update(norm=norm, weight=None)
                what = "input" if what == "input" else "weight" if parameters[parameter] is weight else "bias"
                if what == "input":
                    return "norm input", norm.scale * norm.to_input(u * norm.weight)
                return f"norm {what}", norm.to_parameter(u * norm.normalised if what == "weight" else u)
        if part == "passed back" and not parameters and x.shape == y.shape:
            return "activation", None
        return (part if part == "passed back" else f"own {part}"), None

    def _elsewhere(self, index: int) -> dict[str, Array]:
        """Name → what other layers got (a), gave (z) and were passed (delta) in the recorded pass."""
        found: dict[str, Array] = {}
        for number, owner in enumerate(self.owners, 1):
            if owner != index:
                found[f"a{number - 1}" if number > 1 else "x"] = self.tape.inputs[owner]
            if number != self._number(index):
                found[f"z{number}"] = self.tape.outputs[owner]
                delta = self.claimed.deltas[owner]
                if delta is not None:
                    found[f"delta{number}"] = delta
        found[f"a{len(self.owners)}"] = self.tape.output
        return found

    def _other_weights(self, index: int) -> dict[str, Array]:
        found = {}
        for number, owner in enumerate(self.owners, 1):
            form = self.forms.get(owner)
            if form and owner != index:
                found[f"W{number}"] = np.asarray(self.layers[owner].parameters[form.weight])
        return found

    def _encoded(self, output: Array) -> Array | None:
        try:
            return np.asarray(self.tape.loss.encode(self.tape.y, output.shape[1], np.float64))
        except Exception:  # a loss of one's own need not know how
            target = np.asarray(self.tape.y)
            return target if target.shape == output.shape else None
