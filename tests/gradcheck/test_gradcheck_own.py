"""Networks of one's own: whatever their layout, they are understood, checked and left as they were."""

import json
import pickle

import numpy as np
import pytest
from own_layouts import LAYOUTS, Attributes, rows

from examples.own_network.bugs import module
from nndebug.cli.main import main
from nndebug.errors import UserError
from nndebug.gradcheck import GradCheck, Verdict, gradcheck
from nndebug.gradcheck.inspecting import inspect


def everything(model):
    """All state of an object, and who holds it: bytes of its arrays and identities of its members."""
    members = (
        model
        if isinstance(model, dict)
        else {n: getattr(model, n) for n in dir(model) if n[:2] != "__" and not callable(getattr(model, n))}
    )
    ids = {name: id(value) for name, value in members.items() if not callable(value)}
    try:
        return ids, pickle.dumps({name: value for name, value in members.items() if name in ids})
    except (TypeError, AttributeError, pickle.PicklingError):
        return ids, repr(members)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_understood_and_agrees(name):
    layout = LAYOUTS[name]
    model, x, y = layout.make()
    before, state = everything(model), np.random.get_state()[1].copy()
    found = inspect(model, x, y)
    assert tuple(p.name for p in found.parameters) == layout.parameters
    assert found.facts["activation"] == layout.activations
    assert (found.facts["update"] != "none found") == layout.update
    assert ("a batch at a time" in found.facts["backward"]) == layout.batched
    assert all(p.gradient for p in found.parameters)
    place = {0: "rows are samples", 1: "columns are samples", None: "one sample at a time"}[layout.axis]
    assert place in found.facts["samples"]
    result = gradcheck(model, x, y)
    assert result, result
    assert len(result.rows) >= len(layout.parameters) * (1 + layout.update)
    assert everything(model) == before
    assert np.array_equal(np.random.get_state()[1], state)


CALLS = []


class Raises(Attributes):
    """Spoils itself, and raises the third time that one of its methods is called."""

    where = ""

    def spoil(self, where):
        if where == self.where:
            self.W1 += 1.0
            self.b2 = self.b2 - 1
            self.extra = [1]
            CALLS.append(where)
            if len(CALLS) > (1 if where == "step" else 2):
                raise RuntimeError("half-way")

    def forward(self, X):
        self.spoil("forward")
        return super().forward(X)

    def backward(self, X, y):
        super().backward(X, y)
        self.spoil("backward")

    def step(self):
        super().step()
        self.spoil("step")


@pytest.mark.parametrize("where", ["forward", "backward", "step"])
def test_an_object_that_raises_half_way_is_left_as_it_was(where, monkeypatch):
    monkeypatch.setattr(Raises, "where", where)
    CALLS.clear()
    model = Raises()
    before = everything(model)
    try:
        said = gradcheck(model, *rows(8, 3))
        assert said.exit_code == 3, said
    except UserError as error:
        said = error
    assert f"{where}(" in str(said) and "raises RuntimeError: half-way" in str(said)
    assert len(CALLS) > 1
    assert everything(model) == before
    assert not hasattr(model, "extra")


def test_an_interrupted_check_leaves_it_as_it_was():
    class Interrupted(Attributes):
        def backward(self, X, y):
            self.W1[...] = 0
            raise KeyboardInterrupt

    model = Interrupted()
    before = everything(model)
    with pytest.raises(KeyboardInterrupt):
        gradcheck(model, *rows(8, 3))
    assert everything(model) == before


