"""Which layer and equation of a user's own backward is wrong, and by which mistake: from the output down.

A class's backward is one piece, so its layers cannot be run one by one. But every layer's two gradients are products
with its delta: where both are those of some delta, that delta is what the code had, and its line is judged by the
delta above. So one mistake is told apart from what follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...signals import Array
from ..catalogue import CATALOGUES
from ..mistakes import DIFFERENT, MATCH, Candidate, Evidence, scaled
from ..result import Fault, Mistake
from .deltas import Error, Output, at_output, passed_back
from .orientation import Orientation
from .rebuilt import Layers, Pass

ROUNDING = 1e-12
"""Gradients of this share of the right one's size are zero."""

UNKNOWN = "The layers before it cannot be judged by themselves: what error reached them is not known."


@dataclass(frozen=True)
class Piece:
    """One call of the user's backward.

    Attributes:
        rows: which samples it saw.
        given: layer number → `weight` (inputs, outputs) and `bias` (outputs,) as the user's code gave them; those
            that it did not give are missing, those of another shape are as they are.
    """

    rows: slice
    given: Sequence[Mapping[str, Array]]


@dataclass
class Blame:
    """The search for what is wrong.

    Attributes:
        layers: the layers behind the class; `weights` (inputs, outputs) at the point of the check.
        passed: the forward pass of all samples.
        end: loss and targets.
        u: dL/da of the output (samples, outputs).
        fused: whether the output's derivative cancels against the loss.
        pieces: the calls of the user's backward.
        seen: layer number → delta as the user's code had it (samples, units), where bias gradients of single samples
            show it.
        orientation: of the user's code.
        notes: what else is to be said.
    """

    layers: Layers
    weights: Sequence[Array]
    passed: Pass
    end: Output
    u: Array
    fused: bool
    pieces: Sequence[Piece]
    seen: Mapping[int, Array]
    orientation: Orientation
    notes: list[str] = field(default_factory=list)

    def faults(self) -> list[Fault]:
        """What is wrong, the layer nearest to the output first."""
        found: list[Fault] = []
        delta: Array | None = None
        for layer in reversed(range(len(self.layers.chain))):
            error = self._error(layer, delta)
            here, delta = self._judge(layer, error, delta)
            found += here
            if delta is None:
                if layer:
                    self.notes.append(UNKNOWN)
                break
        return found

    # --- one layer ----------------------------------------------------------------------------------------------

    def _judge(self, layer: int, error: Error, above: Array | None) -> tuple[list[Fault], Array | None]:
        """The faults of a layer, and the delta that the user's code had there; None if that is not known."""
        right = error.right
        parts = self._parts(layer)
        fits = {part: self._fits(layer, part, right) for part in parts}
        if all(fits.values()):
            return [], right
        if any(fits.values()):
            return [self._tensor(layer, part, right) for part, fit in fits.items() if not fit], right
        candidates = [*self._candidates(layer, error, above), *self._proportional(layer, error)]
        candidates = [c for c in candidates if _differs(c.gradient, right)]
        full = [c for c in candidates if all(self._fits(layer, part, c.gradient) for part in parts)]
        if full:
            return [self._of_delta(layer, error, _simplest(full))], full[0].gradient
        half = [c for c in candidates if any(self._fits(layer, part, c.gradient) for part in parts)]
        named = [(part, self._tensor(layer, part, right)) for part in parts]
        if all(
            fault.mistakes for _, fault in named
        ):  # two slips in the sums are likelier than one in delta and one in a sum
            return [fault for _, fault in named], right
        if half:
            delta = half[0].gradient
            more = [self._tensor(layer, part, delta) for part in parts if not self._fits(layer, part, delta)]
            return [self._of_delta(layer, error, _simplest(half)), *more], delta
        seen = self.seen.get(layer)
        if (
            seen is not None
            and _differs(seen, right)
            and any(self._fits(layer, part, seen) for part in parts)
        ):
            more = [self._tensor(layer, part, seen) for part in parts if not self._fits(layer, part, seen)]
            known = [c for c in candidates if _same(c.gradient, seen)]
            return [self._of_delta(layer, error, _simplest(known)), *more], seen
        for c in candidates:
            both = [self._tensor(layer, part, c.gradient) for part in parts]
            if all(fault.mistakes for fault in both):
                return [self._of_delta(layer, error, [c]), *both], c.gradient
        if any(fault.mistakes for _, fault in named):
            return [fault for _, fault in named], right
        return [self._of_delta(layer, error, [])], None

    def _error(self, layer: int, above: Array | None) -> Error:
        names = self._names(layer)
        z, a, function = self.passed.zs[layer], self.passed.activations[layer], self.layers.functions[layer]
        divided = " / batch" if self.end.scale != 1 else ""
        if above is None:
            slope = self.end.loss.slope_in(names["a"], "y")
            if self.fused:
                should = f"{names['delta']} = " + (
                    f"({names['a']} - y){divided}" if divided else f"{names['a']} - y"
                )
                return Error(names, function, z, a, self.u, f"dC/d{names['a']}", should, True)
            loose = f"({slope})" if " " in slope and (divided or function.name != "identity") else slope
            text = f"{loose}{divided}"
            return Error(names, function, z, a, self.u, text, _should(names, text, function.name))
        text = f"{names['above']} @ {names['W above']}.T"
        u = above @ self.weights[layer + 1].T
        return Error(names, function, z, a, u, text, _should(names, text, function.name))

    def _candidates(self, layer: int, error: Error, above: Array | None) -> list[Candidate]:
        if above is None:
            return at_output(error, self.end)
        others = {f"W{n + 1}": w for n, w in enumerate(self.weights) if n != layer + 1}
        o = self.orientation
        return passed_back(error, above, self.weights[layer + 1], others, o.turned, o.columns)

    def _proportional(self, layer: int, error: Error) -> list[Candidate]:
        """The right error times the factor that the first of the user's gradients suggests."""
        given = self.pieces[0].given[layer].get("weight")
        right = self._product(layer, "weight", error.right, self.pieces[0].rows)
        if given is None or given.shape != right.shape or not right.any() or not np.isfinite(given).all():
            return []
        factor = float((given * right).sum() / (right * right).sum())
        name, _, formula = error.should.partition(" = ")
        usual = (-1.0, 0.0, 0.5, 2.0, float(len(error.z)), 1 / len(error.z))
        if any(abs(factor - f) <= MATCH * max(abs(f), 1e-3) for f in usual):
            return []
        what, line = f"a constant factor of {factor:.6g}", f"{name} = {factor:.6g} * ({formula})"
        total = len(error.z) / factor
        if self.end.scale != 1 and total > 1 and abs(total - round(total)) <= 1e-5 * total:
            what = f"a division by {round(total):,} in place of the batch's {len(error.z)}"
            line = f"{name} = {formula.replace(' / batch', f' / {round(total)}')}"
        return [Candidate(what, line, factor * error.right)]

    # --- one gradient -------------------------------------------------------------------------------------------

    def _parts(self, layer: int) -> list[str]:
        return ["weight"] + ["bias"] * (self.layers.chain[layer].bias is not None)

    def _fits(self, layer: int, part: str, delta: Array) -> bool:
        """Whether the user's gradient of a parameter is the one that this delta gives."""
        for piece in self.pieces:
            given = piece.given[layer].get(part)
            expected = self._product(layer, part, delta, piece.rows)
            if given is None or given.shape != expected.shape or not _same(given, expected):
                return False
        return True

    def _product(self, layer: int, part: str, delta: Array, rows: slice) -> Array:
        product: Array = (
            self.passed.before(layer)[rows].T @ delta[rows] if part == "weight" else delta[rows].sum(axis=0)
        )
        return product

    def _tensor(self, layer: int, part: str, delta: Array) -> Fault:
        """BP3 or BP4: what is wrong with a gradient whose delta is known."""
        name = self.layers.chain[layer].name
        equation = "BP4" if part == "weight" else "BP3"
        sentence = f"the gradient of its {part} is wrong"
        given = self.pieces[0].given[layer].get(part)
        if given is None:
            sentence = f"there is no gradient of its {part}"
        elif given.shape != self._product(layer, part, delta, self.pieces[0].rows).shape:
            sentence = f"the gradient of its {part} has the wrong shape, {given.shape}"
        shared: dict[tuple[str, str], Mistake] | None = None
        for piece in self.pieces:
            found = {(m.name, m.yours): m for m in self._named(layer, part, delta, piece)}
            shared = found if shared is None else {k: m for k, m in found.items() if k in shared}
        mistakes = tuple(sorted((shared or {}).values(), key=lambda m: m.residual))
        return Fault(name, equation, part, sentence, mistakes, columns=self.orientation.columns)

    def _named(self, layer: int, part: str, delta: Array, piece: Piece) -> list[Mistake]:
        given = piece.given[layer].get(part)
        if given is None:
            return []
        n, rows = self._names(layer), piece.rows
        x, z, u = self.passed.before(layer)[rows], self.passed.zs[layer][rows], delta[rows]
        right = self._product(layer, part, delta, rows)
        e = Evidence(part, given, right, x, z, u, n, weight=self.weights[layer])
        should = (
            f"d{n['W']} = {n['before']}.T @ {n['delta']}"
            if part == "weight"
            else f"d{n['b']} = {n['delta']}.sum(axis=0)"
        )
        candidates = CATALOGUES[part](e)
        candidates += self._more(layer, part, e, delta, rows) + scaled(e, should)
        if given.size == 1 < right.size:  # a number, which an update would broadcast
            given = np.full(right.shape, given.ravel()[0])
        return _matching(given, candidates, right, should, self.orientation)

    def _more(self, layer: int, part: str, e: Evidence, delta: Array, rows: slice) -> list[Candidate]:
        """Another array of the same width in the place of this one; a reshape in the memory order of columns."""
        n, found = self._names(layer), []
        if part == "bias":
            for other, seen in enumerate(self.passed.zs):
                if other != layer and seen.shape[1] == e.u.shape[1] and other in self.seen:
                    line = f"d{n['b']} = delta{other + 1}.sum(axis=0)"
                    found.append(
                        Candidate("the error of another layer", line, self.seen[other][rows].sum(axis=0))
                    )
            return found
        arrays = {"x": self.passed.x}
        for number, (z, a) in enumerate(zip(self.passed.zs, self.passed.activations), 1):
            arrays |= {f"z{number}": z, f"a{number}": a}
        mine = n["before"]
        for name, value in arrays.items():
            if name != mine and value.shape[1] == e.x.shape[1]:
                what = (
                    "the pre-activation in place of the activation"
                    if name == f"z{layer}"
                    else "the activation of another layer"
                )
                found.append(Candidate(what, f"d{n['W']} = {name}.T @ {n['delta']}", value[rows].T @ e.u))
        if self.orientation.columns and len(e.x) > 1:
            kept = np.ascontiguousarray(e.x.T)
            line = f"d{n['W']} = {mine}.T.reshape(batch, {e.x.shape[1]}).T @ {n['delta']}"
            found.append(
                Candidate(
                    "a reshape where the transpose belongs", line, kept.reshape(kept.shape[::-1]).T @ e.u
                )
            )
        return found

    def _of_delta(self, layer: int, error: Error, candidates: Sequence[Candidate]) -> Fault:
        """BP1 or BP2: what is wrong with a delta."""
        last = layer == len(self.layers.chain) - 1
        sentence = "its error is wrong" if last else "its backward is wrong"
        mistakes = {
            (c.name, c.yours): Mistake(
                c.name,
                self.orientation.line(c.yours),
                self.orientation.line(error.should),
                self._residual(layer, c.gradient),
            )
            for c in candidates
        }
        name = self.layers.chain[layer].name
        return Fault(
            name, "BP1" if last else "BP2", "output error" if last else "backward", sentence,
            tuple(mistakes.values()), columns=self.orientation.columns,
        )  # fmt: skip

    def _residual(self, layer: int, delta: Array) -> float:
        off = 0.0
        for piece in self.pieces:
            for part in self._parts(layer):
                given, expected = piece.given[layer].get(part), self._product(layer, part, delta, piece.rows)
                if given is not None and given.shape == expected.shape and self._fits(layer, part, delta):
                    off = max(
                        off, float(np.abs(given - expected).max()) / (float(np.abs(expected).max()) or 1.0)
                    )
        return off

    def _names(self, layer: int) -> dict[str, str]:
        number = layer + 1
        return {
            "delta": f"delta{number}", "above": f"delta{number + 1}", "W": f"W{number}", "W above": f"W{number + 1}",
            "b": f"b{number}", "z": f"z{number}", "a": f"a{number}", "before": f"a{layer}" if layer else "x",
            "out": f"a{len(self.layers.chain)}", "f": self.layers.functions[layer].name, "incoming": "",
        }  # fmt: skip


