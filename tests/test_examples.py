"""The examples do what they say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"

pytestmark = pytest.mark.skipif(
    not EXAMPLES.exists(), reason="the examples are not part of the source distribution"
)


def python(*words, folder):
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.stderr == "", done.stderr
    return done.stdout


def test_a_script_with_hooks(tmp_path):
    out = python(str(EXAMPLES / "script_with_hooks.py"), folder=tmp_path)
    assert "90 steps; the largest weight gradient of hidden1 was" in out
    assert list(tmp_path.iterdir()) == []


def test_a_gradient_check(tmp_path):
    out = python(str(EXAMPLES / "gradient_check.py"), folder=tmp_path)
    assert "▲ square1: its backward is wrong" in out
    assert "a factor 2 missing" in out


def test_a_report(tmp_path):
    out = python(str(EXAMPLES / "report_of_a_run.py"), "mine", folder=tmp_path)
    assert "hidden1" in out.splitlines()[0]
    assert (tmp_path / "mine" / "report.html").is_file()


@pytest.mark.slow
def test_property_tests_of_a_layer_find_its_one_mistake(tmp_path):
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLES / "own_layer"))
    out = python(*words, folder=tmp_path)
    assert "FAILED" in out and "Normalise-gradients" in out
    assert "1 failed, 39 passed" in out
    page = (EXAMPLES / "own_layer" / "README.md").read_text("utf-8")
    shown = page.split("```\nNormalise")[1].split("```")[0].splitlines()
    printed = [form(line.removeprefix("E")) for line in out.splitlines()]
    for line in shown[1:-1]:
        assert form(line) in printed
    assert form(f"nndebug.testing.driver.CheckFailed: Normalise{shown[0]}") in printed


def form(line):
    """A line without its numbers and its spacing: where the check looks is its own business."""
    return re.sub(r"-?\d+(\.\d+)?", "#", re.sub(r"\s+", "", line))


def test_the_test_file_is_five_lines():
    lines = (EXAMPLES / "own_layer" / "test_own_layer.py").read_text("utf-8").splitlines()
    assert len([line for line in lines if line.strip()]) == 5
