"""What a wrong input gets: exit code 2, one line `error:`, one line `help:`, no traceback, nothing on stdout."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli_train import FILE

from nndebug.cli import main as cli

ROOT = Path(__file__).resolve().parent.parent

MODEL = FILE[FILE.index("[[model") :].replace("units = 3", "units = 2")


def table(x, y):
    """An experiment on rows that stand in the file."""
    return f'[data]\nkind = "table"\nx = {json.dumps(x).replace("NaN", "nan")}\ny = {json.dumps(y)}\n{MODEL}'


FILES = {
    "empty.toml": "",
    "broken.toml": "[data\n",
    "binary.toml": "\x00\x01",
    "notes.txt": "in the way",
    "unknown.toml": FILE.replace("epochs", "epoch"),
    "conv.toml": FILE.replace('type = "dropout"\nrate = 0.1', 'type = "conv"\nfilters = 2\nkernel = 3'),
    "nan.toml": table([[1.0, float("nan")], [2.0, 3.0]] * 20, [0, 1] * 20),
    "huge.toml": table([[1.0, 1e39], [2.0, 3.0]] * 20, [0, 1] * 20),
    "labels.toml": table([[1.0, 2.0]] * 40, [0, 7] * 20),
    "occupied/thesis.tex": "not ours",
    "nothing/empty/x": "",
    "newer/manifest.json": '{"schema": 99, "sites": []}',
    "cut/manifest.json": '{"schema": 1, "si',
    "recorded/manifest.json": '{"schema": 1, "sites": []}',
}

CASES = [
    # arguments, what the error holds, what the help holds
    ("train --epoch 3", "no flag --epoch", "--epochs"),
    ("train nowhere.toml", "nowhere.toml", ""),
    ("train notes.txt", "notes.txt", ".toml"),
    ("train empty.toml", "empty.toml", ""),
    ("train broken.toml", "not valid TOML", ""),
    ("train binary.toml", "not valid TOML", ""),
    ("train nothing", "nothing", ""),
    ("train unknown.toml", "unknown field 'epoch'", "epochs"),
    ("train conv.toml", "conv", ""),
    ("train nan.toml", "nan", ""),
    ("train huge.toml", "infinity, first in row 0", "rows"),
    ("train labels.toml", "7", ""),
    ("train --layers 100,30,10", "100", ""),
    ("train --layers 64,30,5", "label 9 is out of range", ""),
    ("train --layers 64,x", "--layers", "784,30,10"),
    ("train --lr nan", "lr", ""),
    ("train --lr fast", "--lr", "nndebug train --help"),
    ("train --epochs 0", "epochs", ""),
    ("train --seed -1", "seed", ""),
    ("train --activation rleu", "'relu'", ""),
    ("train --data mnits", "mnits", "mnist"),
    ("train --data digits --data-dir nothing", "'digits'", "--data mnist"),
    ("train --data mnist --data-dir nothing", "images", "--data-dir"),
    ("train --data mnist --data-dir nosuchdir", "nosuchdir", "--data-dir"),
    ("train --data mnist --data-dir notes.txt", "notes.txt: is a file", "--data-dir"),
    ("train --epochs 1 -o notes.txt", "notes.txt", "folder"),
    ("train --epochs 1 -o notes.txt/run", "notes.txt", ""),
    ("train --epochs 1 -o occupied", "thesis.tex", "folder"),
    ("train --epochs 1 -o /proc/nndebug", "/proc/nndebug", "folder"),
    ("check", "required: RUN", "usage"),
    ("check nowhere", "nowhere", "train"),
    ("check nothing", "manifest.json", "train"),
    ("check notes.txt", "notes.txt", "folder"),
    ("check newer", "99", "pip install"),
    ("check cut", "manifest.json", ""),
    ("report nothing", "manifest.json", ""),
    ("report nowhere --png x", "nowhere", ""),
    ("report recorded --dpi 300", "--png", "--png DIR"),
    ("report recorded --png notes.txt", "notes.txt is a file", "folder"),
    ("report recorded -o nowhere/x.html", "there is no folder nowhere", "mkdir -p nowhere"),
    ("compare recorded recorded -o nowhere/x.html", "there is no folder nowhere", "mkdir -p nowhere"),
    ("check recorded --write-baseline nowhere/x.json", "there is no folder nowhere", "mkdir -p nowhere"),
    ("run nothing", "without a __main__.py", "script"),
    ("run -m", "-m: expected one argument", "MODULE"),
    ("rule NND999", "NND999", ""),
    ("rule dead-relus", "dead-relus", "dead-relu"),
    ("demo -o notes.txt", "notes.txt is a file", "folder"),
    ("demo --fixed -o occupied", "thesis.tex", "folder"),
    ("demo no_such_fault", "no_such_fault", ""),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    # A data set that is missing must not be fetched by a test.
    monkeypatch.setattr("network.data.download.MIRRORS", [])
    return tmp_path


@pytest.mark.parametrize(("arguments", "error", "help"), CASES, ids=[case[0] for case in CASES])
def test_bad_input_is_two_lines_and_exit_code_2(folder, capsys, arguments, error, help):
    code = cli.main(arguments.split())
    out, err = capsys.readouterr()
    assert code == 2, out + err
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 2, lines
    assert lines[0].startswith("error: ")
    assert "internal" not in lines[0]
    assert error in lines[0]
    assert lines[1].startswith("help: ")
    assert help in lines[1]


def test_nothing_is_left_behind_by_what_was_refused(folder, capsys):
    before = sorted(str(path) for path in folder.rglob("*"))
    for arguments in ("train nan.toml", "train --layers 100,30,10", "train conv.toml"):
        assert cli.main(arguments.split()) == 2
    assert sorted(str(path) for path in folder.rglob("*")) == before


def test_a_network_py_of_the_users_is_no_bad_input(tmp_path):
    """It simply works: `python -m` puts the working folder first on the path, and nothing there is run."""
    (tmp_path / "network.py").write_text("raise RuntimeError('the user\\'s own file was run')\n")
    done = subprocess.run(
        [sys.executable, "-m", "nndebug", "train", "--epochs", "1", "-q"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "digits: accuracy" in done.stdout
