"""`nndebug gradcheck`: the core, one network, and the user's own, named by file or module."""

import json
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from network.activations import ACTIVATIONS
from network.losses import LOSSES
from nndebug.cli.main import main
from nndebug.errors import UserError
from nndebug.gradcheck import GradCheck
from nndebug.gradcheck.target import loaded

ON_PROBABILITIES = sum(loss.takes == "probabilities" for loss in LOSSES.values())
NETWORKS = 3 * (len(ACTIVATIONS) * (len(LOSSES) - ON_PROBABILITIES) + 2 * ON_PROBABILITIES)
"""Three kinds of layers with every activation and loss; losses on probabilities after sigmoid and softmax alone."""

GOOD = """
    import numpy as np
    from network import CrossEntropy, Dense, Sequential, Sigmoid

    def make():
        print("making")
        network = Sequential(Dense(6, 7), Sigmoid(), Dense(7, 3), loss=CrossEntropy())
        rng = np.random.default_rng(0)
        return network, rng.normal(size=(5, 6)), rng.integers(0, 3, 5)

    def alone():
        return make()[0]

    network = alone()
"""

WRONG = """
    from network import Dense, Quadratic, Sequential, Sigmoid

    class Mine(Sigmoid):
        def backward(self, output_gradient):
            return output_gradient

    def make():
        return Sequential(Dense(6, 7), Mine(), Dense(7, 3), loss=Quadratic()), None, None
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), set(sys.modules)

    def write(name, text):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    yield write
    assert sys.path == path
    for name in set(sys.modules) - modules:
        if name.startswith(("_nndebug_target_", "own_")):
            del sys.modules[name]


def test_the_core_agrees(capsys):
    assert main(["gradcheck"]) == 0
    out, err = capsys.readouterr()
    for word in (
        "dense",
        "flatten",
        "dropout",
        "sigmoid",
        "leaky_relu",
        "softmax",
        "hinge",
        "quadratic",
    ):
        assert word in out
    assert out.count("○") == NETWORKS
    assert f"{NETWORKS} networks, " in out and "all agree; worst relative error " in out
    assert "next   nndebug gradcheck --layers 784,30,10" in err


def test_a_wrong_core_is_told(monkeypatch, capsys):
    monkeypatch.setattr("network.Tanh.derivative", lambda self, z, a, out=None: np.positive(a, out=out))
    assert main(["gradcheck"]) == 1
    out, err = capsys.readouterr()
    assert out.count("▲ disagrees") >= 9
    assert f"{3 * (len(LOSSES) - ON_PROBABILITIES)} do not agree" in out
    assert "the activation in place of its derivative" in out
    assert "next   nndebug gradcheck --layers 12,9,8,5 --activation tanh" in err


def test_the_core_as_json(capsys):
    assert main(["gradcheck", "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["schema"], data["verdict"], len(data["networks"])) == (1, "agrees", NETWORKS)
    assert {n["layers"] for n in data["networks"]} == {"dense", "flatten", "dropout"}
    first = {k: v for k, v in data["networks"][0].items() if k not in ("layers", "activation", "loss")}
    assert GradCheck.from_json(first)


def test_one_network(capsys):
    arguments = ["--layers", "784,30,10", "--activation", "sigmoid", "--output-activation", "sigmoid"]
    assert main(["gradcheck", *arguments, "--loss", "quadratic", "--samples", "7", "--seed", "3"]) == 0
    out, _ = capsys.readouterr()
    assert out.startswith(
        "layer    parameter  entries   worst relative error   verdict\noutput   weight         300   "
    )
    assert "hidden1  weight      23,520   " in out
    assert "on 7 random rows (seed 3)" in out


def test_one_network_as_json(capsys):
    assert main(["gradcheck", "--layers", "4,3,2", "--activation", "leaky-relu", "--format", "json"]) == 0
    check = GradCheck.from_json(json.loads(capsys.readouterr().out))
    assert check
    assert "leaky_relu" in check.network


@pytest.mark.parametrize("target", ["own.py:make", "own.py:alone", "own.py:network", "folder/own.py:make"])
def test_a_target_in_a_file(write, capsys, target):
    write(target.partition(":")[0], GOOD)
    assert main(["gradcheck", target]) == 0
    out, err = capsys.readouterr()
    assert "making" not in out
    assert "making" in err
    assert out.splitlines()[0].startswith("layer ")


def test_a_wrong_target_is_told_and_exits_with_1(write, capsys):
    write("own.py", WRONG)
    assert main(["gradcheck", "own.py:make"]) == 1
    out, err = capsys.readouterr()
    assert err == "next   nndebug gradcheck own.py:make\n"
    assert "▲ hidden1: its backward is wrong (BP2)." in out
    assert "the activation's derivative missing" in out
    assert main(["gradcheck", "own.py:make", "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["faults"][0]["layer"] == "hidden1"


def test_what_a_file_defines_is_suggested_and_not_what_it_imports(write, capsys):
    write("own.py", "from network import *\n" + textwrap.dedent(GOOD))
    assert main(["gradcheck", "own.py:zzz"]) == 2
    assert "help: known: make" in capsys.readouterr().err


def test_a_target_in_a_module(write, capsys):
    write("own_module.py", GOOD)
    assert main(["gradcheck", "own_module:make"]) == 0
    capsys.readouterr()


def test_a_file_that_imports_its_neighbour_and_is_called_network(write, capsys):
    write("own_neighbour.py", "rows = 4")
    write("network.py", "import own_neighbour\n" + textwrap.dedent(OWN_CORE))
    assert main(["gradcheck", "network.py:make"]) == 0
    assert "hidden" in capsys.readouterr().out


OWN_CORE = """
    import numpy as np

    class Linear:
        kind, name = "linear", "hidden"

        def __init__(self):
            self.parameters = {"w": np.random.default_rng(0).normal(size=(5, 3))}
            self.gradients = {}

        def forward(self, x):
            self.x = x
            return x @ self.parameters["w"]

        def backward(self, u):
            self.gradients = {"w": self.x.T @ u}
            return u @ self.parameters["w"].T

    class Loss:
        def __call__(self, output, target):
            return float(self.per_sample(output, target).mean())

        def per_sample(self, output, target):
            return ((output - target) ** 2).sum(axis=1)

        def gradient(self, output, target):
            return 2 * (output - target) / len(output)

    class Network:
        def __init__(self):
            self.layers, self.loss = [Linear()], Loss()

        def forward(self, x):
            for layer in self.layers:
                x = layer.forward(x)
            return x

        def backward(self, u):
            for layer in reversed(self.layers):
                u = layer.backward(u)
            return u

    def make():
        rng = np.random.default_rng(1)
        return Network(), rng.normal(size=(own_neighbour.rows, 5)), rng.normal(size=(own_neighbour.rows, 3))
