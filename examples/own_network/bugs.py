"""Classic bugs as small changes to the networks in this folder, and what nndebug has to say about each.

Each raises nothing, and many train nearly as well as the right code.

    python examples/own_network/bugs.py                row by row: what was planted, and what `nndebug gradcheck` says
    python examples/own_network/bugs.py --markdown     the same as docs/own-bugs.md
"""

import argparse
import types
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Bug:
    """One change to an example.

    Attributes:
        name: short, unique.
        style: `columns` (one sample at a time), `rows` (batches) or `regression`.
        changes: pairs of what stands in the source and what replaces it.
        faults: (layer, equation) of what must be accused, in any order.
        mistake: what the name of some mistake must contain.
        sizes: widths of the layers; samples: how many.
    """

    name: str
    style: str
    changes: tuple[tuple[str, str], ...]
    faults: tuple[tuple[str, str], ...]
    mistake: str
    sizes: tuple[int, ...] = (12, 6, 4)
    samples: int | None = None


def source(style, changes=()):
    text = (FOLDER / f"{style}.py").read_text("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def module(style, changes=(), sizes=None, samples=None):
    """The example as a module, changed."""
    made = types.ModuleType(f"own_{style}")
    exec(compile(source(style, changes), f"{style}.py", "exec"), made.__dict__)
    if sizes:
        made.SIZES = list(sizes)
    if samples:
        made.SAMPLES = samples
    return made


def target(bug):
    """Model, x and y with the bug planted."""
    return module(bug.style, bug.changes, bug.sizes, bug.samples).factory()


# --- columns: one sample at a time, sigmoid, quadratic ---------------------------------------------------------------

OUT = ("output", "BP1")
HIDDEN = ("hidden1", "BP2")
UPDATE = ("the network", "update")

RELU = (
    ("            a = sigmoid(np.dot(w, a) + b)", "            z = np.dot(w, a) + b\n            a = sigmoid(z) if w is self.weights[-1] else np.maximum(z, 0)"),
    ("            a = sigmoid(z)\n            zs", "            a = sigmoid(z) if w is self.weights[-1] else np.maximum(z, 0)\n            zs"),
    ("delta) * sigmoid_prime(zs[-layer])", "delta) * (zs[-layer] > 0)"),
)  # fmt: skip
"""The same network with ReLU in the hidden layers."""

COST = "return output - y"
BP1 = "delta = self.cost_derivative(activations[-1], y) * sigmoid_prime(zs[-1])"
BP2 = "delta = np.dot(self.weights[-layer + 1].T, delta) * sigmoid_prime(zs[-layer])"
BP2_RELU = "delta = np.dot(self.weights[-layer + 1].T, delta) * (zs[-layer] > 0)"
W_STEP = "            w -= eta / len(mini_batch) * g"
B_STEP = "            b -= eta / len(mini_batch) * g"
ZEROED = """        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        for x, y in mini_batch:"""
SUMS = """            nabla_b = [total + one for total, one in zip(nabla_b, delta_b)]
            nabla_w = [total + one for total, one in zip(nabla_w, delta_w)]"""
KEPT = """        if not hasattr(self, "kept"):
            self.kept = [np.zeros(b.shape) for b in self.biases], [np.zeros(w.shape) for w in self.weights]
        nabla_b, nabla_w = self.kept
        for x, y in mini_batch:"""
KEPT_SUMS = """            for total, one in zip(nabla_b + nabla_w, delta_b + delta_w):
                total += one"""


def _columns(name, changes, faults, mistake, relu=False, **more):
    return Bug(name, "columns", ((*RELU, *changes) if relu else changes), faults, mistake, **more)


def step(weights, biases):
    return ((W_STEP, weights), (B_STEP, biases))


COLUMNS = (
    _columns("BP1 cost value", ((COST, "return 0.5 * np.sum((output - y) ** 2)"),), (OUT,), "cost's value (a scalar)"),
    _columns("BP1 cost value, ReLU", ((COST, "return 0.5 * np.sum((output - y) ** 2)"),), (OUT,), "cost's value (a scalar)", relu=True),
    _columns("BP1 elementwise cost", ((COST, "return 0.5 * (output - y) ** 2"),), (OUT,), "the cost (entry by entry)"),
    _columns("BP1 no derivative", ((BP1, "delta = self.cost_derivative(activations[-1], y)"),), (OUT,), "activation's derivative missing"),
    _columns("BP1 no derivative, ReLU", ((BP1, "delta = self.cost_derivative(activations[-1], y)"),), (OUT,), "activation's derivative missing", relu=True),
    _columns("BP2 no derivative", ((BP2, "delta = np.dot(self.weights[-layer + 1].T, delta)"),), (HIDDEN,), "activation's derivative missing"),
    _columns("no derivative in both", ((BP1, "delta = self.cost_derivative(activations[-1], y)"), (BP2, "delta = np.dot(self.weights[-layer + 1].T, delta)")), (OUT, HIDDEN), "activation's derivative missing"),
    _columns("derivative at the activation", (("sigmoid_prime(zs[-1])", "sigmoid_prime(activations[-1])"), ("sigmoid_prime(zs[-layer])", "sigmoid_prime(activations[-layer])")), (OUT, HIDDEN), "taken at the activation"),
    _columns("BP2 no ReLU mask", ((BP2_RELU, "delta = np.dot(self.weights[-layer + 1].T, delta)"),), (HIDDEN,), "ReLU mask", relu=True),
    _columns("BP2 sigmoid' for ReLU", ((BP2_RELU, "delta = np.dot(self.weights[-layer + 1].T, delta) * sigmoid_prime(zs[-layer])"),), (HIDDEN,), "derivative of sigmoid in place of relu's", relu=True),
    _columns("sign of the update", step(W_STEP.replace("-=", "+="), B_STEP.replace("-=", "+=")), (UPDATE,), "gradient ascent"),
    _columns("sign of the cost's derivative", ((COST, "return y - output"),), (OUT,), "sign flipped"),
    _columns("sign of the biases only", ((B_STEP, B_STEP.replace("-=", "+=")),), (UPDATE,), "gradient ascent"),
    _columns("sign of the hidden delta", ((BP2, BP2.replace("delta = ", "delta = -")),), (HIDDEN,), "sign flipped"),
    _columns("not divided by the batch", step("            w -= eta * g", "            b -= eta * g"), (UPDATE,), "no division by the batch"),
    _columns("divided by 50,000", step("            w -= eta / 50000 * g", "            b -= eta / 50000 * g"), (UPDATE,), "a division by 50,000"),
    _columns("divided by the batch twice", step("            w -= eta / len(mini_batch) ** 2 * g", "            b -= eta / len(mini_batch) ** 2 * g"), (UPDATE,), "divided by the batch twice"),
    _columns("not reset between batches", ((ZEROED, KEPT), (SUMS, KEPT_SUMS)), (UPDATE,), "never cleared"),
    _columns("overwritten per sample", ((SUMS, "            nabla_b, nabla_w = delta_b, delta_w"),), (UPDATE,), "the last sample only"),
    _columns("rebinds the loop variable", step("            w = w - eta / len(mini_batch) * g", "            b = b - eta / len(mini_batch) * g"), (UPDATE,), "nothing changed"),
    _columns("rebinds weights only", ((W_STEP, "            w = w - eta / len(mini_batch) * g"),), (UPDATE,), "nothing changed"),
    _columns("acts on a copy of the weights", ((W_STEP, "            w = w.copy()\n" + W_STEP),), (UPDATE,), "nothing changed"),
    _columns("only the last layer", (("in zip(self.weights, nabla_w):", "in zip(self.weights[-1:], nabla_w[-1:]):"), ("in zip(self.biases, nabla_b):", "in zip(self.biases[-1:], nabla_b[-1:]):")), (("hidden1", "update"),), "nothing changed"),
    _columns("BP4 swapped", (("nabla_w[-1] += np.dot(delta, activations[-2].T)", "nabla_w[-1] += np.dot(activations[-2], delta.T)"),), (("output", "BP4"),), "product transposed", sizes=(12, 4, 4)),
    _columns("BP2 transpose forgotten", ((BP2, BP2.replace(".T, delta", ", delta")),), (HIDDEN,), "transpose forgotten", sizes=(12, 4, 4)),
    _columns("BP2 transpose forgotten, three layers", ((BP2, BP2.replace(".T, delta", ", delta")),), (HIDDEN, ("hidden2", "BP2")), "transpose forgotten", sizes=(12, 4, 4, 4)),
)  # fmt: skip

# --- rows: batches, ReLU, softmax, cross-entropy ---------------------------------------------------------------------

DELTA2 = "delta2 = (probs - y) / m"
DELTA1 = 'delta1 = delta2 @ p["W2"].T * (self.z1 > 0)'
STEP = "            value -= lr * self.grads[name]"
FILL = '        self.grads["W2"] = self.a1.T @ delta2\n        self.grads["b2"] = delta2.sum(axis=0)'
SECOND = '        self.grads["W1"] = x.T @ delta1\n        self.grads["b1"] = delta1.sum(axis=0)'
NOT_CLEARED = (
    (FILL, '        for name, value in p.items():\n            self.grads.setdefault(name, np.zeros_like(value))\n        self.grads["W2"] += self.a1.T @ delta2\n        self.grads["b2"] += delta2.sum(axis=0)'),
    (SECOND, '        self.grads["W1"] += x.T @ delta1\n        self.grads["b1"] += delta1.sum(axis=0)'),
)  # fmt: skip
OVERWRITTEN = (
    (FILL, '        for i in range(m):\n            self.grads["W2"] = np.outer(self.a1[i], delta2[i])\n            self.grads["b2"] = delta2[i]'),
    (SECOND, '        for i in range(m):\n            self.grads["W1"] = np.outer(x[i], delta1[i])\n            self.grads["b1"] = delta1[i]'),
)  # fmt: skip


def _rows(name, changes, faults, mistake, **more):
    return Bug(name, "rows", changes, faults, mistake, **more)


ROWS = (
    _rows("BP1 cost value", ((DELTA2, "delta2 = -np.mean(np.sum(y * np.log(probs), axis=1)) * np.ones_like(y)"),), (OUT,), "cost's value (a scalar)"),
    _rows("BP1 elementwise cost", ((DELTA2, "delta2 = -y * np.log(probs) / m"),), (OUT,), "the cost (entry by entry)"),
    _rows("BP1 derivative too many", ((DELTA2, "delta2 = (probs - y) / m * probs * (1 - probs)"),), (OUT,), "derivative too many"),
    _rows("BP1 softmax elementwise", ((DELTA2, "delta2 = -y / probs / m * probs * (1 - probs)"),), (OUT,), "elementwise"),
    _rows("sign of the error", ((DELTA2, "delta2 = (y - probs) / m"),), (OUT,), "sign flipped"),
    _rows("sign of the hidden delta", ((DELTA1, DELTA1.replace("= ", "= -")),), (HIDDEN,), "sign flipped"),
    _rows("BP2 no ReLU mask", ((DELTA1, 'delta1 = delta2 @ p["W2"].T'),), (HIDDEN,), "ReLU mask"),
    _rows("BP2 sigmoid' for ReLU", ((DELTA1, 's = 1 / (1 + np.exp(-self.z1))\n        delta1 = delta2 @ p["W2"].T * s * (1 - s)'),), (HIDDEN,), "derivative of sigmoid in place of relu's"),
    _rows("not divided by the batch", ((DELTA2, "delta2 = probs - y"),), (OUT,), "division by the batch missing"),
    _rows("divided by the batch twice", ((DELTA2, "delta2 = (probs - y) / m / m"),), (OUT,), "divided by the batch twice"),
    _rows("divided by 50,000", ((DELTA2, "delta2 = (probs - y) / 50000"),), (OUT,), "a division by 50,000"),
    _rows("sign of the update", ((STEP, STEP.replace("-=", "+=")),), (UPDATE,), "gradient ascent"),
    _rows("sign of the biases only", ((STEP, '            value -= lr * self.grads[name] * (-1 if name[0] == "b" else 1)'),), (UPDATE,), "gradient ascent"),
    _rows("not reset between batches", NOT_CLEARED, (UPDATE,), "never cleared"),
    _rows("rebinds the loop variable", ((STEP, "            value = value - lr * self.grads[name]"),), (UPDATE,), "nothing changed"),
    _rows("rebinds weights only", ((STEP, '            if name[0] == "W":\n                value = value - lr * self.grads[name]\n            else:\n    ' + STEP),), (UPDATE,), "nothing changed"),
    _rows("acts on a copy of the weights", ((STEP, '            value = value.copy() if name[0] == "W" else value\n' + STEP),), (UPDATE,), "nothing changed"),
    _rows("only the last layer", ((STEP, '            if name[1] == "2":\n    ' + STEP),), (("hidden1", "update"),), "nothing changed"),
    _rows("overwritten per sample", OVERWRITTEN, (("output", "BP4"), ("output", "BP3"), ("hidden1", "BP4"), ("hidden1", "BP3")), "the last sample only"),
    _rows("BP4 product transposed", (('self.grads["W2"] = self.a1.T @ delta2', 'self.grads["W2"] = delta2.T @ self.a1'),), (("output", "BP4"),), "product transposed", sizes=(12, 4, 4)),
    _rows("BP2 transpose forgotten", ((DELTA1, DELTA1.replace('p["W2"].T', 'p["W2"]')),), (HIDDEN,), "transpose forgotten", sizes=(12, 4, 4)),
    _rows("targets transposed", ((DELTA2, "delta2 = (probs - y.T) / m"),), (OUT,), "targets transposed", sizes=(12, 6, 4), samples=4),
    _rows("output bias over the wrong axis", (('delta2.sum(axis=0)', 'delta2.sum(axis=1)'),), (("output", "BP3"),), "wrong axis", samples=4),
    _rows("output bias over the wrong axis, another batch", (('delta2.sum(axis=0)', 'delta2.sum(axis=1)'),), (("output", "BP3"),), "wrong axis"),
    _rows("bias gradients as one number", (('delta2.sum(axis=0)', 'delta2.sum()'), ('delta1.sum(axis=0)', 'delta1.sum()')), (("output", "BP3"), ("hidden1", "BP3")), "one scalar"),
    _rows("x reshaped", (("x.T @ delta1", "x.reshape(x.shape[1], m) @ delta1"),), (("hidden1", "BP4"),), "reshape"),
    _rows("a1 reshaped", (("self.a1.T @ delta2", "self.a1.reshape(self.a1.shape[1], m) @ delta2"),), (("output", "BP4"),), "reshape"),
    _rows("W2 reshaped", ((DELTA1, 'delta1 = delta2 @ p["W2"].reshape(p["W2"].shape[::-1]) * (self.z1 > 0)'),), (HIDDEN,), "reshape"),
)  # fmt: skip

SOFTMAX = "e / e.sum(axis=1, keepdims=True)"
MAXIMUM = "scores.max(axis=1, keepdims=True)"
FORWARD = ("output", "forward")
ONE_HOT = "np.eye(SIZES[-1])[rng.integers(0, SIZES[-1], SAMPLES)]"
LABELS = "rng.integers(0, SIZES[-1], SAMPLES)"
ROWS += (
    _rows("softmax over the samples", ((SOFTMAX, "e / e.sum(axis=0)"),), (FORWARD,), "the sum over the samples"),
    _rows("softmax over everything", ((SOFTMAX, "e / e.sum()"),), (FORWARD,), "the sum over everything"),
    _rows("softmax without keepdims", ((SOFTMAX, "e / e.sum(axis=1)"),), (FORWARD,), "the sum without its axis kept", samples=4),
    _rows("softmax's maximum without keepdims", ((MAXIMUM, "scores.max(axis=1)"),), (FORWARD,), "the maximum without its axis kept", samples=4),
    _rows("labels (samples,) for one-hot targets", ((ONE_HOT, LABELS),), (OUT, ("output", "")), "class numbers", samples=4),
    _rows("labels (samples, 1) for one-hot targets", ((ONE_HOT, f"{LABELS}[:, None]"),), (OUT, ("output", "")), "class numbers"),
)  # fmt: skip

SIGMOID = (
    ("self.a1 = np.maximum(self.z1, 0)", "self.a1 = 1 / (1 + np.exp(-self.z1))"),
    ("        e = np.exp(scores - scores.max(axis=1, keepdims=True))\n", "        self.z2 = scores\n"),
    ("self.probs = e / e.sum(axis=1, keepdims=True)", "self.probs = 1 / (1 + np.exp(-scores))"),
    ("return -np.mean(np.sum(y * np.log(self.forward(x)), axis=1))", "return 0.5 * np.mean(np.sum((self.forward(x) - y) ** 2, axis=1))"),
    (DELTA2, "delta2 = (probs - y) / m * probs * (1 - probs)"),
    (DELTA1, 'delta1 = delta2 @ p["W2"].T * self.a1 * (1 - self.a1)'),
)  # fmt: skip
"""The same network with sigmoids everywhere and the quadratic loss."""

PRIME2, PRIME1 = " * probs * (1 - probs)", " * self.a1 * (1 - self.a1)"
AT_ACTIVATION = "        s = lambda a: 1 / (1 + np.exp(-a))\n        delta"


def _sigmoid_rows(name, changes, faults, mistake):
    return _rows(f"{name}, sigmoid", (*SIGMOID, *changes), faults, mistake)


ROWS += (
    _sigmoid_rows("BP1 cost value", (("delta2 = (probs - y) / m", "delta2 = 0.5 * np.mean(np.sum((probs - y) ** 2, axis=1))"),), (OUT,), "cost's value (a scalar)"),
    _sigmoid_rows("BP1 elementwise cost", (("delta2 = (probs - y) / m", "delta2 = 0.5 * (probs - y) ** 2 / m"),), (OUT,), "the cost (entry by entry)"),
    _sigmoid_rows("BP1 no derivative", ((PRIME2, ""),), (OUT,), "activation's derivative missing"),
    _sigmoid_rows("BP2 no derivative", ((PRIME1, ""),), (HIDDEN,), "activation's derivative missing"),
    _sigmoid_rows("no derivative in both", ((PRIME2, ""), (PRIME1, "")), (OUT, HIDDEN), "activation's derivative missing"),
    _sigmoid_rows("derivative at the activation", ((PRIME2, " * s(probs) * (1 - s(probs))"), (PRIME1, " * s(self.a1) * (1 - s(self.a1))"), ("        delta2", AT_ACTIVATION + "2")), (OUT, HIDDEN), "taken at the activation"),
)  # fmt: skip

# --- regression: one output (samples, 1), targets (samples,) -----------------------------------------------------------

VECTOR = (("        y = y.reshape(-1, 1)\n        delta", "        delta"),)
BOTH = (*VECTOR, ("        y = y.reshape(-1, 1)\n        return", "        return"))
LINEAR = {"style": "regression", "sizes": None, "mistake": "targets (samples,) against outputs (samples, 1)"}
REGRESSION = (
    Bug("targets broadcast in the gradient", changes=VECTOR, faults=(OUT,), **LINEAR),
    Bug("targets broadcast in loss and gradient", changes=BOTH, faults=(OUT, ("output", "")), **LINEAR),
)

BUGS = (*COLUMNS, *ROWS, *REGRESSION)


STYLES = {
    "columns": "columns, one sample at a time",
    "rows": "rows, in batches",
    "regression": "rows, in batches, one output",
}

PAGE = """# Bugs in networks of one's own, row by row

Every classic bug of a backward or an update that raises nothing, planted into the classes of
[examples/own_network](../examples/own_network) as one small change of the source, and what `nndebug gradcheck` says of each.
This page is what

    python examples/own_network/bugs.py --markdown

prints; a test holds it to that. {caught} of {total} are found.

| bug | style | found | layer | equation | name given |
|---|---|---|---|---|---|
{rows}

Found is exit code 1. BP1 is the error of the output, BP2 the error passed back, BP3 the gradient of the biases, BP4 that of the weights; "the
network" is every layer. A row with two lines has two faults. Names are those of the message, the first where several are equal.

## What is not in the table

* What raises is none of these: code for one column at a time stops at every slip of a shape, and reversed products do unless
  two layers have the same width (12-4-4 above).
* Evaluations, initial values and data (labels in another order, targets off by one class, inputs that are not scaled) leave gradients and
  updates right. Watched trainings find them: [own-classes.md](own-classes.md).
* Some raise nothing for one number of samples only: targets transposed, labels `(samples,)`, a softmax's sum or maximum without `keepdims`,
  with as many samples as classes. They are planted with that many.
"""


def faults_of(bug):
    """Whether a bug is found, and (layer, equation, name) of every fault."""
    from nndebug import gradcheck

    result = gradcheck(*target(bug))
    said = []
    for fault in result.faults:
        named = fault.mistakes[0].name if fault.mistakes else "no name"
        said.append((fault.layer, fault.equation, named if fault.equation else fault.sentence))
    return result.exit_code == 1, said


def markdown(found):
    """docs/own-bugs.md: a row for every bug, a line in it for every fault."""
    rows = []
    for bug, (caught, said) in found:
        layers, equations, names = (
            "<br>".join(cell.replace("|", "\\|") or "–" for cell in column) for column in zip(*said)
        )
        rows.append(
            f"| {bug.name} | {STYLES[bug.style]} | {'yes' if caught else 'no'} | {layers} | {equations} | {names} |"
        )
    caught = sum(caught for _, (caught, _) in found)
    return PAGE.format(caught=caught, total=len(found), rows="\n".join(rows))


def main():
    """Prints what is said about every bug; 1 if one is missed."""
    parser = argparse.ArgumentParser(
        description="Plants classic bugs and prints what nndebug gradcheck says of each."
    )
    parser.add_argument("--markdown", action="store_true", help="print docs/own-bugs.md")
    as_page = parser.parse_args().markdown
    found = [(bug, faults_of(bug)) for bug in BUGS]
    missed = sum(not caught for _, (caught, _) in found)
    if as_page:
        print(markdown(found), end="")
        return bool(missed)
    width = max(len(bug.name) for bug in BUGS)
    for bug, (caught, said) in found:
        for layer, equation, name in said if caught else [("MISSED", "", "")]:
            print(f"{bug.style:10}  {bug.name:{width}}  {layer:11}  {equation:7}  {name}".rstrip())
    print(f"{len(BUGS) - missed} of {len(BUGS)} caught")
    return bool(missed)


if __name__ == "__main__":
    raise SystemExit(main())
