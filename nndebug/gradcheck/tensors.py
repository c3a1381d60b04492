"""One tensor of a function of arrays: does its gradient agree, and if not, which entries are wrong?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from ..signals import Array
from ..wording import percent
from .comparing import BLURRED, BLURRED_SINGLE, FLOOR, MARGIN, NOTHING, ZERO
from .containers import Path, name_of
from .explaining import LAMBDA, explain
from .finding import Finding
from .kinks import leave_out_kinks
from .measuring import Direction, Measured, Slope
from .nearby import SHARP, confirmed, mixed
from .search import MOST, Group, bisect
from .text import MISSING

EXHAUSTIVE = 32
"""Tensors of so few entries are taken one by one where they disagree."""

SAMPLED = 12
ROUNDS = 3


class Tensor:
    """The check of one tensor.

    Args:
        loss: the function at its base point.
        path: which tensor.
        given: the user's gradient, of the tensor's shape and finite.
        reference: largest gradient entry of all tensors, against which a whole tensor may be zero.
        rng: where directions come from.
    """

    def __init__(
        self, loss: Measured, path: Path, given: Array, reference: float, rng: np.random.Generator
    ) -> None:
        self.loss, self.path, self.rng, self.reference = loss, path, rng, reference
        self.shape, self.size = given.shape, given.size
        self.grain = float(np.finfo(given.dtype).eps) if given.dtype.kind == "f" else 2.3e-16
        self.given: Array = np.array(given, np.float64).ravel()
        self.largest = float(np.abs(self.given).max(initial=0.0))
        self.moving = np.ones(self.size)
        self.finding = Finding()

    def check(self, others: Mapping[str, Array]) -> Finding:
        """Everything there is to say.

        Args:
            others: gradients of the other tensors by name, for mix-ups.
        """
        finding = self.finding
        self.loss.listen([self._direction(), self._direction()])
        goal = 0.1 * FLOOR * self.largest
        first = self._direction()
        slope = self._slope(first, goal)
        if slope.kinked:
            if not leave_out_kinks(self, slope, first):
                return finding
            first = self._direction()
            slope = self._slope(first, goal)
        if slope.kinked or not np.isfinite(slope.error):
            finding.reason = "the loss is not finite near it" if not slope.kinked else "at kinks"
            return finding
        second = self._direction()
        other = self._slope(second, goal, slope.step)
        directions, slopes = [first, second], [slope, other]
        if any(self._apart(d, s) for d, s in zip(directions, slopes)):
            # A third direction with another step: a wrong verdict costs more than a second look.
            directions.append(self._direction())
            slopes.append(self._slope(directions[-1], goal, min(s.step for s in slopes) / 3))
        apart = [self._apart(d, s) for d, s in zip(directions, slopes)]
        self._remember(directions, slopes)
        if sum(apart) >= 2:
            worst = max(range(len(slopes)), key=lambda i: apart[i] and self._off(directions[i], slopes[i]))
            along = directions[worst]
            if not confirmed(self.loss, along, slopes[worst], along.dot(self.given)):
                finding.reason = SHARP + mixed(self.loss.point[self.path])
                return finding
            self._explain(directions, slopes, others)
            if finding.explanation is None:
                self._search(directions, slopes)
        elif any(apart) and not self._nothing(slopes):
            finding.reason = "derivatives along different directions contradict each other"
        else:
            self._settle(directions, slopes)
        return finding

    @property
    def floor(self) -> float:
        return BLURRED_SINGLE if self.loss.coarse else FLOOR

    @property
    def margin(self) -> float:
        # Where float32 hides the kinks between the points, estimates are often too good.
        return 3 * MARGIN if self.loss.coarse else MARGIN

    # --- directions ---------------------------------------------------------------------------------------------

    def _direction(self) -> Direction:
        # Signs times sizes, not signs alone: two equal mistakes cancel along every second vector of signs.
        weights = self.rng.choice([-1.0, 1.0], self.size) * self.rng.uniform(0.5, 1.5, self.size)
        return Direction(self.path, None, weights * self.moving)

    def _alone(self, entry: int) -> Direction:
        return Direction(self.path, np.array([entry]), np.ones(self.size))

    def _single(self, entry: int, goal: float = 0.0, step: float | None = None) -> Slope:
        return self._slope(self._alone(entry), goal or 0.1 * FLOOR * self.largest, step)

    def _slope(self, direction: Direction, goal: float, step: float | None = None) -> Slope:
        slope = self.loss.slope(direction, goal, step)
        if not self.loss.coarse or slope.kinked or not np.isfinite(slope.error):
            return slope
        # Float32 needs steps so wide that kinks lie between the points, and noise hides them: look again.
        again = self.loss.slope(direction, goal, slope.step / 3)
        return replace(slope, error=max(slope.error, abs(again.value - slope.value)))

    def _claim_error(self, direction: Direction) -> float:
        """Rounding in the user's own gradient and in its sum along a direction."""
        return 8 * self.grain * direction.norm(self.given)

    def _allowed(self, direction: Direction, slope: Slope) -> float:
        return self.margin * (slope.error + self._claim_error(direction))

    def _apart(self, direction: Direction, slope: Slope) -> bool:
        size = max(self.largest, abs(slope.value) / float(np.linalg.norm(direction.weights) or 1.0))
        return self._off(direction, slope) > max(self._allowed(direction, slope), self.floor * size)

    def _off(self, direction: Direction, slope: Slope) -> float:
        return abs(slope.value - direction.dot(self.given))

    def _remember(self, directions: list[Direction], slopes: list[Slope]) -> None:
        ratios = []
        for direction, slope in zip(directions, slopes):
            claim = direction.dot(self.given)
            size = max(abs(claim), abs(slope.value), direction.norm(self.given)) or 1.0
            ratios.append((abs(slope.value - claim) / size, slope.error / size, claim, slope.value))
        f = self.finding
        f.worst, f.error, f.analytic, f.numeric = max(ratios)

    def _settle(self, directions: list[Direction], slopes: list[Slope]) -> None:
        """Nothing disagrees: is that worth anything?"""
        blur = max(slope.error / (d.norm(self.given) or 1.0) for d, slope in zip(directions, slopes))
        if not self.largest:
            tiny = max(s.error for s in slopes) <= ZERO * self.reference * np.sqrt(self.size)
            if all(s.value == 0 for s in slopes) or tiny:
                self.finding.note = NOTHING
            else:
                self.finding.reason = "your gradient is zero, the derivative too small to be told from it"
            return
        coarse = self.loss.coarse or self.grain > 1e-10
        if blur > (BLURRED_SINGLE if coarse else BLURRED):
            if self._nothing(slopes):
                self.finding.note = f"{NOTHING}, to within rounding"
                return
            self.finding.reason = f"the numerical derivative is only good to {blur:.0e} of it" + mixed(
                self.loss.point[self.path]
            )
        elif coarse:
            self.finding.note = f"to within {blur + 8 * self.grain:.0e}, as single precision allows"

    def _nothing(self, slopes: list[Slope]) -> bool:
        """Whether gradient and derivatives are no more than rounding: terms that cancel, as of a bias before a norm."""
        least = ZERO * self.reference
        most = max(abs(s.value) + s.error for s in slopes)
        return bool(self.largest <= least and most <= least * np.sqrt(self.size))

    # --- what is wrong ------------------------------------------------------------------------------------------

    def _explain(self, directions: list[Direction], slopes: list[Slope], others: Mapping[str, Array]) -> None:
        values = np.array([s.value for s in slopes])
        errors = np.array([s.error + self._claim_error(d) for d, s in zip(directions, slopes)])
        parameter = self.loss.point[self.path].astype(np.float64)
        shaped = self.given.reshape(self.shape)
        found = explain(name_of(self.path), shaped, parameter, others, directions, values, errors)
        if found is None or not self.given.any():
            return
        apart = np.abs(found.right - shaped).ravel()
        at = int(np.argmax(apart))
        slope = self._single(at)
        expected = float(found.right.ravel()[at])
        if abs(slope.value - expected) > 2 * self._tolerance(slope) + 1e-4 * apart[at]:
            return  # it explains the directions by chance
        if not apart[at] > self._tolerance(slope):
            return  # no more than the derivative may be off
        finding = self.finding
        finding.explanation = found
        finding.wrong = max(1, int((apart > 1e-7 * np.abs(found.right).ravel()).sum()))
        finding.where = "all of them" if finding.wrong == self.size > 1 else ""
        if found.mistake.name.startswith(LAMBDA):
            finding.where = MISSING
        finding.entries[at] = (slope.value, slope.error)

    def _tolerance(self, slope: Slope) -> float:
        size = max(self.largest, abs(slope.value))
        return max(self.margin * (slope.error + 8 * self.grain * self.largest), self.floor * size)

    def _is_wrong(self, entry: int) -> bool:
        """Takes one entry by itself, and remembers it if it is wrong."""
        if not self.moving[entry]:
            return False
        slope = self._single(entry)
        given = float(self.given[entry])
        if not abs(slope.value - given) > self._tolerance(slope):
            return False
        if not confirmed(self.loss, self._alone(entry), slope, given):
            return False
        self.finding.entries[entry] = (slope.value, slope.error)
        return True

    def _search(self, directions: list[Direction], slopes: list[Slope]) -> None:
        finding = self.finding
        if self.size <= EXHAUSTIVE:
            finding.wrong = sum([self._is_wrong(entry) for entry in range(self.size)])
            self._name()
            return
        corrected = self.given.copy()
        for _ in range(ROUNDS):
            off = [s.value - d.dot(corrected) for d, s in zip(directions, slopes)]
            allowed = [self._allowed(d, s) for d, s in zip(directions, slopes)]
            if all(abs(o) <= max(a, FLOOR * self.largest) for o, a in zip(off, allowed)):
                break
            at = int(np.argmax(np.abs(off) / np.maximum(allowed, 1e-300)))
            direction, slope = directions[at], slopes[at]
            whole = Group(np.arange(self.size), off[at], allowed[at] / MARGIN)
            found = bisect(whole, self._sums(direction, slope, corrected, abs(off[at])))
            if found is None:
                self._summarise(direction, slope)
                return
            new = [entry for entry in found if entry not in finding.entries and self._is_wrong(entry)]
            for entry in new:
                corrected[entry] = finding.entries[entry][0]
            if not new:
                break
        finding.wrong = len(finding.entries)
        self._name()

    def _sums(
        self, direction: Direction, slope: Slope, corrected: Array, smallest: float
    ) -> Callable[[Array], tuple[float, float]]:
        """Measures how far the derivative along some entries is from what their gradient says."""
        # Where the errors of truncation and rounding of a two-point difference are equal; no kink lies so near.
        step = (self.loss.noise / (2 * slope.bend + 1e-300)) ** (1 / 3)
        step = min(max(step, slope.step / 8), 2 * slope.step)
        coarse = 20 * (0.71 * self.loss.noise / step + slope.bend * step * step) > smallest

        def measure(items: Array) -> tuple[float, float]:
            part = Direction(self.path, items, direction.weights)
            if coarse:
                fine = self._slope(part, 0.02 * smallest, slope.step)
                value, error = fine.value, fine.error
            else:
                value, error = self.loss.pair(part, step, slope.bend)
            return value - part.dot(corrected), error + self._claim_error(part)

        return measure

    def _summarise(self, direction: Direction, slope: Slope) -> None:
        """So many are wrong that they are no longer named: all of them, rows or columns, or a share."""
        finding = self.finding
        sample = self.rng.choice(self.size, min(SAMPLED, self.size), replace=False)
        share = float(np.mean([self._is_wrong(int(entry)) for entry in sample]))
        if share == 1.0:
            finding.wrong, finding.where = self.size, "all of them"
            return
        numbers = np.arange(self.size).reshape(self.shape)
        off = slope.value - direction.dot(self.given)
        measure = self._sums(direction, slope, self.given, abs(off))
        for axis in range(len(self.shape) if len(self.shape) > 1 else 0):
            slices = np.moveaxis(numbers, axis, 0).reshape(self.shape[axis], -1)
            whole = Group(np.arange(len(slices)), off, 0.0)
            most = min(MOST, max(1, len(slices) // 2))
            found = bisect(whole, lambda items, s=slices: measure(s[items].ravel()), most)  # type: ignore[misc]
            if not found:
                continue
            inside = [
                int(e) for i in found for e in self.rng.choice(slices[i], min(3, slices.shape[1]), False)
            ]
            full = sum(map(self._is_wrong, inside)) == len(inside)  # every one is taken, and remembered
            word = ("row" if axis == 0 else "column") if len(self.shape) == 2 else f"axis {axis}, slice"
            where = f"{word}{'s' * (len(found) > 1)} {', '.join(map(str, found[:8]))}"
            where += f" and {len(found) - 8} more" if len(found) > 8 else ""
            finding.where = where if full else f"entries in {where}"
            finding.wrong = len(found) * slices.shape[1] if full else max(MOST + 1, len(finding.entries))
            break
        else:
            finding.wrong = max(MOST + 1, round(share * self.size))
            finding.where = f"about {percent(finding.wrong / self.size, 0)} of them"
        if not finding.entries:
            rest = self.rng.choice(self.size, min(4 * SAMPLED, self.size), replace=False)
            any(self._is_wrong(int(entry)) for entry in rest)

    def _name(self) -> None:
        finding = self.finding
        if finding.wrong == self.size > 1:
            finding.where = "all of them"
        elif finding.entries:
            finding.where = self._named(sorted(finding.entries))
        elif self.loss.coarse:
            finding.reason = "single precision is too coarse to tell"
        elif self.size <= EXHAUSTIVE:  # all of them were taken by themselves
            finding.reason = "every entry agrees by itself, and along a direction they do not: the loss bends too sharply here"
        else:
            finding.wrong, finding.where = 1, "no entry by itself is far enough off to be named"

    def _named(self, entries: list[int]) -> str:
        if len(self.shape) == 2 and len(entries) > 2:
            numbers: Array = np.arange(self.size).reshape(self.shape)
            wrong = set(entries)
            for word, lines in (("row", numbers), ("column", numbers.T)):
                full = [i for i, line in enumerate(lines) if wrong.issuperset(line.tolist())]
                if lines.shape[1] > 1 and len(full) * lines.shape[1] == len(entries):
                    return f"{word}{'s' * (len(full) > 1)} {', '.join(map(str, full))}"
        return ", ".join(str(list(self.index(entry))) for entry in entries[:20]) + (
            f" and {len(entries) - 20} more" if len(entries) > 20 else ""
        )

    def index(self, entry: int) -> tuple[int, ...]:
        """A flat number as an index of the tensor."""
        return tuple(int(i) for i in np.unravel_index(entry, self.shape))
