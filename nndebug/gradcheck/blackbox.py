"""The gradient check of any scalar function of arrays, about whose inside nothing is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..signals import Array
from .calling import guarded, takes_an_argument
from .comparing import EMPTY, failed, shape_trouble, unresolved
from .containers import Path, gradients_of, leaves, name_of, numbers, sharing
from .exhaustive import every_entry
from .finding import Finding
from .measuring import Measured
from .result import Fault, GradCheck, Row, Verdict
from .tensors import Tensor
from .text import MISSING

RANDOM = 1e-6
"""Values at the same parameters that differ by more than this share of the loss are random; less is rounding."""

NUDGE = 1e-2
"""How far parameters are moved, in units of their size, where too many entries sit on kinks."""

ACCUMULATED = "a second call gives twice the first: gradients are added up and not cleared"


def gradcheck_function(
    loss: Callable[[Any], Any], params: Any, grads: Any, *, seed: int = 0, exhaustive: bool = False
) -> GradCheck:
    """Checks the gradient of any scalar function of arrays, and names the entries that are wrong.

    Works on float64 copies: the function never sees the arrays given.

    Args:
        loss: takes a container like `params`, returns one number.
        params: an array, or dicts, lists and tuples of arrays.
        grads: the gradients in a container like `params`, or a function that returns them, called with the
            parameters if it takes an argument.
        seed: seed of the directions.
        exhaustive: take every entry by itself as well, six evaluations each or more.

    Returns:
        A `GradCheck`: truthy when all agrees; prints as a table; `.evaluations` calls of the loss.

    Raises:
        UserError: loss or grads raise, or params and what they return are no arrays of real numbers.
    """
    arrays = numbers(params)
    rng = np.random.default_rng(seed)
    before = {path: array.copy() for path, array in arrays.items()}
    try:
        with np.errstate(all="ignore"):
            check = _Check(guarded(loss, "the loss"), params, before, grads, rng, exhaustive)
            rows, faults = check.run()
            if check.many_kinks and callable(grads) and takes_an_argument(grads):
                there = check
                check = _Check(guarded(loss, "the loss"), params, _moved(before, rng), grads, rng, exhaustive)
                beside, more = check.run()
                rows = [there.joined(path, row, other) for path, row, other in zip(arrays, rows, beside)]
                faults += [fault for fault in more if fault not in faults]
                check.loss.evaluations += there.loss.evaluations
                moved = f"At a kink: for the check parameters were moved by {NUDGE:g} of their size."
                check.notes = [*there.notes, moved]
    finally:
        spoilt = _restore(arrays, before)
    faults += [Fault(name, "", "function", "loss or grads changes your own array") for name in spoilt]
    entries = sum(array.size for array in arrays.values())
    description = f"a function of {entries:,} numbers in {len(arrays)} array{'s' * (len(arrays) != 1)}"
    count = check.loss.evaluations
    notes = [
        f"{first} and {second} share memory: checked as if they were apart; the true gradient is the sum of both."
        for first, second in sharing(arrays)
    ]
    notes += [
        *check.notes,
        f"Checked on float64 copies with {count:,} evaluations of the loss (seed {seed}).",
    ]
    return GradCheck(description, tuple(rows), (), tuple(faults), tuple(notes), 0, seed, count)


class _Check:
    """One check at one point."""

    def __init__(
        self,
        loss: Callable[[Any], Any],
        params: Any,
        arrays: Mapping[Path, Array],
        grads: Any,
        rng: np.random.Generator,
        exhaustive: bool,
    ) -> None:
        self.arrays, self.rng, self.exhaustive = arrays, rng, exhaustive
        self.notes: list[str] = []
        self.faults: list[Fault] = []
        self.many_kinks = False
        self.outside: set[Path] = set()
        self.loss = Measured(loss, params, arrays)
        self.given, spare = self._claims(grads)
        if spare:
            known = ", ".join(map(name_of, arrays))
            self.notes.append(f"Gradients without a parameter: {', '.join(spare)} (parameters: {known}).")
        if not callable(grads):
            present = {path: np.asarray(g) for path, g in leaves(grads) if isinstance(g, np.ndarray)}
            self.notes += [
                f"The gradients of {first} and {second} share memory: one overwrites the other."
                for first, second in sharing(present)
            ]

    def run(self) -> tuple[list[Row], list[Fault]]:
        """A row for every tensor, and what is wrong."""
        reason = self._hopeless()
        if reason:
            return [self._row_without(path, reason) for path in self.arrays], self._finished()
        known = [g for g in self.given.values() if g is not None and g.size and g.dtype.kind == "f"]
        finite = [float(np.abs(g).max()) for g in known if np.isfinite(g).all()]
        reference = max(finite, default=0.0)
        rows, measured = [], False
        for path, array in self.arrays.items():
            trouble = _trouble(array)
            given = self.given[path]
            if trouble:
                rows.append(self._row_without(path, trouble))
                continue
            row = self._unfit(path, given, array)
            if row is None:
                assert given is not None
                tensor = Tensor(self.loss, path, given, reference, self.rng)
                finding = tensor.check(self._others(path))
                if self.exhaustive:
                    finding = every_entry(tensor, finding.explanation)
                row = self._row(path, tensor, finding)
                measured = True
                self.many_kinks = self.many_kinks or finding.many_kinks
                if finding.outside:
                    self.outside.add(path)
            rows.append(row)
        late = self.loss.again()
        if _differ(self.loss.base, late):
            reason = _random(self.loss.base, late)
            self.faults.clear()
            return [self._row_without(path, reason) for path in self.arrays], self._finished()
        if measured and not self.loss.moved:
            reason = "the loss is the same whatever the parameters: does it read its argument?"
            self.faults.clear()
            return [self._row_without(path, reason) for path in self.arrays], self._finished()
        return rows, self._finished()

    def joined(self, path: Path, here: Row, beside: Row) -> Row:
        """What is said of a tensor at the point asked for, where the check beside its kinks says `beside`."""
        if here.verdict is Verdict.DISAGREES or beside.verdict is not Verdict.AGREES:
            return here if here.verdict is Verdict.DISAGREES else beside
        if path in self.outside:
            return replace(here, reason=f"not checked {here.reason}; beside it your gradient agrees")
        return beside if here.verdict is Verdict.UNRESOLVED else here

    # --- before the derivatives ---------------------------------------------------------------------------------

    def _claims(self, grads: Any) -> tuple[dict[Path, Array | None], list[str]]:
        if not callable(grads):
            return gradients_of(grads, self.arrays)
        call = guarded(grads, "grads")
        results: list[dict[Path, Array | None]] = []
        spare: list[str] = []
        for _ in range(2):
            argument = self.loss.arguments()
            result = call(argument) if takes_an_argument(grads) else call()
            given, spare = gradients_of(result, self.arrays)
            results.append(given)
            for path, value in numbers(argument).items():
                if not np.array_equal(value, self.loss.point[path], equal_nan=True):
                    by = float(np.nanmax(np.abs(value - self.loss.point[path])))
                    self._accuse(
                        name_of(path), f"grads changes the parameter it is given in place, by up to {by:.3g}"
                    )
        first, second = results
        for path, gradient in first.items():
            again = second[path]
            if gradient is None or again is None or gradient.shape != again.shape or not gradient.size:
                continue
            size = float(np.abs(gradient).max())
            if np.allclose(again, gradient, rtol=RANDOM, atol=RANDOM * size, equal_nan=True):
                continue
            doubled = np.allclose(again, 2 * gradient, rtol=RANDOM, atol=RANDOM * size)
            at = np.unravel_index(int(np.argmax(np.abs(again - gradient))), gradient.shape)
            text = f"its gradient is random: same parameters gave {gradient[at]:.6g} and {again[at]:.6g}"
            self._accuse(name_of(path), ACCUMULATED if doubled else text)
        return first, spare

    def _hopeless(self) -> str:
        base, again = self.loss.base, self.loss.again()
        if _differ(base, again):
            return _random(base, again)
        if not np.isfinite(base):
            return f"the loss is {base}"
        return ""

    def _unfit(self, path: Path, given: Array | None, array: Array) -> Row | None:
        """A row for a gradient that cannot be compared."""
        layer, parameter = _split(path)
        if given is None:
            return failed(layer, parameter, "", array.size, "grads has no gradient for it")
        trouble = shape_trouble(given, array.shape)
        if trouble:
            self._accuse(name_of(path), trouble)
            return failed(layer, parameter, "", array.size, trouble)
        if not array.size:
            nan = float("nan")
            return Row(layer, parameter, "", 0, 0, nan, (), nan, nan, nan, Verdict.AGREES, EMPTY)
        bad = ~np.isfinite(given)
        if bad.any():
            at = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
            reason = f"NaN or infinite, first at {list(at)}"
            self._accuse(
                name_of(path),
                f"{int(bad.sum()):,} of its {given.size:,} gradient entries {'is' if bad.sum() == 1 else 'are'} "
                f"NaN or infinite, first at {list(at)}",
            )
            nan = float("nan")
            return Row(
                layer, parameter, "", array.size, int(bad.sum()), nan, at, float(given[at]), nan, nan,
                Verdict.DISAGREES, reason,
            )  # fmt: skip
        return None

    def _others(self, path: Path) -> dict[str, Array]:
        shape = self.arrays[path].shape
        return {
            name_of(other): g
            for other, g in self.given.items()
            if other != path and g is not None and g.shape == shape and np.isfinite(g).all()
        }

    # --- rows and faults ----------------------------------------------------------------------------------------

    def _row(self, path: Path, tensor: Tensor, f: Finding) -> Row:
        layer, parameter = _split(path)
        if f.reason and not f.wrong:
            return self._row_without(path, f.reason)
        size = tensor.size
        if not f.wrong:
            return Row(
                layer, parameter, "", size, 0, f.worst, (), f.analytic, f.numeric, f.error,
                Verdict.AGREES, f.note, f.kinks,
            )  # fmt: skip
        at: tuple[int, ...] = ()
        worst, analytic, numeric, error = f.worst, f.analytic, f.numeric, f.error
        largest = max([tensor.largest, *(abs(value) for value, _ in f.entries.values())])

        def ratio(entry: int) -> float:
            given, right = tensor.given[entry], f.entries[entry][0]
            return float(abs(given - right) / (max(abs(given), abs(right), 1e-8 * largest) or 1.0))

        if f.entries:
            entry = max(f.entries, key=ratio)
            at, worst = tensor.index(entry), ratio(entry)
            analytic, (numeric, error) = float(tensor.given[entry]), f.entries[entry]
            error /= max(abs(analytic), abs(numeric)) or 1.0
        reason = f.where if tensor.given.any() else "your gradient is zero everywhere"
        self._accuse(name_of(path), _sentence(f, tensor, at, analytic, numeric), f)
        return Row(
            layer, parameter, "", size, f.wrong, worst, at, analytic, numeric, error,
            Verdict.DISAGREES, reason, f.kinks,
        )  # fmt: skip

    def _row_without(self, path: Path, reason: str) -> Row:
        return unresolved(*_split(path), "", self.arrays[path].size, reason)

    def _accuse(self, name: str, sentence: str, finding: Finding | None = None) -> None:
        mistakes = (finding.explanation.mistake,) if finding and finding.explanation else ()
        fault = Fault(name, "", "function", sentence, mistakes)
        if fault not in self.faults:
            self.faults.append(fault)

    def _finished(self) -> list[Fault]:
        for name, by in self.loss.changed.items():
            self._accuse(name, f"the loss changes the parameter it is given in place, by up to {by:.3g}")
        return self.faults


def _sentence(f: Finding, tensor: Tensor, at: tuple[int, ...], analytic: float, numeric: float) -> str:
    example = f"at {list(at)} it is {analytic:.6g}, should be {numeric:.6g}" if at or f.entries else ""
    if not tensor.given.any():
        return f"its gradient is zero everywhere; {example}"
    if f.where == MISSING:
        return f"{MISSING} from its gradient; {example}"
    count = f"{f.wrong:,} of its {tensor.size:,} gradient entries {'is' if f.wrong == 1 else 'are'} wrong"
    where = f" ({f.where})" if f.where else ""
    return f"{count}{where}" + (f"; {example}" if example else "")


def _split(path: Path) -> tuple[str, str]:
    layer, _, parameter = name_of(path).rpartition(".")
    return layer, parameter


def _trouble(array: Array) -> str:
    """Why no derivative by this parameter can be taken, empty if one can."""
    if array.dtype.kind in "iub":
        return f"it is {array.dtype}: whole numbers cannot be moved a little; make it float"
    if array.dtype == np.float16:
        return "it is float16: too coarse to differentiate"
    if not np.isfinite(array).all():
        return "the parameter itself is not finite"
    return ""


def _differ(first: float, second: float) -> bool:
    if np.isnan(first) and np.isnan(second):
        return False
    return bool(first != second and not abs(first - second) <= RANDOM * max(abs(first), abs(second)))


def _random(first: float, second: float) -> str:
    digits = 3 if f"{first:.3g}" != f"{second:.3g}" else 9
    return f"the loss is random: same parameters gave {first:.{digits}g} and {second:.{digits}g}"


def _moved(arrays: Mapping[Path, Array], rng: np.random.Generator) -> dict[Path, Array]:
    moved = {}
    for path, array in arrays.items():
        size = float(np.sqrt(np.mean(np.square(array, dtype=np.float64)))) if array.size else 0.0
        is_float = array.dtype.kind == "f"
        moved[path] = array + NUDGE * (size or 1.0) * rng.normal(size=array.shape) if is_float else array
    return moved


def _restore(arrays: Mapping[Path, Array], before: Mapping[Path, Array]) -> list[str]:
    """Puts back what user code changed in the user's own arrays; their names."""
    spoilt = []
    for path, array in arrays.items():
        if not np.array_equal(array, before[path], equal_nan=array.dtype.kind == "f"):
            array[...] = before[path]
            spoilt.append(name_of(path))
    return spoilt
