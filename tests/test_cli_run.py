"""`nndebug run`: a script is run as `python` would, and what it trains is recorded as `watch` would."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nndebug

ROOT = Path(__file__).resolve().parent.parent

CORE = """
import sys
from network import SGD, CrossEntropy, Dense, ReLU, Sequential, fit
from network.data import load_digits
net = Sequential(Dense(64, 30), ReLU(), Dense(30, 10), loss=CrossEntropy())
{watch}fit(net, load_digits().train, SGD(float(sys.argv[1])), epochs=1, batch=10)
print("done", sys.argv[1:], __name__)
"""

TORCH = """
import sys, torch
from torch import nn
from network.data import load_digits
x, y = load_digits().train
x, y = torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y, dtype=torch.int64)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10), *([nn.Softmax(1)] if sys.argv[1] == "softmax" else []))
optimizer = torch.optim.SGD(model.parameters(), 0.1)
with torch.no_grad():
    model(x[:5])
def main():
    for epoch in range(5):
        for start in range(0, len(x), 32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[start:start + 32]), y[start:start + 32]).backward()
            optimizer.step()
{watch}main()
print("done", sys.argv[1:], __name__)
"""

SEVERAL = """
import sys, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from network.data import load_digits
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Dropout(0.2)
        self.out = nn.Linear(384, 10)
    def forward(self, x):
        return self.out(self.drop(torch.relu(self.norm(self.conv(x.view(-1, 1, 8, 8))))).flatten(1))
def teach(model, optimizer, clear):
    for epoch in range(3):
        for batch in DataLoader(TensorDataset(x, y), 32, shuffle=True):
            if clear:
                optimizer.zero_grad()
            nn.functional.cross_entropy(model(batch[0]), batch[1]).backward()
            optimizer.step()
