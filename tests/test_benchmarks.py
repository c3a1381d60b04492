"""Benchmarks start both ways: as modules and as files."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NEEDS_TORCH = {"throughput", "gradcheck_speed"}


@pytest.mark.parametrize("way", ["module", "file"])
@pytest.mark.parametrize(
    "name",
    ["overhead", "throughput", "gradcheck_speed", "preflight_cost", "planted", "first_steps_margins"],
)
def test_a_benchmark_starts(tmp_path, name, way):
    if not (ROOT / "benchmarks").exists():
        pytest.skip("the benchmarks are not part of the source distribution")
    if name in NEEDS_TORCH and importlib.util.find_spec("torch") is None:
        pytest.skip("needs torch")
    words = ["-m", f"benchmarks.{name}"] if way == "module" else [str(ROOT / "benchmarks" / f"{name}.py")]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    folder = ROOT if way == "module" else tmp_path
    done = subprocess.run(
        [sys.executable, *words, "--help"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ("--seeds" if name in ("planted", "first_steps_margins") else "--rounds") in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "dead-relu,argmni"], ["error: there is no fault 'dead-relu'", "help: "]),
        (["--only", "argmni"], ["error: there is no fault 'argmni'", "help: did you mean 'argmin'?"]),
        (["--seeds", "0"], ["error: --seeds is 0", "help: "]),
    ],
)
def test_planted_refuses_what_it_cannot_train(words, said):
    if not (ROOT / "benchmarks").exists():
        pytest.skip("the benchmarks are not part of the source distribution")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.planted", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout, len(lines)) == (2, "", 2)
    assert all(line.startswith(start) for line, start in zip(lines, said))
