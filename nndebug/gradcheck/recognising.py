"""Which rule an unknown update follows, told from two steps of every parameter.

Only what is wrong under any rule is held against it (`evidence`): a rule that is none of those known is not a mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np

from ..signals import Array
from .adaptive import Entrywise, Numbers, entrywise, follows
from .moves import Factors, fitted
from .result import Mistake
from .rule import Rule
from .steps import MATCH, Steps, name_mistakes, near

Key = TypeVar("Key", bound=Hashable)
Rules = Callable[[Steps], list[Array]]
"""The steps that a rule may take with a parameter's gradients: with all that belongs to it, without penalty, …"""

PLAIN = "is plain descent"

AGAINST = -0.5
"""No rule goes this far against the gradient (cosine) on purpose."""

GLOBAL = ("a factor 2 too many", "a division by", "a constant factor")
"""Factors that are a mistake only if all parameters have them: else each may have a rate of its own."""

EXACT = 1e-12
"""Steps this near to a rule's, relative to the largest one, differ from them by rounding only."""

SAMPLED = 256
"""Entries on which rules are tried first."""


@dataclass
class Seen(Generic[Key]):
    """What is behind the steps.

    Attributes:
        name: the rule, completes "your update …".
        factors: the rule as sums, None if it is none of these.
        entries: the rule of entries, None if it is none.
        expected: what the rule says of every parameter whose steps follow it (2, …).
        mistakes: mistakes of those that do not, whatever the rule.
        open: why nothing can be said of the others.
    """

    name: str = PLAIN
    factors: Factors | None = None
    entries: Entrywise | None = None
    expected: dict[Key, Array] = field(default_factory=dict)
    mistakes: dict[Key, tuple[Mistake, ...]] = field(default_factory=dict)
    open: dict[Key, str] = field(default_factory=dict)

    def rule(self) -> Rule | None:
        """Descent, momentum or Adam as an optimiser of the core would say it, with the rate 1.

        Returns:
            Plain descent where everything is mistaken; None where the rule is none of these three.
        """
        if self.open:
            return None
        if self.entries:
            return self.entries.rule if self.entries.rule and self.entries.rule.kind == "adam" else None
        factors = self.factors
        if factors is None or not factors.a == factors.b == 1:
            return None
        if factors.k:
            return Rule("momentum", 1.0, 0.0, momentum=float(f"{factors.without_decay.k:.9g}"))
        return Rule("sgd", 1.0, factors.decay)


def recognise(
    all_steps: Mapping[Key, Steps], rate: float, part: Callable[[Key], str], numbers: Numbers
) -> Seen[Key]:
    """The rule that most parameters follow, and what is to be said of the others.

    Args:
        all_steps: two steps of every parameter; those that changed their shape or are not finite are left out.
        rate: learning rate.
        part: `weight` or `bias`.
        numbers: what the object keeps under a name.
    """
    steps = {
        key: s
        for key, s in all_steps.items()
        if s.done.shape == s.mean.shape and np.isfinite(s.done).all() and np.isfinite(s.mean).all()
    }
    seen = Seen[Key](factors=Factors())
    _take(seen, steps, lambda s: list(_sums(Factors(), s)))
    if len(seen.expected) < len(steps):
        for rule, factors, entries, name in _rules(steps, numbers):
            tried = Seen[Key](name, factors, entries)
            _take(tried, steps, rule)
            if factors and not factors.steady and _left(tried, steps):
                continue  # a schedule is everybody's
            if _moved(tried, steps) > _moved(seen, steps):
                seen = tried
            if len(seen.expected) == len(steps):
                break
    if not _moved(seen, steps):
        seen.factors = _uphill(steps) or seen.factors
    if seen.factors:
        _own_decays(seen, seen.factors, steps)
    rest = [key for key in steps if key not in seen.expected]
    named = {key: evidence(steps[key], rate, part(key), seen) for key in rest}
    for key in rest:
        alone = [m for m in named[key] if not m.name.startswith(GLOBAL)]
        everywhere = all(named.get(other) for other in steps if steps[other].mean.any())
        if alone or (named[key] and everywhere and len({m[0].name for m in named.values() if m}) == 1):
            seen.mistakes[key] = named[key] if everywhere else tuple(alone)
        else:
            seen.open[key] = _seen_at_best(steps[key])
    return seen


def _own_decays(seen: Seen[Key], factors: Factors, steps: Mapping[Key, Steps]) -> None:
    """Takes what follows the rule with a penalty of its own strength."""
    for key, s in steps.items():
        own = None if key in seen.expected else fitted([s])
        if own and own.sentence() and own.without_decay.near(factors.without_decay):
            seen.expected[key] = own.steps(s)


