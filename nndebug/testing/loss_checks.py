"""What must hold of every loss: `loss(output, target)` is a mean over samples, `gradient` its derivative."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..signals import Array
from ..strategies.arrays import LAYOUTS, Draw, batches, extreme_batches, float_dtypes, labels, targets
from .case import Case
from .comparing import array, called, number, same
from .failure import Failure
from .registry import check

KIND = "loss"
STEP = 1e-4
SURE = 40.0
"""Logits of ±40: as good as certain, and exact in float32."""


class Example:
    """A loss, outputs and targets.

    Attributes:
        output, target: (batch, outputs).
        given: for messages.
    """

    def __init__(
        self,
        case: Case,
        draw: Draw,
        rows: Any = None,
        layouts: tuple[str, ...] = LAYOUTS[:1],
        extreme: bool = False,
    ) -> None:
        self.case, self.loss = case, case.make()
        width = case.claims.get("outputs") or draw(st.integers(2, 5))
        self.dtype = draw(float_dtypes())
        self.output: Array = draw(
            extreme_batches((width,), self.dtype) if extreme else batches((width,), rows, self.dtype, layouts)
        )
        if "probabilities" in case.tags:
            self.output = probabilities(self.output)
        self.target: Array = draw(aims(case, len(self.output), width, self.dtype))
        self.given = {"output": self.output, "target": self.target}

    def value(self, output: Array, target: Array) -> float:
        """The loss of a batch."""
        given = {"output": output, "target": target}
        found = called(self.loss, "the loss", given, output, target)
        if not isinstance(found, (int, float, np.number)) and np.shape(found) != ():
            raise Failure(
                "the loss is no number", "one number for the batch", f"shape {np.shape(found)}", "", given
            )
        return float(found)

    def gradient(self, output: Array, target: Array) -> Array:
        """dLoss/doutput, a copy."""
        given = {"output": output, "target": target}
        return array(called(self.loss.gradient, "gradient", given, output, target), "gradient", given)


def probabilities(x: Array) -> Array:
    """Rows that sum to 1 (batch, outputs), of sizes as far apart as those of x; a constant row becomes uniform."""
    size = np.minimum(np.abs(x), 1e3) + 1 / 16
    return np.asarray(size / size.sum(axis=1, keepdims=True)).astype(x.dtype)


def aims(case: Case, rows: int, outputs: int, dtype: Any) -> Any:
    """Strategy of the targets that a loss takes."""
    if "regression" in case.tags:
        return batches((outputs,), rows, dtype)
    return targets(rows, outputs, dtype)


@check(KIND)
def one_number(case: Case, draw: Draw) -> None:
    """A batch has one loss, a finite number."""
    example = Example(case, draw)
    value = example.value(example.output, example.target)
    if not np.isfinite(value):
        raise Failure("the loss is not finite", "a finite number", str(value), "", example.given)


@check(KIND)
def gradient(case: Case, draw: Draw) -> None:
    """gradient is the derivative of the mean loss by every output, against differences; at a kink either side's."""
    example = Example(case, draw)
    output, target = example.output.astype(np.float64), example.target.astype(np.float64)
    found = example.gradient(output, target)
    given = {"output": output, "target": target}
    if found.shape != output.shape:
        raise Failure(
            "gradient has the wrong shape", f"shape {output.shape}", f"shape {found.shape}", "", given
        )
    base = example.value(output, target)
    for at in np.ndindex(output.shape):
        mine = float(found[at])
        right, left = (_slope(example, output, target, at, sign * STEP, base) for sign in (1, -1))
        slack = 1e-6 + abs(base) * 1e-9 + 3 * STEP / len(output) * max(1.0, abs(mine))
        # Where the loss is a logarithm of something small, the error of the differences is of the third derivative.
        slack += (STEP * output.size) ** 2 * abs(mine) ** 3
        if not min(left, right) - slack <= mine <= max(left, right) + slack:
            factor = mine / right if right else np.nan
            help = f"yours is {factor:.3g} times as large" if 0.1 < abs(factor) < 100 else ""
            raise Failure(
                "gradient is not the derivative of the mean loss",
                f"gradient{list(at)} = {number((left + right) / 2)}, by differences of the loss",
                f"gradient{list(at)} = {number(found[at])}",
                help,
                given,
            )


def _slope(example: Example, output: Array, target: Array, at: Any, step: float, base: float) -> float:
    """The slope on one side, of second order."""
    values = []
    for times in (1, 2):
        moved = output.copy()
        moved[at] += times * step
        values.append(example.value(moved, target) - base)
    return (4 * values[0] - values[1]) / (2 * step)