"""


@pytest.mark.parametrize(
    ("arguments", "message", "help"),
    [
        (["onw.py:make"], "there is no file onw.py", "did you mean 'own.py'"),
        (["own.py:mak"], "own.py has no 'mak'", "did you mean 'make'"),
        (["own.py"], "'own.py' names no factory", "own.py:factory"),
        (["no_such_module:make"], "there is no module 'no_such_module'", "file.py:factory"),
        (["own.py:number"], "gives int, not (network, x, y)", "return a network"),
        (["own.py:pair"], "gives (int, int), not (network, x, y)", "return a network"),
        (["own.py:needs"], "own.py:needs takes arguments: width", "without arguments"),
        (["own.py:fails"], "own.py:fails raises ZeroDivisionError: division by zero (line 5)", "by itself"),
        (["own.py:leaves"], "own.py:leaves raises SystemExit: 3", "by itself"),
        (["broken.py:make"], "broken.py raises SyntaxError", "by itself"),
        (
            ["own.py:make", "--layers", "3,2"],
            "--layers describes a network, and so does own.py:make",
            "one of",
        ),
        (["--layers", "3"], "widths", "784,30,10"),
        (["--layers", "3,2", "--activation", "sigmod"], "no activation 'sigmod'", "'sigmoid'"),
        (["--loss", "cross_entropi"], "no loss 'cross_entropi'", "'cross_entropy'"),
        (["--samples", "0"], "--samples takes 1 or more", "--samples 10"),
        (["--seed", "-1"], "--seed takes 0 or more", "--seed 0"),
        (["--sample", "3"], "there is no flag --sample", "--samples"),
    ],
)
def test_bad_use_is_two_lines_and_exit_code_2(write, capsys, arguments, message, help):
    own = """
        number = 3
        pair = 3, 4
        def make(): return 3
        def needs(width): return width
        def fails(): return 1 / 0
        def leaves(): raise SystemExit(3)
    """
    write("own.py", textwrap.dedent(own).strip())
    write("broken.py", "def make(:")
    assert main(["gradcheck", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert lines[1].startswith("help: ")
    assert help in lines[1]


FUNCTIONS = """
    import numpy as np

    w = np.arange(1.0, 13.0).reshape(3, 4)

    def loss(p):
        return (p["w"] ** 3).sum()

    def right(p):
        return {"w": 3 * p["w"] ** 2}

    def wrong():
        g = right({"w": w})
        g["w"][1, 2] = 0
        return loss, {"w": w}, g

    def good(): return loss, {"w": w}, right
    def named(): return {"loss": loss, "params": {"w": w}, "grads": right}
    def less(): return {"loss": loss, "params": {"w": w}}
    def raises(): return (lambda p: 1 / 0), {"w": w}, right
    whole = named()
