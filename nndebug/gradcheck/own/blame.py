"""Which layer and equation of a user's own backward is wrong, and by which mistake: from the output down.

A class's backward is one piece, so its layers cannot be run one by one. But every layer's two gradients are products
with its delta: where both are those of some delta, that delta is what the code had, and its line is judged by the
delta above. So one mistake is told apart from what follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...signals import Array
from ..mistakes import MATCH, Candidate
from ..result import Fault, Mistake
from .deltas import Error, Output, at_output, passed_back
from .sums import Sums, differs, same

MOST_READINGS = 4
"""Explanations of one layer that are followed up."""

UNKNOWN = "The layers before it cannot be judged by themselves: what error reached them is not known."


@dataclass
class Blame:
    """The search for what is wrong.

    Attributes:
        sums: what the user's code gave.
        end: loss and targets.
        u: dL/da of the output (samples, outputs).
        fused: whether the output's derivative cancels against the loss.
        notes: what else is to be said.
    """

    sums: Sums
    end: Output
    u: Array
    fused: bool
    notes: list[str] = field(default_factory=list)

    def faults(self) -> list[Fault]:
        """What is wrong, the layer nearest to the output first: the explanation with the fewest faults."""
        found, complete = self._explain(len(self.sums.layers.chain) - 1, None)
        if not complete:
            self.notes.append(UNKNOWN)
        return found

    # --- one layer ----------------------------------------------------------------------------------------------

    def _explain(self, layer: int, above: Array | None) -> tuple[list[Fault], bool]:
        """The faults of a layer and of those before it, and whether all of those could be judged.

        Args:
            layer: number of the layer.
            above: delta of the layer after it as the user's code had it; None for the output.
        """
        if layer < 0:
            return [], True
        best: tuple[list[Fault], bool] | None = None
        for here, delta in self._readings(layer, above)[:MOST_READINGS]:
            usable = delta is not None and delta.shape == self.sums.passed.zs[layer].shape
            below, complete = self._explain(layer - 1, delta) if usable else ([], layer == 0)
            found = here + below
            if best is None or (not complete, len(found)) < (not best[1], len(best[0])):
                best = found, complete
            if complete and not below:
                break  # nothing simpler can follow
        assert best is not None
        return best

    def _readings(self, layer: int, above: Array | None) -> list[tuple[list[Fault], Array | None]]:
        """What may be wrong with a layer, with the delta that its code had then (None: not known), likeliest first."""
        error = self._error(layer, above)
        right = error.right
        parts = self.sums.parts(layer)
        wrong = [part for part in parts if not self.sums.fits(layer, part, right)]
        if not wrong:
            return [([], right)]
        candidates = [*self._candidates(layer, error, above), *self._proportional(layer, error)]
        candidates = [c for c in candidates if differs(c.gradient, right)]
        sums = [self.sums.tensor(layer, part, right) for part in wrong], right
        if len(wrong) < len(parts):
            return [sums]
        readings: list[tuple[list[Fault], Array | None]] = []
        full = [c for c in candidates if all(self.sums.fits(layer, part, c.gradient) for part in parts)]
        twins = sums[0][0].mistakes if len(parts) == 1 and not layer else ()  # nothing tells the two apart
        for group in _alike(full):
            fault = self._of_delta(layer, error, _simplest(group))
            readings.append(([replace(fault, mistakes=(*fault.mistakes, *twins))], group[0].gradient))
        named = all(fault.mistakes for fault in sums[0])
        if named:  # two slips in the sums are likelier than one in delta and one in a sum
            readings.append(sums)
        if readings:
            return readings
        half = [c for c in candidates if any(self.sums.fits(layer, part, c.gradient) for part in parts)]
        for group in _alike(half):
            readings.append(self._half(layer, error, group[0].gradient, _simplest(group)))
        seen = self.sums.seen.get(layer)
        if seen is not None and differs(seen, right) and any(self.sums.fits(layer, p, seen) for p in parts):
            readings.append(self._half(layer, error, seen, []))
        if readings:
            return readings
        for c in candidates:
            both = [self.sums.tensor(layer, part, c.gradient) for part in parts]
            if all(fault.mistakes for fault in both):
                readings.append(([self._of_delta(layer, error, [c]), *both], c.gradient))
        if any(fault.mistakes for fault in sums[0]):
            readings.append(sums)
        return readings or [([self._of_delta(layer, error, [])], None)]

    def _half(
        self, layer: int, error: Error, delta: Array, candidates: Sequence[Candidate]
    ) -> tuple[list[Fault], Array]:
        """A delta that gives one of the two gradients, and what is wrong with the other."""
        more = [
            self.sums.tensor(layer, p, delta)
            for p in self.sums.parts(layer)
            if not self.sums.fits(layer, p, delta)
        ]
        return [self._of_delta(layer, error, candidates), *more], delta

    def _error(self, layer: int, above: Array | None) -> Error:
        names = self.sums.names(layer)
        z, a, function = (
            self.sums.passed.zs[layer],
            self.sums.passed.activations[layer],
            self.sums.layers.functions[layer],
        )
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
        u = above @ self.sums.weights[layer + 1].T
        return Error(names, function, z, a, u, text, _should(names, text, function.name))

    def _candidates(self, layer: int, error: Error, above: Array | None) -> list[Candidate]:
        if above is None:
            return at_output(error, self.end)
        others = {f"W{n + 1}": w for n, w in enumerate(self.sums.weights) if n != layer + 1}
        o = self.sums.orientation
        return passed_back(error, above, self.sums.weights[layer + 1], others, o.turned, o.columns)

    def _proportional(self, layer: int, error: Error) -> list[Candidate]:
        """The right error times the factor that the first of the user's gradients suggests."""
        given = self.sums.pieces[0].given[layer].get("weight")
        right = self.sums.product(layer, "weight", error.right, self.sums.pieces[0].rows)
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

    def _of_delta(self, layer: int, error: Error, candidates: Sequence[Candidate]) -> Fault:
        """BP1 or BP2: what is wrong with a delta."""
        last = layer == len(self.sums.layers.chain) - 1
        sentence = "its error is wrong" if last else "its backward is wrong"
        mistakes = {
            (c.name, c.yours): Mistake(
                c.name,
                self.sums.orientation.line(c.yours),
                self.sums.orientation.line(error.should),
                self._residual(layer, c.gradient),
            )
            for c in candidates
        }
        name = self.sums.layers.chain[layer].name
        return Fault(
            name, "BP1" if last else "BP2", "output error" if last else "backward", sentence,
            tuple(mistakes.values()), columns=self.sums.orientation.columns,
        )  # fmt: skip

    def _residual(self, layer: int, delta: Array) -> float:
        off = 0.0
        for piece in self.sums.pieces:
            for part in self.sums.parts(layer):
                given, expected = (
                    piece.given[layer].get(part),
                    self.sums.product(layer, part, delta, piece.rows),
                )
                if given is not None and given.shape == expected.shape and self.sums.fits(layer, part, delta):
                    off = max(
                        off, float(np.abs(given - expected).max()) / (float(np.abs(expected).max()) or 1.0)
                    )
        return off


def _should(names: Mapping[str, str], text: str, function: str) -> str:
    if function == "identity":
        return f"{names['delta']} = {text}"
    if function == "softmax":
        return f"{names['delta']} = {names['a']} * (g - (g * {names['a']}).sum(axis=1, keepdims=True)) with g = {text}"
    return f"{names['delta']} = {text} * {function}'({names['z']})"


def _alike(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Candidates with the same delta together."""
    groups: list[list[Candidate]] = []
    for c in candidates:
        group = next((g for g in groups if same(g[0].gradient, c.gradient)), None)
        if group is None:
            groups.append([c])
        else:
            group.append(c)
    return groups


def _simplest(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Single mistakes where there are any, else pairs."""
    single = [c for c in candidates if ", and " not in c.name]
    return single or list(candidates)