def _should(names: Mapping[str, str], text: str, function: str) -> str:
    if function == "identity":
        return f"{names['delta']} = {text}"
    if function == "softmax":
        return f"{names['delta']} = {names['a']} * (g - (g * {names['a']}).sum(axis=1, keepdims=True)) with g = {text}"
    return f"{names['delta']} = {text} * {function}'({names['z']})"


def _same(a: Array, b: Array, slack: float = 0.0) -> bool:
    if a.shape != b.shape or not np.isfinite(a).all():
        return False
    size = max(float(np.abs(b).max(initial=0.0)), float(np.abs(a).max(initial=0.0)))
    return bool(np.abs(a - b).max(initial=0.0) <= max(MATCH * size, slack))


def _differs(a: Array, right: Array) -> bool:
    if a.shape != right.shape or not np.isfinite(a).all():
        return False
    return bool(np.abs(a - right).max(initial=0.0) > DIFFERENT * np.abs(right).max(initial=0.0))


def _simplest(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Single mistakes where there are any, else pairs."""
    single = [c for c in candidates if ", and " not in c.name]
    return single or list(candidates)


def _matching(
    given: Array, candidates: Sequence[Candidate], right: Array, should: str, orientation: Orientation
) -> list[Mistake]:
    found = {}
    size = float(np.abs(right).max(initial=0.0))
    for c in candidates:
        value = np.asarray(c.gradient)
        # Errors of softmax add up to 0 over the classes, and to rounding in the computer.
        if not _same(given, value, ROUNDING * size) or (
            value.shape == right.shape and not _differs(value, right)
        ):
            continue
        largest = float(np.abs(value).max(initial=0.0))
        scale = (largest if largest > ROUNDING * size else size) or 1.0
        residual = float(np.abs(given - value).max(initial=0.0)) / scale
        found[c.name, c.yours] = Mistake(
            c.name, orientation.line(c.yours), orientation.line(should), residual
        )
    return list(found.values())
