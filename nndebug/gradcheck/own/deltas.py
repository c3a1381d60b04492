"""What delta, the error at a layer's pre-activation, would be with each mistake of BP1 and BP2, alone and in pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...signals import Array
from ..catalogue import CATALOGUES
from ..functions import Function
from ..mistakes import Candidate, Evidence, scaled
from .losses import KnownLoss
from .rebuilt import through

NUMBERS = "class numbers in place of one-hot targets"
BROADCAST = "targets (samples,) against outputs (samples, 1), which NumPy makes (samples, samples)"


@dataclass(frozen=True)
class Error:
    """One layer's error and where it comes from; all arrays are rows (samples, units).

    Attributes:
        names: fields of the templates.
        function: the layer's activation.
        z, a: pre-activation and activation.
        u: the right dL/da, given everything above.
        text: the line for it, as in `delta2 @ W2.T`.
        should: the whole line for delta.
        fused: whether the activation's derivative cancels against the loss.
    """

    names: Mapping[str, str]
    function: Function
    z: Array
    a: Array
    u: Array
    text: str
    should: str
    fused: bool = False

    @property
    def right(self) -> Array:
        return through(self.function, self.z, self.a, self.u)

    def evidence(self, part: str = "activation") -> Evidence:
        names = {**self.names, "incoming": self.text}
        return Evidence(part, self.right, self.right, self.z, self.a, self.u, names, function=self.function)


@dataclass(frozen=True)
class Output:
    """The end of the network: its loss and what it was given.

    Attributes:
        loss: the loss by its formula.
        y: targets (samples, outputs).
        scale: 1 / samples where the loss is a mean, else 1.
        single: whether the code sees one sample at a time, so that its cost is a number for each.
        raw: targets as the code gets them.
    """

    loss: KnownLoss
    y: Array
    scale: float
    single: bool
    raw: Array


def at_output(error: Error, end: Output) -> list[Candidate]:
    """BP1: mistakes in the loss's derivative, in the activation's, and both."""
    singles = [*_of_activation(error), *_scaled(error)]
    costs = list(_costs(error, end))
    for name, text, u in costs:
        wrong = replace(error, u=u, text=text, fused=False)
        singles.append(Candidate(name, _line(wrong), wrong.right))
        if error.fused:
            singles.append(Candidate(name, f"{error.names['delta']} = {text}", u))
    if error.fused:
        singles += _of_fused(error, end)
    if not end.single and error.a.shape[1] == 1 < len(error.a):
        singles.append(_broadcast(error, end))
    if not end.single and end.raw.shape != end.y.shape:
        singles += _of_numbers(error, end)
    pairs = []
    for name, text, u in costs:
        wrong = replace(error, u=u, text=text, fused=False)
        pairs += [replace(c, name=f"{name}, and {c.name}") for c in (*_of_activation(wrong), *_scaled(wrong))]
    return [*singles, *pairs]


def passed_back(
    error: Error, delta: Array, weight: Array, others: Mapping[str, Array], turned: bool, columns: bool
) -> list[Candidate]:
    """BP2: mistakes in the product with the weights above, in the activation's derivative, and both.

    Args:
        error: of the layer below.
        delta: the user's error of the layer above (samples, units above).
        weight: (units, units above).
        others: weights of other layers by name.
        turned: whether the user keeps weights as (outputs, inputs).
        columns: whether the user's samples are columns.
    """
    singles = [*_of_activation(error), *_scaled(error)]
    names = {
        **error.names,
        "delta": error.names["above"],
        "W": error.names["W above"],
        "before": error.names["a"],
    }
    e = Evidence("input", delta, None, error.a, delta, delta, names, weight=weight, others=others)
    products = [*CATALOGUES["input"](e), *_reshaped(delta, weight, names, turned, columns)]
    pairs = []
    for c in products:
        if c.gradient.shape != error.u.shape:
            continue
        wrong = replace(error, u=c.gradient, text=c.yours.partition(" = ")[2])
        singles.append(Candidate(c.name, _line(wrong), wrong.right))
        pairs += [
            replace(d, name=f"{c.name}, and {d.name}") for d in (*_of_activation(wrong), *_scaled(wrong))
        ]
    return [*singles, *pairs]


# --- inside -------------------------------------------------------------------------------------------------------


def _line(error: Error) -> str:
    derivative = "" if error.function.name == "identity" else f" * {error.function.name}'({error.names['z']})"
    text = f"({error.text})" if derivative and _loose(error.text) else error.text
    return f"{error.names['delta']} = {text}{derivative}"


def _loose(text: str) -> bool:
    """Whether a formula needs brackets before it can be multiplied."""
    depth = 0
    for position, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if not depth and letter in "+-" and position and text[position - 1] == " ":
            return True
    return False


def _of_activation(error: Error) -> list[Candidate]:
    if error.function.name == "identity":
        return []
    loose = f"({error.text})" if _loose(error.text) else error.text
    found = CATALOGUES["activation"](replace(error, text=loose).evidence())
    return [
        replace(c, yours=c.yours.replace(f" = ({error.text})", f" = {error.text}"))
        if c.yours.endswith(loose)
        else c
        for c in found
    ]


def _scaled(error: Error) -> list[Candidate]:
    name, _, formula = error.should.partition(" = ")
    return scaled(error.evidence(), f"{name} = ({formula})" if _loose(formula) else error.should)


def _costs(error: Error, end: Output) -> Iterator[tuple[str, str, Array]]:
    """Wrong lines for dC/da: name, formula, value."""
    loss, a, y, out = end.loss, error.a, end.y, error.names["a"]
    each = loss.per_sample(a, y)
    ones = np.ones_like(a)
    scalar = "the cost's value (a scalar) in place of its derivative"
    divided = " / batch" if end.scale != 1 else ""
    if end.single:
        yield scalar, "C", each[:, None] * ones
    else:
        yield scalar, "C", each.mean() * ones
        yield scalar, "C / batch", each.mean() / len(a) * ones
        yield scalar, "C * batch", each.sum() * ones
        yield (
            "each sample's cost in place of its derivative",
            f"C of each sample{divided}",
            each[:, None] * end.scale * ones,
        )
    name = "the cost (entry by entry) in place of its derivative"
    yield name, f"the cost of each output{divided}", loss.each(a, y) * end.scale
    yield (
        "the target missing",
        f"{loss.slope_in(out, '0')}{divided}",
        loss.gradient(a, np.zeros_like(y)) * end.scale,
    )
    if not end.single and y.shape[0] == y.shape[1]:
        yield (
            "the targets transposed",
            f"({loss.slope_in(out, 'y.T')}){divided}",
            loss.gradient(a, y.T) * end.scale,
        )


def _broadcast(error: Error, end: Output) -> Candidate:
    """Targets as a vector beside outputs as a column: every output against every target (samples, samples)."""
    wrong = end.loss.gradient(error.a, end.y.T) * end.scale
    text = end.loss.slope_in(error.names["a"], "y.ravel()") + (" / batch" if end.scale != 1 else "")
    line = _line(
        replace(error, text=text if " / " not in text else f"({text.removesuffix(' / batch')}) / batch")
    )
    return Candidate(BROADCAST, line, through(error.function, error.z, error.a, wrong))


def _of_numbers(error: Error, end: Output) -> Iterator[Candidate]:
    """Class numbers as they come, spread over the outputs: (samples, 1), or (samples,) where there are as many outputs."""
    raw = np.asarray(end.raw, np.float64)
    if end.y.shape[1] < 2 or (raw.ndim == 1 and raw.size != end.y.shape[1]):
        return
    spread, shape = (raw[None, :], "(samples,)") if raw.ndim == 1 else (raw, "(samples, 1)")
    divided = " / batch" * (end.scale != 1)
    if error.fused:
        line = f"{error.names['delta']} = ({error.names['a']} - y){divided} with y {shape}"
        yield Candidate(NUMBERS, line, (error.a - spread) * end.scale)
        return
    text = f"({end.loss.slope_in(error.names['a'], 'y')}){divided}"
    wrong = end.loss.gradient(error.a, spread) * end.scale
    line = f"{_line(replace(error, text=text))} with y {shape}"
    yield Candidate(NUMBERS, line, through(error.function, error.z, error.a, wrong))


def _of_fused(error: Error, end: Output) -> list[Candidate]:
    """Softmax with cross-entropy and sigmoid with its binary form: delta = a - y, and nothing more."""
    n, a, y, f = error.names, error.a, end.y, error.function
    divided = " / batch" if end.scale != 1 else ""
    extra = f.derivative(error.z)
    found = [
        Candidate(
            f"{f.name}'s derivative too many: it cancels against the loss",
            f"{n['delta']} = ({n['a']} - y){divided} * {n['a']} * (1 - {n['a']})",
            (a - y) * extra * end.scale,
        ),
        Candidate(f"{f.name} missing", f"{n['delta']} = ({n['z']} - y){divided}", (error.z - y) * end.scale),
        Candidate("the target missing", f"{n['delta']} = {n['a']}{divided}", a * end.scale),
    ]
    if not end.single and y.shape[0] == y.shape[1]:
        found.append(
            Candidate(
                "the targets transposed", f"{n['delta']} = ({n['a']} - y.T){divided}", (a - y.T) * end.scale
            )
        )
    return found


def _reshaped(
    delta: Array, weight: Array, names: Mapping[str, str], turned: bool, columns: bool
) -> list[Candidate]:
    """A reshape where the transpose belongs, in the memory order in which the user keeps weights."""
    if not turned or weight.shape[0] == weight.shape[1]:
        return []
    kept = np.ascontiguousarray(weight.T)  # (outputs, inputs)
    line = f"dL/d{names['before']} = {names['delta']} @ {names['W']}.T.reshape({weight.shape[0]}, {weight.shape[1]}).T"
    product = delta @ kept.reshape(kept.shape[::-1]).T
    return [Candidate("a reshape where the transpose belongs", line, product)]
