"""The two sums of a layer, the gradients of its weights (BP4) and biases (BP3), given its delta."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...signals import Array
from ..catalogue import CATALOGUES
from ..mistakes import DIFFERENT, MATCH, Candidate, Evidence, scaled
from ..result import Fault, Mistake
from .orientation import Orientation
from .rebuilt import Layers, Pass

ROUNDING = 1e-12
"""Gradients of this share of the right one's size are zero."""


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


@dataclass(frozen=True)
class Sums:
    """What the user's code gave, and what a delta would give.

    Attributes:
        layers: the layers behind the class; `weights` (inputs, outputs) at the point of the check.
        passed: the forward pass of all samples.
        pieces: the calls of the user's backward.
        seen: layer number → delta as the user's code had it (samples, units), where bias gradients of single samples
            show it.
        orientation: of the user's code.
    """

    layers: Layers
    weights: Sequence[Array]
    passed: Pass
    pieces: Sequence[Piece]
    seen: Mapping[int, Array]
    orientation: Orientation

    def parts(self, layer: int) -> list[str]:
        return ["weight"] + ["bias"] * (self.layers.chain[layer].bias is not None)

    def fits(self, layer: int, part: str, delta: Array) -> bool:
        """Whether the user's gradient of a parameter is the one that this delta gives."""
        return all(self._fits_piece(layer, part, delta, piece) for piece in self.pieces)

    def _fits_piece(self, layer: int, part: str, delta: Array, piece: Piece) -> bool:
        given = piece.given[layer].get(part)
        expected = self.product(layer, part, delta, piece.rows)
        return given is not None and given.shape == expected.shape and same(given, expected)

    def product(self, layer: int, part: str, delta: Array, rows: slice) -> Array:
        product: Array = (
            self.passed.before(layer)[rows].T @ delta[rows] if part == "weight" else delta[rows].sum(axis=0)
        )
        return product

    def tensor(self, layer: int, part: str, delta: Array) -> Fault:
        """BP3 or BP4: what is wrong with a gradient whose delta is known."""
        name = self.layers.chain[layer].name
        equation = "BP4" if part == "weight" else "BP3"
        sentence = f"the gradient of its {part} is wrong"
        given = self.pieces[0].given[layer].get(part)
        if given is None:
            sentence = f"there is no gradient of its {part}"
        elif given.shape != self.product(layer, part, delta, self.pieces[0].rows).shape:
            sentence = f"the gradient of its {part} has the wrong shape, {given.shape}"
        shared: dict[tuple[str, str], Mistake] | None = None
        for piece in self.pieces:
            if self._fits_piece(layer, part, delta, piece):
                continue  # a sample that says nothing, as one for which every unit is silent
            found = {(m.name, m.yours): m for m in self._named(layer, part, delta, piece)}
            shared = found if shared is None else {k: m for k, m in found.items() if k in shared}
        mistakes = tuple(sorted((shared or {}).values(), key=lambda m: m.residual))
        return Fault(name, equation, part, sentence, mistakes, columns=self.orientation.columns)

    def _named(self, layer: int, part: str, delta: Array, piece: Piece) -> list[Mistake]:
        given = piece.given[layer].get(part)
        if given is None:
            return []
        n, rows = self.names(layer), piece.rows
        x, z, u = self.passed.before(layer)[rows], self.passed.zs[layer][rows], delta[rows]
        right = self.product(layer, part, delta, rows)
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
        n, found = self.names(layer), []
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

    def names(self, layer: int) -> dict[str, str]:
        number = layer + 1
        return {
            "delta": f"delta{number}", "above": f"delta{number + 1}", "W": f"W{number}", "W above": f"W{number + 1}",
            "b": f"b{number}", "z": f"z{number}", "a": f"a{number}", "before": f"a{layer}" if layer else "x",
            "out": f"a{len(self.layers.chain)}", "f": self.layers.functions[layer].name, "incoming": "",
        }  # fmt: skip


def same(a: Array, b: Array, slack: float = 0.0) -> bool:
    if a.shape != b.shape or not np.isfinite(a).all():
        return False
    size = max(float(np.abs(b).max(initial=0.0)), float(np.abs(a).max(initial=0.0)))
    return bool(np.abs(a - b).max(initial=0.0) <= max(MATCH * size, slack))


def differs(a: Array, right: Array) -> bool:
    if not np.isfinite(a).all():
        return False
    if a.shape != right.shape:
        return True
    return bool(np.abs(a - right).max(initial=0.0) > DIFFERENT * np.abs(right).max(initial=0.0))


def _matching(
    given: Array, candidates: Sequence[Candidate], right: Array, should: str, orientation: Orientation
) -> list[Mistake]:
    found = {}
    size = float(np.abs(right).max(initial=0.0))
    for c in candidates:
        value = np.asarray(c.gradient)
        # Errors of softmax add up to 0 over the classes, and to rounding in the computer.
        if not same(given, value, ROUNDING * size) or (
            value.shape == right.shape and not differs(value, right)
        ):
            continue
        largest = float(np.abs(value).max(initial=0.0))
        scale = (largest if largest > ROUNDING * size else size) or 1.0
        residual = float(np.abs(given - value).max(initial=0.0)) / scale
        found[c.name, c.yours] = Mistake(
            c.name, orientation.line(c.yours), orientation.line(should), residual
        )
    return list(found.values())
