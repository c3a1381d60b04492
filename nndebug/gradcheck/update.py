"""What an optimiser did to the parameters, against what rate, gradient and penalty say.

Two updates with gradients of our own. For the penalty they are of its size: λ/n · w is often a millionth of the
loss's gradient, and would drown in it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..signals import Array
from .comparing import compare, unresolved
from .excusing import excuse, reasons, steps_of
from .mistakes import DIFFERENT, MATCH
from .result import Fault, Mistake, Row, Verdict
from .rule import KNOWN, Rule, rule_of
from .tape import site

UPDATES = 2
STILL, FORGOTTEN = "nothing changed", "the momentum missing"


def check_update(network: Any, optimizer: Any, rng: np.random.Generator) -> tuple[list[Row], list[Fault]]:
    """Checks two updates of copies of the optimiser on a copy of the network.

    Args:
        network: an independent float64 copy; its parameters are moved and not put back.
        optimizer: anything with `kind`, `rate`, `l2`, `samples` and `step(network)`.
        rng: where parameters and gradients come from.

    Returns:
        Rows `weight update` and `weight penalty`, and the faults behind those that disagree.
    """
    parameters: Mapping[str, Array] = network.parameters
    kinds = [value.dtype for value in network.parameters.values() if value.dtype.kind == "f"]
    eps = max((float(np.finfo(kind).eps) for kind in kinds), default=2.3e-16)
    rule = rule_of(optimizer)
    if rule is None:
        kind = getattr(optimizer, "kind", type(optimizer).__name__)
        reason = f"the update rule of {kind} is not known (known: {', '.join(KNOWN)})"
        return [
            unresolved(*_split(network, key), "update", v.size, reason) for key, v in parameters.items()
        ], []
    samples, decay = getattr(optimizer, "samples", 1), rule.decay
    start = {key: rng.normal(size=value.shape) for key, value in parameters.items()}
    gradients = {key: rng.normal(size=(UPDATES, *value.shape)) for key, value in parameters.items()}
    for drawn in gradients.values():
        # One sign for all updates of an entry: two that go by the sign alone would cancel, and look like none.
        np.copysign(drawn, drawn[0], out=drawn)
    moves = _run(network, optimizer, 0.0, start, gradients)
    plain = {key: moved.sum(axis=0) for key, moved in moves.items()}
    faint = {key: decay * value for key, value in gradients.items()}
    if decay:
        without = _run(network, optimizer, 0.0, start, faint)
        penalised = _run(network, optimizer, getattr(optimizer, "l2", 0.0), start, faint)
        penalties = {key: (penalised[key] - without[key]).sum(axis=0) for key in parameters}
    rows: list[Row] = []
    faults: list[Fault] = []
    # Layer by layer from the output down, as in the table above.
    for key in sorted(parameters, key=lambda key: -_position(network, key)):
        left_out = _unpenalised(network, key)
        case = Case(rule, start[key], gradients[key], left_out, samples, eps)
        layer, parameter = _split(network, key)
        what = [(case, "update", plain[key], replace(rule, decay=0.0))]
        if decay:
            case = Case(rule, start[key], faint[key], left_out, samples, eps)
            what.append((case, "penalty", penalties[key], rule))
        for case, equation, found, right in what:
            row, fault = case.check(layer, parameter, equation, found, right)
            rows.append(row)
            faults += [fault] if fault else []
    if any(fault.equation == "update" and not fault.mistakes for fault in faults):
        steps = {
            _split(network, key): steps_of(start[key], moved, gradients[key], rule.rate)
            for key, moved in moves.items()
        }
        rows, faults = excuse(rows, faults, reasons(steps, rule))
    return rows, _left_out(network, rows, faults)


def _left_out(network: Any, rows: list[Row], faults: list[Fault]) -> list[Fault]:
    """Where some parameters never move and all others are updated well, that is the mistake."""
    wrong = [fault for fault in faults if fault.equation == "update"]
    still = [f for f in wrong if any(m.name.startswith(STILL) for m in f.mistakes)]
    moved = {
        (row.layer, row.parameter.split()[0])
        for row in rows
        if row.equation == "update" and row.verdict is Verdict.AGREES
    }
    last = [site(network.layers, i) for i, layer in enumerate(network.layers) if layer.parameters][-1]
    if not still or not moved or len(still) < len(wrong):
        return faults
    if all(_unpenalised(network, f"{layer}.{parameter}") for layer, parameter in moved):
        name, line = "only the biases updated", "b -= rate * db, and no such line for the weights"
    elif {layer for layer, _ in moved} == {last}:
        name, line = "only the last layer updated", "the update outside the loop over the layers"
    else:
        return faults
    return [
        replace(f, mistakes=tuple(replace(m, name=name, yours=line) for m in f.mistakes)) if f in still else f
        for f in faults
    ]


def _unpenalised(network: Any, key: str) -> bool:
    """Whether the penalty leaves a parameter out: biases, and what else its layer says, as the scales of a norm."""
    name, _, parameter = key.rpartition(".")
    owner = next((a for a in network.layers if a.name == name and parameter in a.parameters), None)
    return parameter in getattr(owner, "unpenalised", ("bias",))


@dataclass(frozen=True)
class Case:
    """One parameter: where it started, which gradients it got, and the machine epsilon of its arithmetic."""

    rule: Rule
    start: Array
    gradients: Array
    is_bias: bool
    samples: int
    eps: float = 2.3e-16

    def check(
        self, layer: str, parameter: str, equation: str, found: Array, rule: Rule
    ) -> tuple[Row, Fault | None]:
        right = self.effect(rule, equation)
        # Parameters are rounded at every update, to within their own size.
        error = 8 * UPDATES * self.eps * (np.abs(self.start) + np.abs(found))
        scale = None
        if equation == "penalty" and self.is_bias:
            scale = float(np.abs(self.effect(replace(rule, on_biases=True), equation)).max(initial=0.0))
        row = compare(
            layer, f"{parameter} {equation}", equation, found, right, error,
            eps=self.eps, scale=scale, resolution=DIFFERENT,
        )  # fmt: skip
        if row.verdict is not Verdict.DISAGREES:
            return row, None
        sentence = f"the update of its {parameter} is wrong"
        if equation == "penalty":
            sentence = f"the L2 penalty on its {parameter} is wrong"
        return row, Fault(layer, equation, parameter, sentence, self._mistakes(equation, found, right, rule))

    def effect(self, rule: Rule, equation: str) -> Array:
        change = rule.change(self.start, self.gradients, self.is_bias)
        if equation == "penalty":
            change = change - replace(rule, decay=0.0).change(self.start, self.gradients, self.is_bias)
        return change

    def _mistakes(self, equation: str, found: Array, right: Array, rule: Rule) -> tuple[Mistake, ...]:
        if equation == "penalty":
            should = "gradient + l2 / samples * w" if not self.is_bias else "no penalty on biases"
            n, decay = self.samples, rule.decay
            wrong = [
                ("the penalty missing", "gradient", replace(rule, decay=0.0)),
                ("the sign flipped", "gradient - l2 / samples * w", replace(rule, decay=-decay)),
                ("a factor 2 too many, or the penalty applied twice", "gradient + 2 * l2 / samples * w", replace(rule, decay=2 * decay)),
                ("a factor 2 missing", "gradient + 0.5 * l2 / samples * w", replace(rule, decay=decay / 2)),
                ("l2 not divided by the number of samples", "gradient + l2 * w", replace(rule, decay=decay * n)),
                ("l2 divided by the number of samples twice", "gradient + l2 / samples**2 * w", replace(rule, decay=decay / n)),
            ] if not self.is_bias else [
                ("the penalty applied to biases", "gradient + l2 / samples * b", replace(rule, on_biases=True)),
                ("the penalty applied to biases, and l2 not divided by the number of samples", "gradient + l2 * b", replace(rule, on_biases=True, decay=decay * n)),
            ]  # fmt: skip
        else:
            should = "w - rate * gradient" if rule.kind == "sgd" else f"one step of {rule.kind}"
            wrong = [
                ("gradient ascent", "w + rate * gradient", replace(rule, rate=-rule.rate)),
                ("the rate missing", "w - gradient", replace(rule, rate=1.0)),
                (f"{STILL} (an update of a copy?)", "w", replace(rule, rate=0.0)),
                (FORGOTTEN, "w - rate * gradient", replace(rule, kind="sgd", momentum=0.0, nesterov=False)),
                ("a factor 2 too many, or the update applied twice", "w - 2 * rate * gradient", replace(rule, rate=2 * rule.rate)),
                ("the gradients of the update before added (never cleared)", "w - rate * (gradient + the one before)", replace(rule, kind="momentum", momentum=1.0, nesterov=False)),
                ("the gradient divided by the number of samples", "w - rate * gradient / samples", replace(rule, scale=1 / self.samples)),
            ]  # fmt: skip
        mistakes = []
        for name, yours, mistaken in wrong:
            candidate = self.effect(mistaken, equation)
            size = float(max(np.abs(candidate).max(initial=0.0), np.abs(right).max(initial=0.0))) or 1.0
            residual = float(np.abs(found - candidate).max(initial=0.0)) / size
            if residual <= MATCH < DIFFERENT < float(np.abs(candidate - right).max(initial=0.0)) / size:
                mistakes.append(Mistake(name, yours, should, residual))
        return tuple(mistakes)


def _run(
    network: Any, optimizer: Any, l2: float, start: Mapping[str, Array], gradients: Mapping[str, Array]
) -> dict[str, Array]:
    """How far each update of a copy of the optimiser moves every parameter (updates, …)."""
    fresh = copy.deepcopy(optimizer)
    fresh.l2 = l2
    # A copy of its own for every run: an optimiser keeps its state as long as it sees the same network.
    twin = network.copy()
    # What changes the rule from step to step or layer by layer is not what is checked here.
    for part, plain in (
        (fresh, {"decay": 0.0, "clip_norm": None}),
        (twin, {"penalties": None, "frozen": None}),
    ):
        vars(part).update({name: value for name, value in plain.items() if hasattr(part, name)})
    for key, value in twin.parameters.items():
        value[...] = start[key]
    points = {key: [np.array(value)] for key, value in twin.parameters.items()}
    for update in range(UPDATES):
        for key, gradient in twin.gradients.items():
            gradient[...] = gradients[key][update]
        fresh.step(twin)
        for key, value in twin.parameters.items():
            points[key].append(np.array(value))
    return {key: np.diff(np.stack(values), axis=0) for key, values in points.items()}


def _position(network: Any, key: str) -> int:
    names = [site(network.layers, index) for index, layer in enumerate(network.layers) if layer.parameters]
    return names.index(_split(network, key)[0])


def _split(network: Any, key: str) -> tuple[str, str]:
    layer, _, parameter = key.rpartition(".")
    return layer or site(network.layers, 0), parameter
