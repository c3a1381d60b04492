"""Whatever happens in a class of one's own, watching it leaves it as it was and never takes the training down."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from own_layouts import Attributes, rows
from test_own_watching import members, numbers

import nndebug
from nndebug.errors import UserError


class Raises(Attributes):
    """Raises where and when it is told to, after having changed something."""

    where = ""

    def spoil(self, where):
        if where == self.where:
            self.W1 = self.W1 * 2
            raise RuntimeError(f"{where} has had enough")

    def forward(self, X):
        out = super().forward(X)
        self.spoil("forward")
        return out

    def backward(self, X, y):
        super().backward(X, y)
        self.spoil("backward")

    def step(self):
        super().step()
        self.spoil("step")


def loop(model, x, y, steps=20, where=""):
    """Trains; the eighth step raises in one of the methods. Yields what was raised."""
    for step in range(steps):
        model.where = where if step == 7 else ""
        try:
            model.forward(x)
            model.backward(x, y)
            model.step()
        except RuntimeError as error:
            yield str(error)


def fresh():
    import own_layouts

    own_layouts.RNG = np.random.default_rng(3)
    return Raises()


@pytest.mark.parametrize("where", ["forward", "backward", "step"])
def test_a_method_that_raises_half_way_raises_as_before_and_training_goes_on(where):
    x, y = rows(8, 3)
    alone, watched = fresh(), fresh()
    before = vars(Raises).copy()
    said = list(loop(alone, x, y, where=where))
    with nndebug.watch(watched, strict=True, data=(x, y)) as watching:
        assert list(loop(watched, x, y, where=where)) == said == [f"{where} has had enough"]
        assert (
            vars(watched).keys() == vars(alone).keys()
        )  # not even now anything is in it that is not its own
    assert type(watched) is Raises and vars(Raises) == before
    assert vars(watched).keys() == vars(alone).keys()
    assert all(np.array_equal(a, b) for a, b in zip(numbers(watched), numbers(alone)))
    assert watching.run.steps == 19  # what has raised was no update, whatever it changed


def test_a_body_that_raises_leaves_the_object_as_it_was(tmp_path):
    x, y = rows(8, 3)
    model = fresh()
    kind, _, _, of_class = members(model)
    with pytest.raises(ZeroDivisionError), nndebug.watch(model, tmp_path / "run", strict=True, png=False):
        list(loop(model, x, y))
        model.forward(x)
        1 / 0  # noqa: B018
    assert members(model)[0] is kind and members(model)[3] == of_class
    assert "forward" not in vars(model)
    run = (
        nndebug.Run.load(tmp_path / "run") if hasattr(nndebug.Run, "load") else nndebug.Run(tmp_path / "run")
    )
    assert [e["message"] for e in run.events if e["event"] == "crashed"] == [
        "ZeroDivisionError: division by zero"
    ]


def test_copies_and_pickles_made_while_it_is_watched_are_its_own_class_and_unwatched():
    x, y = rows(8, 3)
    model = fresh()
    with nndebug.watch(model, strict=True, data=(x, y)) as watching:
        list(loop(model, x, y, 5))
        other, again = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
        assert type(other) is type(again) is Raises and type(model).__name__ == "Raises"
        assert isinstance(model, Raises)
        list(loop(other, x, y, 7))
        list(loop(again, x, y, 7))
        list(loop(model, x, y, 5))
    assert watching.run.steps == 10
    assert np.array_equal(other.W1, again.W1)


def test_who_cannot_be_understood_trains_on_and_is_told_of():
    class Strange:
        def __init__(self):
            self.W = np.ones((8, 3))

        def forward(self, x):
            return np.sin(x @ self.W) ** 3

        def backward(self, x, y):
            return x.T @ (self.forward(x) - y)

        def update(self, x, y, lr):
            self.W -= lr * self.backward(x, y)

    (x, y), alone, watched = rows(8, 3), Strange(), Strange()
    for _ in range(4):
        alone.update(x, y, 0.01)
    with pytest.warns(RuntimeWarning, match="no dense layers with known activations"), nndebug.watch(watched):
        for _ in range(4):
            watched.update(x, y, 0.01)
    assert type(watched) is Strange and np.array_equal(alone.W, watched.W)
    with pytest.raises(UserError, match="no dense layers"):
        nndebug.watch(watched, data=(x, y))
    assert type(watched) is Strange


@pytest.mark.parametrize(
    ("make", "given", "message"),
    [
        (object, {}, "no backward was found"),
        (lambda: fresh(), {"learning_rat": 1}, "watch takes no 'learning_rat'"),
        (lambda: fresh(), {"data": ([], [])}, "x has 0 samples"),
    ],
)
def test_wrong_use_is_told_in_one_line_with_help(make, given, message):
    with pytest.raises(UserError, match=message) as told:
        nndebug.watch(make(), **given)
    assert told.value.help


def test_overrides_say_what_is_guessed_wrong():
    class Odd(Attributes):
        def look(self, X):
            return self.forward(X)

        def forward_pass(self, X):
            raise AssertionError("never to be called")

    x, y = rows(8, 3)
    model = Odd()
    with nndebug.watch(model, strict=True, data=(x, y), forward="look", rate=0.25) as watching:
        list(loop(model, x, y, 5))
    assert "look(X)" in str(watching.found)
    assert watching.run.manifest["optimizer"]["rate"] == 0.25


def test_what_its_methods_print_while_they_are_tried_is_not_seen(capsys):
    class Loud(Attributes):
        def forward(self, X):
            print("forward")
            return super().forward(X)

    x, y = rows(8, 3)
    model = Loud()
    with nndebug.watch(model, strict=True, data=(x, y)):
        list(loop(model, x, y, 5))
    assert capsys.readouterr().out.count("forward") == 5


def test_the_first_number_that_is_not_finite_is_found_at_its_step():
    x, y = rows(8, 3)
    model = fresh()
    with nndebug.watch(model, data=(x, y)) as watching, warnings.catch_warnings(), np.errstate(all="ignore"):
        list(loop(model, x, y, 57))  # no step that is recorded anyway
        spoiled = x.copy()
        spoiled[4, 2] = np.nan
        list(loop(model, spoiled, y, 3))
    found = [event for event in watching.run.events if event["event"] == "nonfinite"]
    assert [(e["step"], e["site"], e["signal"], e["sample"]) for e in found] == [(57, "run", "input", 4)]


def test_a_parameter_that_grows_is_a_finding_and_the_end_of_watching():
    class Grows(Attributes):
        def step(self):
            super().step()
            self.W2 = self.W2 + np.zeros((1, 5, 1)) if self.W2.ndim == 2 else self.W2

    x, y = rows(8, 3)
    model = Grows()
    with nndebug.watch(model, data=(x, y)) as watching:
        model.forward(x)
        model.backward(x, y)
        model.step()
    shapes = [e for e in watching.run.events if e["event"] == "shape"]
    assert [e["site"] for e in shapes] == ["output.weight"] and "(5, 3)" in shapes[0]["message"]
    assert type(model) is Grows