def _uphill(steps: Mapping[Key, Steps]) -> Factors | None:
    """The rule that all parameters follow with its sign flipped; None if they follow none."""
    moving = [replace(s, done=-s.done) for s in steps.values() if s.mean.any()]
    factors = fitted(moving) if moving else None
    return factors if factors and factors.sentence() else None


def _left(seen: Seen[Key], steps: Mapping[Key, Steps]) -> bool:
    return any(s.done.any() for key, s in steps.items() if key not in seen.expected)


def _moved(seen: Seen[Key], steps: Mapping[Key, Steps]) -> int:
    """How many parameters follow the rule; those with no gradient follow any."""
    return sum(bool(steps[key].mean.any()) for key in seen.expected)


def _rules(
    steps: Mapping[Key, Steps], numbers: Numbers
) -> Iterator[tuple[Rules, Factors | None, Entrywise | None, str]]:
    """Every rule that might be it."""
    moving = [s for s in steps.values() if s.mean.any() and s.done.any()]
    if not moving:
        return
    fits = [f for f in (fitted(moving), *(fitted([s]) for s in moving)) if f]
    for factors in fits:
        if factors.sentence():
            yield (lambda s, f=factors: list(_sums(f, s))), factors, None, factors.sentence()  # type: ignore[misc]
    for limit in sorted({_norm(s, f) for s in moving for f in [fitted([s])] if f and f.a < 1 - MATCH}):
        name = f"clips the norm of every array's gradient at {limit:.6g}"
        yield (lambda s, c=limit: [_clipped(s, c)]), None, None, name  # type: ignore[misc]
    largest = max(moving, key=lambda s: s.mean.size)
    top = max(moving, key=lambda s: float(np.abs(s.done).max()))
    for some in {id(s): s for s in (largest, top)}.values():
        for rule in _fitting(_few(some), (r for r in entrywise(some, numbers) if r.known)):
            yield (lambda s, r=rule: list(_entrywise(r, s))), None, rule, rule.name  # type: ignore[misc]


def _take(seen: Seen[Key], steps: Mapping[Key, Steps], rule: Rules) -> None:
    for key, s in steps.items():
        same = next((e for e in rule(s) if _near(s, e)), None)
        if same is not None:
            seen.expected[key] = same


def _sums(factors: Factors, s: Steps) -> Iterator[Array]:
    for variant in factors.variants():
        yield variant.steps(s)


def _entrywise(rule: Entrywise, s: Steps) -> Iterator[Array]:
    """The rule, and the rule with a decay of the weights beside it (AdamW: Loshchilov and Hutter 2019)."""
    right = rule.steps(s.mean)
    yield right
    squares = float((s.start * s.start).sum())
    decay = float(((s.done - right) * s.start).sum()) / squares if squares else 0.0
    if decay > 0 and s.start[0].size > 1:
        yield right + decay * s.start


def _fitting(s: Steps, rules: Iterable[Entrywise]) -> Iterator[Entrywise]:
    """The rules that give these steps: exact ones at once, then the others from the nearest on.

    What only keeps a divisor from being 0 changes the steps so little that several such numbers fit.
    """
    size, others = float(np.abs(s.done).max(initial=0.0)), []
    for rule in rules:
        fits = [e for e in _entrywise(rule, s) if _near(s, e)]
        off = min((float(np.abs(s.done - e).max(initial=0.0)) for e in fits), default=np.inf)
        if off <= EXACT * size:
            yield rule
        elif fits:
            others.append((off, rule))
    yield from (rule for _, rule in sorted(others, key=lambda pair: pair[0]))


def _near(s: Steps, expected: Array) -> bool:
    """Whether these are the steps, but for what rounding of the parameters leaves of them."""
    rounding = 1e-15 * float(np.abs(s.start).max(initial=0.0)) / s.rate
    return near(s.done, expected) or bool(np.abs(s.done - expected).max(initial=0.0) <= rounding)


def _few(s: Steps) -> Steps:
    """The same for some entries only, those with a gradient."""
    chosen = np.flatnonzero(np.ravel(s.mean[0]))[:SAMPLED]
    start, done, mean = (np.reshape(v, (2, -1))[:, chosen] for v in (s.start, s.done, s.mean))
    return replace(s, start=start, done=done, mean=mean, first=None, last=None)


def _norm(s: Steps, factors: Factors) -> float:
    return float(f"{factors.a * np.linalg.norm(s.mean[0]):.9g}")


def _clipped(s: Steps, limit: float) -> Array:
    norms = np.array([float(np.linalg.norm(g)) for g in s.mean]).reshape(2, *[1] * (s.mean.ndim - 1))
    scale: Array = np.minimum(1.0, limit / np.maximum(norms, 1e-300))
    return scale * s.mean


