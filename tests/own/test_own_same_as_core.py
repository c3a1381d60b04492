"""One network, one set of weights, one order of batches: the core, two classes of one's own and PyTorch give the same figures."""

import itertools

import numpy as np
import pytest

import nndebug
from network import SGD, CrossEntropy, Dense, ReLU, Sequential, fit
from network.data import load_digits
from nndebug.causes import excluded

BATCH, EPOCHS, STEPS = 32, 5, 200
SITES = ("run", *(f"{layer}{part}" for layer in ("hidden1", "output") for part in ("", ".weight", ".bias")))


def softmax(z, axis):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


class Columns:
    """One sample at a time, as textbooks do: columns, lists, a mini-batch of pairs."""

    def __init__(self, weights, biases):
        self.weights, self.biases = [w.T.copy() for w in weights], [b[:, None].copy() for b in biases]

    def feedforward(self, a):
        for w, b in zip(self.weights[:-1], self.biases[:-1]):
            a = np.maximum(w @ a + b, 0)
        return softmax(self.weights[-1] @ a + self.biases[-1], 0)

    def backprop(self, x, y):
        z = self.weights[0] @ x + self.biases[0]
        a = np.maximum(z, 0)
        delta = softmax(self.weights[1] @ a + self.biases[1], 0) - y
        below = self.weights[1].T @ delta * (z > 0)
        return [below, delta], [below @ x.T, delta @ a.T]

    def update_mini_batch(self, mini_batch, eta):
        nabla_b, nabla_w = [np.zeros_like(b) for b in self.biases], [np.zeros_like(w) for w in self.weights]
        for x, y in mini_batch:
            for totals, ones in zip((nabla_b, nabla_w), self.backprop(x, y)):
                for total, one in zip(totals, ones):
                    total += one
        for value, total in itertools.chain(zip(self.weights, nabla_w), zip(self.biases, nabla_b)):
            value -= eta / len(mini_batch) * total

    def SGD(self, training_data, epochs, mini_batch_size, eta, test_data=None):  # noqa: N802
        for _ in range(epochs):
            for start in range(0, len(training_data), mini_batch_size):
                self.update_mini_batch(training_data[start : start + mini_batch_size], eta)
            self.evaluate(test_data)

    def evaluate(self, test_data):
        return sum(int(np.argmax(self.feedforward(x)) == y) for x, y in test_data)


class Rows:
    """Batches, as courses do: rows, a dict, gradients left in another."""

    def __init__(self, weights, biases):
        self.params = {f"W{i}": w.copy() for i, w in enumerate(weights, 1)}
        self.params |= {f"b{i}": b.copy() for i, b in enumerate(biases, 1)}
        self.grads = {}

    def forward(self, x):
        p = self.params
        self.a1 = np.maximum(x @ p["W1"] + p["b1"], 0)
        return softmax(self.a1 @ p["W2"] + p["b2"], 1)

    def loss(self, x, y):
        return -np.log(self.forward(x)[np.arange(len(x)), y]).mean()

    def backward(self, x, y):
        delta = self.forward(x)
        delta[np.arange(len(x)), y] -= 1
        delta /= len(x)
        below = delta @ self.params["W2"].T * (self.a1 > 0)
        self.grads = {
            "W2": self.a1.T @ delta,
            "b2": delta.sum(axis=0),
            "W1": x.T @ below,
            "b1": below.sum(axis=0),
        }

    def fit(self, x, y, epochs, batch_size, lr, validation):
        for _ in range(epochs):
            for start in range(0, len(x), batch_size):
                self.backward(x[start : start + batch_size], y[start : start + batch_size])
                for name, value in self.params.items():
                    value -= lr * self.grads[name]
            self.accuracy(*validation)

    def accuracy(self, x, y):
        return np.mean(self.forward(x).argmax(axis=1) == y)


@pytest.fixture(scope="module")
def digits():
    train, test = ((np.asarray(x, np.float64), y) for x, y in (load_digits().train, load_digits().test))
    return train, test


def core_run(digits, rate):
    network = Sequential(Dense(64, 30), ReLU(), Dense(30, 10), loss=CrossEntropy(), dtype="float64")
    start = [
        [network.parameters[f"{n}.{p}"].copy() for n in ("hidden1", "output")] for p in ("weight", "bias")
    ]
    with nndebug.watch(network, strict=True) as watching:
        fit(network, digits[0], SGD(rate), epochs=EPOCHS, batch=BATCH, shuffle=False, validation=digits[1])
    return watching, start


def columns_run(digits, rate, start):
    (x, y), (held_out, labels) = digits
    model = Columns(*start)
    train = [(a[:, None], np.eye(10)[:, [b]]) for a, b in zip(x, y)]
    with nndebug.watch(model, strict=True) as watching:
        model.SGD(train, EPOCHS, BATCH, rate, test_data=[(a[:, None], b) for a, b in zip(held_out, labels)])
    return watching


def rows_run(digits, rate, start):
    model = Rows(*start)
    with nndebug.watch(model, strict=True) as watching:
        model.fit(*digits[0], EPOCHS, BATCH, rate, digits[1])
    return watching


