"""The core is found by its place: a user's own network.py is neither run nor shadowed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nndebug.core import load_core

ROOT = Path(__file__).resolve().parent.parent

EXPLODES = "raise RuntimeError('the user\\'s network.py was run')\n"


@pytest.fixture
def folder(tmp_path):
    """A working folder that has a network.py of its own, which must not be run."""
    (tmp_path / "network.py").write_text(EXPLODES)
    return tmp_path


def run(code, folder):
    """Runs code in a fresh interpreter whose first path entry is its working folder."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["", str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_core_is_the_package_everyone_imports_when_it_is_ours():
    import network
    import network.errors

    assert load_core() is network
    assert load_core("errors") is network.errors


def test_a_file_of_that_name_in_the_working_folder_is_not_run(folder):
    code = """
import json, sys
from nndebug.core import load_core
core, errors = load_core(), load_core("errors")
print(json.dumps([core.__file__, errors.__file__, "network" in sys.modules, load_core() is core]))
"""
    core, errors, named, same = run(code, folder)
    assert Path(core) == ROOT / "network" / "__init__.py"
    assert Path(errors) == ROOT / "network" / "errors.py"
    assert not named
    assert same


def test_a_module_of_that_name_already_imported_stays_the_users(tmp_path):
    (tmp_path / "network.py").write_text("class Network: pass\n")
    code = """
import json, sys, network
theirs = network
from nndebug.core import load_core
sequential = load_core().Sequential
import network
print(json.dumps([sequential.__module__, network is theirs, hasattr(network, "Network")]))
"""
    module, kept, theirs = run(code, tmp_path)
    assert module == "_nndebug_network.model"
    assert kept
    assert theirs


def test_python_dash_m_works_beside_such_a_file(folder):
    done = subprocess.run(
        [sys.executable, "-m", "nndebug", "demo", "--list"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "dying-relu" in done.stdout