"""


@pytest.mark.parametrize("name", ["good", "named", "whole"])
def test_a_target_that_is_a_function(write, capsys, name):
    write("own.py", FUNCTIONS)
    assert main(["gradcheck", f"own.py:{name}"]) == 0
    assert "○ agrees" in capsys.readouterr().out


def test_a_target_that_is_a_function_with_a_wrong_gradient(write, capsys):
    write("own.py", FUNCTIONS)
    assert main(["gradcheck", "own.py:wrong"]) == 1
    assert "1 of its 12 gradient entries is wrong ([1, 2]); at [1, 2] it is 0, should be 147" in (
        capsys.readouterr().out
    )
    assert main(["gradcheck", "own.py:wrong", "--format", "json"]) == 1
    check = GradCheck.from_json(json.loads(capsys.readouterr().out))
    assert (check.rows[0].index, check.rows[0].wrong) == ((1, 2), 1)


def test_targets_that_are_no_function_to_check(write, capsys):
    write("own.py", FUNCTIONS)
    for name, message in (
        ("less", "gives a dict with the keys loss, params, not (network, x, y) or (loss, params, grads)"),
        ("raises", "the loss raises ZeroDivisionError: division by zero"),
    ):
        assert main(["gradcheck", f"own.py:{name}"]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert message in err
        assert len(err.splitlines()) == 2
    assert main(["gradcheck", "own.py:good", "--samples", "3"]) == 2
    assert "samples is for networks" in capsys.readouterr().err


EXAMPLE = Path(__file__).parents[2] / "examples" / "blog_bug.py"


def test_the_blog_bug_is_named_and_its_mended_twin_agrees(capsys):
    assert main(["gradcheck", f"{EXAMPLE}:factory"]) == 1
    out = capsys.readouterr().out
    assert out.count("▲ disagrees") == 4
    assert "▲ output: its error is wrong (BP1).\n" in out
    assert "the one with the cost's value (a scalar) in place of its derivative:\n" in out
    assert "     yours      delta2 = C * sigmoid'(z2)\n" in out
    assert (
        "     should be  delta2 = (a2 - y) * sigmoid'(z2)      (columns are samples, as in your code)\n"
        in out
    )
    assert main(["gradcheck", f"{EXAMPLE}:mended"]) == 0
    assert capsys.readouterr().out.count("○ agrees") == 4


def test_the_blog_bug_where_only_arrays_are_known(capsys):
    assert main(["gradcheck", f"{EXAMPLE}:arrays"]) == 1
    out = capsys.readouterr().out
    assert out.count("▲ disagrees") == 4
    for name in ("weights[0]", "weights[1]", "biases[0]", "biases[1]"):
        assert f"▲ {name}: " in out


def test_a_failing_import_inside_a_module_is_not_taken_for_a_missing_module(write):
    write("own_importer.py", "import no_such_thing_at_all")
    with (
        pytest.raises(
            UserError, match="own_importer raises ModuleNotFoundError: No module named 'no_such_thing"
        ),
        loaded("own_importer:make"),
    ):
        pass