class Odd:
    """Nothing is called what it is."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.lower, self.upper = rng.normal(size=(8, 4)), rng.normal(size=(4, 3))

    def walk(self, stuff):
        self.middle = np.tanh(stuff @ self.lower)
        return self.middle @ self.upper

    def back(self, stuff, goal):
        d = self.walk(stuff) - goal
        self.first, self.second = stuff.T @ (d @ self.upper.T * (1 - self.middle**2)), self.middle.T @ d

    def price(self, stuff, goal):
        return 0.5 * np.sum((self.walk(stuff) - goal) ** 2)


def test_every_guess_can_be_overridden():
    x, y = rows(8, 3)
    with pytest.raises(UserError, match="no forward was found in Odd: it has back, price, walk"):
        gradcheck(Odd(), x, y, backward="back")
    with pytest.raises(UserError, match="returns no gradients and leaves none") as caught:
        gradcheck(Odd(), x, y, forward="walk", backward="back")
    assert "gradient='name of the attribute'" in caught.value.help
    named = {
        "forward": "walk",
        "backward": "back",
        "loss": "price",
        "weight": ["lower", "upper"],
        "gradient": ["first", "second"],
    }
    result = gradcheck(Odd(), x, y, **named)
    assert result, result
    assert [row.layer for row in result.rows] == ["output", "hidden1"]
    assert "Your price(stuff, goal) is quadratic" in str(result)
    functions = {
        **named,
        "backward": lambda model, x, y: model.back(x, y),
        "loss": lambda model, x, y: model.price(x, y),
    }
    assert gradcheck(Odd(), x, y, **functions)
    assert gradcheck(Odd(), x, y, **named | {"loss": "quadratic"}).exit_code == 0
    with pytest.raises(UserError, match="no method 'wlak'") as caught:
        gradcheck(Odd(), x, y, **named | {"forward": "wlak"})
    assert "did you mean 'walk'" in caught.value.help
    with pytest.raises(UserError, match="there is no array 'lowr'") as caught:
        gradcheck(Odd(), x, y, **named | {"weight": "lowr"})
    assert "did you mean 'lower'" in caught.value.help
    with pytest.raises(UserError, match="there is no loss 'quadratik'") as caught:
        gradcheck(Odd(), x, y, **named | {"loss": "quadratik"})
    assert "did you mean 'quadratic'" in caught.value.help


def test_the_batch_axis_can_be_overridden():
    model = Attributes()
    square = np.random.default_rng(0).normal(size=(8, 8))
    answers = np.eye(3)[np.arange(8) % 3]
    assert gradcheck(model, square, answers, batch_axis=0)
    with pytest.raises(UserError, match="no number of samples in common"):
        gradcheck(model, square, answers, batch_axis=1)


def test_another_loss_is_named_where_none_is_known():
    """Without sigmoid' delta is right for binary cross-entropy, so the assumption is told with its alternative."""

    class Silent(Attributes):
        def forward(self, X):
            super().forward(X)
            self.A2 = 1 / (1 + np.exp(-self.Z2))
            return self.A2

    model = Silent()
    guessed = gradcheck(model, *rows(8, 3))
    assert guessed, guessed
    assert "its gradient is that of binary cross-entropy" in str(guessed)
    assert "loss='quadratic'" in str(guessed)
    told = gradcheck(model, *rows(8, 3), loss="quadratic")
    assert [m.name for m in told.faults[0].mistakes] == ["the activation's derivative missing"]


def test_a_loss_that_is_a_class_of_its_own_is_found():
    class Cost:
        @staticmethod
        def fn(a, y):
            return -np.mean(np.sum(y * np.log(a), axis=1))

        @staticmethod
        def delta(z, a, y):
            return a - y

    class Holds(Attributes):
        cost = Cost

    result = gradcheck(Holds(), *rows(8, 3))
    assert result, result
    assert "Your cost.fn(a, y) is cross-entropy" in str(result)


class Swish(Attributes):
    """An activation that nobody knows: the layers cannot be rebuilt."""

    factor = 1.0

    def forward(self, X):
        self.Z1 = X @ self.W1 + self.b1
        self.S = 1 / (1 + np.exp(-1.7 * self.Z1))
        self.A1 = self.Z1 * self.S
        self.A2 = self.A1 @ self.W2 + self.b2
        return self.A2

    def loss(self, X, y):
        return 0.5 * np.mean(np.sum((self.forward(X) - y) ** 2, axis=1))

    def backward(self, X, y):
        d2 = (self.A2 - y) / len(X)
        self.dW2, self.db2 = self.factor * self.A1.T @ d2, d2.sum(axis=0, keepdims=True)
        d1 = d2 @ self.W2.T * (self.S + 1.7 * self.Z1 * self.S * (1 - self.S))
        self.dW1, self.db1 = X.T @ d1, d1.sum(axis=0, keepdims=True)