@check(KIND, when=lambda case: "it has no bound" if case.claims.get("bound", 0) is None else "")
def at_least_its_bound(case: Case, draw: Draw) -> None:
    """No output is better than the bound: 0, or what the case says."""
    example = Example(case, draw, extreme=draw(st.booleans()))
    bound = case.claims.get("bound", 0)
    value = example.value(example.output, example.target)
    if value < bound - 1e-6 * (1 + abs(bound)):
        raise Failure("the loss falls below its bound", f"{bound} or more", number(value), "", example.given)


@check(KIND, when=lambda case: "it has no bound" if case.claims.get("bound", 0) is None else "")
def zero_at_target(case: Case, draw: Draw) -> None:
    """The best output, which is the target itself or logits that are sure of it, reaches the bound, and is at rest."""
    example = Example(case, draw)
    bound = case.claims.get("bound", 0)
    hard = example.target if "regression" in case.tags else np.eye(example.output.shape[1], dtype=example.dtype)[
        example.target.argmax(axis=1)
    ]  # fmt: skip
    tried = (hard, SURE * (2 * hard - 1))
    values = [example.value(output.copy(), hard) for output in tried]
    best = int(np.nanargmin(np.abs(np.array(values) - bound)))
    given = {"output": tried[best], "target": hard}
    if not abs(values[best] - bound) <= 1e-5:
        raise Failure(
            "the loss of the best output is not its bound", str(bound), number(values[best]), "", given
        )
    slope = example.gradient(tried[best].copy(), hard)
    if np.abs(slope).max(initial=0) > 1e-5 and case.claims.get("rests", True):
        raise Failure("the gradient at the best output is not 0", "0", number(np.abs(slope).max()), "", given)


@check(KIND)
def mean_over_batch(case: Case, draw: Draw) -> None:
    """The loss of a batch is the mean of its samples' losses, and its gradient their gradients divided by their number."""
    example = Example(case, draw)
    rows = [slice(i, i + 1) for i in range(len(example.output))]
    alone = [example.value(example.output[r], example.target[r]) for r in rows]
    value = example.value(example.output, example.target)
    help = "a sum in place of the mean makes the learning rate depend on the batch size"
    same(
        np.array(value),
        np.array(np.mean(alone)),
        "loss",
        example.given,
        help=help,
        rounding=_rounding(example),
    )
    slopes = [example.gradient(example.output[r], example.target[r]) for r in rows]
    expected = np.concatenate(slopes) / len(rows)
    found = example.gradient(example.output, example.target)
    same(found, expected, "gradient", example.given, help=help)


@check(KIND, when=lambda case: "" if hasattr(case.make(), "per_sample") else "it has no per_sample")
def per_sample(case: Case, draw: Draw) -> None:
    """per_sample gives one loss a sample, whose mean is the loss."""
    example = Example(case, draw)
    found = array(
        called(example.loss.per_sample, "per_sample", example.given, example.output, example.target),
        "per_sample",
        example.given,
    )
    alone = [
        example.value(example.output[i : i + 1], example.target[i : i + 1])
        for i in range(len(example.output))
    ]
    same(found, np.array(alone), "per_sample", example.given, rounding=_rounding(example))


@check(KIND)
def sample_order(case: Case, draw: Draw) -> None:
    """Samples in another order give the same loss, and their gradients in that order."""
    example = Example(case, draw, rows=st.integers(2, 5))
    order = np.array(draw(st.permutations(range(len(example.output)))))
    before = example.value(example.output, example.target)
    after = example.value(example.output[order], example.target[order])
    given = {**example.given, "order": order.tolist()}
    same(np.array(after), np.array(before), "loss", given, rounding=_rounding(example))
    slopes = example.gradient(example.output, example.target)[order]
    same(example.gradient(example.output[order], example.target[order]), slopes, "gradient", given)


@check(KIND)
def inputs_unchanged(case: Case, draw: Draw) -> None:
    """Neither the loss nor its gradient writes into outputs or targets."""
    example = Example(case, draw)
    output, target = example.output.copy(), example.target.copy()
    for name, run in (("the loss", example.value), ("gradient", example.gradient)):
        run(output, target)
        same(output, example.output, f"output after {name}", example.given, exact=True)
        same(target, example.target, f"target after {name}", example.given, exact=True)


