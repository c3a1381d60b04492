"""Every array on which the output depends is checked, whatever it is called, or told to be in doubt; constants are none."""

import json

import numpy as np
import pytest
from own_layouts import rows
from own_odd_names import (
    NAMES,
    STYLES,
    Gain,
    Moves,
    Running,
    Scaled,
    ShiftedInput,
    Steps,
    Tuples,
    closures,
    columns_of,
    target,
)

from nndebug.cli.main import main
from nndebug.errors import UserError
from nndebug.gradcheck import Verdict, gradcheck
from nndebug.gradcheck.inspecting import inspect


def verdicts(result):
    return {row.parameter: row.verdict for row in result.rows if not row.equation}


@pytest.mark.parametrize("style", [s for s in STYLES if s != "nothing of g and kb"])
def test_an_array_with_a_gradient_is_checked_whatever_it_is_called(style):
    right = gradcheck(*target(Gain(style)))
    assert right, right
    assert set(verdicts(right)) == set(NAMES)
    for name in NAMES:
        wrong = gradcheck(*target(Gain(style, wrong=name)))
        assert wrong.exit_code == 1, (style, name, wrong)
        assert [n for n, v in verdicts(wrong).items() if v is Verdict.DISAGREES] == [name]


@pytest.mark.parametrize(("make", "wrong"), [(closures, 2.0), (lambda f=1.0: target(Tuples(f)), 1.1)])
def test_arrays_without_any_names_are_checked_by_their_place(make, wrong):
    assert gradcheck(*make())
    assert gradcheck(*make(wrong)).exit_code == 1


def test_what_a_training_step_moves_is_a_parameter_and_what_it_leaves_is_none():
    right = gradcheck(*target(Moves()))
    assert right, right
    assert set(verdicts(right)) == {"weights", "K"}
    assert "mean: taken for a constant." in right.notes
    assert gradcheck(*target(Moves(sign=1.0))).exit_code == 1


def test_an_array_without_a_gradient_leaves_the_check_unresolved_until_the_user_says_what_it_is():
    make = lambda: target(Gain("nothing of g and kb"))  # noqa: E731
    result = gradcheck(*make())
    assert result.exit_code == 3, result
    assert verdicts(result) == {n: Verdict.UNRESOLVED if n in ("g", "kb") else Verdict.AGREES for n in NAMES}
    told = [note for note in result.notes if note.startswith("g, kb: the output depends on them")]
    assert len(told) == 1
    assert "--weight g,kb" in told[0] and "--constant g,kb" in told[0]
    assert gradcheck(*make(), constant=["g", "kb"]).exit_code == 0
    assert gradcheck(*make(), constant="g").exit_code == 3
    assert gradcheck(*make(), weight=["W1", "W2"], bias="b1").exit_code == 0  # the parameters, all of them
    asked = gradcheck(*make(), weight="g")
    assert asked.exit_code == 1 and verdicts(asked)["W1"] is Verdict.AGREES
    assert "▲ g: backward(x, y) gives no gradient of it." in str(asked)
    assert verdicts(asked)["kb"] is Verdict.UNRESOLVED  # of which nobody has said anything
    worse = Gain("nothing of g and kb", wrong="W1")
    assert gradcheck(*target(worse)).exit_code == 1


class Leaky(Gain):
    """The slope of its leaky ReLU is trained, and kept as a number."""

    def __init__(self, slope=0.2, gradient=float):
        super().__init__()
        self.slope, self.gradient, self.rate = slope, gradient, 0.1

    def forward(self, x):
        self.seen, self.z = x, x @ self.W1 + self.b1
        self.a = np.where(self.z > 0, self.z, self.slope * self.z)
        self.h = self.a * self.g
        return self.h @ self.W2 + self.kb

    def backward(self, x, y):
        delta = (self.forward(x) - y) / len(x)
        passed = delta @ self.W2.T
        inner = passed * self.g * np.where(self.z > 0, 1, self.slope)
        self.dW1, self.db1, self.dg = x.T @ inner, inner.sum(axis=0), (passed * self.a).sum(axis=0)
        self.dW2, self.dkb = self.h.T @ delta, delta.sum(axis=0)
        self.dslope = self.gradient(np.where(self.z > 0, 0, passed * self.g * self.z).sum())
        self.drate = 0.0


def test_a_trained_number_that_is_no_array_is_told():
    for gradient in (float, np.array, np.float64):
        result = gradcheck(*target(Leaky(gradient=gradient)))
        assert result.exit_code == 3, result
        assert verdicts(result)["slope"] is Verdict.UNRESOLVED
        assert "slope is a number that changes the output and has a gradient" in str(result)
        assert "write it as np.array(0.2), or say --constant slope." in str(result)
        assert not any("rate" in note for note in result.notes)
        assert gradcheck(*target(Leaky(gradient=gradient)), constant="slope")
    array = gradcheck(*target(Leaky(np.array(0.2), np.array)))
    assert array and verdicts(array)["slope"] is Verdict.AGREES