# --- what is wrong whatever the rule ------------------------------------------------------------------------------


def evidence(s: Steps, rate: float, part: str, seen: Seen[Key]) -> tuple[Mistake, ...]:
    """Mistakes that explain the steps, under the rule of the other parameters or under any."""
    w = "w" if part == "weight" else "b"
    should = f"{w} = {w} - rate * gradient"
    if not s.mean.any():
        return ()
    found = name_mistakes(s, rate, part)
    if found and not found[0].name.startswith(GLOBAL):
        return found
    if not s.done.any():
        return found
    if seen.entries or (seen.factors and not seen.factors.is_plain):
        right = (
            seen.entries.steps(s.mean) if seen.entries else seen.factors.steps(s) if seen.factors else s.mean
        )
        for name, line, candidate in (
            ("gradient ascent (the sign flipped)", f"{w} = {w} + step", -right),
            (
                "the gradients of the batch before in place of this one's",
                f"{w} = {w} - step of the batch before",
                np.stack([right[0], right[0]]),
            ),
        ):
            if near(s.done, candidate):
                return (Mistake(name, line, f"{w} = {w} - step", 0.0),)
    factors = fitted([s])
    if factors and factors.a < 0 and factors.b < 0:
        return (
            Mistake("gradient ascent (the sign flipped)", f"{w} = {w} - ({factors.formula()})", should, 0.0),
        )
    if factors and not (factors.a or factors.b):
        return (Mistake("the gradient left out", f"{w} = {w} - rate * {factors.d:.4g} * {w}", should, 0.0),)
    if factors and factors.d < 0 and factors.e < 0 and factors.a > 0:
        return (
            Mistake(
                "the penalty's sign flipped (the weights grow)",
                f"gradient - {-factors.decay:.4g} * {w}",
                f"gradient + {-factors.decay:.4g} * {w}",
                0.0,
            ),
        )
    if np.array_equal(s.done[0], s.done[1]) and not near(
        abs(s.done[0]), np.full_like(s.done[0], np.abs(s.done).max())
    ):
        return (
            Mistake(
                "the first step again (a gradient or a step that is not computed anew)",
                f"{w} = {w} - the first step",
                should,
                0.0,
            ),
        )
    moves, flows = s.done[0] != 0, np.abs(s.mean) > 1e-9 * np.abs(s.mean).max()
    left = (
        flows.all(axis=0)
        & (s.done == 0).all(axis=0)
        & (1e3 * 2.3e-16 * np.abs(s.start[0]) < s.rate * np.abs(s.mean[0]))
    )
    if left.any() and moves.any():
        name = (
            f"{int(left.sum()):,} of its {left.size:,} entries left as they are, though each has a gradient"
        )
        return (Mistake(name, f"{w}[some] = {w}[some] - rate * gradient", should, 0.0),)
    if (s.done[0] * s.mean[0] <= 0).all() and follows(replace(s, done=-s.done)):
        return (
            Mistake(
                "every entry against its gradient (the sign flipped)",
                f"{w} = {w} + step",
                f"{w} = {w} - step",
                0.0,
            ),
        )
    if _cosine(s) < AGAINST:
        return (Mistake("a step that goes up, not down", f"{w} = {w} + step", f"{w} = {w} - step", 0.0),)
    return found  # fmt: skip


def _cosine(s: Steps) -> float:
    sizes = float(np.linalg.norm(s.done[0]) * np.linalg.norm(s.mean[0]))
    return float((s.done[0] * s.mean[0]).sum()) / sizes if sizes else 0.0


def _seen_at_best(s: Steps) -> str:
    """One line on steps that follow no rule that is known, nor show a mistake."""
    factors, few = fitted([s]), _few(s)
    if not factors and near(
        s.done, (ratio := float(np.vdot(s.done, s.mean) / np.vdot(s.mean, s.mean))) * s.mean
    ):
        factors = Factors(ratio, ratio)
    if factors:
        own = factors.k == factors.d == factors.e == 0 and factors.steady
        return f"it steps {factors.formula()}" + (
            ": a rate of its own?" if own else ", which is no rule known here"
        )
    rule = next(_fitting(few, (r for r in entrywise(s, lambda _, usual: usual) if not r.known)), None)
    if rule:
        return f"it {rule.name}"
    said = f"it goes along its gradient, with a cosine of {_cosine(s):.2f}"
    if near(np.abs(few.done[0]), np.full_like(few.done[0], np.abs(few.done[0]).max(initial=0.0))):
        said = "every entry moves by the same amount, whatever its gradient, as in Adam's relatives"
    elif follows(s):
        said = "every entry goes with its gradient's sign, and further for a larger one"
    return f"it follows no rule known here: {said}"
