"""Methods that no list has: found by what they are called like, or named by the user on the command line."""

from pathlib import Path

import numpy as np
import pytest
from own_named_otherwise import foreign, prefixed

from nndebug import gradcheck, watch
from nndebug.adapters.attributes import find_model, looks_own
from nndebug.cli.main import main

TARGET = f"{Path(__file__).with_name('own_named_otherwise.py')}:foreign"
FLAGS = ("--forward", "vorwaerts", "--backward", "rueckwaerts", "--update", "lerne")


def test_methods_called_like_a_forward_and_a_backward_are_found_but_no_helpers_of_one_layer():
    model, x, y = prefixed()
    found = find_model(model, x, y)
    assert [m.name for m in (found.forward, found.backward)] == ["model_forward", "model_backward"]
    result = gradcheck(model, x, y)
    assert result and len(result.rows) == 8


def test_they_are_watched_too():
    model, x, y = prefixed()
    with watch(model, None, report=False) as watching:
        for _ in range(30):
            model.model_backward(model.model_forward(x), y)
            model.update_parameters()
    assert watching.found.facts["forward"] == "model_forward(X)"
    assert len(watching.run.series("gradient.norm", "hidden1.weight").values) >= 20


def test_where_a_usual_name_is_there_nothing_else_counts():
    class Both(type(prefixed()[0])):
        def forward(self, X):
            return self.model_forward(X)

    _, x, y = prefixed()
    assert find_model(Both(), x, y).forward.name == "forward"


def test_hooks_around_a_backward_make_no_network():
    class Trainer:
        def on_after_backward(self): ...
        def register_backward_hook(self, hook): ...

    assert not looks_own(Trainer())


@pytest.mark.parametrize("command", ["inspect", "gradcheck"])
def test_names_of_any_language_can_be_said_on_the_command_line(command, capsys):
    assert main([command, TARGET]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "error: no backward was found in Foreign: it has lerne, rueckwaerts, vorwaerts",
        "help: say which methods they are: --forward NAME --backward NAME",
    ]
    assert main([command, TARGET, *FLAGS[:2]]) == 2
    assert "--backward NAME" in capsys.readouterr().err
    assert main([command, TARGET, *FLAGS]) == 0
    out = capsys.readouterr().out
    assert "one sample at a time, as (8,)" in out if command == "inspect" else out.count("○") == 8


def test_single_samples_may_be_rows_of_one_array():
    model, x, y = foreign()
    names = {"forward": "vorwaerts", "backward": "rueckwaerts"}
    assert gradcheck(model, x, y, **names)
    found = find_model(model, x, y, **names)
    assert found.inputs.axis is None and not found.batched
    np.testing.assert_array_equal(found.x, x)


def test_a_sum_without_its_axis_is_a_gradient_of_the_wrong_shape_and_not_a_missing_one():
    kind = type(prefixed()[0])

    class Summed(kind):
        def model_backward(self, AL, Y):
            super().model_backward(AL, Y)
            self.grads["db1"] = np.sum(self.grads["db1"])

    _, x, y = prefixed()
    (fault,) = gradcheck(Summed(), x, y).faults
    assert (fault.layer, fault.equation) == ("hidden1", "BP3") and "wrong shape, ()" in fault.sentence
    assert "db1 = delta1.sum()" in [mistake.yours for mistake in fault.mistakes]