def test_one_array_is_no_arrays():
    class One(Moves):
        def __init__(self):
            super().__init__()
            self.K = np.eye(5)

        def backward(self, x, y):
            return {"weights": np.zeros((7, 5))}

        train_step = None

        def forward(self, x):
            return np.sinh((x - self.mean) @ self.weights)

    model, x, _ = target(One())
    assert str(inspect(model, x, np.eye(5)[np.arange(9) % 5])).startswith("One: 1 array\n")


def test_naming_one_parameter_takes_no_other_out():
    result = gradcheck(*target(Gain(wrong="b1")), weight="W2")
    assert set(verdicts(result)) == set(NAMES)
    assert result.exit_code == 1
    assert set(verdicts(gradcheck(*target(Gain(wrong="b1")), constant="b1"))) == {"W1", "g", "W2", "kb"}


def test_a_gradient_under_a_name_of_its_own_is_told_by_the_user():
    class Hidden(Steps):
        def backward(self, x, y):
            super().backward(x, y)
            self.first, self.second = self.__dict__.pop("dg"), self.__dict__.pop("dkb")

        def step(self, lr):
            self.dg, self.dkb = self.first, self.second
            super().step(lr)
            del self.dg, self.dkb

    result = gradcheck(*target(Hidden()))
    assert result.exit_code == 3, result
    assert "step(lr) changes g, kb, and no gradient of them was found" in str(result)
    assert "gradient='NAME'" in str(result)
    told = {"weight": ["g", "kb"], "gradient": ["first", "second"]}
    right = gradcheck(*target(Hidden()), **told)
    assert right, right
    assert gradcheck(*target(Hidden(wrong="g")), **told).exit_code == 1


@pytest.mark.parametrize(
    "names",
    [
        ("mu", "sigma", "keep"),
        ("x_mean", "x_std", "mask"),
        ("m", "s", "p"),
        ("running_mean", "scaler_range", "q"),
    ],
)
def test_constants_are_no_nuisance(names):
    """By their names, or by what they are: means and deviations of the inputs, zeros and one other number."""
    result = gradcheck(*target(Scaled(*names)))
    assert result, result
    assert set(verdicts(result)) == set(NAMES)
    assert f"{', '.join(names)}: taken for constants." in result.notes
    found = inspect(*target(Scaled(*names)))
    assert found.facts["constants"] == ", ".join(names)
    assert [p.name for p in found.parameters] == list(NAMES)


def test_running_statistics_are_no_parameters_though_a_step_moves_them():
    result = gradcheck(*target(Running()))
    assert result.exit_code == 0, result
    assert set(verdicts(result)) == set(NAMES)
    unclear = gradcheck(*target(Running("rm")))
    assert unclear.exit_code == 3, unclear
    assert [n for n, v in verdicts(unclear).items() if v is Verdict.UNRESOLVED] == ["rm"]


def test_an_update_that_moves_statistics_of_the_forward_before_its_gradient_is_not_called_wrong():
    class Early(Running):
        def train_step(self, x, y, lr):
            self.forward(x, training=True)
            self.backward(x, y)
            self.step(lr)

    result = gradcheck(*target(Early()))
    assert result.exit_code == 3, result
    assert "train_step changes running_mean too, on which the output depends" in str(result)


def test_what_forward_writes_is_a_cache():
    class Counts(Steps):
        def __init__(self):
            super().__init__()
            self.dropout, self.calls, self.h = np.ones(5), np.zeros(3), np.zeros((9, 5))

        def forward(self, x):
            self.dropout, self.calls = np.ones(5), self.calls + 1
            return super().forward(x)

    result = gradcheck(*target(Counts()))
    assert result, result
    assert set(verdicts(result)) == set(NAMES)
    assert not any("constant" in note or "calls" in note for note in result.notes)

    class Remembers(Steps):
        def __init__(self):
            super().__init__()
            self.last = np.zeros(3)

        def forward(self, x):
            before, self.last = self.last, self.last + 1.0
            return super().forward(x) + 0 * before + 1e-3 * before

    assert "forward(x) changes last, on which its output depends" in str(gradcheck(*target(Remembers())))


def test_the_inputs_gradient_is_not_taken_for_that_of_a_constant():
    result = gradcheck(*columns_of(ShiftedInput()))
    assert result.exit_code == 3, result
    assert verdicts(result)["c"] is Verdict.UNRESOLVED if "c" in verdicts(result) else True
    assert "c: the output depends on it" in str(result)
    assert gradcheck(*columns_of(ShiftedInput()), constant="c")