def test_what_cannot_be_rebuilt_is_checked_array_by_array():
    result = gradcheck(Swish(), *rows(8, 3))
    assert result, result
    assert [row.parameter for row in result.rows][:4] == ["W1", "b1", "W2", "b2"]
    assert [row.parameter for row in result.rows][4:] == ["W1 update", "b1 update", "W2 update", "b2 update"]

    class Wrong(Swish):
        factor = 2.0

    wrong = gradcheck(Wrong(), *rows(8, 3))
    (fault,) = wrong.faults
    assert (fault.layer, fault.mistakes[0].name) == ("W2", "a factor 2 too many")


def test_a_random_forward_leaves_everything_unresolved():
    class Drops(Attributes):
        def forward(self, X):
            super().forward(X)
            self.A2 = self.A2 * (np.random.default_rng().random(self.A2.shape) < 0.5)
            return self.A2

        def loss(self, X, y):
            return np.sum((self.forward(X) - y) ** 2)

    result = gradcheck(Drops(), *rows(8, 3))
    assert result.exit_code == 3, result
    assert "the loss is random" in str(result)


def test_no_loss_at_all_leaves_gradients_unresolved():
    class NoLoss(Swish):
        loss = None

    result = gradcheck(NoLoss(), *rows(8, 3))
    assert result.exit_code == 3
    assert "no loss was found" in str(result)
    assert "loss='quadratic'" in str(result)
    assert gradcheck(NoLoss(), *rows(8, 3), loss="quadratic")


def test_a_missing_gradient_is_told():
    class NoBias(Attributes):
        def backward(self, X, y):
            super().backward(X, y)
            del self.db1

        def step(self):
            pass

    result = gradcheck(NoBias(), *rows(8, 3))
    assert {(f.layer, f.equation) for f in result.faults} >= {("hidden1", "BP3")}
    assert "there is no gradient of its bias" in str(result)


def test_a_gradient_that_is_not_finite_is_told():
    class Infinite(Attributes):
        def backward(self, X, y):
            super().backward(X, y)
            self.dW2 = self.dW2 / 0.0

    result = gradcheck(Infinite(), *rows(8, 3))
    assert result.exit_code == 1
    assert "NaN or infinite" in str(result)


def test_an_update_of_a_penalty_is_checked():
    class Biases(LAYOUTS["penalised"].make()[0].__class__):
        def update(self, X, y, lr, lmbda, n):
            self.forward(X)
            self.backward(X, y)
            for name in ("W1", "b1", "W2", "b2"):
                value = getattr(self, name)
                setattr(self, name, value - lr * (getattr(self, "d" + name) + lmbda * value))

    model = Biases()
    model.b1 += 0.3
    model.b2 -= 0.2
    result = gradcheck(model, *rows(8, 3))
    penalties = {f.part: f.mistakes[0].name for f in result.faults if f.equation == "penalty"}
    assert penalties["weight"] == "lambda not divided by the number of samples"
    assert penalties["bias"].startswith("lambda not divided")


class Adam(Attributes):
    """The moments beside the parameters, as Kingma and Ba write them."""

    beta2, small, correct = 0.99, 1e-8, True

    def __init__(self, seed=0):
        super().__init__()
        rng = np.random.default_rng(seed)
        self.W1, self.W2 = rng.normal(size=self.W1.shape), rng.normal(size=self.W2.shape)

    def update(self, X, y, lr):
        self.forward(X)
        self.backward(X, y)
        self.t = getattr(self, "t", 0) + 1
        for name in ("W1", "b1", "W2", "b2"):
            g = getattr(self, "d" + name)
            m = 0.9 * getattr(self, "m" + name, 0) + 0.1 * g
            v = self.beta2 * getattr(self, "v" + name, 0) + (1 - self.beta2) * g * g
            setattr(self, "m" + name, m)
            setattr(self, "v" + name, v)
            if self.correct:
                m, v = m / (1 - 0.9**self.t), v / (1 - self.beta2**self.t)
            setattr(self, name, getattr(self, name) - lr * m / (np.sqrt(v) + self.small))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("small", [1e-7, 1e-8, 1e-9])
