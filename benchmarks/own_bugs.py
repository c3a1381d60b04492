"""Are the seed's bugs named in a class of one's own? `python -m benchmarks.own_bugs [--only WORDS]`

Every silent bug of the seed's baselines is planted into a class in the textbook's style (examples/own_network), which trains on
the embedded digits with its own code, watched, after a preflight. Printed is, row by row, what the diagnosis says first, and
whether that is the cause that the same bug has in the core; then the shares.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file


import numpy as np

import nndebug
from examples.own_network import bugs, training
from network.data import load_digits

BUDGET = 3.0
"""Seconds of a preflight, of which the gradient check is the part that counts here."""
EPOCHS = 2


@dataclass(frozen=True)
class Row:
    """One bug.

    Attributes:
        section: of the seed's baselines.
        name: short.
        causes: kinds that name it, as in the core.
        changes: pairs of what stands in the source of the class and what replaces it.
        style: `columns` or `rows`.
        sizes: widths of the layers; rate, batch: of the training.
        init: changes the initial weights.
        data: changes the training pairs.
        evaluate: replaces the evaluation.
    """

    section: str
    name: str
    causes: tuple[str, ...]
    changes: tuple[tuple[str, str], ...] = ()
    style: str = "columns"
    sizes: tuple[int, ...] = (64, 30, 10)
    rate: float = 3.0
    batch: int = 10
    init: Callable[[Any], None] | None = None
    data: Callable[[Any, Any], tuple[Any, Any]] | None = None
    evaluate: Callable[..., Any] | None = None
    epochs: int = EPOCHS
    healthy: bool = field(default=False)


# --- 3.1: training ------------------------------------------------------------------------------------------------------

CAUSES = {
    "BP1 cost value": ("cost_for_derivative",),
    "BP1 elementwise cost": ("cost_for_derivative",),
    "BP1 no derivative": ("activation_derivative",),
    "BP2 no derivative": ("activation_derivative",),
    "no derivative in both": ("activation_derivative",),
    "derivative at the activation": ("activation_derivative",),
    "BP2 no ReLU mask": ("activation_derivative",),
    "BP2 sigmoid' for ReLU": ("activation_derivative",),
    "sign of the update": ("wrong_update_sign",),
    "sign of the cost's derivative": ("wrong_gradient_sign",),
    "sign of the biases only": ("wrong_update_sign",),
    "sign of the hidden delta": ("wrong_gradient_sign",),
    "not divided by the batch": ("wrong_update",),
    "divided by 50,000": ("wrong_update",),
    "divided by the batch twice": ("wrong_update",),
    "not reset between batches": ("missing_zero_grad",),
    "overwritten per sample": ("wrong_weight_gradient", "wrong_update"),
    "rebinds the loop variable": ("frozen_parameters",),
    "rebinds weights only": ("frozen_parameters",),
    "acts on a copy of the weights": ("frozen_parameters",),
    "only the last layer": ("frozen_parameters",),
    "BP4 swapped": ("reversed_product",),
    "BP2 transpose forgotten": ("transpose_forgotten",),
    "BP2 transpose forgotten, three layers": ("transpose_forgotten",),
}
SQUARE = {"BP4 swapped": (64, 10, 10), "BP2 transpose forgotten": (64, 10, 10), "BP2 transpose forgotten, three layers": (64, 10, 10, 10)}  # fmt: skip


def _of_the_class() -> list[Row]:
    rows = []
    for bug in bugs.COLUMNS:
        relu = bug.name.endswith(", ReLU") or "ReLU" in bug.name
        section = "3.2" if "transpose" in bug.name else "3.1"
        rows.append(
            Row(
                section, bug.name, CAUSES[bug.name.removesuffix(", ReLU")], bug.changes,
                sizes=SQUARE.get(bug.name, (64, 30, 10)), rate=0.1 if relu else 3.0,
            )
        )  # fmt: skip
    more = {b.name: b for b in bugs.COLUMNS}
    for name in ("not divided by the batch", "not reset between batches"):
        rows.append(Row("3.1", f"{name}, ReLU", CAUSES[name], (*bugs.RELU, *more[name].changes), rate=0.1))
    return rows


def _all(value: float, biases: float | None = None) -> Callable[[Any], None]:
    def init(net: Any) -> None:
        for w in net.weights:
            w[...] = value
        for b in net.biases:
            b[...] = value if biases is None else biases

    return init


def _weights_zero(net: Any) -> None:
    for w in net.weights:
        w[...] = 0


def _first_layer_zero(net: Any) -> None:
    net.weights[0][...], net.biases[0][...] = 0, 0


def _same_rows(net: Any) -> None:
    for w, b in zip(net.weights, net.biases):
        w[...], b[...] = w[0], b[0]


def _same_units(net: Any) -> None:
    net.weights[0][...], net.biases[0][...] = net.weights[0][0], net.biases[0][0]
    net.weights[1][...] = net.weights[1][:, :1]


def _shuffled(x: Any, y: Any) -> tuple[Any, Any]:
    return x, y[np.random.default_rng(1).permutation(len(y))]


def _off_by_one(x: Any, y: Any) -> tuple[Any, Any]:
    return x, np.roll(y, 1, axis=1)


def _raw(x: Any, y: Any) -> tuple[Any, Any]:
    return x * 255, y


LABELS = ("corrupted_labels",)
OF_START_AND_DATA = [
    Row("3.1", "init: all weights and biases 0", ("constant_init",), init=_all(0)),
    Row("3.1", "init: weights 0, biases random", ("constant_init",), init=_weights_zero),
    Row("3.1", "init: first layer 0", ("constant_init",), init=_first_layer_zero),
    Row("3.1", "init: all weights 0.1, biases 0", ("constant_init",), init=_all(0.1, 0)),
    Row("3.1", "init: all weights 1, biases 0", ("constant_init", "init_too_large"), init=_all(1, 0)),
    Row("3.1", "init: every unit of a layer the same", ("constant_init",), init=_same_rows),
    Row("3.1", "init: hidden units equal in and out", ("constant_init",), init=_same_units),
    Row("3.1", "init: all 0, ReLU", ("constant_init",), bugs.RELU, rate=0.1, init=_all(0)),
    Row("3.1", "init: all 0.01, ReLU", ("constant_init",), bugs.RELU, rate=0.1, init=_all(0.01)),
    Row("3.1", "labels shuffled against inputs", LABELS, data=_shuffled),
    Row("3.1", "targets off by one class", ("wrong_metric", *LABELS), data=_off_by_one),
    Row("3.1", "inputs 0..255", ("unnormalised_input",), data=_raw),
]

# --- 3.3: evaluation ------------------------------------------------------------------------------------------------------


def _counting(right: Callable[[Any, Any, Any], Any]) -> Callable[..., Any]:
    """An evaluation of pairs, one at a time: `right(output, input, label)`."""

    def evaluate(self: Any, test_data: Any) -> int:
        return int(sum(bool(right(self.feedforward(x), x, y)) for x, y in test_data))

    return evaluate


def _one_hot(y: int) -> Any:
    return np.eye(10)[:, [y]]


def _as_rows(self: Any, test_data: Any) -> int:
    return int(sum(bool(np.argmax(self.feedforward(x.ravel())) == y) for x, y in test_data))


def _outputs(self: Any, x: Any) -> Any:
    return self.forward(x)


METRIC = ("wrong_metric",)
OF_EVALUATION = [
    Row("3.3", "argmax(out, axis=1) of a column", METRIC, evaluate=_counting(lambda o, x, y: np.all(np.argmax(o, axis=1) == y))),
    Row("3.3", "one-hot labels, any(k == y)", METRIC, evaluate=_counting(lambda o, x, y: np.any(np.argmax(o) == _one_hot(y)))),
    Row("3.3", "one-hot labels, all(k == y)", METRIC, evaluate=_counting(lambda o, x, y: np.all(np.argmax(o) == _one_hot(y)))),
    Row("3.3", "argmax of the label too", METRIC, evaluate=_counting(lambda o, x, y: np.argmax(o) == np.argmax(y))),
    Row("3.3", "max for argmax", METRIC, evaluate=_counting(lambda o, x, y: np.max(o) == y)),
    Row("3.3", "argmin", METRIC, evaluate=_counting(lambda o, x, y: np.argmin(o) == y)),
    Row("3.3", "argmax of the input", METRIC, evaluate=_counting(lambda o, x, y: np.argmax(x) == y)),
    Row("3.3", "inputs as rows (64,)", METRIC, evaluate=_as_rows),
    Row("3.3", "batched: column against row", METRIC, style="rows", rate=0.1, evaluate=lambda self, x, y: np.mean(self.forward(x).argmax(axis=1)[:, None] == y)),
    Row("3.3", "batched: argmax without axis", METRIC, style="rows", rate=0.1, evaluate=lambda self, x, y: np.mean(np.argmax(self.forward(x)) == y)),
    Row("3.3", "batched: index against one-hot", METRIC, style="rows", rate=0.1, evaluate=lambda self, x, y: np.mean(self.forward(x).argmax(axis=1)[:, None] == np.eye(10)[y])),
]  # fmt: skip

# --- 3.4: shapes, in batches ------------------------------------------------------------------------------------------------

OF_ROWS = {
    "targets transposed": ("wrong_loss_gradient", "shape_mismatch", "wrong_axis"),
    "softmax over the samples": ("wrong_axis", "wrong_loss_gradient"),
    "softmax over everything": ("wrong_axis", "wrong_loss_gradient"),
    "softmax without keepdims": ("wrong_axis", "wrong_loss_gradient", "shape_mismatch"),
    "output bias over the wrong axis": ("wrong_bias_gradient",),
    "bias gradients as one number": ("wrong_bias_gradient",),
    "x reshaped": ("wrong_weight_gradient",),
    "a1 reshaped": ("wrong_weight_gradient",),
    "W2 reshaped": ("wrong_error_passed_back",),
}
ANY_BATCH = (
    "softmax over everything",
    "bias gradients as one number",
    "x reshaped",
    "a1 reshaped",
    "W2 reshaped",
)
MAX = ("e = np.exp(scores - scores.max(axis=1, keepdims=True))", "e = np.exp(scores - scores.max(axis=1))")


def _of_batches() -> list[Row]:
    known = {bug.name: bug for bug in bugs.ROWS}
    rows = []
    for name, causes in OF_ROWS.items():
        for batch in (10, 32) if name in ANY_BATCH else (10,):
            rows.append(
                Row(
                    "3.4",
                    f"{name}, batch {batch}",
                    causes,
                    known[name].changes,
                    "rows",
                    rate=0.1,
                    batch=batch,
                )
            )
    rows.append(Row("3.4", "softmax's max without keepdims, batch 10", ("wrong_axis", "unstable_loss", "wrong_loss_gradient"), (MAX,), "rows", rate=0.1))  # fmt: skip
    rows.append(Row("3.4", "labels in another order", LABELS, style="rows", rate=0.1, data=_shuffled))
    return rows


HEALTHY = [
    Row("-", "the class itself", (), healthy=True),
    Row("-", "the class itself, ReLU", (), bugs.RELU, rate=0.3, epochs=10, healthy=True),
    Row("-", "the class in batches", (), style="rows", rate=0.1, healthy=True),
]
ROWS = (*_of_the_class(), *OF_START_AND_DATA, *OF_EVALUATION, *_of_batches(), *HEALTHY)


def planted(row: Row) -> Any:
    """The class with the bug, an object of it with its data, and its training."""
    base = bugs.module(row.style, row.changes).Network
    mixin = training.Network if row.style == "columns" else training.BatchNetwork
    members = {name: value for name, value in vars(mixin).items() if not name.startswith("__")}
    if row.evaluate:
        members["evaluate" if row.style == "columns" else "accuracy"] = row.evaluate
    net = type("Network", (base,), members)(list(row.sizes))
    if row.init:
        row.init(net)
    digits = load_digits()
    x, labels = np.asarray(digits.train[0], np.float64), digits.train[1]
    held_out, answers = np.asarray(digits.test[0], np.float64), digits.test[1]
    whole = (
        len(x) // row.batch * row.batch
    )  # what mixes up samples and classes raises in a smaller last batch
    x, y = (row.data or (lambda x, y: (x, y)))(x[:whole], np.eye(10)[labels[:whole]])
    if row.data is _raw:
        held_out = held_out * 255
    if row.style == "rows":
        # A softmax that mixes up samples and classes raises in an evaluation of another size.
        test = None if "softmax" in row.name else (held_out, answers)
        return net, lambda: net.fit(x, y, row.epochs, row.batch, row.rate, test)
    train = [(a[:, None], b[:, None]) for a, b in zip(x, y)]
    test = [(a[:, None], int(b)) for a, b in zip(held_out, answers)]
    return net, lambda: net.SGD(train, row.epochs, row.batch, row.rate, test_data=test)


def judged(row: Row) -> tuple[bool, str, str]:
    """Whether it is named, its cause, and the verdict."""
    net, train = planted(row)
    with (
        contextlib.redirect_stdout(io.StringIO()),
        np.errstate(all="ignore"),
        nndebug.watch(net, preflight=BUDGET) as watching,
    ):
        train()
    result = watching.result
    cause = str(result.causes[0].kind) if result.causes else ""
    right = not cause if row.healthy else cause in row.causes
    return right, cause, result.verdict


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="words that the section or the name must contain")
    only = parser.parse_args().only
    chosen = [row for row in ROWS if only in f"{row.section} {row.name}"]
    width = max(len(row.name) for row in chosen)
    named = bugs_of = healthy = quiet = 0
    for row in chosen:
        right, cause, verdict = judged(row)
        if row.healthy:
            healthy, quiet = healthy + 1, quiet + right
        else:
            bugs_of, named = bugs_of + 1, named + right
        print(
            f"{row.section:4} {row.name:{width}}  {'ok    ' if right else 'MISSED'}  {cause or '-':22}  {verdict[:150]}",
            flush=True,
        )
    print(
        f"{named} of {bugs_of} silent bugs named as in the core; {quiet} of {healthy} right classes without a cause"
    )
    return named < 0.9 * bugs_of or quiet < healthy


if __name__ == "__main__":
    raise SystemExit(main())