def test_a_parameter_that_forward_forgets_is_told():
    class Forgets(Gain):
        def forward(self, x):
            self.seen = x
            self.a = sigmoid_of(x @ self.W1)
            self.h = self.a * self.g
            return self.h @ self.W2 + self.kb

    result = gradcheck(*target(Forgets()))
    assert result.exit_code == 1, result
    assert verdicts(result)["b1"] is Verdict.DISAGREES
    assert "b1 has a gradient, but does not change what forward(x) gives." in result.notes

    class ForgetsBoth(Forgets):
        def gradients_of(self, x, y):
            found = super().gradients_of(x, y)
            del found["b1"]
            return found

    silent = gradcheck(*target(ForgetsBoth()))
    assert (
        "b1 is called like a parameter, but does not change what forward(x) gives: not checked."
        in silent.notes
    )


def sigmoid_of(z):
    return 1 / (1 + np.exp(-z))


def test_copies_of_parameters_are_not_talked_about():
    class Keeps(Steps):
        def __init__(self):
            super().__init__()
            self.best = {name: getattr(self, name).copy() for name in NAMES}
            self.m = {name: 0 * getattr(self, name) for name in NAMES}

    result = gradcheck(*target(Keeps()))
    assert result, result
    assert not any("best" in note or "m[" in note for note in result.notes)


def test_capital_and_small_letters_are_two_names():
    class Cases:
        def __init__(self, wrong=None):
            rng = np.random.default_rng(0)
            self.W, self.k, self.K, self.wrong = (
                rng.normal(size=(7, 3)),
                rng.normal(size=3),
                np.ones(3),
                wrong,
            )

        def forward(self, x):
            self.z = x @ self.W + self.k
            return self.z * self.K

        def loss(self, x, y):
            return 0.5 * np.mean(np.sum((self.forward(x) - y) ** 2, axis=1))

        def backward(self, x, y):
            delta = (self.forward(x) - y) / len(x)
            inner = delta * self.K
            found = {"dK": (delta * self.z).sum(axis=0), "dW": x.T @ inner, "dk": inner.sum(axis=0)}
            return {name: 2 * g if name == self.wrong else g for name, g in found.items()}

    assert gradcheck(*target(Cases()))
    for name in "Kk":
        wrong = gradcheck(*target(Cases("d" + name)))
        assert [row.parameter for row in wrong.rows if row.verdict is Verdict.DISAGREES] == [name]


def test_an_unknown_array_is_refused_with_the_nearest_name():
    for word in ("weight", "bias", "constant"):
        with pytest.raises(UserError, match="there is no array 'kbb'") as caught:
            gradcheck(*target(Gain()), **{word: ["W1", "kbb"]})
        assert "did you mean 'kb'" in caught.value.help
    with pytest.raises(UserError, match="activation is none of"):
        gradcheck(*target(Gain()), activation="relu", backward="backward")


# --- the command line ---------------------------------------------------------------------------------------------


@pytest.fixture
def script(tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    path = tmp_path / "mine.py"
    path.write_text(
        "from own_odd_names import Gain, target\nfactory = lambda: target(Gain('nothing of g and kb'))\n"
    )
    return f"{path}:factory"


@pytest.mark.parametrize(
    "flags",
    [
        ["--constant", "g,kb"],
        ["--constant", "g", "--constant", "kb"],
        ["--weight", "W1", "--weight", "W2", "--bias", "b1"],
    ],
)
def test_repeated_flags_add_up(flags, script, capsys):
    assert main(["gradcheck", script]) == 3
    assert "--weight g,kb" in capsys.readouterr().out
    assert main(["gradcheck", script, *flags]) == 0
    assert "agrees" in capsys.readouterr().out
    assert main(["inspect", script, *flags]) == 0
    out, err = capsys.readouterr()
    assert "constants    g, kb" in out
    assert err.splitlines()[-1].endswith(
        "--constant g,kb" if "--constant" in flags else "--weight W1,W2 --bias b1"
    )


def test_inspect_shows_what_is_in_doubt(script, capsys):
    assert main(["inspect", script, "--format", "json"]) == 0
    found = {p["name"]: p["gradient"] for p in json.loads(capsys.readouterr().out)["parameters"]}
    assert (found["W1"], found["g"], found["kb"]) == ("returned['W1']", "", "")
    assert main(["inspect", script]) == 0
    out = capsys.readouterr().out
    assert "none found" in out and "--weight g,kb" in out


def test_rows_of_samples_are_untouched():
    model, x, y = target(Gain())
    before = {name: getattr(model, name).copy() for name in NAMES}
    gradcheck(model, x, y)
    assert all(np.array_equal(getattr(model, name), value) for name, value in before.items())
    assert rows(7, 3)[0].tobytes() == x.tobytes()