def test_adam_is_recognised_and_another_rule_left_open(small, seed):
    """With the number that it has, though so small a one could as well be another."""

    class Other(Adam):
        pass

    Other.small = small
    result = gradcheck(Other(seed), *rows(8, 3))
    assert result, result
    assert f"is Adam's, with 0.9, 0.99, {small:g}" in str(result)

    Other.correct = False
    result = gradcheck(Other(seed), *rows(8, 3))
    assert result.exit_code == 3
    assert f"it is Adam's, with 0.9, 0.99, {small:g}, but without its bias correction" in str(result)


def test_exhaustive_takes_every_entry():
    result = gradcheck(*module("rows").factory(), exhaustive=True)
    assert result, result
    assert result.evaluations > 6 * 106
    wrong = gradcheck(
        *module("rows", (("delta2 = (probs - y) / m", "delta2 = (probs - y) / m * 1.5"),)).factory(),
        exhaustive=True,
    )
    assert wrong.exit_code == 1
    assert all(row.wrong == row.entries for row in wrong.rows if "update" not in row.parameter)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (None, None, "checked on samples"),
        ([np.zeros((12, 1))], [], "x has 1 samples and y has 0"),
        ([np.zeros((12, 1)), np.zeros((11, 1))], [np.zeros((4, 1))] * 2, "different shapes"),
        ("text", "text", "not an array of numbers"),
    ],
)
def test_samples_that_cannot_be_used(x, y, message):
    with pytest.raises(UserError, match=message):
        gradcheck(module("columns").factory()[0], x, y)


def test_the_seeds_own_batches_of_columns_are_split():
    """A class for single columns that is given many at once."""
    model, x, y = module("columns").factory()
    result = gradcheck(model, np.hstack(x), np.hstack(y))
    assert result, result
    assert "is given one sample at a time" in str(result)
    assert gradcheck(model, x[0], y[0])
    assert gradcheck(model, list(zip(x, y)), None)


# --- the command line ---------------------------------------------------------------------------------------------


def test_inspect_prints_what_was_found(capsys):
    assert main(["inspect", "examples/own_network/columns.py:factory"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Network: 12-6-4, sigmoid → sigmoid\n")
    for words in (
        "backward     backprop(x, y), one sample at a time",
        "update       update_mini_batch(mini_batch, eta)",
        "(outputs, inputs)",
    ):
        assert words in out
    assert "next   nndebug gradcheck examples/own_network/columns.py:factory" in err
    assert main(["inspect", "examples/own_network/rows.py:factory", "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["facts"]["forward"] == "forward(x)"
    assert [p["shape"] for p in data["parameters"]] == [[12, 6], [6], [6, 4], [4]]


def test_inspect_of_layers_and_of_functions(capsys, tmp_path, monkeypatch):
    assert main(["inspect", "examples/blog_bug.py:arrays"]) == 0
    assert "weights[0]" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ours.py").write_text(
        "from network import Dense, Sequential, CrossEntropy\nnet = Sequential(Dense(4, 3), loss=CrossEntropy())\n"
    )
    assert main(["inspect", "ours.py:net"]) == 0
    assert "output" in capsys.readouterr().out


def test_gradcheck_of_a_class_on_the_command_line(capsys):
    target = "examples/own_network/columns.py:factory"
    assert main(["gradcheck", target, "--format", "json"]) == 0
    result = GradCheck.from_json(json.loads(capsys.readouterr().out))
    assert result and len(result.rows) == 8
    assert main(["gradcheck", target, "--loss", "binary_cross_entropy"]) == 1
    capsys.readouterr()
    assert main(["gradcheck", target, "--exhaustive", "--update", "update_mini_batch"]) == 0
    capsys.readouterr()
    for arguments, message in (
        ([target, "--backward", "backpop"], "backward: your object has no method 'backpop'"),
        (["--backward", "x"], "--backward is for a class of your own"),
        ([target, "--batch-axis", "2"], "there is no axis '2'"),
    ):
        assert main(["gradcheck", *arguments]) == 2
        out, err = capsys.readouterr()
        assert out == "" and message in err and len(err.splitlines()) == 2


def test_html_names_the_mistake_and_escapes():
    result = gradcheck(*module("columns", (("return output - y", "return y - output"),)).factory())
    html = result._repr_html_()
    assert "the sign flipped" in html and "columns are samples" in html
    assert result.verdict is Verdict.DISAGREES