x, y = load_digits().train
x, y = torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y, dtype=torch.int64)
torch.manual_seed(0)
for name in ("first", "second"):
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    {watch}teach(model, optimizer, clear=name == "first" or sys.argv[1] == "cleared")
print("done", sys.argv[1:], __name__)
"""

ENV = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def python(folder, *words, **options):
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=ENV, capture_output=True, text=True, timeout=120, **options
    )


def nndebug_run(folder, *words):
    return python(folder, "-m", "nndebug", "run", *words)


@pytest.mark.parametrize(
    ("program", "attach", "argument", "code"),
    [
        pytest.param(CORE, 'nndebug.watch(net, "watched", report=False)', "0.1", 0, marks=pytest.mark.slow),
        (CORE, 'nndebug.watch(net, "watched", report=False)', "9.0", 1),
        (TORCH, 'nndebug.watch(model, "watched", optimizer=optimizer, report=False)', "softmax", None),
        pytest.param(
            TORCH,
            'nndebug.watch(model, "watched", optimizer=optimizer, report=False)',
            "plain",
            0,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            SEVERAL,
            'nndebug.watch(model, f"watched-{name}", optimizer=optimizer, report=False)',
            "gathered",
            1,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_findings_and_output_are_those_of_watch(program, attach, argument, code, tmp_path):
    if program is not CORE:
        pytest.importorskip("torch", reason="PyTorch is not installed")
    (tmp_path / "alone.py").write_text(program.format(watch=""))
    (tmp_path / "inside.py").write_text("import nndebug\n" + program.format(watch=f"with {attach}: "))
    inside = python(tmp_path, "inside.py", argument)
    assert inside.returncode == 0, inside.stderr
    ran = nndebug_run(tmp_path, "-o", "ran", "alone.py", argument)
    assert ran.stdout == inside.stdout == f"done ['{argument}'] __main__\n", ran.stderr
    assert code is None or ran.returncode == code
    watched, folders = ["watched"], ["ran"]
    if program is SEVERAL:  # a run folder for every model, in the order in which they are trained
        watched, folders = ["watched-first", "watched-second"], ["ran", "ran-2"]
    assert sorted(f.name for f in tmp_path.glob("ran*")) == folders
    found = []
    for mine, theirs in zip(watched, folders, strict=True):
        one, other = nndebug.check(tmp_path / mine), nndebug.check(tmp_path / theirs)
        assert [f.to_json() for f in one.findings] == [f.to_json() for f in other.findings]
        assert one.verdict == other.verdict and one.verdict.split(":")[0] in ran.stderr
        assert one.run["steps"] == other.run["steps"] > 100
        found.append([cause.kind for cause in other.causes])
    if program is SEVERAL:
        assert found == [[], ["missing_zero_grad"]]


def same_as_python(folder, program, *words):
    """Runs a program both ways; the same code and stdout, and ours has the traceback of the other."""
    (folder / "script.py").write_text(program)
    alone, ours = python(folder, "script.py", *words), nndebug_run(folder, "-o", "ran", "script.py", *words)
    assert ours.stdout == alone.stdout
    assert alone.stderr in ours.stderr
    return alone.returncode, ours.returncode, ours.stderr


def test_a_script_that_crashes_leaves_a_readable_run(tmp_path):
    program = CORE.format(watch="") + "net.hook('after_step', lambda o: 0)\n1 / 0\n"
    alone, ours, said = same_as_python(tmp_path, program, "0.1")
    assert alone == ours == 1 and "ZeroDivisionError" in said
    run = nndebug.Run.load(tmp_path / "ran")
    assert run.steps > 100 and run.manifest["status"] in ("finished", "interrupted")


@pytest.mark.parametrize(
    ("ending", "code"), [("sys.exit(3)", 3), pytest.param("sys.exit('no')", 1, marks=pytest.mark.slow)]
)
def test_its_exit_code_comes_first(ending, code, tmp_path):
    alone, ours, _ = same_as_python(tmp_path, CORE.format(watch="") + ending, "0.1")
    assert alone == ours == code


@pytest.mark.parametrize(
    ("ending", "code"), [("", 3), ("import sys; sys.exit(4)", 4), ("raise KeyError('x')", 1)]
)
def test_nothing_trained(ending, code, tmp_path):
    program = f"import sys\nprint('numpy' in sys.modules, sys.argv, __file__, sys.path[0])\n{ending}\n"
    _, ours, said = same_as_python(tmp_path, program, "--fail-on", "-m", "x")
    assert ours == code and said.count("nothing was trained") == 1


def test_a_module_with_arguments(tmp_path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    (tmp_path / "pkg" / "__main__.py").write_text(
        "import sys\nfrom . import x\nprint(sys.argv[1:], __name__, x.y)\n"
    )
    (tmp_path / "pkg" / "x.py").write_text("y = 5\n")
    ours = nndebug_run(tmp_path, "-m", "pkg", "--lr", "3", "-o", "z")
    assert ours.stdout == python(tmp_path, "-m", "pkg", "--lr", "3", "-o", "z").stdout, ours.stderr
    assert ours.returncode == 3 and "['--lr', '3', '-o', 'z'] __main__ 5" in ours.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing to run"),
        (("missing.py",), "no script missing.py"),
        (("-m", "missing"), "missing"),
        (("--interval", "0", "x.py"), "at least 1"),
        (("--intervall", "1", "x.py"), "no flag"),
    ],
)
def test_wrong_use_is_two_lines(words, said, tmp_path):
    done = nndebug_run(tmp_path, *words)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 2, done.stderr


def test_a_folder_that_cannot_be_written_is_told_and_the_script_runs_on(tmp_path):
    (tmp_path / "script.py").write_text(
        CORE.format(watch="import warnings; warnings.simplefilter('ignore')\n")
    )
    done = nndebug_run(tmp_path, "-o", "script.py/run", "script.py", "0.1")
    assert done.returncode == 3 and "done ['0.1'] __main__" in done.stdout
    assert done.stderr.startswith("a training was not recorded: cannot write to ")
    assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize("closing", ["sys.stdout.close()", "sys.stdout = None"])
def test_a_script_may_have_no_output(closing, tmp_path):
    (tmp_path / "script.py").write_text(f"import sys\n{closing}\n")
    done = nndebug_run(tmp_path, "script.py")
    assert done.returncode == 3 and done.stderr.count("nothing was trained") == 1, done.stderr


@pytest.mark.parametrize("redirection", [">&-", "2>&-"])
def test_a_shell_may_close_either_stream(redirection, tmp_path):
    (tmp_path / "script.py").write_text(CORE.format(watch=""))
    command = f"{sys.executable} -m nndebug run -o ran script.py 0.1 {redirection}"
    assert subprocess.run(command, shell=True, cwd=tmp_path, env=ENV, timeout=120).returncode == 0
    assert nndebug.check(tmp_path / "ran").passed
    command = f"{sys.executable} -m nndebug check ran {redirection}"
    assert subprocess.run(command, shell=True, cwd=tmp_path, env=ENV, timeout=120).returncode == 0


FORKING = """
import multiprocessing, pickle
class Mine:
    pass
def work(n):
    return n * n
if __name__ == "__main__":
    assert type(pickle.loads(pickle.dumps(Mine()))) is Mine
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(method, pool.map(work, range(4)))
"""


def test_pickling_and_processes(tmp_path):
    _, ours, _ = same_as_python(tmp_path, FORKING)
    assert ours == 3


def test_an_interrupt_ends_it_as_without_us(tmp_path):
    (tmp_path / "script.py").write_text(CORE.format(watch="").replace("epochs=1", "epochs=100000"))
    process = subprocess.Popen(
        [sys.executable, "-m", "nndebug", "run", "-o", "ran", "script.py", "0.1"],
        cwd=tmp_path,
        env=ENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What runs in the background of a shell ignores interrupts, and so would all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    until = time.monotonic() + 60
    while not list(tmp_path.glob("ran/epochs/000[5-9].npz")) and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT and "KeyboardInterrupt" in said
    run = nndebug.Run.load(tmp_path / "ran")
    assert run.steps > 100 and json.loads((tmp_path / "ran" / "findings.json").read_text())
