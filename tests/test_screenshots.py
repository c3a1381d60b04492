"""`scripts/screenshots.py`: what it refuses before it opens a browser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "screenshots.py"


def test_an_unknown_fault_is_refused(tmp_path):
    pytest.importorskip("selenium")
    command = [sys.executable, str(SCRIPT), "-o", str(tmp_path / "shots"), "dying-rleu"]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.returncode == 2
    assert said.stderr == "error: there is no fault 'dying-rleu'\nhelp: did you mean 'dying-relu'?\n"
    assert not (tmp_path / "shots").exists()