@check(KIND)
def gradient_dtype(case: Case, draw: Draw) -> None:
    """The gradient has the shape and the dtype of the output."""
    example = Example(case, draw)
    found = example.gradient(example.output, example.target)
    if found.dtype != example.dtype or found.shape != example.output.shape:
        raise Failure(
            "gradient has another form than the output", f"{example.output.shape}, {example.dtype}",
            f"{found.shape}, {found.dtype}", "", example.given,
        )  # fmt: skip


@check(KIND)
def extreme_outputs(case: Case, draw: Draw) -> None:
    """Outputs of 0, of ±1e4 and constant rows give a finite loss and a finite gradient."""
    example = Example(case, draw, extreme=True)
    value, slopes = (
        example.value(example.output, example.target),
        example.gradient(example.output, example.target),
    )
    if not np.isfinite(value) or not np.isfinite(slopes).all():
        found = number(value) if not np.isfinite(value) else "a gradient with NaN or infinity"
        help = "take logits, and fuse the logarithm with softmax or sigmoid"
        raise Failure("the loss or its gradient is not finite", "finite numbers", found, help, example.given)


@check(KIND)
def deterministic(case: Case, draw: Draw) -> None:
    """The same outputs and targets give the same loss and gradient, to the bit."""
    example = Example(case, draw)
    first, second = (example.value(example.output, example.target) for _ in range(2))
    same(np.array(second), np.array(first), "loss, second time", example.given, exact=True)
    one, two = (example.gradient(example.output, example.target) for _ in range(2))
    same(two, one, "gradient, second time", example.given, exact=True)


@check(KIND)
def awkward_arrays(case: Case, draw: Draw) -> None:
    """Read-only and non-contiguous outputs and targets are as good as others."""
    example = Example(case, draw, layouts=LAYOUTS[1:])
    output, target = example.output, np.asfortranarray(example.target)
    right = example.value(np.ascontiguousarray(output), example.target)
    slopes = example.gradient(np.ascontiguousarray(output), example.target)
    for value in (output, target):
        value.setflags(write=False)
    same(
        np.array(example.value(output, target)),
        np.array(right),
        "loss",
        example.given,
        rounding=_rounding(example),
    )
    same(example.gradient(output, target), slopes, "gradient", example.given)


@check(KIND, unless={"regression": "its targets are no classes", "one_hot": "it takes no class numbers"})
def class_numbers(case: Case, draw: Draw) -> None:
    """Class numbers give the same loss and gradient as the one-hot rows that they stand for."""
    example = Example(case, draw)
    numbers = draw(labels(*example.output.shape))
    rows = np.eye(example.output.shape[1], dtype=example.dtype)[numbers]
    given = {"output": example.output, "target": numbers}
    same(
        np.array(example.value(example.output, numbers)), np.array(example.value(example.output, rows)),
        "loss of class numbers", given, rounding=_rounding(example),
    )  # fmt: skip
    same(
        example.gradient(example.output, numbers),
        example.gradient(example.output, rows),
        "gradient of class numbers",
        given,
    )


@check(KIND)
def counts_refused(case: Case, draw: Draw) -> None:
    """Another number of targets than of outputs is refused with a message that names both."""
    example = Example(case, draw, rows=st.integers(2, 4))
    output, target = example.output, np.concatenate([example.target] * 2)
    wrong = draw(st.sampled_from((1, len(output) + 1)))
    target = target[:wrong]
    given = {"output": output, "target": target}
    expected = f"an error that names {len(output)} and {wrong}"
    try:
        value = example.loss(output, target)
    except Exception as error:
        if str(len(output)) not in str(error) or str(wrong) not in str(error):
            raise Failure(
                "the error does not name both numbers",
                expected,
                f"{type(error).__name__}: {error}",
                "",
                given,
            ) from None
        return
    raise Failure(
        f"{wrong} targets for {len(output)} outputs are not refused",
        expected,
        f"a loss of {value}, by silent broadcasting",
        "",
        given,
    )


@check(KIND, when=lambda case: "" if case.reference else "no reference was given")
def reference(case: Case, draw: Draw) -> None:
    """Every sample's loss equals the plain function that was given as reference."""
    example = Example(case, draw)
    assert case.reference is not None
    expected = np.asarray(
        case.reference(example.output.astype(np.float64), example.target.astype(np.float64))
    )
    found = [
        example.value(example.output[i : i + 1], example.target[i : i + 1]) for i in range(len(expected))
    ]
    same(np.array(found), expected, "loss of a sample", example.given, rounding=_rounding(example))


def _rounding(example: Example) -> float:
    """Python floats that were summed in the outputs' dtype."""
    return 2.0**12 * float(np.finfo(example.dtype).eps) / 2.3e-16
