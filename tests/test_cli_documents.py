"""What README and CONTRIBUTING show works when it is typed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nndebug.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parent.parent


def code(document):
    """The Python block of a document."""
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text("utf-8"), re.DOTALL)
    return block


def python(source, folder):
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readmes_program_writes_the_report_it_promises(tmp_path):
    python(code("README.md"), tmp_path)
    assert (tmp_path / "reports" / "mine" / "report.html").stat().st_size > 10_000


def test_the_rule_of_ten_lines_is_one(tmp_path):
    block = code("CONTRIBUTING.md")
    assert len(block.strip().splitlines()) == 10
    imports = (
        "from collections.abc import Iterator\n"
        "from nndebug.findings import Symptom\nfrom nndebug.registry import find_rule, rule\nfrom nndebug.run import Run\n"
    )
    check = """
from nndebug import check
def recorded(losses):
    run = Run({"name": "x", "sites": []})
    for step, loss in enumerate(losses):
        run.add({"kind": "step", "step": step, "epoch": 1, "data": {"run": {"loss": loss}}})
    return check(run, select=["loss-stuck"])
print(recorded([2.0] * 200).findings[0].message)
print(recorded([2.0 / (step + 1) for step in range(200)]).passed)
"""
    assert python(imports + block + check, tmp_path).splitlines() == [
        "loss 2 after 199 steps, 2 at first",
        "('NND950',)",
    ]


def test_the_readme_lists_every_command():
    listed = re.findall(r"^\| `nndebug (\w+)[^`]*` \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert tuple(listed) == COMMANDS


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "reports/README.md"])
def test_links_and_pictures_exist(document):
    text = (ROOT / document).read_text("utf-8")
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", text) if not target.startswith("http")]
    assert [target for target in targets if not (ROOT / document).parent.joinpath(target).exists()] == []
