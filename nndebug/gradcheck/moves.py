"""Two steps of one parameter as sums of gradients, parameters and the step before: which rule the factors are.

    step 1 = a · g₁            + d · w₁
    step 2 = b · g₂ + k · step 1 + e · w₂

Plain descent is a = b = 1 and nothing else; momentum keeps a share k (Polyak 1964), Nesterov's has a = b = 1 + μ and
k = μ² / (1 + μ) (Sutskever et al. 2013), an average of the gradients a = b = 1 - k; a penalty or a decay of the weights
gives d and e; a schedule or a clipped norm gives a and b below 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace

import numpy as np

from ..signals import Array
from .steps import MATCH, Steps, near

LEAST_ENTRIES = 6
"""Fewer entries than this fit anything: five factors."""

MOST_KEPT = 0.9999
"""A share of the step before that is nearer to 1 is a gradient that was never cleared."""


@dataclass(frozen=True)
class Factors:
    """a, b, k, d and e as above; steps are divided by the rate, so that plain descent has a = b = 1."""

    a: float = 1.0
    b: float = 1.0
    k: float = 0.0
    d: float = 0.0
    e: float = 0.0

    def steps(self, s: Steps) -> Array:
        """What a parameter with these gradients does (2, …)."""
        first = self.a * s.mean[0] + self.d * s.start[0]
        return np.stack([first, self.b * s.mean[1] + self.k * first + self.e * s.start[1]])

    def variants(self) -> Iterator[Factors]:
        """This, and what it is for parameters that momentum or penalty leave out."""
        yield self
        if self.d or self.e:
            yield self.without_decay
        if self.k:
            a, b = (1.0, 1.0) if self.steady else (self.a, self.b)
            yield Factors(a, b, d=self.d, e=self.d * b / a)
            yield Factors(a, b)

    @property
    def is_plain(self) -> bool:
        return self == Factors()

    @property
    def steady(self) -> bool:
        """Whether the rate is the same in both steps."""
        return _same(self.a, self.b)

    @property
    def decay(self) -> float:
        """The penalty's factor of the parameter beside the gradient."""
        return self.d / self.a

    @property
    def beside(self) -> bool:
        """Whether momentum leaves the decay out: w -= rate · (v + d · w)."""
        return bool(self.k and 0 < self.e < self.d and not _same(self.e / self.b, self.decay))

    @property
    def without_decay(self) -> Factors:
        # The step before had the decay in it: e = d (1 - μ).
        return replace(self, d=0.0, e=0.0, k=1 - self.e / self.d if self.beside else self.k)

    def near(self, other: Factors) -> bool:
        return all(_same(p, q) for p, q in zip(astuple(self), astuple(other)))

    def sentence(self) -> str:
        """What kind of rule this is, as in `keeps 0.9 of the step before (momentum)`; empty if it is none that is known."""
        a, b, k = self.a, self.b, self.without_decay.k
        if not (a > 0 and b > 0 and 0 <= k < MOST_KEPT and self.d >= 0 and self.e >= 0):
            return ""
        said = []
        if self.steady and (_same(a, 1) or self._shrunk()):
            said += [f"keeps {k:.6g} of the step before (momentum)"] if k else []
        elif self.steady and 1 < a < 2 and _same(k, (a - 1) ** 2 / a):
            said.append(f"is Nesterov's momentum of {a - 1:.6g}")
        elif self.steady and k and _same(a, 1 - k):
            said.append(f"averages the gradients, {k:.6g} of what was before (momentum)")
        elif not self.steady and max(a, b) < 1 + MATCH:
            said += [f"keeps {k:.6g} of the step before (momentum)"] if k else []
            said.append(
                f"goes {a:.4g} and then {b:.4g} times the rate (a schedule, or a norm that is clipped)"
            )
        else:
            return ""
        if self.d or self.e:
            if not _same(self.e / b, self.decay) and not (self.beside and a == b == 1 and 0 < self.k <= k):
                return ""
            said.append(f"adds {self.decay:.6g} times the parameter to the gradient (a penalty)")
        return " and ".join(said) or "is plain descent"

    def _shrunk(self) -> bool:
        """Whether the weights shrink after the step, and the step with them: a = 1 - d · rate for some rate."""
        return bool(self.d) and self.a < 1

    def formula(self) -> str:
        """Both steps in words."""
        factors = f"{self.a:.4g}" if self.steady else f"{self.a:.4g} and then {self.b:.4g}"
        parts = [f"{factors} times the rate times the gradient"]
        if self.k:
            parts.append(f"{self.k:.4g} of the step before")
        if self.d or self.e:
            parts.append(f"{self.d:.4g} and then {self.e:.4g} times the parameter")
        return " + ".join(parts)


def fitted(all_steps: list[Steps]) -> Factors | None:
    """The factors with which all of these steps come out; None if none do, or if anything would."""
    if sum(s.mean[0].size for s in all_steps) < LEAST_ENTRIES:
        return None
    g, h, w, v, first, second = (
        np.concatenate([np.ravel(part[step]) for part in parts])
        for parts, step in (
            ([s.mean for s in all_steps], 0),
            ([s.mean for s in all_steps], 1),
            ([s.start for s in all_steps], 0),
            ([s.start for s in all_steps], 1),
            ([s.done for s in all_steps], 0),
            ([s.done for s in all_steps], 1),
        )
    )
    one, two = _solved(first, [g, w]), _solved(second, [h, first, v])
    if one is None or two is None:
        return None
    return Factors(one[0], two[0], two[1], one[1], two[2])


def _solved(done: Array, columns: list[Array]) -> list[float] | None:
    """Factors of the columns that give `done`; a factor is 0 where the term is rounding, and 1 where it is nearly."""
    sizes = [float(np.abs(c).max(initial=0.0)) for c in columns]
    total = float(np.abs(done).max(initial=0.0))
    used = [i for i, size in enumerate(sizes) if size > 0]
    while used and total:
        matrix = np.stack([columns[i] / sizes[i] for i in used], axis=1)
        solved, _, rank, _ = np.linalg.lstsq(matrix, done, rcond=1e-10)
        if not near(matrix @ solved, done):
            return None
        if rank < len(used):
            used.pop()
            continue
        # The term that matters least goes, as long as the rest says the same.
        least = int(np.argmin(np.abs(solved)))
        if abs(solved[least]) > MATCH * total:
            factors = [0.0] * len(columns)
            for i, value in zip(used, solved):
                factor = float(value) / sizes[i]
                factors[i] = 1.0 if abs(factor - 1) < MATCH else factor
            return factors
        used.pop(least)
    return None if total else [0.0] * len(columns)


def _same(p: float, q: float) -> bool:
    return abs(p - q) <= 1e-5 * max(abs(p), abs(q))