@pytest.fixture(scope="module", params=[0.1, 2.0], ids=["right", "rate far too high"])
def runs(request, digits):
    with np.errstate(all="ignore"):
        core, start = core_run(digits, request.param)
        return (
            request.param,
            start,
            core,
            {
                "columns": columns_run(digits, request.param, start),
                "rows": rows_run(digits, request.param, start),
            },
        )


@pytest.mark.parametrize("style", ["columns", "rows"])
def test_a_class_of_ones_own_is_recorded_like_the_core(runs, style):
    _, _, core, own = runs
    core, own = core, own[style]
    compared = 0
    for site in SITES:
        assert set(own.run.names(site)) == set(core.run.names(site)), site
        for figure in own.run.names(site):
            mine, theirs = own.run.series(figure, site), core.run.series(figure, site)
            early = mine.steps < STEPS
            assert np.array_equal(mine.steps, theirs.steps), f"{site} {figure}"
            if figure == "seconds":
                continue
            np.testing.assert_allclose(
                mine.values[early], theirs.values[early], rtol=1e-5, atol=1e-10, err_msg=f"{site} {figure}"
            )
            compared += int(early.sum())
    assert compared > 4000
    for key in ("sites", "loss", "loss_at_chance", "classes", "class_shares", "validation_counts", "batch", "samples", "optimizer", "inputs"):  # fmt: skip
        assert (
            own.run.manifest[key] == pytest.approx(core.run.manifest[key])
            if key == "loss_at_chance"
            else own.run.manifest[key] == core.run.manifest[key]
        ), key


@pytest.mark.parametrize("style", ["columns", "rows"])
def test_and_judged_like_it(runs, style):
    rate, _, core, own = runs
    said, theirs = ([(f.code, f.site, f.severity) for f in w.result.findings] for w in (own[style], core))
    assert said == theirs
    known = excluded(core.run)  # how the loss of the core is built, which of one's own is not known
    causes = [c.kind for c in own[style].result.causes]
    assert causes[:1] == [c.kind for c in core.result.causes][:1]
    assert [kind for kind in causes if kind not in known] == [c.kind for c in core.result.causes]
    assert bool(core.result) == (rate < 1)


@pytest.fixture(scope="module")
def pytorch(runs, digits):
    torch = pytest.importorskip("torch")
    rate, start, _, _ = runs
    model = torch.nn.Sequential(torch.nn.Linear(64, 30), torch.nn.ReLU(), torch.nn.Linear(30, 10)).double()
    with torch.no_grad():
        for layer, weight, bias in zip((model[0], model[2]), *start):
            layer.weight.copy_(torch.from_numpy(weight.T.copy()))
            layer.bias.copy_(torch.from_numpy(bias.copy()))
    x, y = (torch.from_numpy(np.array(part)) for part in digits[0])
    optimizer = torch.optim.SGD(model.parameters(), rate)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        for _ in range(EPOCHS):
            for first in range(0, len(x), BATCH):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(
                    model(x[first : first + BATCH]), y[first : first + BATCH]
                ).backward()
                optimizer.step()
            watching.epoch()
    return watching


def test_pytorch_records_the_same(runs, pytorch):
    core = runs[2]
    compared = set()
    for name, site in (("0", "hidden1"), ("2", "output")):
        for part in ("", ".weight", ".bias"):
            for figure in pytorch.run.names(name + part):
                if figure.startswith("probe.") or not core.run.has(figure, site + part):
                    continue  # those are of other samples: PyTorch's is never run on any but its own
                mine, theirs = pytorch.run.series(figure, name + part), core.run.series(figure, site + part)
                steps = [s for s in np.intersect1d(mine.steps, theirs.steps).tolist() if s < STEPS]
                np.testing.assert_allclose(
                    [mine.at(s) for s in steps], [theirs.at(s) for s in steps], rtol=1e-5, atol=1e-9, err_msg=f"{site}{part} {figure}"
                )  # fmt: skip
                compared |= {(name + part, figure, step) for step in steps}
    assert len(compared) > 1200 and ("2", "shift", 150) in compared
    for step in range(20):  # how far every early update went, and moments of what it moved at the first two
        assert {("2.weight", "update_ratio", step), ("2.bias", "update.norm", step)} <= compared
        assert (("2.weight", "update.zero_share", step) in compared) == (step < 2 or step % 5 == 0)
    assert {("0.weight", "gradient.std", 100), ("2", "output_gradient.mean", 100)} <= compared


def test_pytorch_is_judged_the_same(runs, pytorch):
    """Of what both can see; the core sees held-out samples too, and the whole training set at once."""
    core = runs[2]
    names = {"0": "hidden1", "2": "output"}
    mine, theirs = pytorch.result.causes[:1], core.result.causes[:1]
    assert [c.kind for c in mine] == [c.kind for c in theirs]
    assert [c.sentence.replace("0's 30", "hidden1's 30") for c in mine] == [c.sentence for c in theirs]
    told, known = ({(f.code, f.site) for f in w.result.findings} for w in (pytorch, core))
    told = {
        (code, ".".join([names.get(site.split(".")[0], site), *site.split(".")[1:]])) for code, site in told
    }
    assert told - {("NND509", "run")} <= known  # whether a loss still falls depends on whose it is
    assert {("NND201", "hidden1"), ("NND302", "hidden1"), ("NND411", "hidden1")} & known <= told
