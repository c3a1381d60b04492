"""Where PyTorch is not installed: who asks for what needs it is told in one line what is missing, and nothing else breaks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

ABSENT = """
import importlib.machinery
import os
ABSENT = os.environ["ABSENT"].split()
class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in ABSENT else super().find_spec(name, path, target)
import sys
sys.meta_path[:] = [Finder if one is importlib.machinery.PathFinder else one for one in sys.meta_path]
"""
"""Takes the packages away from every import, as if they were not installed; Python runs it when it starts."""

MODEL = "import torch\n\ndef make():\n    return torch.nn.Linear(2, 2), None, None\n"

WATCH = """
import nndebug
class Model:
    def forward(self, x):
        return x
    def backward(self, y):
        self.update(0.1)
    def update(self, rate):
        pass
    def parameters(self):
        return []
nndebug.watch(Model(), optimizer=object())
"""


@pytest.fixture
def without(tmp_path):
    """Runs Python with some words, without PyTorch."""
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "sitecustomize.py").write_text(ABSENT)
    path = os.pathsep.join((str(tmp_path / "absent"), str(ROOT)))
    env = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

    def run(*words, absent="torch lightning pytorch_lightning transformers"):
        env["ABSENT"] = absent
        return subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
        )

    return run


def test_a_script_that_imports_it(without, tmp_path):
    """The script fails as it does by itself; beside that stands one line."""
    (tmp_path / "script.py").write_text(MODEL)
    alone, ran = without("script.py"), without("-m", "nndebug", "run", "script.py")
    assert alone.returncode == ran.returncode == 1 and "No module named 'torch'" in alone.stderr
    assert ran.stderr == (
        f"{alone.stderr}nothing was trained: install torch for {sys.executable}, or run nndebug by the Python that has it\n"
    )


@pytest.mark.parametrize("command", ["inspect", "gradcheck"])
def test_a_factory_that_imports_it(command, without, tmp_path):
    (tmp_path / "model.py").write_text(MODEL)
    done = without("-m", "nndebug", command, "model.py:make")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: model.py raises ModuleNotFoundError: No module named 'torch' (line 1)\n"
        f"help: install torch for {sys.executable}, or run nndebug by the Python that has it\n"
    )


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import nndebug.lightning\nnndebug.lightning.Callback('x')", "PyTorch Lightning is not installed"),
        ("import nndebug.huggingface\nnndebug.huggingface.Callback('x')", "transformers is not installed"),
        (WATCH, "optimizer is for a PyTorch model, and a Model is none"),
    ],
)
def test_what_needs_it_says_so(program, said, without):
    done = without("-c", program)
    assert done.returncode == 1
    *_, error, help = done.stderr.splitlines()
    assert error == f"nndebug.errors.UserError: {said}" and help.startswith("help: ")


def test_lightning_without_it(without, tmp_path):
    """A Lightning that is there and cannot be imported."""
    (tmp_path / "absent" / "lightning").mkdir()
    (tmp_path / "absent" / "lightning" / "__init__.py").write_text("")
    (tmp_path / "absent" / "lightning" / "pytorch.py").write_text("import torch\n")
    done = without("-c", "import nndebug.lightning\nnndebug.lightning.Callback('x')", absent="torch")
    *_, error, help = done.stderr.splitlines()
    assert error == "nndebug.errors.UserError: PyTorch Lightning needs torch" and help.startswith("help: ")


def test_the_core_is_watched_as_ever(without):
    program = (
        "import nndebug, sys\nfrom network import SGD, CrossEntropy, Dense, Sequential, fit\nfrom network.data import load_digits\n"
        "net = Sequential(Dense(64, 10), loss=CrossEntropy())\n"
        "with nndebug.watch(net, 'run', png=False) as seen:\n    fit(net, load_digits().train, SGD(0.1), epochs=2, batch=32)\n"
        "print(seen.result.verdict.split(':')[0], 'torch' in sys.modules)"
    )
    done = without("-c", program)
    assert done.returncode == 0 and done.stdout.endswith("False\n") and not done.stderr, done.stderr
